"""EDM preconditioning (Karras et al. 2022, arXiv 2206.00364, table 1) with DIAMOND's offset noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Conditioners:
    """c_in, c_out, c_skip and c_noise for given noise levels: each (B, 1, 1, 1), c_noise (B,)."""

    c_in: Tensor
    c_out: Tensor
    c_skip: Tensor
    c_noise: Tensor


def conditioners(sigma: Tensor, sigma_data: float, sigma_offset: float) -> Conditioners:
    """The scalings of eq. 7 at the effective level s = sqrt(sigma^2 + sigma_offset^2).

    sigma: (B,) or (); a scalar gives factors of batch 1, which broadcast.
    """
    s = (sigma.reshape(-1) ** 2 + sigma_offset**2).sqrt()
    c_in = 1 / (s**2 + sigma_data**2).sqrt()
    c_skip = sigma_data**2 / (s**2 + sigma_data**2)
    c_out = s * c_skip.sqrt()
    c_noise = s.log() / 4
    return Conditioners(c_in[:, None, None, None], c_out[:, None, None, None], c_skip[:, None, None, None], c_noise)


def add_noise(x: Tensor, sigma: Tensor, offset: Tensor, pixels: Tensor, sigma_offset: float) -> Tensor:
    """x + sigma_offset * offset + sigma * pixels.

    x and pixels (B, C, H, W), offset (B, C, 1, 1): standard normals, one offset a channel, not scaled by sigma (B,).
    """
    return x + sigma_offset * offset + sigma[:, None, None, None] * pixels
