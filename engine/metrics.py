"""Rolling measures of speed in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter


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
        """The q-th percentile (0 to 100) of what is kept, interpolated; nan when there is nothing."""
        if not self._values:
            return float("nan")
        values = sorted(self._values)  # for so few, many times faster than numpy's; asked for at every frame
        place = q / 100 * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (place - low) * (values[high] - values[low])

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

    def over(self, seconds: float) -> float | None:
        """Events a second over at least the last ``seconds``, from event to event; None until that long was seen."""
        last = self._times[-1] if self._times else 0.0
        for intervals, time in enumerate(reversed(self._times)):
            if last - time >= seconds > 0:
                return intervals / (last - time)
        return None

    @property
    def hz(self) -> float:
        """0 until two events were seen."""
        span = self._times[-1] - self._times[0] if len(self._times) > 1 else 0.0
        return (len(self._times) - 1) / span if span > 0 else 0.0


class Share:
    """The share of the last ``seconds`` spent in something. Thread-safe."""

    def __init__(self, seconds: float = 3.0, clock: Callable[[], float] = perf_counter) -> None:
        self._seconds, self._clock, self._since = seconds, clock, clock()
        self._lock = threading.Lock()
        self._spans: deque[tuple[float, float]] = deque()

    def add(self, begin: float, end: float) -> None:
        """It went on from ``begin`` to ``end``, by the clock."""
        with self._lock:
            self._spans.append((begin, end))
            self._forget(end)

    @property
    def value(self) -> float:
        """0 to 1."""
        now = self._clock()
        first = max(self._since, now - self._seconds)
        with self._lock:
            self._forget(now)
            spent = sum(end - max(begin, first) for begin, end in self._spans)
        return min(1.0, spent / (now - first)) if now > first else 0.0

    def _forget(self, now: float) -> None:
        while self._spans and self._spans[0][1] <= now - self._seconds:
            self._spans.popleft()
