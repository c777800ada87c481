"""Building blocks of DIAMOND's networks (arXiv 2405.12399, its published code's parameter names).

All take and return (B, C, H, W); a conditioning vector is (B, cond).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.looks import Looks

GROUP_SIZE = 32
HEAD_WIDTH = 8
EPS = 1e-5


def groups_of(channels: int) -> int:
    """Groups of every group norm: max(1, C // 32), which must divide C."""
    groups = max(1, channels // GROUP_SIZE)
    if channels % groups:
        raise ValueError(f"group norm: got {channels} channels, expected a multiple of its {groups} groups")
    return groups


class GroupNorm(nn.Module):
    """Affine group norm, its parameters under ``norm``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups_of(channels), channels, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)


class AdaGroupNorm(nn.Module):
    """Group norm whose scale and shift (in this order) are a linear function of the conditioning vector."""

    def __init__(self, channels: int, cond: int) -> None:
        super().__init__()
        self.groups = groups_of(channels)
        self.linear = nn.Linear(cond, 2 * channels)

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        scale, shift = self.linear(cond)[:, :, None, None].chunk(2, dim=1)
        return F.group_norm(x, self.groups, eps=EPS) * (1 + scale) + shift


def zero_bias(layer: nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over (B, heads, positions, d).

    On a CPU spelled out: with heads this narrow the fused kernel takes about five times as long.
    """
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v)
    return ((q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5).softmax(-1).to(v.dtype) @ v


class SelfAttention2d(nn.Module):
    """Self-attention over the positions of a feature map. Its skip carries the normalised input, not the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(1, channels // HEAD_WIDTH)
        if channels % self.heads:
            raise ValueError(f"attention: got {channels} channels, expected a multiple of its {self.heads} heads")
        self.norm = GroupNorm(channels)
        self.qkv_proj = nn.Conv2d(channels, 3 * channels, 1)
        self.out_proj = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out_proj.weight)
        zero_bias(self.out_proj)

    def forward(self, x: Tensor, looks: Looks | None = None) -> Tensor:
        b, c, h, w = x.shape
        x = self.norm(x)
        qkv = self.qkv_proj(x).reshape(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2)
        q, k, v = qkv.unbind(1)
        y = attend(q, k, v)
        if looks is not None:
            looks.attended(q, k, h, w)
        return x + self.out_proj(y.transpose(-1, -2).reshape(b, c, h, w))


class NoAttention(nn.Module):
    """What stands where a block has no attention."""

    def forward(self, x: Tensor, looks: Looks | None = None) -> Tensor:
        return x


class FourierFeatures(nn.Module):
    """cos and sin (in this order) of 2 pi c w, with w drawn once, kept in the checkpoint and never trained."""

    weight: Tensor

    def __init__(self, cond: int) -> None:
        super().__init__()
        if cond % 2:
            raise ValueError(f"Fourier features: got width {cond}, expected an even one")
        self.register_buffer("weight", torch.randn(1, cond // 2))

    def forward(self, c: Tensor) -> Tensor:
        """c (B,) to (B, cond)."""
        angle = 2 * math.pi * c[:, None] @ self.weight
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        nn.init.orthogonal_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResBlock(nn.Module):
    """proj(x) + conv2(silu(norm2(conv1(silu(norm1(x)))))), then attention where asked for."""

    def __init__(self, cin: int, cout: int, cond: int, attn: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(cin, cout, 1) if cin != cout else nn.Identity()
        self.norm1 = AdaGroupNorm(cin, cond)
        self.conv1 = nn.Conv2d(cin, cout, 3, padding=1)
        self.norm2 = AdaGroupNorm(cout, cond)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1)
        self.attn = SelfAttention2d(cout) if attn else NoAttention()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, cond: Tensor, looks: Looks | None = None) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x, cond)))
        y = self.conv2(F.silu(self.norm2(y, cond)))
        return self.attn(self.proj(x) + y, looks)


class ResBlocks(nn.Module):
    """A run of residual blocks under one conditioning vector; block j may take a skip beside its input."""

    def __init__(self, widths: list[tuple[int, int]], cond: int, attn: bool) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList([ResBlock(cin, cout, cond, attn) for cin, cout in widths])

    def forward(
        self, x: Tensor, cond: Tensor, skips: list[Tensor] | None = None, looks: Looks | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Returns the last output and every block's output, in order."""
        outputs = []
        for j, block in enumerate(self.resblocks):
            x = block(x if skips is None else torch.cat([x, skips[j]], dim=1), cond, looks)
            outputs.append(x)
        return x, outputs
