"""Action accuracy with its games kept apart, and what the action of a dream was taken for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.envs.real_world import RealWorld
from models.study.pooled import Pooled
from models.training.branches import HOLD, Branches, measure_actions, real_branches
from models.training.rollout import Tick
from models.training.stored_branches import stored_branches
from models.world import WorldModel


@dataclass(frozen=True)
class Futures:
    """Real futures of every action from states of several games, one entry a game."""

    games: tuple[Branches, ...]

    @property
    def states(self) -> int:
        return sum(len(game.futures) for game in self.games)

    @property
    def cost(self) -> int:
        """Row-steps that dreaming all of them takes."""
        return sum(game.futures.shape[0] * game.futures.shape[1] * game.futures.shape[2] for game in self.games)


@dataclass(frozen=True)
class ActionStudy:
    """Hits over all states and actions, the same on the first frame that differs, and what chance would give.

    confusion (A, A) int64: rows the action dreamed, columns the action whose real future the dream is nearest to.
    """

    names: tuple[str, ...]
    accuracy: Pooled
    first: Pooled
    chance: float
    states: int
    steps: int
    confusion: Tensor


def real_futures(
    real: RealWorld,
    games: int,
    each: int,
    length: int,
    seed: int,
    taken: frozenset[int],
    on_state: Callable[[int], None],
) -> Futures:
    """From so many states of each of several games that are played for it, under seeds of their own."""
    found = [real_branches(real, each, length, seed * 1000 + k, taken, on_state=on_state) for k in range(games)]
    return Futures(tuple(found))


def stored_futures(
    episodes: Sequence[EpisodeFile], games: int, length: int, seed: int, on_state: Callable[[int], None]
) -> Futures:
    """From one state of each of several stored episodes, played again from their seeds; those without one are left out.

    Raises ValueError where none of them has a state from which actions differ.
    """
    found = list(one_each(episodes, games, length, seed, on_state))
    if not found:
        raise ValueError("report: got no stored state from which actions differ, expected one; collect longer episodes")
    return Futures(tuple(found))


def one_each(
    episodes: Sequence[EpisodeFile], games: int, length: int, seed: int, on_state: Callable[[int], None]
) -> Iterator[Branches]:
    left = games
    for number, episode in enumerate(episodes):
        if not left or len(episode) < length + HOLD:
            continue
        try:
            yield stored_branches([episode], 1, length, seed + number)
        except ValueError as error:
            if "from which actions differ" not in str(error):
                raise
            continue
        left -= 1
        on_state(1)


def study_actions(world: WorldModel[Any], futures: Futures, seed: int, tick: Tick = lambda n: None) -> ActionStudy:
    """Dream every action from every state. Ticks once a row and step."""
    scores = [measure_actions(world, game, seed + 1000 * k, tick) for k, game in enumerate(futures.games)]
    names = futures.games[0].names
    states = torch.tensor([s["states"] for s in scores], dtype=torch.float64)
    chance = sum(s["chance"] * s["states"] for s in scores) / float(states.sum())
    table = torch.tensor([s["confusion"] for s in scores]).sum(0)
    return ActionStudy(
        names,
        share_of(scores),
        share_of([s["first_response"] for s in scores]),
        chance,
        int(states.sum()),
        int(scores[0]["steps"]),
        table,
    )


def share_of(scores: Sequence[dict[str, Any]]) -> Pooled:
    hits, trials = (torch.tensor([s[key] for s in scores], dtype=torch.float64) for key in ("hits", "trials"))
    return Pooled(hits, trials, "%")
