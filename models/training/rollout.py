"""Running a world over held-out play: one step from real frames, or on and on from its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.types import Context
from models.world import Rng, WorldModel

ROWS = 32
"""Rows a batch."""
WARM_UP = 12
"""Real frames before a world's own context, for its recurrent parts."""
Tick = Callable[[int], None]
"""Hears how many row-steps were done."""


@dataclass(frozen=True)
class Place:
    """Frame ``t`` of an episode; the action taken there leads to frame t + 1."""

    episode: int
    t: int


def all_places(lengths: Sequence[int], context: int, steps: int) -> list[Place]:
    """Every place with ``context`` frames up to it and ``steps`` steps after it inside its episode of so many steps."""
    return [Place(e, t) for e, length in enumerate(lengths) for t in range(context - 1, length - steps + 1)]


def draw(places: Sequence[Place], count: int, seed: int) -> list[Place]:
    """At most ``count`` of the places, evenly and without repetition, in their order."""
    if len(places) <= count:
        return list(places)
    chosen = np.random.default_rng(seed).choice(len(places), count, replace=False)
    return [places[i] for i in sorted(chosen.tolist())]


def context_at(episodes: Sequence[EpisodeFile], places: Sequence[Place], length: int) -> Context:
    """The last ``length`` frames up to each place, one a row, and the actions between them."""
    frames = [episodes[p.episode].slice("frames", p.t - length + 1, p.t + 1) for p in places]
    actions = [episodes[p.episode].slice("actions", p.t - length + 1, p.t) for p in places]
    return Context(torch.stack(frames), torch.stack(actions))


def after(episodes: Sequence[EpisodeFile], places: Sequence[Place], name: str, steps: int) -> Tensor:
    """What follows each place, (N, steps, ...): frames and objects from t + 1 on, all else from step t on."""
    first = 1 if name in ("frames", "objects") else 0
    return torch.stack([episodes[p.episode].slice(name, p.t + first, p.t + first + steps) for p in places])


@dataclass(frozen=True)
class Dream:
    """frames (N, T, 3, H, W) uint8; rewards (N, T) float32; terminated (N, T) bool, on the CPU."""

    frames: Tensor
    rewards: Tensor
    terminated: Tensor


def play_on(world: WorldModel[Any], state: Any, actions: Tensor, rng: Rng, tick: Tick = lambda n: None) -> Dream:
    """Take actions (B, T) from a state, the world feeding on its own frames. A predicted end does not stop it."""
    shown = []
    for action in actions.unbind(1):
        state, prediction = world.step(state, action, rng)
        shown.append(prediction)
        tick(len(action))
    return Dream(
        torch.stack([p.frame.cpu() for p in shown], dim=1),
        torch.stack([p.reward.cpu() for p in shown], dim=1),
        torch.stack([p.terminated.cpu() for p in shown], dim=1),
    )


def dream_on(
    world: WorldModel[Any], context: Context, actions: Tensor, seed: int, tick: Tick = lambda n: None
) -> Dream:
    """Dreams from contexts under actions (N, T), in batches; row n draws from seed + n whatever the batches are."""
    parts = []
    for start in range(0, len(actions), ROWS):
        rows = slice(start, start + ROWS)
        rng = Rng.seeded(range(seed + start, seed + start + len(actions[rows])))
        state = world.initial(Context(context.frames[rows], context.actions[rows]), rng)
        parts.append(play_on(world, state, actions[rows], rng, tick))
    return Dream(*(torch.cat([getattr(p, name) for p in parts]) for name in ("frames", "rewards", "terminated")))
