"""Where held-out episodes are looked at: places spread evenly over all of them, and where something happens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.training.one_step import NEIGHBOURS
from models.training.rollout import ROWS, WARM_UP, Place

KINDS = ("ends", "unusual rewards", "beside them", "others")
"""Kinds of single steps: that end the game, that pay what most do not, that lie beside such a one, all others."""


@dataclass(frozen=True)
class Effort:
    """How much is looked at, at most: single steps of four kinds, dreams and their length in steps."""

    ends: int = 128
    events: int = 384
    beside: int = 192
    rest: int = 640
    dreams: int = 64
    steps: int = 50

    def __post_init__(self) -> None:
        for name in ("ends", "events", "beside", "rest", "dreams", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected at least 1")


@dataclass(frozen=True)
class Survey:
    """The places that a study looks at, the same for every world.

    steps: where one step is foretold, with ``weights`` (N,) float64, how many steps of all episodes each stands for,
    and ``kinds`` (N,) int64, see KINDS. starts: where dreams begin, and how many steps each
    can last, (D,) int64. contexts: for each episode how many real frames
    come before a place. population: all steps there are;
    happening: how many steps there are of each kind. visited: episodes in which something is looked at, of
    ``episodes`` in all.
    """

    contexts: tuple[int, ...]
    steps: tuple[Place, ...]
    weights: Tensor
    kinds: Tensor
    starts: tuple[Place, ...]
    lasting: Tensor
    population: int
    happening: tuple[int, ...]
    visited: int
    episodes: int

    @property
    def step_episodes(self) -> Tensor:
        return torch.tensor([p.episode for p in self.steps])

    @property
    def start_episodes(self) -> Tensor:
        return torch.tensor([p.episode for p in self.starts])

    @property
    def looked_at(self) -> int:
        """Different steps of the episodes that are dreamed, at least once."""
        seen = {(p.episode, p.t) for p in self.steps}
        for place, steps in zip(self.starts, self.lasting.tolist(), strict=True):
            seen |= {(place.episode, place.t + k) for k in range(steps)}
        return len(seen)


def usual_reward(episodes: Sequence[EpisodeFile]) -> float:
    """The reward that most steps bring: 0 in most games, a little less than that where time costs."""
    rewards = torch.cat([e.slice("rewards", 0, len(e)) for e in episodes])
    values, counts = rewards.unique(return_counts=True)
    return float(values[counts.argmax()])


def kinds_of(episode: EpisodeFile, usual: float) -> Tensor:
    """The kind (T,) int64 of every step of an episode, an index of KINDS."""
    length = len(episode)
    ends = episode.slice("terminated", 0, length)
    happens = (episode.slice("rewards", 0, length) != usual) | ends
    near = torch.nn.functional.max_pool1d(happens[None].float(), 2 * NEIGHBOURS + 1, 1, NEIGHBOURS)[0] > 0
    return torch.where(ends, 0, torch.where(happens, 1, torch.where(near, 2, 3)))


def contexts_of(lengths: Sequence[int], least: int) -> tuple[int, ...]:
    """For each episode how many real frames are shown before a place of it: ``least`` and a warm-up.

    In a short episode the warm-up is cut so that half of its steps can be looked at.
    """
    return tuple(max(least, min(least + WARM_UP, length // 2)) for length in lengths)


def batches(survey: Survey, places: Sequence[Place]) -> list[list[int]]:
    """Indices of the places in batches of at most ROWS, those of a batch with contexts of one length."""
    groups: dict[int, list[int]] = {}
    for index, place in enumerate(places):
        groups.setdefault(survey.contexts[place.episode], []).append(index)
    return [group[k : k + ROWS] for group in groups.values() for k in range(0, len(group), ROWS)]


def survey(episodes: Sequence[EpisodeFile], least: int, effort: Effort, seed: int) -> Survey:
    """Choose the places. Raises ValueError where no episode is long enough.

    Every episode of at least ``least`` steps is looked at, however many there are.
    """
    lengths = [len(e) for e in episodes]
    contexts, usual = contexts_of(lengths, least), usual_reward(episodes)
    strata: tuple[list[Place], ...] = tuple([] for _ in KINDS)
    for number, episode in enumerate(episodes):
        kinds = kinds_of(episode, usual).tolist()
        for t in range(contexts[number] - 1, len(episode)):
            strata[kinds[t]].append(Place(number, t))
    population = sum(map(len, strata))
    if not population:
        raise ValueError(
            f"report: got no held-out episode of {least} steps, expected one; the longest has {max(lengths)}"
        )
    counts = (effort.ends, effort.events, effort.beside, effort.rest)
    drawn = [evenly(places, count, seed) for places, count in zip(strata, counts, strict=True)]
    weights = [
        torch.full((len(d),), len(s) / max(1, len(d)), dtype=torch.float64) for s, d in zip(strata, drawn, strict=True)
    ]
    starts = dream_starts(lengths, contexts, effort, seed)
    lasting = torch.tensor([min(effort.steps, lengths[p.episode] - p.t) for p in starts])
    steps = tuple(place for part in drawn for place in part)
    return Survey(
        contexts,
        steps,
        torch.cat(weights),
        torch.cat([torch.full((len(d),), kind) for kind, d in enumerate(drawn)]),
        starts,
        lasting,
        population,
        tuple(map(len, strata)),
        len({p.episode for p in (*steps, *starts)}),
        len(episodes),
    )


def evenly(places: Sequence[Place], count: int, seed: int) -> list[Place]:
    """At most ``count`` of the places at equal distances, the first drawn by the seed."""
    if len(places) <= count:
        return list(places)
    offset = float(torch.rand((), generator=torch.Generator().manual_seed(seed)))
    return [places[int((k + offset) * len(places) / count)] for k in range(count)]


def dream_starts(lengths: Sequence[int], contexts: Sequence[int], effort: Effort, seed: int) -> tuple[Place, ...]:
    """Starts of dreams, evenly over all places with room for a whole one, and at least one an episode.

    In an episode that is too short for a whole dream it begins as early as can be.
    """
    ranges = [range(c - 1, length - effort.steps + 1) for length, c in zip(lengths, contexts, strict=True)]
    whole = [Place(number, t) for number, possible in enumerate(ranges) for t in possible]
    chosen = set(evenly(whole, effort.dreams, seed))
    without = set(range(len(lengths))) - {p.episode for p in chosen}
    generator = torch.Generator().manual_seed(seed + 1)
    for number in sorted(without):
        if lengths[number] < contexts[number]:
            continue
        room = max(1, lengths[number] - effort.steps + 2 - contexts[number])
        chosen.add(Place(number, contexts[number] - 1 + int(torch.randint(room, (1,), generator=generator))))
    return tuple(sorted(chosen, key=lambda p: (p.episode, p.t)))
