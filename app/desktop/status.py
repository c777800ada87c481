"""What the window shows beside the picture, as plain data: made from the runner, drawn by the panel."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Mode = Literal["playing", "paused", "rewinding", "ended"]


@dataclass(frozen=True)
class ButtonHint:
    """A button of the game: its key caps, what it does, whether the last action pressed it."""

    caps: tuple[str, ...]
    label: str
    pressed: bool = False


@dataclass(frozen=True)
class Status:
    """One look at a running session. Times in milliseconds, nan where nothing was measured yet."""

    title: str
    where: str
    """Where it is played: a dream, and of which family, or the real game."""
    real: bool
    mode: Mode
    controller: str
    total: float
    """The return, as the world predicts it."""
    last_reward: float
    """The last predicted reward that was not zero."""
    reward_glow: float
    """1 when that reward has just come, fading to 0."""
    terminated: bool
    truncated: bool
    fps: float
    target_fps: float
    step_ms: float
    """Median of the model's steps."""
    pace_ms: tuple[float, ...]
    """Time between the latest frames, oldest first."""
    input_ms: float
    speed: float
    sampler: str
    horizon: str
    start: str
    seed: int
    index: int
    branch: str
    buttons: tuple[ButtonHint, ...] = ()
    more: tuple[tuple[str, str], ...] = ()
    """What this world has beside, in words: the values of its action, its temperature."""
    alarms: tuple[tuple[str, str], ...] = ()
    """What is wrong with the dream at present: each alarm's name, and the fault in a sentence."""


def shown(value: float, unit: str = "", digits: int = 0) -> str:
    """A measure as text; a dash where there is none yet."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}{unit}"


def signed(value: float) -> str:
    """A reward or return: whole numbers without a fraction, small ones with two digits of it, a true minus sign."""
    digits = 0 if value == round(value) else 2 if abs(value) < 0.1 else 1
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text
