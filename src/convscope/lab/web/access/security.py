"""What protects the server from other sites in the same browser, and from requests that are too large.

A page of any site can send requests to this machine. So the name by which the server is addressed must be its
own (against rebinding of names), what changes something and every WebSocket must come from its own pages
(`Origin` and `Sec-Fetch-Site`) or carry the token, and everything needs the session.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convscope.lab.web.access.session import Session

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = ("GET", "HEAD")
"""Methods that change nothing."""
SAME_SITE = ("same-origin", "none")
"""Values of `Sec-Fetch-Site` of requests of this server's pages, and of addresses that the user has typed."""
LARGEST_BODY, LARGEST_UPLOAD = 2**20, 32 * 2**20
"""Bytes of a request's body; of one that carries a file."""
UPLOADS = re.compile(r"/api/v1/(?:uploads|networks/[^/]+/classify)")
"""Paths of requests that carry a file."""
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; object-src 'none'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
"""Headers of every response; a route may set its own content policy."""
LOGIN_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>convscope lab</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<h1>Open the link that the terminal shows</h1>
<p>The terminal in which <code>convscope lab</code> runs shows a link that lets one browser in. It works once;
the next one is shown as soon as it was used.</p>
<p lang="zh">请打开运行 <code>convscope lab</code> 的终端中显示的链接。
每个链接只能使用一次；使用后终端会显示新的链接。</p></html>"""


def protect(app: ASGIApp, session: Session, names: tuple[str, ...] = ()) -> ASGIApp:
    """Wrap an application in everything that protects it.

    Args:
        app: the application.
        session: knows cookies and tokens.
        names: host names, without port, by which the server may be addressed beside those of loopback.

    Returns:
        The application to serve.
    """
    guarded = Authentication(BodyLimit(app), session)
    named = TrustedHostMiddleware(guarded, allowed_hosts=[*LOOPBACK, *names], www_redirect=False)
    return ResponseHeaders(named)


class ResponseHeaders:
    """Middleware that adds `HEADERS` to every response that has not set them."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = HEADERS) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection, as every ASGI application does."""

        async def send_with_headers(message: Message) -> None:
            if message["type"].endswith("response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class BodyLimit:
    """Middleware that refuses bodies that are too large with 413, before they are read.

    The rest of a body that says its length is read and dropped, so that browsers see the answer; where there
    is no end, or a far one, the connection is closed.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.small = RequestBodyLimitMiddleware(app, LARGEST_BODY)
        self.large = RequestBodyLimitMiddleware(app, LARGEST_UPLOAD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection, as every ASGI application does."""
        if scope["type"] != "http":
            await self.small(scope, receive, send)
            return
        large = UPLOADS.fullmatch(scope["path"]) is not None
        length = Headers(scope=scope).get("content-length", "")
        far = not length.isdecimal() or int(length[:18]) > 4 * LARGEST_UPLOAD

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 413 and far:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await (self.large if large else self.small)(scope, receive, send_and_close)


class Authentication:
    """Middleware that lets in only pages of this server and programs with the token."""

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self.app, self.session = app, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection, as every ASGI application does."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, connection: HTTPConnection) -> Response | None:
        """Return what a request is answered with instead of its answer; None where it is let in."""
        safe = connection.scope["type"] == "http" and connection.scope["method"] in SAFE_METHODS
        reason = _cross_site_reason(connection, self.session.has_token(connection), safe)
        if reason:
            hint = "Programs send the token that the terminal shows: Authorization: Bearer TOKEN"
            return error_response(HTTPStatus.FORBIDDEN, "a request of this server's own pages", reason, hint)
        code = connection.query_params.get("token", "") if connection.scope.get("method") == "GET" else ""
        entered = self.session.exchange_code(code) if code else None
        if entered is not None:
            return entered
        if self.session.is_authenticated(connection):
            return RedirectResponse("/", HTTPStatus.SEE_OTHER) if code else None
        if safe and not connection.url.path.startswith("/api/"):
            return HTMLResponse(LOGIN_PAGE, HTTPStatus.UNAUTHORIZED)
        hint = "Open the link that the terminal shows, or send Authorization: Bearer TOKEN"
        return error_response(HTTPStatus.UNAUTHORIZED, "a session", "none", hint)


def _cross_site_reason(connection: HTTPConnection, trusted: bool, safe: bool) -> str:
    """Say why a request is taken for another site's; empty if it is not.

    Args:
        connection: the request or WebSocket.
        trusted: whether it has the token.
        safe: whether it changes nothing; other sites may link to pages.
    """
    headers = connection.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    if site not in SAME_SITE and not (safe and headers.get("sec-fetch-mode") == "navigate"):
        return f"Sec-Fetch-Site {site}"
    if origin is not None and origin not in _own_origins(headers):
        return f"Origin {origin[:100]}"
    if origin is None and not safe and not trusted:
        return "no Origin"
    return ""


def _own_origins(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the origins of this server's pages: the host was checked before, the port is a part of it."""
    host = headers.get("host", "").lower()
    return f"http://{host}", f"https://{host}"


def error_response(status: int, expected: str, received: str = "", hint: str = "") -> JSONResponse:
    """Return an error in the form of all errors of the API.

    Args:
        status: HTTP's number.
        expected: what would have been right.
        received: what came instead.
        hint: the next step.

    Returns:
        The response, with the JSON field `error`.
    """
    return JSONResponse({"error": {"expected": expected, "received": received, "hint": hint}}, status)
