"""The measures of a world from its scan, each pooled by episode."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.study.places import Survey
from models.study.pooled import Pooled, pooled
from models.study.scan import Scan, Truth
from models.training.drift import WITHIN
from models.training.measures import moved_pixels, squared_error, ssim_each
from models.training.one_step import signs_of

SSIM_ROWS = 256
"""Single steps whose structural similarity is taken: it is the slowest of the measures."""


@dataclass(frozen=True)
class FrameMeasures:
    """How near frames are to the real ones: all pixels, those that moved, structural similarity."""

    psnr: Pooled
    moving_psnr: Pooled
    ssim: Pooled


def frame_measures(guess: Tensor, truth: Truth, survey: Survey) -> FrameMeasures:
    """Of guesses (N, 3, H, W) uint8 at the survey's single steps, standing for all steps of the episodes."""
    episode, weights = survey.step_episodes, survey.weights
    error, moved = squared_error(guess, truth.next), moved_pixels(truth.last, truth.next)

    def rows(top: Tensor, bottom: Tensor) -> Pooled:
        return pooled(top.double() * weights, bottom.double() * weights, episode, survey.episodes, "dB")

    pixels = torch.full((len(guess),), error[0].numel())
    some = torch.randperm(len(guess), generator=torch.Generator().manual_seed(0))[:SSIM_ROWS]
    alike = torch.cat([ssim_each(a, b) for a, b in zip(guess[some].split(64), truth.next[some].split(64), strict=True)])
    share = weights[some]
    return FrameMeasures(
        rows(error.sum((1, 2)), pixels),
        rows((error * moved).sum((1, 2)), moved.sum((1, 2))),
        pooled(alike * share, share, episode[some], survey.episodes, "index"),
    )


@dataclass(frozen=True)
class Drift:
    """After each step of the dreams, beginning with the first: all pixels, and where reality differs from the start."""

    psnr: tuple[Pooled, ...]
    moving_psnr: tuple[Pooled, ...]


def drift(dreams: Tensor, truth: Truth, survey: Survey) -> Drift:
    """Of dreams (D, S, 3, H, W) uint8, or of anything else that is held beside what really happened."""
    start, real, episode = truth.dreamed[:, 0], truth.dreamed[:, 1:], survey.start_episodes
    whole, moving = [], []
    for k in range(dreams.shape[1]):
        there = truth.there[:, k + 1].double()
        error, moved = squared_error(dreams[:, k], real[:, k]), moved_pixels(start, real[:, k])
        pixels = there * error[0].numel()
        whole.append(pooled(error.sum((1, 2)) * there, pixels, episode, survey.episodes, "dB"))
        top, bottom = (error * moved).sum((1, 2)) * there, moved.sum((1, 2)) * there
        moving.append(pooled(top, bottom, episode, survey.episodes, "dB"))
    return Drift(tuple(whole), tuple(moving))


def object_drift(errors: Tensor, shown: Tensor, survey: Survey) -> tuple[tuple[Pooled, ...], ...]:
    """The share of real objects that are within reach, by object and step: errors, shown (D, S, K) as in ``Found``."""
    near = (errors <= WITHIN) & shown

    def share(k: int, t: int) -> Pooled:
        return pooled(near[:, t, k], shown[:, t, k], survey.start_episodes, survey.episodes, "%")

    return tuple(tuple(share(k, t) for t in range(errors.shape[1])) for k in range(errors.shape[2]))


def over_steps(by_step: tuple[Pooled, ...], steps: int) -> Pooled:
    """The first steps taken together."""
    first = by_step[:steps]
    tops, bottoms = torch.stack([p.top for p in first]), torch.stack([p.bottom for p in first])
    return Pooled(tops.sum(0), bottoms.sum(0), first[0].unit)


@dataclass(frozen=True)
class Foreseen:
    """Whether something is foretold in the very step: each a share of weighted steps, and how many were looked at."""

    precision: Pooled
    recall: Pooled
    f1: Pooled
    positives: int
    predicted: int


def foreseen(said: Tensor, real: Tensor, survey: Survey) -> Foreseen:
    """Of (N,) bool at the survey's single steps."""
    weights, episode = survey.weights, survey.step_episodes
    hits = (said & real).double() * weights
    claims, facts = said.double() * weights, real.double() * weights

    def share(top: Tensor, bottom: Tensor) -> Pooled:
        return pooled(top, bottom, episode, survey.episodes, "%")

    counts = int(real.sum()), int(said.sum())
    return Foreseen(share(hits, claims), share(hits, facts), share(2 * hits, claims + facts), *counts)


@dataclass(frozen=True)
class Confusion:
    """Rows what really was, columns what was foretold: counts (R, C) int64, and all steps they stand for, float64."""

    names: tuple[str, ...]
    counts: Tensor
    weighted: Tensor


def confusion(real: Tensor, said: Tensor, names: tuple[str, ...], survey: Survey) -> Confusion:
    """Of classes (N,) int64 below len(names)."""
    n = len(names)
    cell = real * n + said
    counts = torch.bincount(cell, minlength=n * n).reshape(n, n)
    weighted = torch.zeros(n * n, dtype=torch.float64).index_add_(0, cell, survey.weights).reshape(n, n)
    return Confusion(names, counts, weighted)


REWARDS = ("-", "0", "+")
ENDS = ("goes on", "ends")


@dataclass(frozen=True)
class Events:
    """Rewards and ends: how well they are foreseen, by name, and the tables of what was taken for what."""

    kinds: dict[str, Foreseen]
    rewards: Confusion
    ends: Confusion


def events(scanned: Scan, truth: Truth, survey: Survey) -> Events:
    """Kinds that neither happened nor were foretold are left out."""
    said, real = signs_of(scanned.steps.rewards, truth.rewards), truth.rewards.sign()
    ended = scanned.steps.ended
    kinds = {
        "reward +": foreseen(said > 0, real > 0, survey),
        "reward -": foreseen(said < 0, real < 0, survey),
        "termination": foreseen(ended, truth.ended, survey),
    }
    return Events(
        {name: kind for name, kind in kinds.items() if kind.positives or kind.predicted},
        confusion((real + 1).long(), (said + 1).long(), REWARDS, survey),
        confusion(truth.ended.long(), ended.long(), ENDS, survey),
    )


@dataclass(frozen=True)
class Bin:
    """Steps for which about as much was expected: the mean expected, what was paid, how many were looked at."""

    expected: float
    paid: float
    interval: tuple[float, float] | None
    count: int


def bin_edges(expected: Tensor, bins: int = 10) -> Tensor:
    """Edges (bins + 1,) of equal width that hold all expected rewards (N,)."""
    low, high = float(expected.min()), float(expected.max())
    return torch.linspace(low, high + max(1e-6, 1e-6 * abs(high)), bins + 1)


def reliability(expected: Tensor, paid: Tensor, edges: Tensor, survey: Survey) -> tuple[Bin, ...]:
    """What was paid (N,), on the mean, where so much was expected (N,): bins without a step are left out."""
    found = []
    place = torch.bucketize(expected, edges[1:-1], right=True)
    for k in range(len(edges) - 1):
        rows = place == k
        if not bool(rows.any()):
            continue
        weights, episode = survey.weights[rows], survey.step_episodes[rows]
        mean = pooled(paid[rows].double() * weights, weights, episode, survey.episodes, "index")
        middle = float((expected[rows].double() * weights).sum() / weights.sum())
        found.append(Bin(middle, mean.value or 0.0, mean.interval(), int(rows.sum())))
    return tuple(found)
