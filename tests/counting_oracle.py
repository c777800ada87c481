"""The counting game behind the contract, perfect, and with one fault each: what a study must find is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.envs.counting import CountingEnv
from models.types import ActionSpec, Context, Prediction, WorldSpec
from models.world import Rng

SIZE = 16


@dataclass(frozen=True)
class FrameState:
    """The last frame, (B, 3, H, W) uint8; last (B,) int64: the action that led to it."""

    image: Tensor
    last: Tensor


class CountingOracle:
    """Reads count, action and length off the frame and says exactly what comes next."""

    settings = None

    def __init__(self, size: int = SIZE) -> None:
        actions = ActionSpec(CountingEnv.action_names)
        self.spec = WorldSpec("oracle", "counting", size, size, actions, context=2, fps=15.0)

    def with_settings(self, **changes: Any) -> CountingOracle:
        raise ValueError(f"settings: got {changes}, expected none")

    def initial(self, context: Context, rng: Rng) -> FrameState:
        return FrameState(context.frames[:, -1], context.actions[:, -1])

    def step(
        self, state: FrameState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[FrameState, Prediction]:
        image = state.image.clone()
        image[:, 0] += 1
        image[:, 1] = self.shown(state, action).to(torch.uint8)[:, None, None]
        over = image[:, 0, 0, 0] >= image[:, 2, 0, 0]
        prediction = Prediction(image, self.paid(action.float() - 1), self.ended(over))
        return FrameState(image, action), prediction

    def shown(self, state: FrameState, action: Tensor) -> Tensor:
        return action

    def paid(self, reward: Tensor) -> Tensor:
        return reward

    def ended(self, over: Tensor) -> Tensor:
        return over

    def frame(self, state: FrameState) -> Tensor:
        return state.image

    def edit(self, state: FrameState, name: str, value: Tensor) -> FrameState:
        raise ValueError(f"edit: got {name}, expected none")


class Flipped(CountingOracle):
    """Its rewards have the wrong sign."""

    def paid(self, reward: Tensor) -> Tensor:
        return -reward


class Endless(CountingOracle):
    """Never ends."""

    def ended(self, over: Tensor) -> Tensor:
        return torch.zeros_like(over)


class Bright(CountingOracle):
    """Shows every action much too bright: the picture is wrong, all else is right."""

    def shown(self, state: FrameState, action: Tensor) -> Tensor:
        return action + 100
