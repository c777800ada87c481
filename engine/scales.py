"""How numbers are shown: between which bounds, with how many digits."""

from __future__ import annotations

import math

import numpy as np


def digits(values: np.ndarray) -> int:
    """How many decimals numbers need to have three digits in all; none where all are whole."""
    known = values[np.isfinite(values)]
    whole = bool((known == known.round()).all())
    return 0 if whole else max(0, 2 - int(math.log10(max(float(np.abs(known).max(initial=0.0)), 1.0))))


def bounded(values: np.ndarray) -> np.ndarray:
    """Numbers without end as the greatest (or least) one that there is."""
    values = values.astype(np.float64)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (np.nan, np.nan)
    return np.where(np.isposinf(values), high, np.where(np.isneginf(values), low, values))


def span(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest number with some room around them."""
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    room = 0.06 * (high - low) or max(abs(high) * 0.1, 0.5)
    return low - room, high + room


def short(value: float) -> str:
    """Three digits, a true minus sign."""
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "none"


def lone(known: np.ndarray) -> np.ndarray:
    """Which values of lines (K, N) bool stand between two gaps, so that no line goes through them: (K, N) bool."""
    beside = np.pad(known, ((0, 0), (1, 1)))
    lonely: np.ndarray = known & ~beside[:, :-2] & ~beside[:, 2:]
    return lonely
