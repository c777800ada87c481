"""Samplers of Karras et al. 2022 (arXiv 2206.00364, algorithms 1 and 2) as DIAMOND runs them: pure functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from models.diffusion.schedule import karras_sigmas

MAX_STEPS = 100
Denoise = Callable[[Tensor, Tensor], Tensor]
Noise = Callable[[], Tensor]


@dataclass(frozen=True)
class SamplerConfig:
    """Steps and levels of a sampler: order 1 is Euler, 2 is Heun; s_churn > 0 adds noise in [s_tmin, s_tmax]."""

    steps: int = 3
    sigma_min: float = 2e-3
    sigma_max: float = 5.0
    rho: float = 7.0
    order: int = 1
    s_churn: float = 0.0
    s_tmin: float = 0.0
    s_tmax: float = 1e9
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        if self.steps > MAX_STEPS:
            raise ValueError(f"sampler steps: got {self.steps}, expected at most {MAX_STEPS}")
        if self.order not in (1, 2):
            raise ValueError(f"sampler order: got {self.order}, expected 1 (Euler) or 2 (Heun)")
        if self.s_churn < 0 or self.s_noise < 0:
            raise ValueError(f"sampler noise: got s_churn {self.s_churn}, s_noise {self.s_noise}, expected at least 0")
        karras_sigmas(self.steps, self.sigma_min, self.sigma_max, self.rho)


def levels(config: SamplerConfig) -> Tensor:
    """The levels of a sample and a final 0, (steps + 1,): those it calls its denoiser with are all but the last."""
    return karras_sigmas(config.steps, config.sigma_min, config.sigma_max, config.rho)


def sample(denoise: Denoise, x: Tensor, noise: Noise, config: SamplerConfig) -> list[Tensor]:
    """The trajectory from x: [x, x after step 1, ..., x after the last step], each (B, C, H, W) float32.

    denoise(x, sigma ()) gives the estimate of the clean frame. x is N(0, 1), not scaled by sigma_max, as DIAMOND's
    models expect. noise() draws standard normals of x's shape, called once a churned step. With churn the denoiser is
    given the level before the churn (sigma, not sigma_hat), as the published code does.
    """
    sigmas = levels(config).to(x.device)
    gamma_max = min(config.s_churn / config.steps, math.sqrt(2) - 1)
    trajectory = [x]
    for sigma, sigma_next in pairwise(sigmas):
        gamma = gamma_max if config.s_tmin <= float(sigma) <= config.s_tmax else 0.0
        sigma_hat = sigma * (1 + gamma)
        if gamma > 0:
            x = x + config.s_noise * noise() * (sigma_hat**2 - sigma**2).sqrt()
        slope = (x - denoise(x, sigma)) / sigma_hat
        dt = sigma_next - sigma_hat
        if config.order == 1 or float(sigma_next) == 0:
            x = x + slope * dt
        else:
            ahead = x + slope * dt
            slope_ahead = (ahead - denoise(ahead, sigma_next)) / sigma_next
            x = x + (slope + slope_ahead) / 2 * dt
        trajectory.append(x)
    return trajectory


def evaluations(config: SamplerConfig) -> int:
    """Denoiser calls of one sample: K for Euler, 2 K - 1 for Heun."""
    return config.steps * config.order - (config.order - 1)


def standard_noise(x: Tensor, generator: torch.Generator) -> Noise:
    """A noise source of x's shape from one generator, for training and tests; play draws one a row."""
    return lambda: torch.randn(x.shape, generator=generator).to(x)
