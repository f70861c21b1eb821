"""Callbacks of the page, whose content depends only on its address.

Links and controls change the address (``assets/dashboard.js``). One callback renders the whole page
from the address, and writes actions in figures into it: a single response is faster than several.

The page's script looks for new candidates, each time after the last response. With Dash's interval,
a response that takes longer than the interval is dropped, since the callback has been called again
(Dash 4.4): on a busy machine the page would never be updated.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, ctx, no_update
from dash.exceptions import PreventUpdate
from flask import request

from ..figures.snapshot import Snapshot
from ..figures.view import View
from ..study.storage import StorageError
from .actions import act
from .detail import tip
from .pages import COMMON, FIGURES, OF_STUDY, TEXTS, Reader, Sight
from .source import Source

_log = logging.getLogger(__name__)


def register(app: Dash, source: Source) -> None:
    """Add the callbacks."""
    reader = Reader(source)
    _show(app, source, reader)
    _version(app, source)
    _tip(app, reader)
    app.clientside_callback(
        ClientsideFunction("nas", "fill"),
        Output("contents", "modified_timestamp"),
        Input("contents", "data"),
    )


def _show(app: Dash, source: Source, reader: Reader) -> None:
    @app.callback(
        output={"search": Output("url", "search"), "contents": Output("contents", "data")},
        inputs={
            "query": Input("url", "search"),
            "done": Input("done", "data"),
            "version": Input("version", "data"),
        },
    )
    def show(query: str | None, done: Any, version: object) -> Mapping[str, Any]:
        """Render the address after an action in a figure."""
        causes = set(ctx.triggered_prop_ids) or {"url.search"}
        if "url.search" in causes:
            source.look_again()
        at = reader.read(query)
        if brushed := "done.data" in causes:
            view = act(at.view, lambda: reader.axes(at), done)
            if view == at.view and len(causes) == 1:
                raise PreventUpdate
            at = reader.read(view.to_query())
        made = {**COMMON, **TEXTS[at.view.page]}
        if causes == {"version.data"}:
            del made["told"]  # else screen readers would announce each new candidate
        return {
            "search": at.view.to_query() if brushed else no_update,
            "contents": {
                "page": at.view.page,
                "version": _name(at.snapshot),
                "figures": _figures(at, shown=(done or {}).get("shown") if brushed else None),
                "texts": {name: make(at) for name, make in made.items()},
            },
        }


def _figures(at: Sight, *, shown: object) -> dict[str, Any]:
    """Return the page's figures; those that depend only on the study, if its version is not
    shown."""
    same = shown == _name(at.snapshot)
    made = FIGURES[at.view.page]
    return {name: make(at) for name, make in made.items() if not (same and name in OF_STUDY)}


def _tip(app: Dash, reader: Reader) -> None:
    @app.server.get("/tip")
    def show_tip() -> str:
        """Return the tooltip of the candidate under the mouse, for the view in the page's
        address.
        """
        at = reader.read(request.query_string.decode(errors="replace"))
        return tip(at.source, at.snapshot, at.view)

    _ = show_tip


def _version(app: Dash, source: Source) -> None:
    @app.server.get("/version")
    def show_version() -> str:
        """Read new candidates; return the version of the study in the page's address."""
        study = View.from_query(request.query_string.decode(errors="replace"), source.studies).study
        try:
            return _name(source.snapshot(study, fresh=True))
        except StorageError as error:  # the storage may work again at the next check
            _log.warning("not read: %s", error)
            return _name(source.snapshot(study))

    _ = show_version


def _name(snapshot: Snapshot) -> str:
    """Return the version of a study as text that differs between studies."""
    return f"{snapshot.version} {snapshot.name}"
