"""The moments at which a world is most wrong, out of its scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from models.study.places import Survey
from models.study.scan import Found, Scan, Truth
from models.training.measures import moved_pixels, squared_error

Kind = Literal["moving error", "object lost", "reward wrong", "end wrong"]
KINDS: tuple[Kind, ...] = ("end wrong", "reward wrong", "object lost", "moving error")
APART = 50
"""No two moments of a list lie nearer to each other than so many frames of an episode."""
LOST = 3
"""An object is lost where a dream does not show it for so many steps in which reality does."""
DIFFERENCE = 0.5
"""A reward is wrong where the expected one is off by more than this share of the least reward paid."""


@dataclass(frozen=True)
class Moment:
    """A wrong frame: frame ``t`` of an episode, foretold ``step`` steps after the world last knew reality.

    row: its row in the scan, of the dreams where ``dreamed``, else of the single steps. severity orders moments of one
    kind. why: a sentence with the numbers.
    """

    kind: Kind
    episode: int
    t: int
    step: int
    row: int
    dreamed: bool
    severity: float
    why: str


def worst_moments(
    scanned: Scan, truth: Truth, survey: Survey, paid: Tensor, found: Found | None, count: int
) -> tuple[Moment, ...]:
    """At most ``count``, the kinds taking turns, the worst of each first.

    paid: the real rewards (N,) of the single steps, as the world means them.
    """
    lists = {
        "end wrong": wrong_ends(scanned, truth, survey),
        "reward wrong": wrong_rewards(scanned, survey, paid),
        "object lost": lost_objects(found, survey) if found else [],
        "moving error": moving_errors(scanned.dreams, truth, survey),
    }
    queues = [sorted(lists[kind], key=lambda m: (-m.severity, m.episode, m.t)) for kind in KINDS]
    chosen: list[Moment] = []
    while len(chosen) < count and any(queues):
        for queue in queues:
            while queue and not apart(queue[0], chosen):
                queue.pop(0)
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return tuple(chosen)


def apart(moment: Moment, others: Sequence[Moment]) -> bool:
    return all(o.episode != moment.episode or abs(o.t - moment.t) >= APART for o in others)


def wrong_ends(scanned: Scan, truth: Truth, survey: Survey) -> list[Moment]:
    """Ends that were missed or invented one step from real frames. Those that really happened weigh more."""
    said = scanned.steps.ended
    out = []
    for row in (said != truth.ended).nonzero().flatten().tolist():
        place, real = survey.steps[row], bool(truth.ended[row])
        why = "the game ended, and the world did not foresee it" if real else "the world ended a game that went on"
        out.append(Moment("end wrong", place.episode, place.t + 1, 1, row, False, 1.0 + real, why))
    return out


def wrong_rewards(scanned: Scan, survey: Survey, paid: Tensor) -> list[Moment]:
    """Rewards foretold one step from real frames that are far from what was paid."""
    off = (scanned.steps.expected - paid).abs()
    some = paid[paid != 0].abs()
    least = DIFFERENCE * (float(some.min()) if len(some) else 1.0)
    out = []
    for row in (off > least).nonzero().flatten().tolist():
        place = survey.steps[row]
        why = f"the reward was {amount(paid[row])}, the world expected {amount(scanned.steps.expected[row])}"
        out.append(Moment("reward wrong", place.episode, place.t + 1, 1, row, False, float(off[row]), why))
    return out


def amount(reward: Tensor) -> str:
    """A reward with its sign, to two places."""
    rounded = round(float(reward), 2)
    return f"{rounded:+g}" if rounded else "0"


def lost_objects(found: Found, survey: Survey) -> list[Moment]:
    """Where an object goes missing from a dream, and for how long: one moment a stretch."""
    out = []
    for row, place in enumerate(survey.starts):
        for k, name in enumerate(found.names):
            for first, length in stretches(found.missed[row, :, k]):
                if length < LOST:
                    continue
                step = first + 1
                why = f"the {name} is missing from the dream for {length} steps in which reality shows it"
                out.append(Moment("object lost", place.episode, place.t + step, step, row, True, length, why))
    return out


def stretches(flags: Tensor) -> list[tuple[int, int]]:
    """Where runs of True begin in (T,) bool, and how long they are."""
    padded = torch.cat([flags.new_zeros(1), flags, flags.new_zeros(1)]).int().diff()
    begins, ends = (padded == 1).nonzero().flatten(), (padded == -1).nonzero().flatten()
    return list(zip(begins.tolist(), (ends - begins).tolist(), strict=True))


def moving_errors(dreams: Tensor, truth: Truth, survey: Survey) -> list[Moment]:
    """In each dream the step at which the error where reality or the dream moved is the most unusual for that step.

    Severity: the error, summed over those pixels, beside its median over all dreams at that step.
    """
    before, after = truth.dreamed[:, :-1], truth.dreamed[:, 1:]
    sums = torch.stack([moving_sum(dreams[:, k], before[:, k], after[:, k]) for k in range(dreams.shape[1])], dim=1)
    sums = sums.masked_fill(~truth.there[:, 1:], torch.nan)
    usual = sums.nanmedian(0).values
    ratio = sums / (usual + usual.nanmedian())
    out = []
    for row, place in enumerate(survey.starts):
        k = int(ratio[row].nan_to_num(-1.0).argmax())
        times = float(ratio[row, k])
        if not times > 0:
            continue
        why = f"where something moves, the error is {float(sums[row, k] / usual[k].clamp(min=1)):.1f} times the usual "
        why += f"one of step {k + 1}"
        out.append(Moment("moving error", place.episode, place.t + k + 1, k + 1, row, True, times, why))
    return out


def moving_sum(dream: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """(D,) squared error summed over the pixels that changed in reality, or that the dream shows changed."""
    moved = moved_pixels(before, after) | moved_pixels(before, dream)
    return (squared_error(dream, after) * moved).sum((1, 2))
