"""Request checks, which reject everything that our pages do not send."""

from collections.abc import Mapping
from typing import Any

from dash import Dash
from flask import Response, request

from ...search_space.errors import InputError

_KINDS: Mapping[str, type] = {"url": str, "done": dict, "version": str}
"""Type of the value of each page component; None is allowed too."""


def check_requests(app: Dash) -> None:
    """Make malformed requests and invalid selections return status 400."""

    @app.server.before_request
    def check() -> Response | None:
        if request.method != "POST" or not request.path.endswith("/_dash-update-component"):
            return None
        body = request.get_json(force=True, silent=True)
        return (
            None
            if _is_asked(app.callback_map, body)
            else _refused("it names no callback with its inputs")
        )

    def refuse(error: InputError) -> Response:
        return _refused(str(error))

    app.server.register_error_handler(InputError, refuse)
    _ = check


def _refused(why: str) -> Response:
    return Response(
        f"a request must have the form that the pages send: {why}\n", 400, mimetype="text/plain"
    )


def _is_asked(known: Mapping[str, Any], body: Any) -> bool:
    """Whether a body names an existing callback with the inputs that it needs."""
    match body:
        case {"output": str(output), "outputs": outputs, "inputs": [*inputs]} if output in known:
            called = known[output]
        case _:
            return False
    places = [each.rpartition(".") for each in output.strip(".").split("...")]
    wanted = [{"id": name, "property": what} for name, _, what in places]
    if outputs != (wanted if output.startswith("..") else wanted[0]):
        return False
    given, changed = [*inputs, *(body.get("state") or ())], body.get("changedPropIds")
    needed = [*called["inputs"], *called["state"]]
    return (
        len(given) == len(needed)
        and all(map(_is_part, given, needed))
        and isinstance(changed, list)
        and all(isinstance(each, str) for each in changed)
    )


def _is_part(given: Any, needed: Mapping[str, str]) -> bool:
    if not isinstance(given, dict) or any(given.get(key) != needed[key] for key in needed):
        return False
    value = given.get("value")
    return value is None or isinstance(value, _KINDS.get(needed["id"], object))
