"""What is measured of one player's ticks."""

from __future__ import annotations

from collections.abc import Callable

from engine.metrics import Meter, Rate

LATE = 0.9
"""Below this share of the ticks a second asked for, a world counts as too slow."""
LATE_OVER_S = 1.0


class Gauges:
    """Times of the last ticks in milliseconds, and how many there are a second. clock: in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rate, self._pace = Rate(clock=clock), Rate(size=512, clock=clock)
        self.step_ms, self.latch_ms = Meter(), Meter()
        self._latched_at = clock()

    def latched(self, begin: float) -> None:
        """Input has been latched, which began at ``begin``; the step comes next."""
        self._latched_at = self._clock()
        self.latch_ms.add((self._latched_at - begin) * 1000)

    def stepped(self) -> None:
        """The step has ended."""
        self.step_ms.add((self._clock() - self._latched_at) * 1000)
        self._rate.tick()
        self._pace.tick()

    def reset(self) -> None:
        """Time begins anew (after a pause)."""
        self._rate.reset()
        self._pace.reset()

    @property
    def fps(self) -> float:
        """Ticks a second."""
        return self._rate.hz

    def late(self, asked: float) -> bool:
        """Whether there were too few ticks a second over the last one; False until that long was seen."""
        held = self._pace.over(LATE_OVER_S)
        return held is not None and held < LATE * asked
