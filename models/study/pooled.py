"""A measure pooled over episodes, which says how far it is to be trusted by drawing whole episodes anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 1000
FLOOR = 1e-4
"""A mean squared error below this counts as this: 88.1 dB, an exact match."""
Unit = Literal["dB", "%", "index"]
"""dB: the ratio is a mean squared error in levels of 255, shown as PSNR. %: a share. index: as it is."""


@dataclass(frozen=True)
class Pooled:
    """sum(top) / sum(bottom), with an entry an episode in each, (E,) float64.

    The interval is the bootstrap's over episodes (Efron 1979): steps of one episode resemble each other, so whole
    episodes are drawn. Two measures of the same episodes are resampled alike, which makes their difference paired.
    """

    top: Tensor
    bottom: Tensor
    unit: Unit

    @property
    def known(self) -> bool:
        """Whether anything was counted."""
        return float(self.bottom.sum()) > 0

    @property
    def episodes(self) -> int:
        """Episodes that count."""
        return int((self.bottom > 0).sum())

    @property
    def value(self) -> float | None:
        """The measure over all episodes, None where nothing was counted."""
        return float(self.shown(self.top.sum().numpy() / self.bottom.sum().numpy())) if self.known else None

    def interval(self, seed: int = 0) -> tuple[float, float] | None:
        """95 % of the resampled values lie within; None below two episodes that count."""
        return spread_of(self.resampled(seed)) if self.episodes >= 2 else None

    def less(self, other: Pooled, seed: int = 0) -> tuple[float, float, float] | None:
        """How much more this is than another over the same episodes: the difference, and its 95 % interval.

        None where either is unknown or below two episodes count. Raises ValueError for other episodes or another unit.
        """
        if len(self.top) != len(other.top) or self.unit != other.unit:
            got, want = f"{len(other.top)} episodes in {other.unit}", f"{len(self.top)} in {self.unit}"
            raise ValueError(f"difference of measures: got {got}, expected {want}")
        if self.value is None or other.value is None or min(self.episodes, other.episodes) < 2:
            return None
        between = spread_of(self.resampled(seed) - other.resampled(seed))
        return (self.value - other.value, *between) if between else None

    def resampled(self, seed: int) -> np.ndarray:
        """(RESAMPLES,) values of the measure, nan where a draw holds no episode that counts."""
        rows = np.random.default_rng(seed).integers(0, len(self.top), (RESAMPLES, len(self.top)))
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.shown(self.top.numpy()[rows].sum(1) / self.bottom.numpy()[rows].sum(1))

    def shown(self, ratio: np.ndarray | float) -> np.ndarray:
        """Ratios in the unit's own scale."""
        values = np.asarray(ratio, dtype=np.float64)
        return 10 * np.log10(255**2 / np.maximum(values, FLOOR)) if self.unit == "dB" else values


def spread_of(values: np.ndarray) -> tuple[float, float] | None:
    """The middle 95 % of values, nan aside; None where too few are known."""
    known = values[np.isfinite(values)]
    if len(known) < RESAMPLES // 2:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def pooled(top: Tensor, bottom: Tensor, episode: Tensor, episodes: int, unit: Unit) -> Pooled:
    """From rows: top and bottom (N,), and the episode (N,) int64 that each row belongs to, below ``episodes``."""
    return Pooled(by_episode(top, episode, episodes), by_episode(bottom, episode, episodes), unit)


def by_episode(values: Tensor, episode: Tensor, episodes: int) -> Tensor:
    """Sums (E,) float64 of values (N,)."""
    return torch.zeros(episodes, dtype=torch.float64).index_add_(0, episode, values.double())
