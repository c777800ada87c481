"""A player at a hub, without a network: what a socket and a page would do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.loading import LoadedWorld
from engine.server.errors import ServerError
from engine.server.guest import Guest
from engine.server.hub import Hub
from engine.server.limits import Limits
from engine.server.messages import Ack, ClientMessage, Control, Event, FrameMessage, Hello, Resume, ServerMessage
from engine.server.protocol import decode_server, encode_client
from engine.server.shelf import Shelf
from tests.counting import loaded

WAIT_S = 20.0
KEYS = {"up": "up", "w": "up", "space": "fire", "x": "jump"}


def hub_of(
    worlds: Mapping[str, Any] | None = None,
    limits: Limits = Limits(),
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Hub:
    """A hub over counting worlds ``counting`` and ``other``; the latter ends after 5 steps. options: of the hub."""
    worlds = worlds or {"counting": loaded(), "other": loaded(end=5, hash="beef")}
    shelf = Shelf(open_worlds=worlds, keymap_of=lambda world: (KEYS, {"fire": "Serve"}))
    return Hub(shelf, limits, clock=clock, **options)


class Clock:
    """Seconds that pass only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """One connection: takes all that is sent to it, and draws (acknowledges) every frame unless told not to."""

    def __init__(self, hub: Hub, acks: bool = True, **hello: Any) -> None:
        self.hub, self.acks = hub, acks
        self.guest: Guest = hub.join(Hello(**hello))
        self.ready = threading.Event()
        self.ready.set()
        self.guest.on_ready = self.ready.set
        self.events: list[Event] = []
        self.frames: list[FrameMessage] = []
        self.others: list[ServerMessage] = []
        self.ended: ServerError | None = None
        self._ids = 10_000

    @property
    def resume(self) -> Resume:
        """What resumes this session, as its welcome told."""
        welcome = self.event("welcome")
        return Resume(welcome.fields["session"], welcome.fields["key"])

    def send(self, message: ClientMessage) -> None:
        self.guest.receive(encode_client(message))

    def send_ack(self) -> None:
        """Say that the last frame was drawn."""
        self.send(Ack(self.frames[-1].header.seq))

    def give(self, do: str, **args: Any) -> int:
        """Send an order; its id."""
        self._ids += 1
        self.send(Control(self._ids, do, args))
        return self._ids

    def order(self, do: str, **args: Any) -> Mapping[str, Any]:
        """Send an order and wait for its reply's fields."""
        return self.reply(self.give(do, **args))

    def value(self, do: str, **args: Any) -> Any:
        """The value of an order that must go well."""
        reply = self.order(do, **args)
        assert reply["ok"], reply
        return reply["value"]

    def code(self, do: str, **args: Any) -> str:
        """The error's code of an order that must fail."""
        reply = self.order(do, **args)
        assert not reply["ok"], reply
        return str(reply["error"]["code"])

    def reply(self, id: int) -> Mapping[str, Any]:
        return self.event("reply", lambda fields: fields["id"] == id).fields

    def event(self, name: str, true: Callable[[Mapping[str, Any]], bool] = lambda fields: True) -> Event:
        """The first event of that name of which ``true`` holds, also of those already taken."""
        return self.wait(lambda: next((e for e in self.events if e.name == name and true(e.fields)), None))

    def state(self) -> Mapping[str, Any]:
        """The newest state told."""
        self.wait(lambda: any(e.name == "state" for e in self.events))
        return [event for event in self.events if event.name == "state"][-1].fields

    def state_where(self, true: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """The newest state, once ``true`` holds of it."""
        return self.wait(lambda: self.state() if true(self.state()) else None)

    def frame(self, true: Callable[[FrameMessage], bool] = lambda frame: True) -> FrameMessage:
        """The next new frame of which ``true`` holds."""
        seen = len(self.frames)
        return self.wait(lambda: next((frame for frame in self.frames[seen:] if true(frame)), None))

    def wait(self, done: Callable[[], Any]) -> Any:
        """Take what comes until ``done`` gives something."""
        end = time.monotonic() + WAIT_S
        while not (found := done()):
            assert time.monotonic() < end, f"waited in vain; events {self.events[-5:]}, ended {self.ended}"
            self.ready.wait(0.02)
            self.pump()
        return found

    def play(self, seconds: float) -> None:
        """Take what comes for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.ready.wait(0.01)
            self.pump()

    def pump(self) -> None:
        """Take all that waits, once."""
        self.ready.clear()
        try:
            while self.ended is None:
                while (data := self.guest.next_event()) is not None:
                    message = decode_server(data)
                    (self.events if isinstance(message, Event) else self.others).append(message)  # type: ignore[arg-type]
                shown = self.guest.next_frame()
                if shown is None:
                    return
                for data in self.guest.messages(shown):
                    message = decode_server(data)
                    (self.frames if isinstance(message, FrameMessage) else self.others).append(message)  # type: ignore[arg-type]
                if self.acks:
                    self.send(Ack(message.header.seq))
        except ServerError as error:
            self.ended = error

    def leave(self, lost: bool = False) -> None:
        self.hub.leave(self.guest, lost)


def until(true: Callable[[], bool]) -> None:
    """Wait until it holds; the test fails where it never does."""
    end = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def pixel(frame: FrameMessage) -> tuple[int, int, int]:
    """Count, last action and chance of a counting world's frame."""
    import cv2
    import numpy as np

    image = cv2.cvtColor(cv2.imdecode(np.frombuffer(frame.picture, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return int(image[0, 0, 0]), int(image[0, 0, 1]), int(image[0, 0, 2])


def tiny_loaded() -> LoadedWorld:
    """A tiny DIAMOND world."""
    from tests.tiny_worlds import random_starts, tiny_world

    world = tiny_world()
    return LoadedWorld(world, None, random_starts(world.spec, 3), "tiny")
