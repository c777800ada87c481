"""Stopping on Ctrl-C or SIGTERM at the next safe point."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any


class StopFlag:
    """Inside the ``with`` the first SIGINT or SIGTERM only sets the flag; a second SIGINT interrupts at once.

    A plain flag: setting a threading.Event from a handler can deadlock with the wait that it interrupts.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.before: dict[int, Any] = {}

    def __enter__(self) -> StopFlag:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self.on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.stopped and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.stopped = True

    def is_set(self) -> bool:
        return self.stopped

    def wait(self, seconds: float) -> bool:
        """Sleep for so long, then say whether to stop."""
        time.sleep(seconds)
        return self.stopped
