"""Paired futures: what follows each action from one state, and how a dream's answers compare with reality's."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from models.study.faults import Answer
from models.training.measures import MOVED
from models.training.rollout import Dream
from models.world import Rng, WorldModel, cat_states, state_tensors

Result = TypeVar("Result")
Slices = Generator[None, None, Result]
"""Work that pauses after every step of a world."""
AFTER = 3
"""Steps from an answer's onset on in which it is compared."""
APART = 0.25
"""Two alignments can be told apart where reality's answers to them differ by this share of the answer."""
FAINT = 1000.0
"""Below this squared sum of levels (four pixels by 9 levels) an answer of reality's is none."""
MOVING = 0.5
"""Reality moves where it does in this share of the steps."""


def drain(slices: Slices[Result]) -> Result:
    """Run the work to its end."""
    while True:
        try:
            next(slices)
        except StopIteration as end:
            result: Result = end.value
            return result


@torch.no_grad()
def futures_in_steps(world: WorldModel[Any], state: Any, actions: Tensor, seeds: Sequence[int]) -> Slices[Dream]:
    """``futures``, pausing after every batched step."""
    rows, size = len(actions), len(next(iter(state_tensors(state).values())))
    if size not in (1, rows):
        raise ValueError(f"futures: got a state of {size} rows, expected 1 or {rows}, as many as action sequences")
    if getattr(world, "alone", False) and rows > 1:
        # It keeps a few games, which stepped in turn would be played again for every step.
        parts = []
        for row in range(rows):
            own = state if size == 1 else row_of(state, row)
            parts.append((yield from futures_in_steps(world, own, actions[row : row + 1], [seeds[row]])))
        return Dream(*(torch.cat([getattr(p, name) for p in parts]) for name in ("frames", "rewards", "terminated")))
    rng = Rng.seeded(seeds).check(rows)
    now, shown = state if size == rows else cat_states([state] * rows), []
    for action in actions.unbind(1):
        now, seen = world.step(now, action, rng)
        shown.append(seen)
        yield
    return Dream(
        torch.stack([s.frame.cpu() for s in shown], dim=1),
        torch.stack([s.reward.cpu() for s in shown], dim=1),
        torch.stack([s.terminated.cpu() for s in shown], dim=1),
    )


def futures(world: WorldModel[Any], state: Any, actions: Tensor, seeds: Sequence[int]) -> Dream:
    """What follows from a state (batch 1, or one a row) under action sequences (R, n, ...): frames (R, n, 3, H, W), ...

    One batched step of the world a time; a dream and a real game alike. With the same seed for every row, rows differ
    by their actions alone. Never changes the state. Raises ValueError for a state of another batch.
    """
    return drain(futures_in_steps(world, state, actions, seeds))


def row_of(state: Any, row: int) -> Any:
    """One row of a state, batch 1."""
    return type(state)(**{name: tensor[row : row + 1] for name, tensor in state_tensors(state).items()})


def held_for(held: Tensor, steps: int) -> Tensor:
    """Each of the actions (A, ...) held for so many steps: (A, steps, ...)."""
    return held[:, None].expand(-1, steps, *held.shape[1:]).contiguous()


def responses(frames: Tensor, rest: int) -> Tensor:
    """Branches (A, n, 3, H, W) uint8 as differences from the one in which nothing is done: int16, faint ones 0."""
    difference = frames.to(torch.int16) - frames[rest].to(torch.int16)
    return difference * (difference.abs() > MOVED)


def onset(response: Tensor) -> int | None:
    """The first step (from 0) at which a response (n, 3, H, W) shows; None where it never does."""
    steps = response.flatten(1).any(1).nonzero()
    return int(steps[0]) if len(steps) else None


@dataclass(frozen=True)
class Branched:
    """A real state's futures under each held action: what the dream's are compared with.

    told (A, k + 1, 3, H, W) uint8: the action from the first step on; late (A, k, 3, H, W): the action before once
    more, then this one. names: of the actions; rest: which of them does nothing.
    """

    told: Tensor
    late: Tensor
    names: tuple[str, ...]
    rest: int


def branch_in_steps(
    real: WorldModel[Any], state: Any, before: Tensor, held: Tensor, names: tuple[str, ...], rest: int, steps: int
) -> Slices[Branched]:
    """Real futures from a state (batch 1). before (1, ...): the action that led to it. held (A, ...)."""
    rows = len(held)
    told = yield from futures_in_steps(real, state, held_for(held, steps + 1), [0] * rows)
    again = before.expand(rows, *before.shape[1:])[:, None]
    actions = torch.cat([again, held_for(held, steps - 1)], dim=1)
    late = yield from futures_in_steps(real, state, actions, [0] * rows)
    return Branched(told.frames, late.frames, names, rest)


def answers(before: Tensor, dream: Tensor, real: Branched) -> list[Answer]:
    """How a dream (A, k, 3, H, W) uint8 of every held action answered each that reality clearly answers in its k steps.

    before (3, H, W) uint8: the dream's frame from which they begin.
    """
    steps, stood = dream.shape[1], not bool(stirs(before, dream).any())
    said, told = responses(dream, real.rest), responses(real.told, real.rest)
    # Reality under the action before is the same in every branch: late's own rest branch is what it is compared with.
    late = responses(real.late, real.rest)
    out = []
    for a, name in enumerate(real.names):
        begun = onset(told[a, : steps - 1])
        if a == real.rest or begun is None:
            continue
        window = slice(max(0, begun - 1), min(begun + AFTER, steps))
        here, now = said[a, window].float(), told[a, window].float()
        after = told[a, window.start + 1 : window.stop + 1].float()
        whole = squared(told[a, :steps])
        size = squared(now)
        if size < FAINT:
            continue
        out.append(
            Answer(
                name,
                squared(said[a]) / whole,
                squared(here - now) / size,
                telling(here, late[a, window].float(), now, size),
                telling(here, after, now, size),
                stood,
            )
        )
    return out


def telling(here: Tensor, other: Tensor, now: Tensor, size: float) -> float:
    """The distance of an answer from another alignment's, nan where that is hardly another."""
    return squared(here - other) / size if squared(other - now) >= APART * size else math.nan


def squared(difference: Tensor) -> float:
    return float(difference.double().square().sum())


def stands_still(before: Tensor, dream: Tensor, real: Branched) -> bool | None:
    """Whether a dream (A, k, 3, H, W) moves in no branch; None where reality does not move in all of them either."""
    moving = stirs(before, real.told).float().mean(1) >= MOVING
    return not bool(stirs(before, dream).any()) if bool(moving.all()) else None


def stirs(before: Tensor, frames: Tensor) -> Tensor:
    """Whether something moved at each step: frames (..., n, 3, H, W) uint8 after one (3, H, W), to (..., n) bool."""
    first = before.expand(*frames.shape[:-4], 1, *before.shape)
    whole = torch.cat([first, frames], dim=-4).to(torch.int16)
    return (whole.diff(dim=-4).abs() > MOVED).flatten(-3).any(-1)
