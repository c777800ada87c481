"""A world that is told at every step what the real game did: what it expects of the next frame, beside what comes."""

from __future__ import annotations

from dataclasses import fields, make_dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from models.types import Context, Prediction, View
from models.world import Observing, Rng, WorldModel, state_tensors

DREAM, REAL, SHOWN = "dream_", "real_", "shown"
STRIP = "reality and dream"
EVENTS = "reward"


@cache
def state_type(dream: Any, real: Any) -> Any:
    """The dataclass of a grounded state: both parts' fields under their prefixes, and the frame last shown."""
    ours, theirs = ([field.name for field in fields(part)] for part in (dream, real))
    names = [*(DREAM + name for name in ours), *(REAL + name for name in theirs), SHOWN]
    about = {"__doc__": "Both parts' states.", "parts": (dream, real)}
    return make_dataclass("GroundedState", [(name, Tensor) for name in names], frozen=True, namespace=about)


def joined(dream: Any, real: Any, shown: Tensor) -> Any:
    """The grounded state of both parts' states."""
    tensors = {DREAM + name: tensor for name, tensor in state_tensors(dream).items()}
    tensors |= {REAL + name: tensor for name, tensor in state_tensors(real).items()}
    kinds: tuple[Any, Any] = (type(dream), type(real))
    return state_type(*kinds)(**tensors, **{SHOWN: shown})


def parts_of(state: Any) -> tuple[Any, Any]:
    """The world's state and the real game's, of a grounded one."""
    tensors, parts = state_tensors(state), []
    for kind, prefix in zip(state.parts, (DREAM, REAL), strict=True):
        mine = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        parts.append(kind(**mine))
    return parts[0], parts[1]


class GroundedWorld:
    """The real game and a world that observes it, stepped together behind the same contract.

    A step plays the real game and tells the world the frame it led to. What is shown is the frame the world expected;
    reward and termination are the game's, by which an episode ends. Settings, views and edits are the world's.
    Raises ValueError where the world cannot observe, or the two differ in size or actions.
    """

    def __init__(self, dream: Observing[Any], real: WorldModel[Any]) -> None:
        if not hasattr(dream, "observe"):
            raise ValueError(f"grounded: got the world {dream.spec.name}, expected one of a family that can observe")
        ours, theirs = ((w.spec.height, w.spec.width, w.spec.actions.names, w.spec.actions.kind) for w in (dream, real))
        if ours != theirs:
            raise ValueError(f"grounded: got the real game with {theirs}, expected the world's size and actions {ours}")
        self.dream, self.real = dream, real
        self.alone = bool(getattr(real, "alone", False))
        self.spec = replace(dream.spec, name=f"{dream.spec.name} (grounded)", termination=real.spec.termination)

    @property
    def settings(self) -> Any:
        return self.dream.settings

    def with_settings(self, **changes: Any) -> GroundedWorld:
        return GroundedWorld(self.dream.with_settings(**changes), self.real)  # type: ignore[arg-type]

    def initial(self, context: Context, rng: Rng) -> Any:
        """A fresh real game, played by no-ops until the world has its context of it; the frames given tell nothing."""
        context.check(self.spec)
        spec, batch = self.spec, len(context.frames)
        noops = spec.actions.noops(batch)
        real = self.real.initial(context, rng)
        frames = [self.real.frame(real)]
        for _ in range(spec.context - 1):
            real, seen = self.real.step(real, noops, rng)
            frames.append(seen.frame)
        actions = noops[:, None].expand(batch, spec.context - 1, *spec.actions.shape)
        dream = self.dream.initial(Context(torch.stack(frames, dim=1), actions.contiguous()), rng)
        return joined(dream, real, frames[-1].clone())

    def step(self, state: Any, action: Tensor, rng: Rng, *, inspect: bool = False) -> tuple[Any, Prediction]:
        rng.check(len(state.shown))
        self.spec.actions.check(action, len(state.shown))
        dream, real = parts_of(state)
        real, fact = self.real.step(real, action, rng)
        dream, expected = self.dream.observe(dream, action, fact.frame, rng, inspect=inspect)
        shown = expected.frame.to(fact.frame.device)
        views = (*self._views(fact, expected, shown), *expected.views) if inspect else ()
        return joined(dream, real, shown), Prediction(shown.clone(), fact.reward, fact.terminated, views)

    def frame(self, state: Any) -> Tensor:
        return state.shown

    def edit(self, state: Any, name: str, value: Tensor) -> Any:
        """What the world believes is changed; the real game stays as it is."""
        dream, real = parts_of(state)
        edited = self.dream.edit(dream, name, value)
        return joined(edited, real, self.dream.frame(edited).to(state.shown.device).clone())

    def inside(self, state: Any) -> tuple[View, ...]:
        """The world's own look inside, where it has one."""
        look = getattr(self.dream, "inside", None)
        return () if look is None else look(parts_of(state)[0])

    def _views(self, fact: Prediction, expected: Prediction, shown: Tensor) -> tuple[View, ...]:
        error = (fact.frame.int() - shown.int()).abs().to(torch.uint8)
        strip = torch.stack([fact.frame, shown, error], dim=1)
        rewards = torch.stack([fact.reward, expected.reward.to(fact.reward.device)], dim=1)
        return (
            View(STRIP, "film_strip", strip, ("real", "dream", "error")),
            View(EVENTS, "vector", rewards, ("real", "dream")),
        )
