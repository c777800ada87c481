"""What the moments of sessions take, and who has reserved how much of it."""

from __future__ import annotations

import math
import threading

from engine.moment import Moment
from engine.server.errors import ServerError
from engine.server.limits import MB, Limits
from models.world import state_tensors

OVERHEAD = 4096
"""Bytes of a moment's objects beside its tensors and its picture, or of an edit's beside its value, rounded up."""
FORKS = 4
"""A session's memory holds the rings of this many branches at least: rewinding is shortened where it would not."""


def moment_bytes(moment: Moment) -> int:
    """What one moment keeps in memory: state, generators, the controller's carry, the picture."""
    tensors = [*state_tensors(moment.state).values(), *moment.carry.values(), moment.rng, moment.player_rng]
    return sum(t.numel() * t.element_size() for t in tensors) + moment.frame.image.nbytes + OVERHEAD


def ring_bytes(rewind_s: float, fps: float, bytes_each: int) -> int:
    """What the ring of a session with that rewind takes when it is full."""
    return (math.ceil(rewind_s * fps) + 1) * bytes_each


def affordable_rewind_s(limits: Limits, bytes_each: int, fps: float) -> float:
    """Seconds to go back that one session may keep."""
    return min(limits.rewind_s, limits.session_mb * MB / FORKS / bytes_each / fps)


class Memory:
    """The memory of all sessions. They reserve what their rings could hold, not what they hold now, so that nobody is
    stopped in the middle of play. Thread-safe."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._lock = limits, threading.Lock()
        self._budgets: dict[Budget, int] = {}

    @property
    def bytes(self) -> int:
        """Reserved by all."""
        with self._lock:
            return sum(self._budgets.values())

    def reserve(self, budget: Budget, amount: int, what: str) -> None:
        with self._lock:
            if budget.closed:
                raise ServerError("expired", f"{what}: got a session that has ended, expected one that is played")
            mine = self._budgets.get(budget, 0) + amount
            everyone = sum(self._budgets.values()) + amount
            if mine > self._limits.session_mb * MB:
                raise ServerError(
                    "memory",
                    f"{what}: got {mine / MB:.0f} MB for this session, expected at most {self._limits.session_mb:g}; "
                    "open the world again to let go of what it keeps",
                )
            if everyone > self._limits.memory_mb * MB:
                raise ServerError(
                    "memory",
                    f"{what}: got {everyone / MB:.0f} MB for all sessions, expected at most "
                    f"{self._limits.memory_mb:g}; try again when somebody has left",
                )
            self._budgets[budget] = mine

    def give_back(self, budget: Budget, amount: int | None = None) -> None:
        """Some of it, or (None) all of it."""
        with self._lock:
            budget.closed |= amount is None
            left = 0 if amount is None else self._budgets.get(budget, 0) - amount
            if left > 0:
                self._budgets[budget] = left
            else:
                self._budgets.pop(budget, None)


class Budget:
    """One session's part of the memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.closed = memory, False

    def reserve(self, amount: int, what: str) -> None:
        """Take ``amount`` bytes for ``what``. Raises ServerError, memory: too much for one, or for all."""
        self._memory.reserve(self, amount, what)

    def release(self, amount: int) -> None:
        self._memory.give_back(self, amount)

    def close(self) -> None:
        self._memory.give_back(self)
