"""The server: a port of its own, the application over a hub, a clean end at Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.web.access import Access, is_wildcard
from app.web.application import build_application
from engine.errors import ReverieError
from engine.server.protocol import MAX_MESSAGE

if TYPE_CHECKING:
    from fastapi import FastAPI

    from engine.server.hub import Hub

PORT = 7860
PING_S = 10.0
"""How often a connection is asked whether it is still there, and how long it may take to answer."""
STUCK_S = 30
"""After how long a connection whose other side takes nothing is given up."""
REQUEST_S = 10.0
"""How long a new connection may take to ask for something."""
GOODBYE_S = 1
"""How long connections may take to end when the server does."""
logger = logging.getLogger(__name__)


def bind(host: str = "127.0.0.1", port: int = PORT, *, or_free: bool = False) -> socket.socket:
    """A listening socket; port 0: a free one. or_free: a free one too where the port is taken.

    Raises ReverieError where the port is taken or the host is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ReverieError(f"--host: got {host!r} ({error}), expected an address of this machine") from error
    if sys.platform != "win32":  # where it means something else: to share a port that is in use
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # what it accepts takes this over
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_S * 1000)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if or_free and port:
            return bind(host, 0)
        raise ReverieError(
            f"{host}:{port}: {os.strerror(error.errno or 0)}; end what uses the port, or give --port 0 for a free one"
        ) from error
    return listener


def page_url(access: Access, query: Mapping[str, str] | None = None) -> str:
    """The address of the page for a browser on this machine, with the token where there is one."""
    name = "127.0.0.1" if is_wildcard(access.host) else access.host
    asked = {**({"token": access.token} if access.token else {}), **(query or {})}
    host = f"[{name.strip('[]')}]" if ":" in name else name
    return f"http://{host}:{access.port}/" + (f"?{urlencode(asked)}" if asked else "")


def serve(
    hub: Hub,
    access: Access = Access(),
    listener: socket.socket | None = None,
    *,
    query: Mapping[str, str] | None = None,
    on_ready: Callable[[str], None] = lambda url: None,
    page: bool = True,
) -> None:
    """Serve a hub until Ctrl-C or SIGTERM, and close it then.

    listener: a bound socket (see ``bind``), whose port counts; by default one at ``access``' host and port. query: what
    the page is asked for in its address. on_ready: called with that address once it can be opened.
    """
    try:
        listener = listener or bind(access.host, access.port)
        access = replace(access, port=listener.getsockname()[1])
        hub.start()
        hub.work(partial(warm, hub))
        app = build_application(hub, access, page)
        Server(app, lambda: on_ready(page_url(access, query))).run(sockets=[listener])
    finally:
        if listener is not None:
            listener.close()
        hub.close()


def warm(hub: Hub) -> None:
    """Open the default world, so that the first player need not wait for it. What fails is told to who asks for it."""
    try:
        hub.preload(hub.shelf.default)
    except ReverieError as error:
        logger.warning("%s", error)


def open_in_browser(url: str) -> bool:
    """Show ``url`` in the user's browser, in the background; False where there is no display to show it on."""
    seen = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in seen):
        return False
    threading.Thread(target=webbrowser.open, args=(url,), name="reverie-browser", daemon=True).start()
    return True


class Http(H11Protocol):
    """Uvicorn's HTTP, that gives up a connection on which no whole request comes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(REQUEST_S, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and self.transport.get_protocol() is self:  # else a WebSocket has it by now
            self.transport.abort()


class Server(uvicorn.Server):
    """Uvicorn, that says when it is ready, tells its clients when it ends, and takes a signal as the wish to end."""

    def __init__(self, app: FastAPI, on_ready: Callable[[], None] = lambda: None) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="on",
            server_header=False,
            http=Http,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE + 1,  # so that one that is too large by a byte is told so in words
            ws_per_message_deflate=False,  # pictures are compressed already
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        super().__init__(config)
        self.app, self.on_ready = app, on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.app.state.lobby.say_goodbye()
        except TimeoutError:
            logger.info("a client was not told that the server ends: it does not read")
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that a page's streams are cut is meant
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
