"""Measures between frames. Frames are uint8; decibels are against a peak of 255."""

from __future__ import annotations

import math

import torch
from torch import Tensor

MOVED = 3
"""A pixel moved when a channel changed by more than this many levels."""


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """(..., 3, H, W) uint8 twice to the squared error per pixel, mean over channels: (..., H, W) float32."""
    return (a.float() - b.float()).square().mean(-3)


def decibels(mse: Tensor | float) -> float:
    """PSNR of a mean squared error; an exact match counts as an error of 1e-4, 88.1 dB."""
    return float(10 * torch.log10(255**2 / torch.as_tensor(mse).clamp(min=1e-4)))


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal to noise ratio over all pixels of all frames (pooled error)."""
    return decibels(squared_error(a, b).mean())


def moved_pixels(before: Tensor, after: Tensor) -> Tensor:
    """Where reality changed: (..., H, W) bool."""
    return ((after.int() - before.int()).abs() > MOVED).any(-3)


def moving_psnr(guess: Tensor, before: Tensor, after: Tensor) -> float:
    """PSNR of a guess of ``after`` over the pixels that changed in reality (pooled); nan when none did."""
    moved = moved_pixels(before, after)
    return decibels(squared_error(guess, after)[moved].mean()) if bool(moved.any()) else float("nan")


def ssim(a: Tensor, b: Tensor) -> float:
    """Structural similarity (Wang et al. 2004, eq. 13) of (B, 3, H, W) uint8, Gaussian window 11, sigma 1.5, mean."""
    return float(torch.cat([ssim_each(x, y) for x, y in zip(a.split(64), b.split(64), strict=True)]).mean())


def ssim_each(a: Tensor, b: Tensor) -> Tensor:
    """The same frame by frame, over the places where the whole window fits: (B,) float64."""
    x, y = a.double(), b.double()
    weights = [math.exp(-((k - 5) ** 2) / (2 * 1.5**2)) for k in range(11)]

    def along(t: Tensor, dim: int) -> Tensor:
        total = torch.zeros_like(t.narrow(dim, 0, t.shape[dim] - 10))
        for k, weight in enumerate(weights):
            total.add_(t.narrow(dim, k, t.shape[dim] - 10), alpha=weight / sum(weights))
        return total

    def blur(t: Tensor) -> Tensor:
        return along(along(t, 2), 3)

    mean_x, mean_y = blur(x), blur(y)
    var_x, var_y, cov = blur(x * x) - mean_x**2, blur(y * y) - mean_y**2, blur(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mean_x * mean_y + c1) * (2 * cov + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return index.mean((1, 2, 3))
