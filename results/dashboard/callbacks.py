"""Callbacks of the page, whose content depends only on its address.

Links and controls change the address (``assets/dashboard.js``). One callback renders the whole page
from the address, and writes actions in figures into it: a single response is faster than several.
"""

import logging
from collections.abc import Mapping
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, no_update
from dash.exceptions import PreventUpdate
from flask import request

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
    _look(app, source)
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
        cause = next(iter(ctx.triggered_prop_ids), "url.search")
        if cause == "url.search":
            source.look_again()
        at = reader.read(query)
        if brushed := cause == "done.data":
            view = act(at.view, lambda: reader.axes(at), done)
            if view == at.view:
                raise PreventUpdate
            at = reader.read(view.to_query())
        made = {**COMMON, **TEXTS[at.view.page]}
        if cause == "version.data":
            del made["told"]  # else screen readers would announce each new candidate
        return {
            "search": at.view.to_query() if brushed else no_update,
            "contents": {
                "page": at.view.page,
                "figures": _figures(at, brushed=brushed),
                "texts": {name: make(at) for name, make in made.items()},
            },
        }


def _figures(at: Sight, *, brushed: bool) -> dict[str, Any]:
    """Return the figures of the page; after a selection only the changed ones."""
    made = FIGURES[at.view.page]
    return {name: make(at) for name, make in made.items() if not (brushed and name in OF_STUDY)}


def _tip(app: Dash, reader: Reader) -> None:
    @app.server.get("/tip")
    def show_tip() -> str:
        """Return the tooltip of the candidate under the mouse, for the view in the page's
        address.
        """
        at = reader.read(request.query_string.decode(errors="replace"))
        return tip(at.source, at.snapshot, at.view)

    _ = show_tip


def _look(app: Dash, source: Source) -> None:
    @app.callback(
        Output("version", "data"),
        Input("tick", "n_intervals"),
        State("url", "search"),
        State("version", "data"),
        prevent_initial_call=True,
    )
    def look(_tick: int | None, query: str | None, shown: Mapping[str, int]) -> Mapping[str, int]:
        """Check for new candidates; return the new versions of the studies."""
        view = View.from_query(query or "", source.studies)
        try:
            version = source.snapshot(view.study, fresh=True).version
        except StorageError as error:  # the storage may work again at the next check
            _log.warning("not read: %s", error)
            raise PreventUpdate from None
        if version == shown.get(view.study, 1):
            raise PreventUpdate
        return {**shown, view.study: version}
