"""Counting worlds in lockstep: a real one, and dreams of it that are right or wrong in a known way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from engine.lockstep import LockstepWorld
from engine.session import Session
from models.training.probe import Sightings
from models.types import Prediction
from models.world import Rng
from tests.counting import CountingSettings, CountingState, CountingWorld, starts


class RealCounting(CountingWorld):
    """The counting game as it really is; without noise."""

    family = "real"

    def __init__(self, end: int | None = None, settings: CountingSettings = CountingSettings()) -> None:
        super().__init__(end, settings)
        self.spec = replace(self.spec, family=self.family)

    def with_settings(self, **changes: Any) -> CountingWorld:
        return type(self)(self.end, super().with_settings(**changes).settings)

    def initial(self, context: Any, rng: Rng) -> CountingState:
        return replace(super().initial(context, rng), noise=torch.zeros(len(rng), dtype=torch.uint8))

    def step(
        self, state: CountingState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountingState, Prediction]:
        after, seen = super().step(state, action, rng, inspect=inspect)
        frame = after.frame.clone()
        frame[:, 2] = 0
        after = replace(after, noise=torch.zeros_like(after.noise), frame=frame)
        return after, replace(seen, frame=frame.clone(), reward=self.paid(action))

    def paid(self, action: Tensor) -> Tensor:
        return (action == 3).float()


class DreamtCounting(RealCounting):
    """A perfect dream of it, but for the count, which begins anew with every context."""

    family = "counting"


class Invents(DreamtCounting):
    """Pays for action 2 too."""

    def paid(self, action: Tensor) -> Tensor:
        return ((action == 3) | (action == 2)).float()


class Counter:
    """A probe whose only objects are the count and the last action: at the places that they name."""

    names, height, width = ("count", "last"), 4, 6

    def find(self, frames: Tensor) -> Sightings:
        """The count is at (count, 0), the last action at (0, action); an action of 0 is not there."""
        count, action = frames[..., 0, 0, 0].float(), frames[..., 1, 0, 0].float() % 10
        zero = torch.zeros_like(count)
        places = torch.stack([torch.stack([count, zero], -1), torch.stack([zero, action], -1)], dim=-2)
        return Sightings(places, torch.stack([torch.ones_like(action, dtype=torch.bool), action > 0], dim=-1))


def counting_lockstep(*followers: CountingWorld, end: int | None = None, probe: bool = False) -> LockstepWorld:
    """The real counting game and these dreams of it."""
    seen: Any = Counter() if probe else None
    return LockstepWorld(RealCounting(end), followers or (DreamtCounting(),), probe=seen)


def counting_session(*followers: CountingWorld, end: int | None = None, probe: bool = False, **options: Any) -> Session:
    world = counting_lockstep(*followers, end=end, probe=probe)
    return Session(world, starts(), world_hash="lockstep:c0ffee", **options)
