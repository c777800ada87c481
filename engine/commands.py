"""What a player asks for, in order, until the device comes to it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from engine.errors import ReverieError
from engine.outlet import Reply

LATER = object()
"""What a command returns that is answered later."""
SILENT = ("close", "study_end")
"""Commands without a reply."""

Command = tuple[str, Callable[[], Any]]


class Commands:
    """A lossless queue of named functions, given from any thread and taken by the device's.

    One that takes its time holds the queue, so that order is kept: those after it wait, while ticks go on. answer:
    takes the replies to what can no longer be run.
    """

    def __init__(self, answer: Callable[[Reply], None]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._waiting: deque[Command] = deque()
        self._landed: Command | None = None
        self._held: str | None = None
        self._gone = False
        self._wake: Callable[[], None] | None = None
        self._threads: list[threading.Thread] = []

    def send(self, name: str, function: Callable[[], Any]) -> None:
        """Ask for ``function`` to be run."""
        with self._lock:
            if not self._gone:
                self._waiting.append((name, function))
            gone, wake = self._gone, self._wake
        if gone:
            self._refuse(name)
        elif wake is not None:
            wake()

    def open(self, wake: Callable[[], None]) -> None:
        """A device takes from here; ``wake`` tells it that there is something."""
        with self._lock:
            self._wake = wake

    def shut(self) -> None:
        """Nothing is taken any more: what goes on, what waits and what will come is answered with an error."""
        with self._lock:
            self._gone, self._wake = True, None
            left = [*([self._held] if self._held else []), *(name for name, _ in self._waiting)]
            self._landed = self._held = None
            self._waiting.clear()
        for name in left:
            self._refuse(name)

    @property
    def ready(self) -> bool:
        """Whether there is one to take."""
        return self._landed is not None or (self._held is None and bool(self._waiting))

    def take(self) -> Command | None:
        """The next one; None when there is none, or those waiting are held up."""
        with self._lock:
            if self._landed is not None:
                command, self._landed, self._held = self._landed, None, None
                return command
            return None if self._held is not None or not self._waiting else self._waiting.popleft()

    def hold(self, name: str) -> None:
        """The command ``name`` takes its time: nothing more is taken until ``release``."""
        with self._lock:
            self._held = None if self._gone else name

    def release(self) -> bool:
        """It has ended; False where it was answered already, as nothing is taken any more."""
        with self._lock:
            held, self._held = self._held, None
            return held is not None

    def aside(self, name: str, work: Callable[[], Any], then: Callable[[Any], Any] = lambda value: value) -> object:
        """Do slow ``work`` on a thread of its own, then ``then`` with its result as the next command; returns LATER.

        What was asked for later waits for it.
        """
        self.hold(name)

        def run() -> None:
            try:
                value = work()
            except Exception as error:
                self._land(name, _raiser(error))
            else:
                self._land(name, lambda: then(value))

        self.thread(run)
        return LATER

    def thread(self, run: Callable[[], None]) -> None:
        """Run something on a thread that ``join`` waits for."""
        thread = threading.Thread(target=run, name="reverie-writer")
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _land(self, name: str, function: Callable[[], Any]) -> None:
        with self._lock:
            if not self._gone:
                self._landed = (name, function)
            wake = self._wake
        if wake is not None:
            wake()

    def _refuse(self, name: str) -> None:
        if name not in SILENT:
            text = f"{name}: got a session that has ended, expected one in play; start another one"
            self._answer(Reply(name, error=ReverieError(text)))


def _raiser(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail
