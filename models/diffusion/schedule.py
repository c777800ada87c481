"""Noise schedules of sampling."""

from __future__ import annotations

import torch
from torch import Tensor


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float) -> Tensor:
    """The levels of Karras et al. 2022, eq. 5, and a final 0: (steps + 1,) float32, descending. steps = 1: [max, 0]."""
    if steps < 1:
        raise ValueError(f"sampler steps: got {steps}, expected at least 1")
    if not 0 < sigma_min <= sigma_max:
        raise ValueError(f"sampler levels: got sigma_min {sigma_min}, sigma_max {sigma_max}, expected 0 < min <= max")
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    ramp = torch.linspace(0, 1, steps)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1)])
