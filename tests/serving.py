"""A server with a real port, and clients of it that behave, for tests of what goes over the wire."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from app.web.access import Access
from app.web.application import build_application
from app.web.serving import Server, bind
from engine.server.hub import Hub
from engine.server.limits import Limits
from engine.server.protocol import (
    PATH,
    Ack,
    Control,
    Event,
    FrameMessage,
    Hello,
    ServerMessage,
    decode_server,
    encode_client,
)
from engine.server.shelf import Shelf
from tests.counting import loaded

WAIT_S = 60.0
"""How long a test waits for what has to come."""


def counting_hub(limits: Limits = Limits(), **worlds: Any) -> Hub:
    """A hub of the counting world, or of the given loaded ones."""
    return Hub(Shelf(open_worlds=worlds or {"counting": loaded()}), limits)


def dial(address: str, **options: Any) -> ClientConnection:
    """A WebSocket, open. Raises InvalidStatus where it is refused."""
    return connect(address, **{"compression": None, "proxy": None, "legacy": True, **options})


@dataclass(frozen=True)
class Running:
    """A server that runs: its hub, host and port."""

    hub: Hub
    server: Server
    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream(self) -> str:
        return f"ws://127.0.0.1:{self.port}{PATH}"

    def join(self, hello: Hello = Hello(), **options: Any) -> Player:
        """A new player, welcomed."""
        player = Player(dial(self.stream, **options))
        player.send(encode_client(hello))
        player.welcome = player.event("welcome")
        return player


@contextmanager
def running(hub: Hub, access: Access = Access(), page: bool = False) -> Iterator[Running]:
    """The application over ``hub`` on a free port of this machine; ends both."""
    listener = bind(port=0)
    port = listener.getsockname()[1]
    server = Server(build_application(hub, replace(access, port=port), page))
    thread = threading.Thread(target=server.run, args=([listener],))
    hub.start()
    thread.start()
    try:
        until(lambda: server.started, "the server runs")
        yield Running(hub, server, port)
    finally:
        server.should_exit = True
        thread.join()
        hub.close()
        listener.close()


@dataclass
class Player:
    """A client that answers as it should: every frame is acknowledged as it is read."""

    socket: ClientConnection
    events: list[Event] = field(default_factory=list)
    frames: list[FrameMessage] = field(default_factory=list)
    welcome: Event = field(default_factory=lambda: Event("welcome"))
    orders: int = 0

    def send(self, data: bytes) -> None:
        self.socket.send(data)

    def read(self, timeout_s: float = WAIT_S) -> ServerMessage:
        """The next message. Raises TimeoutError, ConnectionClosed."""
        data = self.socket.recv(timeout=timeout_s)
        assert isinstance(data, bytes), "the protocol is binary"
        message = decode_server(data)
        if isinstance(message, FrameMessage):
            self.frames.append(message)
            with suppress(ConnectionClosed):  # what came before the end is still to be read
                self.send(encode_client(Ack(message.header.seq)))
        elif isinstance(message, Event):
            self.events.append(message)
        return message

    def event(self, name: str) -> Event:
        """The next event of that name; what comes before it is kept in ``events`` and ``frames``."""
        while True:
            message = self.read()
            if isinstance(message, Event) and message.name == name:
                return message

    def frame(self) -> FrameMessage:
        while True:
            message = self.read()
            if isinstance(message, FrameMessage):
                return message

    def do(self, verb: str, **args: Any) -> dict[str, Any]:
        """Give an order and wait for its reply."""
        self.orders += 1
        self.send(encode_client(Control(self.orders, verb, args)))
        while True:
            reply = self.event("reply")
            if reply.fields["id"] == self.orders:
                return dict(reply.fields)

    def end(self) -> int:
        """Read on until the server closes; the close code it gave."""
        try:
            while True:
                self.read()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    def close(self, code: int = 1000) -> None:
        self.socket.close(code)


def until(true: Callable[[], Any], what: str, timeout_s: float = WAIT_S) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, f"expected that {what}, waited {timeout_s} s in vain"
        time.sleep(0.01)
