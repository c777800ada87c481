"""Action accuracy: from a cloned real state, does the dream of an action go where that action really leads?"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.adapter import channels_first
from models.envs.experts import SCRIPTS, Player
from models.envs.real_world import RealState, RealWorld
from models.training.bootstrap import ratio_interval
from models.training.rollout import ROWS, Tick, dream_on
from models.types import Context
from models.world import Rng, WorldModel, cat_states

HOLD = 8
TAIL = 4
"""Every action is held for HOLD steps; the last TAIL frames are compared."""
STATES_A_GAME, APART = 8, (24, 72)
"""States taken from one game, and how many steps lie between two of them."""
FIRST_SEED = 1 << 30
"""Games are seeded from here on; `reverie collect` counts up from 0."""


@dataclass(frozen=True)
class Branches:
    """Real futures from real states.

    context: the frames up to each state, (N, L, 3, H, W) uint8, and the actions between them; futures
    (N, A, k, 3, H, W) uint8: frames after holding each action for 1 .. k steps; states: the emulator's, batch N, None
    where a game cannot store it; seeds of the games; held: the actions (A,) or (A, n), and their names.
    """

    context: Context
    futures: Tensor
    states: RealState | None
    seeds: tuple[int, ...]
    held: Tensor
    names: tuple[str, ...]


def real_branches(
    real: RealWorld,
    count: int,
    length: int,
    seed: int,
    taken: frozenset[int] = frozenset(),
    hold: int = HOLD,
    on_state: Callable[[int], None] = lambda n: None,
) -> Branches:
    """States from the play of the noisy expert (or sticky random play), with every action's future from each.

    Only states from which at least two actions lead to different frames are kept. Games have seeds of their own, none
    of those ``taken``. Raises ValueError when the game gives too few such states.
    """
    found: list[tuple[Tensor, Tensor, Tensor, RealState]] = []
    seeds = []
    candidate = FIRST_SEED + seed * 65_537
    for _ in range(4 * count + 4):
        candidate = candidate + 1
        if candidate in taken:
            continue
        seeds.append(candidate)
        for state in states_of_game(real, candidate, length, hold):
            found.append(state)
            on_state(1)
            if len(found) == count:
                return collate(found, tuple(seeds), real.spec.actions.names)
    raise ValueError(
        f"evaluation: got {len(found)} states of {real.env.game} from which actions differ within {hold} steps, "
        f"expected {count}"
    )


def collate(
    found: list[tuple[Tensor, Tensor, Tensor, RealState]], seeds: tuple[int, ...], names: tuple[str, ...]
) -> Branches:
    frames, actions, futures, states = zip(*found, strict=True)
    context = Context(torch.stack(frames), torch.stack(actions))
    return Branches(context, torch.stack(futures), cat_states(states), seeds, torch.arange(len(names)), names)


def states_of_game(
    real: RealWorld, seed: int, length: int, hold: int
) -> list[tuple[Tensor, Tensor, Tensor, RealState]]:
    """Play one game and branch at random times: frames, actions, futures and the emulator's state of each."""
    env, random = real.env, np.random.default_rng(seed)
    player = Player("expert" if env.game in SCRIPTS else "sticky", env.game, env.action_names, random)
    frames = deque([channels_first(env.reset(seed=seed)[0])], maxlen=length)
    actions: deque[int] = deque(maxlen=length - 1)
    wait = length + int(random.integers(APART[1]))
    found: list[tuple[Tensor, Tensor, Tensor, RealState]] = []
    while len(found) < STATES_A_GAME:
        action = player.act(env.ram())
        frame, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
        frames.append(channels_first(frame))
        actions.append(action)
        wait -= 1
        if wait > 0:
            continue
        wait, state = int(random.integers(*APART)), real.state_of()
        futures = hold_each(real, state, hold)
        real.restore(state)
        if distinct(futures[:, -TAIL:]) > 1:
            found.append((torch.stack(list(frames)), torch.tensor(list(actions)), futures, state))
    return found


def hold_each(real: RealWorld, state: RealState, hold: int) -> Tensor:
    """Frames (A, hold, 3, H, W) uint8 of every action held from a state of batch 1."""
    futures = []
    for action in range(real.spec.actions.size):
        now, frames = state, []
        for _ in range(hold):
            now, prediction = real.step(now, torch.tensor([action]), Rng([]))
            frames.append(prediction.frame[0])
        futures.append(torch.stack(frames))
    return torch.stack(futures)


