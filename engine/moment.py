"""A session at one instant. Old moments are kept: that is rewind, save and fork."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from engine.controllers import Carry
from engine.history import Action, Past
from engine.readings import mismatches
from models.types import View

MarkKind = Literal[
    "reward",
    "penalty",
    "terminated",
    "truncated",
    "start",
    "fork",
    "edit",
    "reward_mismatch",
    "end_mismatch",
    "anchor",
    "flag",
]


@dataclass(frozen=True)
class Frame:
    """What one tick shows.

    index: steps since the start (0: the start's own frame). image: (H, W, 3) uint8. reward: of this tick; total: the
    return since the start. terminated: the world says it is over; truncated: the session's horizon is reached.
    action: what was done to get here (the no-op at index 0). controller: the name of who did it. views: only with
    ``inspect``.
    """

    index: int
    image: np.ndarray
    reward: float
    total: float
    terminated: bool
    truncated: bool
    action: Action
    controller: str
    views: tuple[View, ...] = ()

    @property
    def over(self) -> bool:
        return self.terminated or self.truncated

    @property
    def mark(self) -> MarkKind | None:
        """What a timeline shows of this frame."""
        if self.over:
            return "terminated" if self.terminated else "truncated"
        if self.reward:
            return "reward" if self.reward > 0 else "penalty"
        return "start" if self.index == 0 else None


@dataclass(frozen=True)
class Moment:
    """All that the future depends on, immutable and thus shared freely.

    state: the family's state, batch 1. rng: the world's generator, player_rng: the controller's, each (1, k) uint8.
    carry: the memory of the controller called ``carrier``. frame: without views.
    """

    state: Any
    rng: Tensor
    player_rng: Tensor
    carry: Carry
    carrier: str
    frame: Frame
    past: Past


def marks_of(moment: Moment) -> tuple[MarkKind, ...]:
    """What a timeline shows of a moment: of its frame, and of what a dream in lockstep got wrong there."""
    reward, end = mismatches(moment.state)
    wrong: tuple[MarkKind, ...] = (*(("reward_mismatch",) if reward else ()), *(("end_mismatch",) if end else ()))
    return wrong if moment.frame.mark is None else (moment.frame.mark, *wrong)


@dataclass(frozen=True)
class Mark:
    """Something to see on a timeline, ``position`` frames from its beginning."""

    position: int
    kind: MarkKind


@dataclass(frozen=True)
class Timeline:
    """The frames kept: how many, where play stands (0 .. length - 1), and what happened in them."""

    length: int
    cursor: int
    marks: tuple[Mark, ...]


def image_of(frame: Tensor) -> np.ndarray:
    """(1, 3, H, W) uint8 to an array (H, W, 3) uint8 of its own: the one place where the layout changes."""
    image: np.ndarray = frame[0].permute(1, 2, 0).cpu().contiguous().clone().numpy()
    return image


def plain_action(action: Tensor) -> Action:
    """An action, a batch of 1, as a number or numbers."""
    return int(action[0]) if action.ndim == 1 else tuple(float(value) for value in action[0])
