"""Rolling measures of speed in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np


class Meter:
    """The last ``size`` values of one quantity (milliseconds, say)."""

    def __init__(self, size: int = 128) -> None:
        self._values: deque[float] = deque(maxlen=size)

    def add(self, value: float) -> None:
        self._values.append(value)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def last(self) -> float:
        """The newest value; nan when there is none."""
        return self._values[-1] if self._values else float("nan")

    def percentile(self, q: float) -> float:
        """The q-th percentile (0 to 100) of what is kept; nan when there is nothing."""
        return float(np.percentile(np.array(self._values), q)) if self._values else float("nan")

    @property
    def p50(self) -> float:
        return self.percentile(50)

    @property
    def p95(self) -> float:
        return self.percentile(95)


class Rate:
    """Events a second over the last ``size`` events."""

    def __init__(self, size: int = 32, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=size)

    def tick(self) -> None:
        """An event happens now."""
        self._times.append(self._clock())

    def reset(self) -> None:
        """Forget what was (after a pause)."""
        self._times.clear()

    @property
    def hz(self) -> float:
        """0 until two events were seen."""
        span = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0
