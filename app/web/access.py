"""Who may reach the server: its names, its own pages, and those who know the token.

A web page of anybody's can send requests to a server on this machine. Three checks keep those out: the Host must be a
name of this server (a foreign name that was made to point here is refused), what changes something must come from this
server's own pages, and where a token is set it must be known.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import ReverieError

TOKEN_LENGTH = 8
"""Characters a token has at least."""
READING = ("GET", "HEAD", "OPTIONS")
MAX_BODY = 72 * 2**20
"""Bytes that a request's body may have, whatever it is for."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
}
"""Set on every answer that does not say otherwise. The referrer stays known to the server's own pages: where it is
withheld from all, browsers send the origin ``null`` with forms and beacons, which is refused here."""
LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Reverie</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}
</style><h1>This Reverie asks for its token</h1>
<p>Open the whole address that <code>reverie serve</code> printed when it started; it ends in <code>?token=…</code>.</p>
<p>You came by a link and were let in before? <a href="">Try again</a>.</p></html>"""


@dataclass(frozen=True)
class Access:
    """host, port: what the server is bound to. token: what one must know; None: nobody is asked. names: other names
    or addresses that lead here, such as a reverse proxy's.

    Raises ReverieError for a token that is too short, and for a host others can reach without a token.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < TOKEN_LENGTH:
            raise ReverieError(
                f"--token: got {len(self.token)} characters, expected at least {TOKEN_LENGTH}; `--token auto` makes one"
            )
        if self.token is None and not is_loopback(self.host):
            raise ReverieError(
                f"--host: got {self.host}, which others can reach, without a token; give --token, "
                "or --token auto to have one made, or stay on 127.0.0.1"
            )

    @property
    def cookie(self) -> str:
        """Name of the cookie. Cookies do not tell ports apart, so the name does."""
        return f"reverie_{self.port}"

    def knows_host(self, header: str | None) -> bool:
        """Whether a Host header names this server. Any port: it may be forwarded."""
        name = split_host(header)[0]
        if not name:
            return False
        if is_loopback(name) or name in {known.strip("[]").lower() for known in (self.host, *self.names)}:
            return True
        return is_wildcard(self.host) and (is_address(name) or name in own_names())

    def knows_token(self, given: str) -> bool:
        return self.token is None or hmac.compare_digest(given.encode(), self.token.encode())

    def knows_cookie(self, given: str) -> bool:
        return self.token is None or hmac.compare_digest(given.encode(), cookie_value(self.token).encode())


def new_token() -> str:
    return secrets.token_urlsafe(18)


def cookie_value(token: str) -> str:
    """What the cookie holds: not the token itself, which may hold characters that a cookie cannot."""
    return hashlib.sha256(b"reverie cookie " + token.encode()).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host: localhost or an address such as 127.0.0.1 or ::1."""
    if host.lower().rstrip(".") == "localhost":
        return True
    return is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def is_wildcard(host: str) -> bool:
    """Whether a server bound to ``host`` listens on every address of its machine."""
    return host == "" or (is_address(host) and ipaddress.ip_address(host.strip("[]")).is_unspecified)


def own_names() -> set[str]:
    """The names this machine goes by."""
    name = socket.gethostname().lower()
    return {name, name.split(".")[0], name.split(".")[0] + ".local"}


def split_host(header: str | None, default_port: int | None = None) -> tuple[str, int | None]:
    """Name (lower case, no brackets) and port of a Host header; the name is empty where it is no host at all."""
    try:
        parts = urlsplit(f"//{header or ''}")
        port = parts.port
    except ValueError:
        return "", None
    if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.hostname:
        return "", None
    return parts.hostname.lower(), default_port if port is None else port


def same_origin(origin: str, host: str | None) -> bool:
    """Whether a page of ``origin`` was served by the server that is asked for as ``host``."""
    scheme, _, rest = origin.partition("://")
    port = {"http": 80, "https": 443}.get(scheme.lower())
    if port is None:
        return False
    mine, theirs = split_host(host, port), split_host(rest, port)
    return bool(mine[0]) and mine == theirs


class Guard:
    """ASGI middleware that lets through, over HTTP and WebSocket, what ``Access`` allows."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers) or self._entry(scope, headers) or oversize(headers)
        if scope["type"] == "websocket":
            if answer is None:
                await self.app(scope, receive, send)
            else:  # before it is accepted: the browser sees 403
                await send({"type": "websocket.close", "code": 4401, "reason": "refused"})
            return
        guarded = with_security_headers(send)
        if answer is None:
            await self.app(scope, receive, guarded)
        else:
            await answer(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a foreign host or a foreign page; None where neither asks."""
        host, origin = headers.get("host"), headers.get("origin")
        if len(headers.getlist("host")) != 1 or not self.access.knows_host(host):
            text = f"got the host {host!r}, expected a name of this server; if it is one, give: reverie serve --name"
            return PlainTextResponse(text, 421)
        changes = scope["type"] == "websocket" or scope["method"] not in READING
        if origin is not None and not same_origin(origin, host):  # to read, too: Gradio lets pages of localhost do so
            return PlainTextResponse(f"got a request from a page of {origin!r}, expected one of this server's own", 403)
        if origin is None and foreign_page(scope, headers, changes):
            return PlainTextResponse("got a request from another site's page, expected one of this server's own", 403)
        return None

    def _entry(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to one who does not know the token, or brings it for the first time; None where all is well."""
        if self.access.token is None:
            return None
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        given = next((value for key, value in query if key == "token"), None)
        if given is not None and self.access.knows_token(given):
            return self._welcome(scope, query) if scope.get("method") in ("GET", "HEAD") else None
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.access.knows_token(bearer.strip()):
            return None
        if self.access.knows_cookie(cookie_parser(headers.get("cookie", "")).get(self.access.cookie, "")):
            return None
        return HTMLResponse(LOCKED, 401, {"Cache-Control": "no-store", "WWW-Authenticate": "Bearer"})

    def _welcome(self, scope: Scope, query: list[tuple[str, str]]) -> Response:
        """To the same page without the token in its address, with the cookie that stands for it from now on."""
        path = "/" + quote(scope["path"].lstrip("/\\"))
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303, {"Cache-Control": "no-store"})
        answer.set_cookie(
            self.access.cookie,
            cookie_value(self.access.token or ""),
            httponly=True,
            samesite="strict",
            secure=scope.get("scheme") == "https",
        )
        return answer


def foreign_page(scope: Scope, headers: Mapping[str, str], changes: bool) -> bool:
    """Whether the browser says that another site's page asks, for more than to be followed by a link."""
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return changes or not followed


def oversize(headers: Mapping[str, str]) -> Response | None:
    """The answer to a body that is too large, or of a size not told; None where it fits."""
    if "transfer-encoding" in headers:
        return PlainTextResponse("got a body of unknown size, expected a Content-Length", 411)
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY:
        return PlainTextResponse(f"got a body of {length} bytes, expected at most {MAX_BODY}", 413)
    return None


def with_security_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
