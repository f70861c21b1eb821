"""``nas dashboard``."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .shared import Plugins, Storage, StudyName, WorkError, storage_url
from .show import load_plugins_of, open_study

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..results.candidate import Candidate
    from ..results.dashboard.exports import Exporter


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dashboard")(dashboard)


def dashboard(
    *,
    study: StudyName = None,
    storage: Storage = None,
    plugin: Plugins = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0: any free port.")
    ] = 8050,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Host to listen at; unless it is loopback, the printed address holds a token.",
        ),
    ] = "127.0.0.1",
    timm_results: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Table of timm's results, as reference points; repeatable."
        ),
    ] = None,
) -> None:
    """Show a study in the browser, live while it is searched."""
    from ..results.dashboard.access import is_loopback
    from ..results.dashboard.app import Settings, make_dashboard
    from ..results.dashboard.source import Source
    from ..search_space.errors import unknown_name

    source = Source(
        storage_url(storage),
        study=study,
        timm_results=timm_results or (),
        weights=kept_weights(storage),
    )
    if study is not None and study not in source.studies:
        raise unknown_name("study", study, source.studies)
    name = study or source.studies[0]
    token = None if is_loopback(host) else secrets.token_urlsafe(24)

    settings = Settings(host=host, port=port, token=token)
    server = make_dashboard(source, settings, make_exporter(storage))
    print(f"Reading {name} ...", flush=True)
    load_plugins_of(source.snapshot(name).settings)
    print(f"Dashboard of {name}: {address(host, server.port, name, token)}", flush=True)
    print("Stop it with Ctrl-C.", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def kept_weights(storage: str | None) -> "Callable[[str, Candidate], Path]":
    """Return a function that finds the file of a candidate's kept weights."""

    def path(study: str, candidate: "Candidate") -> Path:
        from ..results.export.weights import WeightsFolder  # torch takes seconds to import
        from ..results.study.storage import weights_folder

        return WeightsFolder(weights_folder(study, storage_url(storage))).path(
            candidate.architecture, compressed=bool(candidate.origin)
        )

    return path


def make_exporter(storage: str | None) -> "Exporter":
    """Return a function that exports a candidate of a storage like ``nas export``."""
    from ..search_space.errors import InputError

    def exporter(study: str, number: int, output: Path, untrained: bool) -> None:
        record = open_study(study, storage)
        try:
            record.export(number, output, untrained=untrained)
        except WorkError as error:
            raise InputError(str(error)) from error
        finally:
            record.close()

    return exporter


def address(host: str, port: int, study: str, token: str | None) -> str:
    """Return the address of the dashboard."""
    from urllib.parse import urlencode

    shown = f"[{host}]" if ":" in host else host
    query = {"study": study} if token is None else {"token": token, "study": study}
    return f"http://{shown}:{port}/?{urlencode(query)}"
