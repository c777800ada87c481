"""How many frames may be on their way to a client, so that it sees the newest and never a queue of old ones."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

from engine.server.errors import ServerError

AHEAD = 2
"""Frames that may be unacknowledged beyond those the round trip keeps on their way."""
MOST = 32
"""Frames that may be unacknowledged in any case."""


class Flow:
    """Frames sent on one connection and not acknowledged yet. Not thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unacked: OrderedDict[int, float] = OrderedDict()
        self._sent = self._acked = 0
        self._rtt_s = math.inf

    @property
    def sent(self) -> int:
        """Frames sent so far: the number of the last one."""
        return self._sent

    @property
    def acked(self) -> int:
        """The last frame that was acknowledged; 0: none."""
        return self._acked

    @property
    def waiting_s(self) -> float:
        """How long the oldest frame on its way has waited for its ACK; 0 when there is none."""
        return self._clock() - next(iter(self._unacked.values())) if self._unacked else 0.0

    def open(self, fps: float) -> bool:
        """Whether another frame may be sent, at that many frames a second."""
        travelling = math.ceil(self._rtt_s * fps) if math.isfinite(self._rtt_s) else 0
        return len(self._unacked) < min(AHEAD + travelling, MOST)

    def send(self) -> int:
        """A frame leaves now; returns its number, from 1."""
        self._sent += 1
        self._unacked[self._sent] = self._clock()
        return self._sent

    def ack(self, seq: int) -> None:
        """Frame ``seq`` was drawn, and those before it are past. Raises ServerError, fatal: it was never sent."""
        if not 1 <= seq <= self._sent:
            raise ServerError("protocol", f"ACK: got frame {seq}, expected one sent, 1 to {self._sent}", True)
        if seq in self._unacked:
            self._rtt_s = min(self._rtt_s, self._clock() - self._unacked[seq])
        while self._unacked and next(iter(self._unacked)) <= seq:
            self._unacked.popitem(last=False)
        self._acked = max(self._acked, seq)
