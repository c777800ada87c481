"""How unsure a world is of the next frame: many samples of it, how far they spread, and how far reality lies off."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from models.world import Rng, WorldModel, cat_states


def spread(frames: Tensor) -> Tensor:
    """Samples (k, 3, H, W) uint8 to their standard deviation, mean over channels: (H, W) float32, in levels.

    Raises ValueError for fewer than two.
    """
    if frames.ndim != 4 or len(frames) < 2:
        raise ValueError(f"spread: got frames {tuple(frames.shape)}, expected (k, 3, H, W) with k at least 2")
    return frames.float().std(0, unbiased=False).mean(0)


def energy_map(samples: Tensor, real: Tensor) -> Tensor:
    """The energy score of every pixel: samples (k, 3, H, W), real (3, H, W) uint8 to (H, W) float32, in levels.

    Mean distance of the samples from reality, less half the mean distance of two different samples (Gneiting and
    Raftery 2007, eq. 21, over channels), never below 0.
    """
    x, y = samples.float(), real.float()
    off = (x - y).norm(dim=1).mean(0)
    k = len(x)
    if k < 2:
        return off
    # Over all pairs but the k of a sample with itself, which are 0.
    apart = (x[:, None] - x[None]).norm(dim=2).sum((0, 1)) / (k * (k - 1))
    return (off - apart / 2).clamp(min=0)


def energy_score(samples: Tensor, real: Tensor) -> float:
    """How surprising a real frame is, in levels: 0 for a world that was right and sure. Mean over the pixels."""
    return float(energy_map(samples, real).mean())


@torch.no_grad()
def resample(world: WorldModel[Any], state: Any, action: Tensor, seeds: list[int]) -> Tensor:
    """The next frame of one state (batch 1) under one action (1, ...), once a seed, in one batch: (k, 3, H, W) uint8.

    Sample k depends on its seed alone. Advances nothing.
    """
    count = len(seeds)
    states = cat_states([state] * count)
    _, seen = world.step(states, action.repeat(count, *[1] * (action.ndim - 1)), Rng.seeded(seeds))
    return torch.as_tensor(seen.frame).cpu()
