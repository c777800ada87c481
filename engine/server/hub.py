"""The server's core: sessions by id on one device, who may join, and what happens to those who leave."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from engine.controls import Input
from engine.device import Device
from engine.server.downloads import Downloads
from engine.server.episodes import Episodes
from engine.server.errors import ServerError
from engine.server.guest import Guest
from engine.server.limits import MB, Limits
from engine.server.link import read_link
from engine.server.memory import Budget, Memory
from engine.server.messages import Hello
from engine.server.orders import explain
from engine.server.play import Play
from engine.server.replays import play_back, world_of_link
from engine.server.shelf import Shelf, Shelved
from engine.server.snapshot import world_facts
from engine.server.stay import Stay
from engine.session import Session

WORKERS = 3
"""Threads for slow work: opening worlds, writing clips. A session has one thing done at a time."""
SEEDS = 2**31
"""Seeds that the hub chooses are below this: short enough to be read out."""
logger = logging.getLogger(__name__)


class Hub:
    """All players of a server. Thread-safe; knows nothing of networks.

    shelf: the worlds on offer. max_batch: players that share a step (1: everyone alone). clock: seconds, for limits.
    flags: players are at this machine: glitches may be kept on it, and the episodes on it played under. episode: one
    more of those, see ``Episodes``. ``sweep`` is to be called each second.
    """

    def __init__(
        self,
        shelf: Shelf,
        limits: Limits = Limits(),
        max_batch: int = 16,
        clock: Callable[[], float] = time.monotonic,
        flags: bool = False,
        episode: Path | None = None,
    ) -> None:
        self.shelf, self.limits, self.clock, self.flags = shelf, limits, clock, flags
        self.episodes = Episodes(shelf, episode)
        self.device = Device(max_batch)
        self.downloads = Downloads(limits.file_s, clock)
        self.memory = Memory(limits)
        self.frames = 0
        """Frames finished so far, counted by the device's thread alone."""
        self._lock = threading.Lock()
        self._stays: dict[str, Stay] = {}
        self._entering, self._closed = 0, False
        self._workers = ThreadPoolExecutor(WORKERS, "reverie-hub")
        self._measured = (clock(), 0, 0.0)

    # -- life

    def start(self) -> Self:
        self.device.start()
        return self

    def close(self) -> None:
        """Tell everyone, end everything, remove all files. May be called twice."""
        with self._lock:
            self._closed = True
            stays = list(self._stays.values())
            self._stays.clear()
        for stay in stays:
            stay.tell("bye", reason="closing", message="The server goes down")
            stay.end(ServerError("expired", "the server goes down; connect again later", True))
            stay.free()
        self.device.close()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self.downloads.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- who comes and goes

    def join(self, hello: Hello) -> Guest:
        """A new connection: of a new session, or of one whose connection was lost. May take seconds: it loads worlds.

        Raises ServerError, fatal: unknown_session, full, memory, unknown_world, link, bad_value, internal.
        """
        try:
            return self._resume(hello) if hello.resume is not None else self._enter(hello)
        except Exception as error:
            code, message = explain(error)
            raise ServerError(code, message, True) from error

    def leave(self, guest: Guest, lost: bool, key: str | None = None) -> None:
        """A connection has ended. lost: the client did not mean it, so its session is kept for a while, if it was seen.

        Nothing happens where another connection has taken the session over. key: ignored; a guest is one connection.
        """
        stay = guest.stay
        with self._lock:
            if stay.guest is not guest or stay.id not in self._stays:
                return
            if lost and stay.seen and not stay.leaving:
                stay.disconnect()
                return
            del self._stays[stay.id]
        stay.free()

    def guest(self, session: str, key: str) -> Guest:
        """The connection that plays a session. Raises ServerError, unknown_session, also for a wrong key."""
        with self._lock:
            stay = self._stays.get(session)
        if stay is None or not stay.has_key(key) or stay.guest is None:
            raise ServerError("unknown_session", "session: got an unknown one, or a wrong key; connect again")
        return stay.guest

    # -- what it holds

    def file(self, token: str) -> Path | None:
        """A file offered to a player; None where there is none, or no longer."""
        return self.downloads.file(token)

    def facts(self, world: Shelved) -> dict[str, Any]:
        """What is told of a world."""
        episodes = tuple(self.episodes.offered(world.name)) if self.flags else ()
        return world_facts(world, self.limits, self.shelf.rivals(world.name), self.flags, episodes)

    def doing(self, verb: str, but: Stay) -> int:
        """How many players besides that one have an order of this kind under way."""
        with self._lock:
            stays = list(self._stays.values())
        return sum(stay.orders.doing(verb) for stay in stays if stay is not but)

    def preload(self, name: str) -> None:
        """Open a world before anybody asks for it, and make its first step, the slowest. Raises ReverieError."""
        session = Session.open(self.shelf.open(name).loaded, rewind_s=0)
        self.device.call(lambda: session.tick(Input()))

    def stats(self) -> dict[str, Any]:
        """Numbers to watch: who plays, how busy the device is, what memory is reserved."""
        with self._lock:
            stays = list(self._stays.values())
        return {
            "players": len(stays),
            "connected": sum(stay.lost_at is None for stay in stays),
            "active": self.device.active,
            "frames": self.frames,
            "frames_per_s": round(self._measured[2], 2),
            "busy_share": round(self.device.busy_share, 3),
            "memory_mb": round(self.memory.bytes / MB, 1),
            "worlds": list(self.shelf.names),
        }

    def sweep(self) -> None:
        """See to what time brings: sessions that expire, are idle or silent; old files. To be called each second."""
        now = self.clock()
        at, frames, _ = self._measured
        if now > at:
            self._measured = (now, self.frames, (self.frames - frames) / (now - at))
        with self._lock:
            stays = list(self._stays.values())
        for stay in stays:
            try:
                self._look_after(stay, now)
            except Exception:
                logger.exception("a session could not be looked after")
        self.downloads.sweep()

    # -- for sessions

    def work(self, function: Callable[[], None]) -> None:
        """Run something slow on another thread. Raises ServerError where the hub is closed."""
        try:
            self._workers.submit(function)
        except RuntimeError as error:
            raise ServerError("expired", "the server goes down; connect again later") from error

    def move(self, stay: Stay, name: str, start: int | None, seed: int | None) -> dict[str, Any]:
        """Take a session to another world; where that fails, it goes on in the old one. May take seconds.

        Raises ServerError: unknown_world, memory, bad_value, expired; ReverieError: a damaged world.
        """
        play = self._open(name, start, seed)
        codecs = stay.guest.pictures if stay.guest is not None else ("png",)
        play.world.codec(codecs)
        stay.change(play)
        return {"name": play.world.name}

    # -- inside

    def _enter(self, hello: Hello) -> Guest:
        self._make_room()
        try:
            link = read_link(hello.replay) if hello.replay is not None else None
            name = self.shelf.default if hello.world is None else hello.world
            play = self._open(name if link is None else world_of_link(self, link), hello.start, hello.seed)
            stay = Stay(self, play)
            guest = Guest(self, stay, hello.pictures)
            try:
                play.world.codec(tuple(hello.pictures))
                self._settle(stay, guest)
                if link is not None:
                    play_back(stay.orders, link)
            except BaseException:
                with self._lock:
                    self._stays.pop(stay.id, None)
                stay.free()
                raise
        finally:
            with self._lock:
                self._entering -= 1
        return guest

    def _settle(self, stay: Stay, guest: Guest) -> None:
        with self._lock:
            if self._closed:
                raise ServerError("expired", "the server goes down; connect again later")
            self._stays[stay.id] = stay
        stay.connect(guest)
        guest.welcome(resumed=False)
        stay.begin()

    def _resume(self, hello: Hello) -> Guest:
        assert hello.resume is not None
        with self._lock:
            stay = self._stays.get(hello.resume.session)
            if stay is None or not stay.has_key(hello.resume.key):
                raise ServerError(
                    "unknown_session",
                    f"session: got one that is not, or no longer, here, expected one of the last "
                    f"{self.limits.resume_s:g} s and its key; start a new one",
                )
            guest, old = Guest(self, stay, hello.pictures), stay.guest
            stay.connect(guest)
        if old is not None:
            guest.take_over(old.hand_over())
        guest.welcome(resumed=True)
        return guest

    def _make_room(self) -> None:
        """Keep a place for somebody who enters: a free one, else that of a session nobody is connected to, or at."""
        with self._lock:
            if self._closed:
                raise ServerError("expired", "the server goes down; connect again later")
            gone = None
            if len(self._stays) + self._entering >= self.limits.players:
                gone = self._least_missed()
                if gone is None:
                    raise ServerError(
                        "full", f"got {self.limits.players} players already, expected fewer; try again later"
                    )
                del self._stays[gone.id]
            self._entering += 1
        if gone is not None:
            self._dismiss(gone, "the session made room for somebody else after a long time without input")

    def _least_missed(self) -> Stay | None:
        lost = [stay for stay in self._stays.values() if stay.lost_at is not None]
        if lost:
            return min(lost, key=lambda stay: stay.lost_at or 0.0)
        idle = [stay for stay in self._stays.values() if "idle" in stay.asleep]
        return min(idle, key=lambda stay: stay.last_input) if idle else None

    def _dismiss(self, stay: Stay, why: str) -> None:
        stay.end(ServerError("expired", f"{why}; start a new one", True))
        stay.free()

    def _open(self, name: str, start: int | None, seed: int | None) -> Play:
        world = self.shelf.open(name)
        seed = secrets.randbelow(SEEDS) if seed is None else seed
        return Play(world, start, seed, self.limits, Budget(self.memory))

    def _look_after(self, stay: Stay, now: float) -> None:
        if stay.lost_at is None:
            stay.look_after(now)
            return
        with self._lock:
            expired = stay.lost_at is not None and now - stay.lost_at > self.limits.resume_s
            if expired:
                self._stays.pop(stay.id, None)
        if expired:
            stay.free()
