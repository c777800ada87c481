"""How far decoded observations are from the real ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.nn.distributions import symlog
from models.rssm.config import RssmConfig

MOVED = 8
"""Levels of 255 by which a pixel has to change to count as moving."""


def recon_losses(config: RssmConfig, predicted: Mapping[str, Tensor], obs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By name, (B, T): squared errors summed over pixels or components.

    loss.image "normal" halves them, as a normal's likelihood with standard deviation 1 does (V1, V2; without its
    constant). predicted "image" (B, T, C, H, W) in [0, 1], obs "image" uint8; vectors are compared in symlog space
    where the decoder predicts there.
    """
    factor = 0.5 if config.loss.image == "normal" else 1.0
    out = {}
    for name, guess in predicted.items():
        if name == "image":
            out[name] = factor * image_error(guess, obs[name], config.loss.motion_weight)
        else:
            target = symlog(obs[name].float()) if config.net.symlog_vectors else obs[name].float()
            out[name] = factor * (guess.float() - target).square().sum(-1)
    return out


def image_error(guess: Tensor, image: Tensor, motion_weight: float) -> Tensor:
    """(B, T) of (B, T, C, H, W). Pixels that moved weigh 1 + ``motion_weight``."""
    errors = (guess.float() - image.float() / 255).square()
    if motion_weight:
        return (errors.sum(2) * (1 + motion_weight * moved(image))).sum((-2, -1))
    return errors.sum((-3, -2, -1))


def moved(image: Tensor) -> Tensor:
    """(B, T, H, W) float32 of 0 and 1: whether any channel differs from the frame before; nothing moves at t = 0."""
    levels = image.to(torch.int16)
    change = (levels[:, 1:] - levels[:, :-1]).abs().amax(2) > MOVED
    return torch.cat([torch.zeros_like(change[:, :1]), change], 1).float()
