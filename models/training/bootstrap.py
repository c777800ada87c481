"""How far a measured ratio is to be trusted: the bootstrap over segments (Efron 1979)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from models.training.measures import decibels

RESAMPLES = 1000


def ratio_interval(sums: Tensor, counts: Tensor, seed: int = 0) -> list[float] | None:
    """The 95 % interval of sum(sums) / sum(counts), both (N,), one entry a segment; None below two segments that count.

    Segments are drawn anew with replacement, so that what belongs together stays together.
    """
    kept = counts > 0
    top, bottom = sums[kept].double().cpu().numpy(), counts[kept].double().cpu().numpy()
    if len(top) < 2:
        return None
    rows = np.random.default_rng(seed).integers(0, len(top), (RESAMPLES, len(top)))
    ratios = top[rows].sum(1) / bottom[rows].sum(1)
    return [float(x) for x in np.quantile(ratios, (0.025, 0.975))]


def decibel_interval(errors: Tensor, counts: Tensor, seed: int = 0) -> list[float] | None:
    """The 95 % interval of a pooled error's PSNR: errors (N,) are sums of squares over counts (N,) of pixels."""
    interval = ratio_interval(errors, counts, seed)
    return interval and sorted(decibels(x) for x in interval)