def groups(branches: Tensor) -> list[int]:
    """For each of the branches (A, ...) the first one that is identical to it."""
    flat = branches.flatten(1)
    return [next(j for j in range(len(flat)) if torch.equal(flat[i], flat[j])) for i in range(len(flat))]


def distinct(branches: Tensor) -> int:
    return len(set(groups(branches)))


def hits(dreams: Tensor, branches: Tensor) -> list[bool]:
    """Whether each dream (A, T, 3, H, W) is nearer, in squared error, to its own action's branch than to any other one.

    Branches that are identical are one.
    """
    group = torch.tensor(groups(branches))
    distance = distances(dreams, branches)
    out = []
    for action in range(len(dreams)):
        own = group == group[action]
        out.append(bool(distance[action, action] < distance[action, ~own].min()))
    return out


def distances(dreams: Tensor, branches: Tensor) -> Tensor:
    """Squared error of each dream (A, T, 3, H, W) from each branch (A, T, 3, H, W) uint8: (A, A) float64."""
    flat = branches.flatten(1).double()
    return torch.stack([(flat - dream.flatten().double()).square().sum(1) for dream in dreams])


def taken_for(dreams: Tensor, branches: Tensor) -> list[int]:
    """For each dreamed action the one whose real branch is nearest.

    Of branches that are identical it is the dreamed action's own, or else the first. The own one wins no tie with
    another branch.
    """
    group = torch.tensor(groups(branches))
    distance = distances(dreams, branches)
    out = []
    for action in range(len(dreams)):
        own = group == group[action]
        others = distance[action].masked_fill(own, torch.inf)
        hit = bool(distance[action, action] < others.min())
        out.append(action if hit else int(others.argmin()))
    return out


def measure_actions(world: WorldModel[Any], real: Branches, seed: int, tick: Tick = lambda n: None) -> dict[str, Any]:
    """The part ``action_accuracy`` of a world's quality.

    ``first_response`` compares only the first frame in which the real futures differ: there an action that comes one
    step late is noticed even where, held for long, it would not matter.
    """
    n, size, hold = real.futures.shape[:3]
    dreams = torch.cat([dream_branches(world, real, row, seed, tick) for row in range(0, n, max(1, ROWS // size))])
    tail = min(TAIL, hold)
    late = [(dreams[i, :, -tail:], real.futures[i, :, -tail:]) for i in range(n)]
    first = [next(t for t in range(hold) if distinct(real.futures[i, :, t]) > 1) for i in range(n)]
    soon = [(dreams[i, :, t : t + 1], real.futures[i, :, t : t + 1]) for i, t in enumerate(first)]
    return {
        "steps": hold,
        "states": n,
        "games": len(real.seeds),
        **score(late, real.names, seed),
        "first_response": score(soon, real.names, seed),
    }


def dream_branches(world: WorldModel[Any], real: Branches, row: int, seed: int, tick: Tick) -> Tensor:
    """Dreams (n, A, hold, 3, H, W) of every action held from a few states, beginning with ``row``."""
    size, hold = real.futures.shape[1:3]
    rows = slice(row, row + max(1, ROWS // size))
    frames, actions = real.context.frames[rows], real.context.actions[rows]
    held = real.held.repeat(len(frames), *[1] * (real.held.ndim - 1))
    held = held[:, None].expand(-1, hold, *real.held.shape[1:])
    context = Context(frames.repeat_interleave(size, 0), actions.repeat_interleave(size, 0))
    return dream_on(world, context, held, seed + row * size, tick).frames.unflatten(0, (len(frames), size))


def score(pairs: list[tuple[Tensor, Tensor]], names: tuple[str, ...], seed: int) -> dict[str, Any]:
    """Hits over all states and actions; chance is that of guessing among a state's distinct branches.

    confusion: how often each action (row) went where each one (column) really leads.
    """
    right = torch.tensor([hits(dreams, branches) for dreams, branches in pairs])
    trials = torch.full((len(right),), right.shape[1])
    chance = sum(1 / distinct(branches) for _, branches in pairs) / len(pairs)
    confusion = torch.zeros(len(names), len(names), dtype=torch.int64)
    for dreams, branches in pairs:
        confusion[torch.arange(len(names)), taken_for(dreams, branches)] += 1
    return {
        "accuracy": float(right.float().mean()),
        "interval": ratio_interval(right.sum(1), trials, seed),
        "hits": int(right.sum()),
        "trials": right.numel(),
        "chance": chance,
        "by_action": {name: [int(right[:, a].sum()), len(right)] for a, name in enumerate(names)},
        "confusion": confusion.tolist(),
    }
