"""DIAMOND's denoiser: the network, its preconditioning and the call a sampler makes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.diamond.config import DenoiserConfig
from models.diffusion.precondition import Conditioners, conditioners
from models.diffusion.sampler import Denoise
from models.nn.blocks import FourierFeatures, GroupNorm
from models.nn.looks import Looks
from models.nn.pixels import quantise
from models.nn.unet import UNet


class InnerModel(nn.Module):
    """The raw network: (noisy frame, noise condition, context frames, context actions) to (B, 3, H, W)."""

    def __init__(self, config: DenoiserConfig, num_actions: int) -> None:
        super().__init__()
        self.patch = config.patch
        pixels = 3 * config.patch**2
        self.noise_emb = FourierFeatures(config.cond)
        self.act_emb = nn.Sequential(nn.Embedding(num_actions, config.cond // config.context), nn.Flatten())
        self.cond_proj = nn.Sequential(
            nn.Linear(config.cond, config.cond), nn.SiLU(), nn.Linear(config.cond, config.cond)
        )
        self.conv_in = nn.Conv2d((config.context + 1) * pixels, config.channels[0], 3, padding=1)
        self.unet = UNet(config.cond, config.depths, config.channels, config.attn_depths)
        self.norm_out = GroupNorm(config.channels[0])
        self.conv_out = nn.Conv2d(config.channels[0], pixels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, noisy: Tensor, c_noise: Tensor, frames: Tensor, actions: Tensor) -> Tensor:
        """noisy (B, 3, H, W), c_noise (B,) or (1,), frames (B, n, 3, H, W) scaled, actions (B, n) int64."""
        cond = self.cond_proj(self.noise_emb(c_noise) + self.act_emb(actions))
        return self.network(noisy, self.patches(frames.flatten(1, 2)), cond)

    def conditions(self, c_noise: Tensor, actions: Tensor) -> list[Any]:
        """The conditioning vectors (B, cond) of each of K levels, c_noise (K,), under the actions (B, n)."""
        return [self.cond_proj(self.noise_emb(c) + self.act_emb(actions)) for c in c_noise.split(1)]

    def patches(self, x: Tensor) -> Tensor:
        """(B, C, H, W) as the convolutions take it, patch by patch: (B, C patch^2, H / patch, W / patch)."""
        if self.patch == 1:
            return x
        return F.pixel_unshuffle(x, self.patch).contiguous(memory_format=torch.channels_last)

    def network(self, noisy: Tensor, past: Tensor, cond: Any, looks: Looks | None = None) -> Tensor:
        """noisy (B, 3, H, W), past: the context frames' patches, cond: one of ``conditions``; looks: takes notes."""
        x = torch.cat([past, self.patches(noisy)], dim=1)
        x = self.unet(self.conv_in(x), cond, looks)
        x = self.conv_out(F.silu(self.norm_out(x)))
        return F.pixel_shuffle(x, self.patch) if self.patch > 1 else x


class Denoiser(nn.Module):
    """Preconditioned denoiser D = c_skip x + c_out F(c_in x, c_noise, frames / sigma_data, actions)."""

    def __init__(self, config: DenoiserConfig, num_actions: int) -> None:
        super().__init__()
        self.config = config
        self.inner_model = InnerModel(config, num_actions)

    def conditioners(self, sigma: Tensor) -> Conditioners:
        return conditioners(sigma, self.config.sigma_data, self.config.sigma_offset)

    def model_output(self, x: Tensor, c: Conditioners, frames: Tensor, actions: Tensor) -> Tensor:
        """F, float32: x (B, 3, H, W), frames (B, n, 3, H, W) in [-1, 1], actions (B, n) int64."""
        return self.inner_model(c.c_in * x, c.c_noise, frames / self.config.sigma_data, actions).float()

    @torch.no_grad()
    def denoise(self, x: Tensor, sigma: Tensor, frames: Tensor, actions: Tensor) -> Tensor:
        """The quantised estimate of the clean frame, (B, 3, H, W) float32 in [-1, 1]; sigma (B,) or ()."""
        c = self.conditioners(sigma)
        return quantise(c.c_skip * x + c.c_out * self.model_output(x, c, frames, actions))

    @torch.no_grad()
    def given(self, frames: Tensor, actions: Tensor, sigmas: Tensor, looks: Looks | None = None) -> Denoise:
        """``denoise`` of one context at the levels sigmas (K,) and no others, what depends on these computed once.

        looks: takes notes of every call at the last level, and keeps those of the last.
        """
        inner = self.inner_model
        past = inner.patches((frames / self.config.sigma_data).flatten(1, 2))
        conditions = dict(
            zip(sigmas.tolist(), inner.conditions(self.conditioners(sigmas).c_noise, actions), strict=True)
        )

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            c = self.conditioners(sigma)
            looking = looks if looks is not None and float(sigma) == float(sigmas[-1]) else None
            if looking is not None:
                looking.begin()
            output = inner.network(c.c_in * x, past, conditions[float(sigma)], looking).float()
            return quantise(c.c_skip * x + c.c_out * output)

        return denoise
