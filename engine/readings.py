"""What the parts of a lockstep say about the step that they have made together, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from models.training.measures import moved_pixels, squared_error

FIELDS = ("psnr", "moving psnr", "reward real", "reward dream", "ended real", "ended dream")
"""Columns of ``readings`` in a lockstep's state."""
STILL = -1.0
"""A moving PSNR where nothing moved: a state holds no nan, which is not equal to itself."""
TOLERANCE = 0.5
"""Rewards differ when they are further apart than this, or than this share of the larger one."""


@dataclass(frozen=True)
class Reading:
    """One follower beside the lead, at one step.

    psnr, moving_psnr: decibels against a peak of 255, over all pixels and over those that changed in reality at the
    last step (nan: none did); 88.1 where both are equal. reward_*, ended_*: of the last step. since: steps since the
    follower last knew reality. apart: pixels between each object in reality and in the dream, nan where either does not
    show it. lost: reality shows the object, the dream does not.
    """

    psnr: float
    moving_psnr: float
    reward_real: float
    reward_dream: float
    ended_real: bool
    ended_dream: bool
    since: int
    apart: tuple[float, ...] = ()
    lost: tuple[bool, ...] = ()

    @property
    def reward_wrong(self) -> bool:
        return differ(self.reward_real, self.reward_dream)

    @property
    def end_wrong(self) -> bool:
        return self.ended_real != self.ended_dream


def differ(real: float, dream: float) -> bool:
    """Whether two rewards are not the same, beyond what rounding and an expected value may do."""
    return abs(real - dream) > TOLERANCE * max(1.0, abs(real), abs(dream))


def measure(before: Tensor, real: Tensor, dreams: Tensor) -> Tensor:
    """PSNR and moving PSNR of each dream: (B, F, 2) float32.

    before, real (B, 3, H, W) uint8: reality at the step before and now; dreams (B, F, 3, H, W) uint8.
    """
    error = squared_error(dreams, real[:, None]).flatten(2)
    moved = moved_pixels(before, real).flatten(1)[:, None].float()
    count = moved.sum(-1)
    moving = decibels((error * moved).sum(-1) / count.clamp(min=1))
    return torch.stack([decibels(error.mean(-1)), torch.where(count > 0, moving, STILL)], dim=-1)


def decibels(mse: Tensor) -> Tensor:
    """PSNR of mean squared errors, each on its own; see ``models.training.measures.decibels``."""
    return 10 * torch.log10(255**2 / mse.clamp(min=1e-4))


def events(fact: tuple[Tensor, Tensor], said: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Rewards (B,) and terminations (B,) of the lead and of each follower, as (B, F, 4) float32 columns."""
    rows = [torch.stack([fact[0], reward, fact[1].float(), ended.float()], dim=-1) for reward, ended in said]
    return torch.stack(rows, dim=1).float()


def readings_of(readings: Tensor, since: Tensor, places: Tensor, objects: int) -> list[Reading]:
    """One row of a state's fields: readings (F, 6), since (), places (1 + F, K, 3) of which ``objects`` are known."""
    found = []
    places = places[:, :objects]
    for row, dream in zip(readings.tolist(), places[1:], strict=True):
        apart = distances(places[0], dream)
        lost = (places[0, :, 2] > 0) & (dream[:, 2] == 0)
        psnr, moving, reward, dreamed, ended, end = row
        found.append(
            Reading(
                psnr=psnr,
                moving_psnr=math.nan if moving == STILL else moving,
                reward_real=reward,
                reward_dream=dreamed,
                ended_real=ended > 0,
                ended_dream=end > 0,
                since=int(since),
                apart=tuple(apart.tolist()),
                lost=tuple(lost.tolist()),
            )
        )
    return found


def distances(real: Tensor, dream: Tensor) -> Tensor:
    """Pixels between objects (..., K, 3) of y, x, visible: (..., K) float32, nan where either is not there."""
    both = (real[..., 2] > 0) & (dream[..., 2] > 0)
    return torch.where(both, (real[..., :2] - dream[..., :2]).norm(dim=-1), torch.nan)


def mismatches(state: object) -> tuple[bool, bool]:
    """Whether any follower has foretold another reward, and another end, than the lead's at the state's last step.

    state: of any world, batch 1; nothing is wrong in one that is no lockstep's.
    """
    readings = getattr(state, "readings", None)
    if readings is None:
        return False, False
    rows = readings[0, :, 2:].tolist()
    return any(differ(real, dream) for real, dream, _, _ in rows), any(real != dream for _, _, real, dream in rows)
