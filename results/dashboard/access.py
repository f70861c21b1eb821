"""Access control of the dashboard: local requests or a token, and the content policy of pages."""

import hmac
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from urllib.parse import SplitResult, urlencode, urlsplit

from flask import Flask, Request, Response, request

_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether a server at ``host`` can be reached only from this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def policy(script_hashes: Sequence[str]) -> str:
    """Return the content security policy of a page, which may load from its own server only.

    Plotly compiles its WebGL code, which needs unsafe-eval; inline scripts are allowed by their
    hashes.
    """
    return (
        f"default-src 'none'; script-src 'self' 'unsafe-eval' {' '.join(script_hashes)}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def control_access(server: Flask, *, token: str | None, content_policy: str) -> None:
    """Reject unauthorised requests, and add headers to every response.

    Args:
        server: The server.
        token: Token that requests need. None: only requests to a local host name are accepted,
            which stops other web pages whose host name resolves to this machine (DNS rebinding).
        content_policy: See ``policy``.
    """

    @server.before_request
    def check() -> Response | None:
        if not _from_own_page(request):
            return Response("requests must come from the dashboard's own pages\n", 403)
        if token is None:
            if not is_loopback(_split(f"//{request.host}").hostname or ""):
                return Response("the dashboard must be opened by a local name\n", 403)
            return None
        given = request.args.get("token")
        if given is not None and _same(given, token):
            rest = [(key, each) for key, each in request.args.items(multi=True) if key != "token"]
            answer = Response(status=302, headers={"Location": f"/?{urlencode(rest)}"})
            # Browsers do not send a strict cookie after a link on another site.
            answer.set_cookie(_cookie(request), token, httponly=True, samesite="Lax")
            return answer
        if _same(request.cookies.get(_cookie(request), ""), token):
            return None
        return Response("the address must hold the token that nas dashboard printed\n", 401)

    @server.after_request
    def add_headers(answer: Response) -> Response:
        answer.headers.update(_HEADERS)
        answer.headers["Content-Security-Policy"] = content_policy
        return answer

    _ = check, add_headers


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _cookie(asked: Request) -> str:
    """Return the name of the cookie, with the port: browsers share cookies between ports."""
    port = asked.host.rpartition(":")[2]
    return f"nas-dashboard-{port if port.isdecimal() else 80}"


def _split(url: str) -> SplitResult:
    """Split an address; an invalid one is treated as empty."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _from_own_page(asked: Request) -> bool:
    if asked.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        return asked.headers.get("Sec-Fetch-Mode") == "navigate" and asked.path == "/"
    origin = asked.headers.get("Origin")
    return origin is None or _split(origin).netloc == asked.host
