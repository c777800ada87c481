"""What is to be seen of a lockstep: reality beside the dream, and where the two part."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.readings import distances
from models.training.measures import moved_pixels, squared_error
from models.types import View

LOCKSTEP, TOLD = "lockstep", "reality and dream"
"""Names of the strip of a lockstep, and of one whose dreams are told of every frame."""
EQUAL = (128, 128, 128)
BRIGHTER, DARKER = (255, 32, 16), (16, 96, 255)
FULL = 128
"""Levels of difference from which an error has its full colour."""


def signed_error(real: Tensor, dream: Tensor) -> Tensor:
    """Where the dream differs: (..., 3, H, W) uint8 of frames (..., 3, H, W) uint8.

    Grey is equal. Red: the dream is brighter, blue: it is darker; stronger the more the two differ (mean over the
    channels). A pixel of the same brightness but of another colour counts as brighter.
    """
    difference = dream.short() - real.short()
    amount = (difference.abs().sum(-3) + 2) // 3
    index = torch.where(difference.sum(-3) < 0, 255 - amount, 255 + amount)
    return colours()[index.long()].movedim(-1, -3).contiguous()


@cache
def colours() -> Tensor:
    """(511, 3) uint8: the colour of a difference of -255 .. 255 levels."""
    levels = torch.arange(-255, 256)[:, None]
    share = (levels.abs() / FULL).clamp(max=1)
    end = torch.where(levels > 0, torch.tensor(BRIGHTER), torch.tensor(DARKER))
    return (torch.tensor(EQUAL) + share * (end - torch.tensor(EQUAL))).round().to(torch.uint8)


def lockstep_views(state: Any, names: tuple[str, ...], objects: tuple[str, ...], told: bool) -> tuple[View, ...]:
    """The views of a lockstep's state; names: of the lead and of each follower, objects: those known, in order."""
    real, before = state.window[:, -1], state.window[:, -2]
    strip, labels = [real], [names[0]]
    for k, name in enumerate(names[1:]):
        shown = state.shown[:, k]
        strip += [shown, signed_error(real, shown)]
        labels += [name, "error" if len(names) == 2 else f"error {name}"]
    views = [View(TOLD if told else LOCKSTEP, "film_strip", torch.stack(strip, dim=1), tuple(labels))]
    moved = moved_pixels(before, real)
    for k, name in enumerate(names[1:]):
        lead_in = f"{name}: " if k else ""
        error = squared_error(state.shown[:, k], real).sqrt() * moved
        views.append(View(f"{lead_in}moving error", "heat_map", error))
        if objects:
            both = state.places[:, 0, : len(objects)], state.places[:, k + 1, : len(objects)]
            columns = (f"{names[0]} y", f"{names[0]} x", f"{name} y", f"{name} x", "apart")
            views.append(View(f"{lead_in}objects", "matrix", table(*both), objects, columns=columns))
    if told:
        rewards = torch.cat([state.readings[:, :1, 2], state.readings[:, :, 3]], dim=1)
        views.append(View("reward", "vector", rewards, names))
    return tuple(views)


def table(real: Tensor, dream: Tensor) -> Tensor:
    """Where each object is in both and how far apart: (B, K, 5) float32, nan where it is not shown."""
    seen = [torch.where(places[..., 2:] > 0, places[..., :2], torch.nan) for places in (real, dream)]
    return torch.cat([*seen, distances(real, dream)[..., None]], dim=-1)
