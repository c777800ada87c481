"""What waits to be sent to one client: nothing is lost, and nothing piles up without bound."""

from __future__ import annotations

from collections import deque

from engine.server.errors import ServerError

MOST_EVENTS, MOST_BYTES = 1000, 4 << 20
"""What may wait for a client that does not read."""


class Outbox:
    """Messages in order, and the fatal error after the last of them. Not thread-safe."""

    def __init__(self) -> None:
        self._messages: deque[bytes] = deque()
        self._bytes = 0
        self.end: ServerError | None = None
        """Why the connection is to end, once all is sent."""

    def put(self, message: bytes) -> None:
        """Append a message. A client for whom too much waits already is to end as too slow; all is dropped then."""
        if self.end is not None and self.end.code == "too_slow":
            return
        self._messages.append(message)
        self._bytes += len(message)
        if len(self._messages) > MOST_EVENTS or self._bytes > MOST_BYTES:
            self.take_all()
            self.end = ServerError("too_slow", "got a client that does not read what it is told; read it", True)

    def take(self) -> bytes | None:
        """The oldest message; None when nothing waits. Raises the error of the end when nothing waits any more."""
        if self._messages:
            message = self._messages.popleft()
            self._bytes -= len(message)
            return message
        if self.end is not None:
            raise self.end
        return None

    def take_all(self) -> list[bytes]:
        """Everything that waits, oldest first."""
        messages = list(self._messages)
        self._messages.clear()
        self._bytes = 0
        return messages
