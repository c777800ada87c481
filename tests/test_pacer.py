"""Pacing on a clock of the test's own."""

from __future__ import annotations

import pytest

from engine.metrics import Meter, Rate
from engine.pacer import Pacer


class Clock:
    """Sleeping moves it, with an overshoot as real sleeps have."""

    def __init__(self, overshoot: float = 0.0) -> None:
        self.now, self.overshoot = 100.0, overshoot

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.overshoot


def test_overshooting_sleeps_do_not_slow_the_game() -> None:
    """Counting from the moment of waking would add every overshoot to the period."""
    clock = Clock(overshoot=0.005)
    pacer = Pacer(10, clock, clock.sleep)
    pacer.wait()
    for _ in range(50):
        pacer.wait()
    assert clock.now == pytest.approx(105.0, abs=0.01)


def test_a_slow_step_is_not_made_up_for() -> None:
    """A stall of a second must not be followed by a burst of ten ticks."""
    clock = Clock()
    pacer = Pacer(10, clock, clock.sleep)
    pacer.wait()
    clock.now += 1.0
    assert pacer.wait() == pytest.approx(0.9)
    begin = clock.now
    pacer.wait()
    assert clock.now - begin == pytest.approx(0.1)


def test_steps_slower_than_the_period_run_back_to_back() -> None:
    """A world slower than its game must not be slept on as well."""
    clock = Clock()
    pacer = Pacer(10, clock, clock.sleep)
    pacer.wait()
    for _ in range(10):
        clock.now += 0.25
        pacer.wait()
    assert clock.now == pytest.approx(102.5)


def test_speed_changes_at_once() -> None:
    """A factor read only when the wait begins would leave a slow-motion wait hanging."""
    clock = Clock()
    pacer = Pacer(10, clock, clock.sleep)
    pacer.wait()
    pacer.speed = 0.1
    assert pacer.remaining() == pytest.approx(1.0)
    pacer.speed = 2
    assert pacer.remaining() == pytest.approx(0.05)


@pytest.mark.parametrize("factor", [0, -1, float("inf"), float("nan")])
def test_bad_speed(factor: float) -> None:
    """Speed 0 would divide by zero on the device thread."""
    with pytest.raises(ValueError, match="speed: got"):
        Pacer(10).speed = factor


def test_meters_forget_and_start_empty() -> None:
    """A meter over all time would grow without end and hide the present."""
    meter = Meter(size=4)
    assert meter.p50 != meter.p50
    for value in [100.0] * 10 + [1.0, 2.0, 3.0, 4.0]:
        meter.add(value)
    assert (len(meter), meter.p50, meter.last) == (4, 2.5, 4.0)
    clock = Clock()
    rate = Rate(clock=clock)
    for _ in range(5):
        rate.tick()
        clock.now += 0.5
    assert rate.hz == 2.0
