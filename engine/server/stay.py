"""A player's stay: the session that outlives a lost connection."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from engine.seat import Seat
from engine.server.errors import ServerError
from engine.server.orders import Orders
from engine.server.play import Play
from engine.shown import Shown

if TYPE_CHECKING:
    from engine.server.guest import Guest
    from engine.server.hub import Hub

Sleep = Literal["hidden", "silent", "idle", "lost"]
"""Why a session is suspended: its page is not seen, draws no frames, has nobody at it, or lost its connection."""
MOST_WORKS = 16
"""Slow things that one session may have waiting, whatever worlds they were ordered in."""


class Stay:
    """One session by its id, the key that resumes it, what is played and who is connected to it.

    Thread-safe. The device thread calls ``hear``; connections and the hub call the rest.
    """

    def __init__(self, hub: Hub, play: Play) -> None:
        self._hub = hub
        self.id, self.key = secrets.token_urlsafe(12), ""
        self.lock = threading.RLock()
        self.play = play
        self.orders = Orders(hub, self, play)
        self.guest: Guest | None = None
        self.shown: Shown | None = None
        self.asleep: set[Sleep] = set()
        self.flags = 0
        self.freed = self.leaving = self.seen = False
        """Whether it has ended, its client has said bye, and a frame of it was ever drawn. flags: glitches it kept."""
        self._works: deque[Callable[[], None]] = deque()
        self.last_input = hub.clock()
        self.lost_at: float | None = None

    # -- who is connected

    def connect(self, guest: Guest) -> None:
        """A connection takes over, with a new key."""
        with self.lock:
            self.key, self.guest, self.lost_at = secrets.token_urlsafe(24), guest, None
            self.last_input = self._hub.clock()
            for reason in tuple(self.asleep):
                self.wake(reason)

    def disconnect(self) -> None:
        """The connection is lost; whoever has the key may come back."""
        with self.lock:
            self.lost_at = self._hub.clock()
            self.play.controls.clear()
            self.orders.give("rewind", None, lambda: self.play.seat.rewind(False))  # nobody holds it any more
            self.sleep("lost")

    def has_key(self, key: str) -> bool:
        return bool(self.key) and hmac.compare_digest(self.key.encode(), key.encode())

    # -- what is played

    def begin(self) -> None:
        """Take the seat at the device."""
        with self.lock:
            if self.freed:
                raise ServerError("expired", "the session has ended before it began; connect again")
            self._seat(self.play)

    def change(self, play: Play) -> None:
        """Play another world from now on; the old one is let go of. Raises ServerError: the player has left."""
        with self.lock:
            if self.freed:
                play.close()
                raise ServerError("expired", "world: got a session that has ended, expected one that is played")
            old, orders = self.play, self.orders
            self.play, self.orders, self.shown = play, Orders(self._hub, self, play), None
            self._hub.device.remove(old.seat)
            if self.guest is not None:
                self.guest.enter(play.world)
            self._seat(play)
        orders.drop()
        self._let_go(old)

    def free(self) -> None:
        """Let go of everything. May be called twice."""
        with self.lock:
            if self.freed:
                return
            self.freed = True
            self._hub.device.remove(self.play.seat)
            self._let_go(self.play)

    def hear(self, seat: Seat) -> None:
        """A frame or a reply is there. Called on the device thread."""
        if seat is not self.play.seat:
            return
        shown, guest = seat.latest(), self.guest
        if shown is not None:
            if self.shown is None or shown.frame is not self.shown.frame:
                self._hub.frames += 1
            self.shown = shown
            if guest is not None:
                guest.show(shown)
        for reply in seat.replies():
            self.orders.hear(reply)
        if guest is not None:
            guest.ready()

    # -- sleep

    def sleep(self, reason: Sleep) -> bool:
        """Suspend it for that reason; whether it was not asleep for it yet."""
        with self.lock:
            if self.freed or reason in self.asleep:
                return False
            self.asleep.add(reason)
            if len(self.asleep) == 1:
                self.play.seat.suspend(True)
            return True

    def wake(self, reason: Sleep) -> None:
        """That reason is gone; play goes on when it was the last one."""
        with self.lock:
            if reason in self.asleep:
                self.asleep.discard(reason)
                if not self.asleep and not self.freed:
                    self.play.seat.suspend(False)

    def touched(self) -> None:
        """A person did something."""
        self.last_input = self._hub.clock()
        if "idle" in self.asleep:
            self.wake("idle")

    def look_after(self, now: float) -> None:
        """Put it to sleep where nobody is there, or nothing is drawn."""
        guest, limits = self.guest, self._hub.limits
        if now - self.last_input > limits.idle_s and self.sleep("idle"):
            told = f"nobody has played for {limits.idle_s / 60:g} minutes, so the dream waits; any input wakes it"
            self.tell("error", code="idle", message=told, fatal=False)
        if guest is not None:
            if guest.flow.waiting_s > limits.silent_s:
                self.sleep("silent")
            guest.tick()

    # -- slow work

    def work(self, function: Callable[[], None]) -> None:
        """Do something slow on another thread, after what was given before; not at all once the session has ended.

        Raises ServerError: too much waits already, or the hub is closed.
        """
        with self.lock:
            if len(self._works) >= MOST_WORKS:
                raise ServerError("rate", "got orders faster than they are done; wait for their replies")
            self._works.append(function)
            if len(self._works) == 1:
                self._hub.work(self._work)

    def _work(self) -> None:
        try:
            if not self.freed:
                self._works[0]()
        finally:
            with self.lock:
                self._works.popleft()
                if self._works:
                    self._hub.work(self._work)

    # -- what the client is told

    def tell(self, name: str, /, **fields: Any) -> None:
        """An event, without loss, to whoever is connected."""
        guest = self.guest
        if guest is not None:
            guest.tell(name, **fields)

    def end(self, error: ServerError) -> None:
        """The connection is to end with a fatal error."""
        guest = self.guest
        if guest is not None:
            guest.end(error)

    # -- inside

    def _let_go(self, play: Play) -> None:
        """Give back what a play took. Its moments go now: all here know each other, so that Python finds them late."""
        play.close()
        self._hub.device.call(play.forget)

    def _seat(self, play: Play) -> None:
        seat = play.seat
        seat.notify = partial(self.hear, seat)
        self._hub.device.add(seat)
        if self.asleep:
            seat.suspend(True)
