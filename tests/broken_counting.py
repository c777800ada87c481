"""A counting game of many levels behind the contract, and dreams of it that are broken in one known way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.counting import CountingEnv
from models.envs.replayed_world import ReplayedWorld
from models.types import Context, Prediction
from models.world import Rng

SIZE = 16
COUNT, ACTION, LENGTH = 7, 100, 4
"""Levels of a frame's channels for one step, one action, one step of the episode's length."""


class LoudCounting(CountingEnv):
    """The counting environment with differences that can be seen, in episodes of 24 to 32 steps."""

    def __init__(self, size: int) -> None:
        super().__init__(size, 24, 32)

    def observation(self) -> np.ndarray:
        frame = np.empty((self.size, self.size, 3), np.uint8)
        frame[:] = (self.count * COUNT, self.last * ACTION, self.length * LENGTH)
        return frame


@cache
def counting_game() -> ReplayedWorld:
    return ReplayedWorld("counting", SIZE, 2, make=lambda game, size: LoudCounting(size))


@dataclass(frozen=True)
class CountState:
    """frame (B, 3, H, W) uint8; last (B,) int64: the action taken before."""

    frame: Tensor
    last: Tensor


class Counts:
    """Right about everything: a frame says all that there is to know. Others are worse."""

    settings = None

    def __init__(self) -> None:
        self.spec = replace(counting_game().spec, name=type(self).__name__.lower(), family="test")

    def with_settings(self, **changes: Any) -> Counts:
        raise ValueError(f"settings: got {changes}, expected none")

    def initial(self, context: Context, rng: Rng) -> CountState:
        return CountState(context.frames[:, -1].clone(), context.actions[:, -1].clone())

    def step(
        self, state: CountState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountState, Prediction]:
        pixel = state.frame[:, :, 0, 0].long()
        count, length = pixel[:, 0] // COUNT, pixel[:, 2] // LENGTH
        was_over, taken = count >= length, self.acted(state, action)
        frame = state.frame.clone()
        frame[:, 0] = (torch.where(was_over, count, count + 1) * COUNT).to(torch.uint8)[:, None, None]
        frame[:, 1] = torch.where(was_over, pixel[:, 1], taken * ACTION).to(torch.uint8)[:, None, None]
        reward = torch.where(was_over, 0.0, taken.float() - 1)
        seen = self.told(state, Prediction(frame, reward, was_over | (count + 1 >= length)))
        return CountState(seen.frame, action), seen

    def acted(self, state: CountState, action: Tensor) -> Tensor:
        """The action that is really taken."""
        return action

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        """What is said of what happened."""
        return seen

    def frame(self, state: CountState) -> Tensor:
        return state.frame

    def edit(self, state: CountState, name: str, value: Tensor) -> CountState:
        raise ValueError(f"edit: got {name}, expected none")


class DeafCounts(Counts):
    """Ignores the action."""

    def acted(self, state: CountState, action: Tensor) -> Tensor:
        return torch.zeros_like(action)


class LateCounts(Counts):
    """Takes the action before."""

    def acted(self, state: CountState, action: Tensor) -> Tensor:
        return state.last


class FrozenCounts(Counts):
    """Stands still."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return Prediction(state.frame, torch.zeros_like(seen.reward), torch.zeros_like(seen.terminated))


class FlippedCounts(Counts):
    """Pays the opposite."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, reward=-seen.reward)


class MeanCounts(Counts):
    """Never pays."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, reward=torch.zeros_like(seen.reward))


class GenerousCounts(Counts):
    """Pays where nothing is paid."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, reward=torch.where(seen.reward == 0, 1.0, seen.reward))


class EndlessCounts(Counts):
    """Never ends."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, terminated=torch.zeros_like(seen.terminated))


class HastyCounts(Counts):
    """Ends at every step."""

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, terminated=torch.ones_like(seen.terminated))


BROKEN_COUNTS: dict[type[Counts], tuple[str, ...]] = {
    Counts: (),
    DeafCounts: ("action ignored",),
    LateCounts: ("action late",),
    FrozenCounts: ("frozen",),
    FlippedCounts: ("reward sign",),
    MeanCounts: ("reward missed",),
    GenerousCounts: ("reward invented",),
    EndlessCounts: ("end missed",),
    HastyCounts: ("end invented",),
}
"""What each of them has, and nothing else."""
