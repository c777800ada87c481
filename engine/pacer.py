"""Wall time for the runner."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pacer:
    """Gives out due times ``hz * speed`` times a second. Who comes late makes game time slower, never a burst."""

    def __init__(
        self,
        hz: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not hz > 0:
            raise ValueError(f"hz: got {hz}, expected more than 0")
        self.hz = hz
        self._clock, self._sleep = clock, sleep
        self._speed = 1.0
        self._last: float | None = None

    @property
    def speed(self) -> float:
        """Factor on hz; takes effect on the wait that is going on."""
        return self._speed

    @speed.setter
    def speed(self, factor: float) -> None:
        if not 0 < factor < float("inf"):
            raise ValueError(f"speed: got {factor}, expected a finite factor above 0")
        self._speed = factor

    @property
    def period(self) -> float:
        """Seconds from one due time to the next."""
        return 1 / (self.hz * self._speed)

    @property
    def due(self) -> float:
        """The clock's time at which the next tick is due; the present where nothing was waited for yet."""
        return self._clock() if self._last is None else self._last + self.period

    def restart(self) -> None:
        """After a pause: a tick that was due before now is due now; a pause never makes one due sooner."""
        now = self._clock()
        if self._last is None or self.due < now:
            self._last = now - self.period

    def remaining(self) -> float:
        """Seconds until the next due time; 0 when it is due or nothing was waited for yet."""
        return max(0.0, self.due - self._clock())

    def advance(self, pull: float = 0.0) -> float:
        """Take the due time; returns how late it was in seconds. When it was late, the next one counts from now.

        pull: who takes it early is due earlier from now on, by as much, but by this share of a period at most: those
        who share steps come to be due together.
        """
        now = self._clock()
        due = now if self._last is None else self._last + self.period
        late = now - due
        # A sleep that overshoots a little must not slow the game down; a slow step must not be made up for.
        self._last = due if late < 0.25 * self.period else now
        if late < 0:
            self._last -= min(-late, pull * self.period)
        return max(0.0, late)

    def wait(self) -> float:
        """Sleep until the next due time and take it; returns how late it was in seconds."""
        remaining = self.remaining()
        if remaining > 0:
            self._sleep(remaining)
        return self.advance()
