"""What a face gets to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.moment import Frame, Timeline

if TYPE_CHECKING:
    from engine.alarms import Alarm


@dataclass(frozen=True)
class Shown:
    """A finished frame and all that a face shows around it.

    branch, branches: which fork is played, of how many. real: whether it is the real game; grounded: whether it is the
    dream told of every frame of the real game. fps: ticks a second.
    step_ms, step_p95_ms, latch_ms: percentiles over the last ticks. input_ms: from the oldest input in this frame to
    the frame (nan without new input); input_at: that input's time, by which a face measures up to its own display;
    stamp: its time on the clock of whoever sent it. queue_ms: from the tick's due time to the begin of its step.
    batch: players who shared the step, 0 where the frame came without one. late: the world has not held the speed asked
    for, over the last second. replaying: a recorded past is played through. inspect: frames carry the world's views.
    lockstep: whether the real game and the dream are played side by side; against: the name of the world beside it
    there, "" without one; episode: that of the episode it is under, "" without one. alarms: those that are on. study:
    the name of the one under way, "" without one.
    """

    frame: Frame
    timeline: Timeline
    controller: str
    start: int
    seed: int
    horizon: int | None
    settings: Any
    slots: tuple[str, ...]
    paused: bool
    rewinding: bool
    speed: float
    real: bool
    branch: int
    branches: int
    fps: float
    step_ms: float
    step_p95_ms: float
    latch_ms: float
    input_ms: float
    input_at: float | None
    stamp: float | None = None
    queue_ms: float = 0.0
    batch: int = 0
    late: bool = False
    replaying: bool = False
    inspect: bool = False
    grounded: bool = False
    lockstep: bool = False
    against: str = ""
    alarms: tuple[Alarm, ...] = ()
    study: str = ""
    episode: str = ""
