"""What comes out of play: finished frames, of which the newest wins, and replies, of which none is lost."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.mailbox import Mailbox
from engine.shown import Shown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What came of a command: its value, or the error it ended with. A tick that failed answers as ``tick``."""

    command: str
    value: Any = None
    error: Exception | None = None


class Outlet:
    """Thread-safe. notify: called whenever something has been put in, by who put it; it must return at once."""

    def __init__(self, notify: Callable[[], None] | None = None) -> None:
        self.notify = notify
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._mailbox: Mailbox[Shown] = Mailbox()

    def latest(self, timeout_s: float = 0.0) -> Shown | None:
        """The newest frame nobody has taken yet; None when none came within ``timeout_s`` seconds."""
        return self._mailbox.take(timeout_s)

    def replies(self) -> list[Reply]:
        """All replies nobody has taken yet, oldest first."""
        taken: list[Reply] = []
        while (reply := self.reply()) is not None:
            taken.append(reply)
        return taken

    def reply(self, timeout_s: float = 0.0) -> Reply | None:
        """The oldest reply not yet taken; None when none came within ``timeout_s`` seconds."""
        try:
            return self._replies.get(timeout=timeout_s) if timeout_s > 0 else self._replies.get_nowait()
        except queue.Empty:
            return None

    def put(self, shown: Shown) -> None:
        """A frame is finished."""
        self._mailbox.put(shown)
        self._notify()

    def answer(self, reply: Reply) -> None:
        """A command has ended, or something else has to be told."""
        self._replies.put(reply)
        self._notify()

    def _notify(self) -> None:
        if self.notify is None:
            return
        try:
            self.notify()
        except Exception:  # a face that is gone must not end play
            logger.exception("a face could not be told of a frame or a reply")
