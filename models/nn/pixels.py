"""The one place of quantisers: bytes 0 .. 255 on one side, floats in [-1, 1], or shares in [0, 1], on the other."""

from __future__ import annotations

import torch
from torch import Tensor


def to_float(frames: Tensor) -> Tensor:
    """uint8 (...) to float32 in [-1, 1]: k / 255 * 2 - 1, computed in float32 in that order."""
    return frames.float().div(255).mul(2).sub(1)


def to_bytes(x: Tensor, *, nearest: bool = False) -> Tensor:
    """Floats (...) to uint8, clamped to [-1, 1].

    The default truncates, as DIAMOND's denoiser does inside its loop: not idempotent, since bytes 1 .. 63 come back one
    lower through float32. ``nearest`` rounds, which returns exactly the byte of a value that was quantised before.
    """
    scaled = x.float().clamp(-1, 1).add(1).div(2).mul(255)
    return (scaled.round() if nearest else scaled).to(torch.uint8)


def share_to_bytes(x: Tensor) -> Tensor:
    """Floats (...) in [0, 1], clamped, to the nearest byte: the inverse of k / 255."""
    return x.float().clamp(0, 1).mul_(255).round_().to(torch.uint8)


def quantise(x: Tensor) -> Tensor:
    """Floats to the float32 values of their (truncated) bytes, without gradient."""
    return to_float(to_bytes(x.detach()))
