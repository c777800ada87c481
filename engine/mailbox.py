"""A place for one thing: what is put in replaces what nobody has taken."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Thread-safe; newest wins, stale ones are dropped."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: Item | None = None

    def put(self, item: Item) -> None:
        with self._condition:
            self._item = item
            self._condition.notify_all()

    def take(self, timeout_s: float = 0.0) -> Item | None:
        """The newest item, once; None when none has come within ``timeout_s`` seconds."""
        with self._condition:
            if timeout_s > 0:
                self._condition.wait_for(lambda: self._item is not None, timeout_s)
            item, self._item = self._item, None
        return item
