"""The dashboard as a web application, and its server."""

import gzip
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dash import Dash
from dash.development.base_component import Component
from dash.exceptions import DependencyException
from flask import Response
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ...search_space.errors import InputError
from .access import control_access, is_loopback, policy
from .callbacks import register
from .exports import Exporter, add_exports
from .layout import page
from .request_checks import check_requests
from .source import Source

# Plotly's basic bundle (plotly.js-basic-dist-min of npm, MIT) has lines, points and bars, in a
# quarter of the 4.8 MB of the Python package's file. Loading it takes most of the time before a
# first plot.
_PLOTLY = Path(__file__).parent / "assets" / "plotly-basic-4.1.1.min.js.gz"
_PAGE = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
{%favicon%}
<link rel="preload" as="script" href="plotly.js?PLOTLY">
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>
"""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of the dashboard's server."""

    host: str = "127.0.0.1"
    """Host or IP address to listen at."""
    port: int = 8050
    """Port to listen at; 0: any free port."""
    token: str | None = None
    """Token that requests need; required unless ``host`` is a loopback address."""
    seconds: float = 2.0
    """Seconds between two checks for new candidates."""


def make_app(source: Source, settings: Settings, exporter: Exporter | None = None) -> Dash:
    """Return the application."""
    app = Dash(
        __name__,
        title="nas dashboard",
        update_title="",
        index_string=_PAGE.replace("PLOTLY", _PLOTLY.name),
        serve_locally=True,
        use_pages=False,
        add_log_handler=False,
        enable_mcp=False,
        meta_tags=[{"name": "color-scheme", "content": "light dark"}],
    )

    def layout() -> Component:
        return page(settings.seconds)

    app.layout = layout
    register(app, source)
    if exporter is not None:
        add_exports(app.server, source, exporter)
    app.server.register_error_handler(DependencyException, _not_there)
    app.server.add_url_rule("/plotly.js", view_func=_plotly)
    control_access(app.server, token=settings.token, content_policy=policy(app.csp_hashes()))
    check_requests(app)  # after the access check
    return app


@cache
def _script() -> str:
    # Marked functions are compiled by Chromium on loading, not one by one at run time.
    return f"//# allFunctionsCalledOnLoad\n{gzip.decompress(_PLOTLY.read_bytes()).decode()}"


def _plotly() -> Response:
    """Return plotly.js, the slowest part to load, for the browser to cache."""
    answer = Response(_script(), mimetype="text/javascript")
    answer.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    return answer


def _not_there(_error: Exception) -> Response:
    """Return the error for a missing script."""
    return Response("there is no such file\n", 404, mimetype="text/plain")


class _Quiet(WSGIRequestHandler):
    """A request handler that prints no line per request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


def make_dashboard(
    source: Source, settings: Settings, exporter: Exporter | None = None
) -> BaseWSGIServer:
    """Return a listening server; ``serve_forever`` answers requests.

    Args:
        source: Source of the studies.
        settings: Settings of the server.
        exporter: Function that writes model files; None: no exports.

    Raises:
        InputError: If the server may not or cannot listen there.
    """
    if settings.token is None and not is_loopback(settings.host):
        raise InputError(
            f"a host that is not the loopback address must have a token, but got {settings.host}"
        )
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    try:
        return make_server(
            settings.host,
            settings.port,
            make_app(source, settings, exporter).server,
            threaded=True,
            request_handler=_Quiet,
        )
    except (OSError, OverflowError, SystemExit) as error:
        why = getattr(error, "strerror", None) or "the port is taken"
        raise InputError(
            f"the dashboard must be able to listen, but got {settings.host}:{settings.port}: {why}"
        ) from None
