"""One step from real frames: how near the frame is, and whether reward and termination are foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.training.bootstrap import decibel_interval, ratio_interval
from models.training.measures import moved_pixels, moving_psnr, psnr, squared_error, ssim
from models.training.rollout import ROWS, Dream, Place, Tick, after, all_places, context_at, draw, dream_on
from models.world import WorldModel

NEIGHBOURS = 2
"""Steps so near an event are looked at more often: an event a step too early or late is a false one."""


@dataclass(frozen=True)
class Truth:
    """What happened at places: last and frames (N, 3, H, W) uint8, reward signs (N,) float32, terminated (N,) bool."""

    last: Tensor
    frames: Tensor
    signs: Tensor
    terminated: Tensor


@dataclass(frozen=True)
class Stratum:
    """Places that stand for ``population`` of their kind."""

    places: list[Place]
    population: int


def strata(episodes: Sequence[EpisodeFile], context: int, segments: int, seed: int) -> tuple[Stratum, Stratum, Stratum]:
    """All steps of the episodes in three kinds, with places drawn from each: events, their neighbours, the rest."""
    places = all_places([len(e) for e in episodes], context, 1)
    if not places:
        raise ValueError(f"evaluation: got no held-out episode of {context} steps, expected one; run `reverie collect`")
    happens = [events(e) for e in episodes]
    near = [torch.nn.functional.max_pool1d(h[None].float(), 2 * NEIGHBOURS + 1, 1, NEIGHBOURS)[0] > 0 for h in happens]
    event = [p for p in places if happens[p.episode][p.t]]
    beside = [p for p in places if near[p.episode][p.t] and not happens[p.episode][p.t]]
    rest = [p for p in places if not near[p.episode][p.t]]
    return (
        Stratum(draw(event, 4 * segments, seed), len(event)),
        Stratum(draw(beside, 4 * segments, seed + 1), len(beside)),
        Stratum(draw(rest, 16 * segments, seed + 2), len(rest)),
    )


def events(episode: EpisodeFile) -> Tensor:
    """(T,) bool: a reward or the end of the game."""
    return (episode.slice("rewards", 0, len(episode)) != 0) | episode.slice("terminated", 0, len(episode))


def truth_at(episodes: Sequence[EpisodeFile], places: Sequence[Place]) -> Truth:
    return Truth(
        context_at(episodes, places, 1).frames[:, 0],
        after(episodes, places, "frames", 1)[:, 0],
        after(episodes, places, "rewards", 1)[:, 0].sign(),
        after(episodes, places, "terminated", 1)[:, 0],
    )


def predict_at(
    world: WorldModel[Any],
    episodes: Sequence[EpisodeFile],
    places: Sequence[Place],
    context: int,
    seed: int,
    tick: Tick,
) -> Dream:
    """The world's next step from the real frames up to each place, under the real action."""
    parts = []
    for start in range(0, len(places), ROWS):
        rows = places[start : start + ROWS]
        actions = after(episodes, rows, "actions", 1)
        parts.append(dream_on(world, context_at(episodes, rows, context), actions, seed + start, tick))
    return Dream(*(torch.cat([getattr(p, name)[:, 0] for p in parts]) for name in ("frames", "rewards", "terminated")))


def frame_measures(guess: Tensor, truth: Truth, seed: int) -> dict[str, Any]:
    """PSNR, SSIM and PSNR on moving pixels of guesses (N, 3, H, W) uint8, beside those of copying the last frame."""
    error = squared_error(guess, truth.frames)
    moved = moved_pixels(truth.last, truth.frames)
    pixels = torch.full((len(guess),), error[0].numel())
    return {
        "frames": len(guess),
        "psnr": psnr(guess, truth.frames),
        "psnr_interval": decibel_interval(error.sum((1, 2)), pixels, seed),
        "copy_psnr": psnr(truth.last, truth.frames),
        "moving_psnr": number(moving_psnr(guess, truth.last, truth.frames)),
        "moving_psnr_interval": decibel_interval((error * moved).sum((1, 2)), moved.sum((1, 2)), seed),
        "copy_moving_psnr": number(moving_psnr(truth.last, truth.last, truth.frames)),
        "ssim": ssim(guess, truth.frames),
        "copy_ssim": ssim(truth.last, truth.frames),
    }


def number(value: float) -> float | None:
    """JSON knows no nan."""
    return None if value != value else value


def event_measures(said: Tensor, real: Tensor, weights: Tensor) -> dict[str, Any]:
    """Precision, recall and F1 of (N,) bool, each row standing for ``weights`` steps; None where undefined."""
    hits = float(weights[said & real].sum())
    false, missed = float(weights[said & ~real].sum()), float(weights[~said & real].sum())
    precision = hits / (hits + false) if hits + false else None
    recall = hits / (hits + missed) if hits + missed else None
    f1 = 2 * hits / (2 * hits + false + missed) if hits + false + missed else None
    return {
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "positives": int(real.sum()),
        "predicted": int(said.sum()),
        "recall_interval": ratio_interval((said & real).float() * weights, real.float() * weights),
    }


def measure_steps(
    world: WorldModel[Any], episodes: Sequence[EpisodeFile], context: int, segments: int, seed: int, tick: Tick
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts ``one_step`` and ``events`` of a world's quality.

    Frames: an even draw of all held-out steps is made from the three kinds in their true shares. Events: every row
    stands for as many steps as its kind has for each one drawn, so that precision and recall hold for all held-out
    steps.
    """
    kinds = strata(episodes, context, segments, seed)
    places = [place for kind in kinds for place in kind.places]
    dream, truth = predict_at(world, episodes, places, context, seed, tick), truth_at(episodes, places)
    weights = torch.cat([torch.full((len(k.places),), k.population / max(1, len(k.places))) for k in kinds])
    even, signs = even_rows(kinds, seed), signs_of(dream.rewards, after(episodes, places, "rewards", 1)[:, 0])
    picked = Truth(truth.last[even], truth.frames[even], truth.signs[even], truth.terminated[even])
    population = sum(kind.population for kind in kinds)
    found = {}
    for name, said, real in (
        ("reward +1", signs == 1, truth.signs == 1),
        ("reward -1", signs == -1, truth.signs == -1),
        ("termination", dream.terminated, truth.terminated),
    ):
        measured = event_measures(said, real, weights)
        if measured["positives"] or measured["predicted"]:
            rate = float(weights[real].sum())
            found[name] = {**measured, "every_steps": round(population / rate) if rate else None}
    foreseen = {"population": population, "rows": len(places), "kinds": found}
    return frame_measures(dream.frames[even], picked, seed), foreseen


def signs_of(said: Tensor, real: Tensor) -> Tensor:
    """Signs of foretold rewards (N,), where what is less than half of the least real one counts as none.

    A world that foretells an expected reward says a little at every step.
    """
    paid = real[real != 0].abs()
    least = float(paid.min()) / 2 if len(paid) else 0.5
    return said.sign() * (said.abs() >= least)


def even_rows(kinds: Sequence[Stratum], seed: int) -> Tensor:
    """Rows of the strata, laid one after another, in the kinds' true shares: as many as the scarcest kind allows."""
    generator = torch.Generator().manual_seed(seed)
    fraction = min(len(kind.places) / kind.population for kind in kinds if kind.population)
    rows, start = [], 0
    for kind in kinds:
        count = round(fraction * kind.population)
        rows.append(start + torch.randperm(len(kind.places), generator=generator)[:count])
        start += len(kind.places)
    return torch.cat(rows)
