"""A dream of the counting game that is right about every frame, or right about all but the action."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.types import ActionSpec, Context, Prediction, WorldSpec
from models.world import Rng


@dataclass(frozen=True)
class Last:
    """frames (B, 3, H, W) uint8: what was seen last."""

    frames: Tensor


class CountingDream:
    """Frame t + 1 shows t + 1, the action and the episode's length; with ``ignores`` always action 0."""

    def __init__(self, ignores: bool, size: int = 16) -> None:
        self.ignores, self.settings = ignores, None
        self.spec = WorldSpec("counting", "test", size, size, ActionSpec(("NOOP", "RIGHT", "LEFT")), 1, 15.0)

    def initial(self, context: Context, rng: Rng) -> Last:
        return Last(context.frames[:, -1].clone())

    def step(self, state: Last, action: Tensor, rng: Rng, *, inspect: bool = False) -> tuple[Last, Prediction]:
        frames = state.frames.clone()
        frames[:, 0] += 1
        frames[:, 1] = 0 if self.ignores else action[:, None, None].to(torch.uint8)
        none = torch.zeros(len(action))
        return Last(frames), Prediction(frames, none, none.bool())
