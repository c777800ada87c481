"""A world that counts, for tests of what is built on the WorldModel contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from models.types import ActionSpec, Context, Prediction, View, WorldSpec
from models.world import Rng

NAMES = ("NOOP", "FIRE", "UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPFIRE")


@dataclass(frozen=True)
class CountingState:
    """count (B,) int64, last (B,) int64, noise (B,) uint8, frame (B, 3, H, W) uint8."""

    count: Tensor
    last: Tensor
    noise: Tensor
    frame: Tensor


@dataclass(frozen=True)
class CountingSettings:
    gain: int = 1


class CountingWorld:
    """Its frame shows count, last action, a random byte and the gain; action 3 is rewarded, ``end`` steps end it."""

    def __init__(self, end: int | None = None, settings: CountingSettings = CountingSettings()) -> None:
        self.end, self.settings = end, settings
        self.spec = WorldSpec("counting", "counting", 4, 6, ActionSpec(NAMES), context=2, fps=10.0)

    def with_settings(self, **changes: Any) -> CountingWorld:
        if not set(changes) <= {"gain"}:
            raise ValueError(f"settings: got {sorted(changes)}, expected gain")
        return CountingWorld(self.end, replace(self.settings, **changes))

    def initial(self, context: Context, rng: Rng) -> CountingState:
        frame = context.frames[:, -1]
        count = torch.zeros(frame.shape[0], dtype=torch.int64)
        return CountingState(count, count, rng.integers(256).to(torch.uint8), frame)

    def step(
        self, state: CountingState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountingState, Prediction]:
        self.spec.actions.check(action, len(state.count))
        count, noise = state.count + 1, rng.integers(256).to(torch.uint8)
        frame = torch.zeros_like(state.frame)
        frame[:, 0] = (count * self.settings.gain % 256).to(torch.uint8)[:, None, None]
        frame[:, 1] = (action + 10 * state.last).to(torch.uint8)[:, None, None]
        frame[:, 2] = (noise ^ state.noise)[:, None, None]
        over = count >= self.end if self.end else torch.zeros_like(count, dtype=torch.bool)
        views = (View("count", "scalar", count),) if inspect else ()
        return CountingState(count, action, noise, frame), Prediction(frame, (action == 3).float(), over, views)

    def frame(self, state: CountingState) -> Tensor:
        return state.frame

    def edit(self, state: CountingState, name: str, value: Tensor) -> CountingState:
        raise ValueError(f"view {name}: got an edit, expected none")


@dataclass(frozen=True)
class Loaded:
    """Stands in for a world loaded from disk."""

    world: CountingWorld
    starts: Context
    hash: str = "c0ffee"
    folder: None = None


def starts(count: int = 3) -> Context:
    frames = torch.arange(count, dtype=torch.uint8)[:, None, None, None, None].expand(count, 2, 3, 4, 6).clone()
    return Context(frames * 40, torch.zeros(count, 1, dtype=torch.int64))


def loaded(end: int | None = None, hash: str = "c0ffee") -> Any:
    """A counting world as ``engine.loading`` would give it."""
    return Loaded(CountingWorld(end), starts(), hash)
