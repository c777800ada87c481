"""Layers of the Dreamer networks: linear maps with their published initialisation, norms, MLPs, convolutions.

Parameters keep PyTorch's layouts: linear (out, in), convolution (out, in, h, w), transposed (in, out, h, w); a block
linear map holds (blocks, in / blocks, out / blocks). Images inside are (N, C, H, W), channels last in memory.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rssm.config import NetConfig
from models.rssm.fused import RmsSilu, worthwhile

Init = Literal["trunc_in", "trunc_avg", "glorot"]
TRUNCATED_STD = 0.879596566
"""Standard deviation of a standard normal cut at two."""


def start(weight: Tensor, init: Init, fan_in: int, fan_out: int, outscale: float = 1.0) -> None:
    """Fill a kernel in place.

    trunc_in: a normal cut at two deviations, std sqrt(1 / fan in) (V3). trunc_avg: the same over the mean of both fans,
    ``outscale`` of the variance (V3 of 2023). glorot: uniform, as Keras starts its layers (V1, V2).
    """
    if outscale == 0:
        nn.init.zeros_(weight)
        return
    if init == "glorot":
        bound = math.sqrt(6 / (fan_in + fan_out)) * outscale
        nn.init.uniform_(weight, -bound, bound)
        return
    fan, scale = (fan_in, outscale) if init == "trunc_in" else ((fan_in + fan_out) / 2, math.sqrt(outscale))
    nn.init.trunc_normal_(weight, 0.0, 1.0, -2.0, 2.0)
    with torch.no_grad():
        weight.mul_(scale / math.sqrt(fan) / TRUNCATED_STD)


def cast(tensor: Tensor) -> Tensor:
    """The tensor in the type autocast multiplies in; the tensor itself without autocast."""
    kind = tensor.device.type
    return tensor.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tensor


class Linear(nn.Linear):
    """y = x W' + b, with zero bias at the start."""

    def __init__(self, inp: int, out: int, init: Init, outscale: float = 1.0, bias: bool = True) -> None:
        self.init, self.outscale = init, outscale
        super().__init__(inp, out, bias)

    def reset_parameters(self) -> None:
        start(self.weight, self.init, self.in_features, self.out_features, self.outscale)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def columns(self, *sizes: int) -> tuple[Tensor, ...]:
        """The weight cut along its inputs, each part (in part, out), in the type of the arithmetic."""
        return tuple(part.t() for part in cast(self.weight).split(sizes, 1))


class BlockLinear(nn.Module):
    """A linear map of ``blocks`` independent blocks: (..., in) -> (..., out), both block-major.

    The fan in of its start is the whole ``inp``, as published.
    """

    def __init__(self, inp: int, out: int, blocks: int, init: Init) -> None:
        super().__init__()
        if inp % blocks or out % blocks:
            raise ValueError(f"block linear: got widths {inp} and {out}, expected multiples of {blocks} blocks")
        self.blocks = blocks
        self.kernel = nn.Parameter(torch.empty(blocks, inp // blocks, out // blocks))
        self.bias = nn.Parameter(torch.zeros(out))
        start(self.kernel, init, inp, out)

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(-1, self.blocks, self.kernel.shape[1]).transpose(0, 1)
        y = torch.bmm(parts, self.kernel).transpose(0, 1)
        return y.reshape(*x.shape[:-1], -1) + self.bias


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * scale over the last axis, in float32; gives back the type it got."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.scale.shape, self.scale, self.eps).to(x.dtype)


class LayerNorm(nn.Module):
    """Mean and variance over the last axis taken off, then scale and shift, in float32; gives back the type it got."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(size))
        self.shift = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x.float(), self.scale.shape, self.scale, self.shift, self.eps).to(x.dtype)


def make_norm(net: NetConfig, size: int) -> nn.Module:
    if net.norm == "rms":
        return RmsNorm(size, net.norm_eps)
    return LayerNorm(size, net.norm_eps) if net.norm == "layer" else nn.Identity()


def make_act(net: NetConfig) -> nn.Module:
    return nn.SiLU() if net.act == "silu" else nn.ELU()


def biased(net: NetConfig) -> bool:
    """Whether a layer before a norm has a bias: V3 of 2023 leaves it out."""
    return net.init != "trunc_avg"


class NormAct(nn.Module):
    """A norm over features (..., size), and the activation."""

    def __init__(self, net: NetConfig, size: int, act: nn.Module | None = None) -> None:
        super().__init__()
        self.norm = make_norm(net, size)
        self.act = make_act(net) if act is None else act

    def forward(self, x: Tensor) -> Tensor:
        if worthwhile(x) and isinstance(self.norm, RmsNorm) and isinstance(self.act, nn.SiLU):
            return RmsSilu.apply(x, self.norm.scale, self.norm.eps)
        return self.act(self.norm(x))


class ImageNormAct(NormAct):
    """The same over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Dense(nn.Module):
    """Linear, norm, activation."""

    def __init__(self, inp: int, out: int, net: NetConfig) -> None:
        super().__init__()
        self.linear = Linear(inp, out, net.init, bias=biased(net))
        self.after = NormAct(net, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.linear(x))


class Mlp(nn.Sequential):
    """``layers`` times linear, norm, activation, all of width ``units``."""

    def __init__(self, inp: int, units: int, layers: int, net: NetConfig) -> None:
        super().__init__(*[Dense(units if index else inp, units, net) for index in range(layers)])
        self.size = units if layers else inp

    def dense(self) -> list[Dense]:
        return [layer for layer in self if isinstance(layer, Dense)]
