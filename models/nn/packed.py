"""A network's twin for play on a processor.

It computes the same as the network with less work around the products: weights laid out for oneDNN's convolutions,
everything that follows from the condition in one product, activations and sums in place, one arithmetic in place of a
cast at every layer. And no row depends on the batch it is part of: a convolution is always the same kernel (PyTorch
takes another one for a single small map), and norms, linear layers and the recurrent one, whose sums a processor orders
by the size of the batch, go row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import count
from typing import Any, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.blocks import EPS, AdaGroupNorm, GroupNorm, ResBlock
from models.nn.looks import Looks

Network = TypeVar("Network", bound=nn.Module)
Modulations = list[tuple[Tensor, ...]]
"""Of every row of a batch: scale and shift (C,) of every modulated norm, in the order of the norms."""


def packed(network: Network, dtype: torch.dtype, condition: str) -> Network:
    """A twin of a network of ``models.nn.blocks``, for inference on a processor; the network itself stays as it is.

    dtype: float32 or bfloat16, of the feature maps; sums, norms, conditions and recurrent states are float32 in both.
    condition: the name of the submodule whose output (B, cond) is the conditioning vector of every residual block.
    """
    twin = deepcopy(network).requires_grad_(False).eval()
    modulation = Modulation([module for module in twin.modules() if isinstance(module, AdaGroupNorm)])
    replace_layers(twin, dtype, count())
    twin.set_submodule(condition, nn.Sequential(twin.get_submodule(condition), modulation))
    return twin


def replace_layers(module: nn.Module, dtype: torch.dtype, order: Iterator[int]) -> None:
    """Put the layers of this file in the place of PyTorch's, at any depth; ``order`` numbers the modulated norms."""
    for name, child in module.named_children():
        if isinstance(child, AdaGroupNorm):
            setattr(module, name, RowModulatedNorm(child.groups, next(order)))
        elif isinstance(child, GroupNorm):
            setattr(module, name, RowNorm(child.norm))
        elif isinstance(child, nn.Conv2d):
            setattr(module, name, PackedConv2d(child, dtype))
        elif isinstance(child, nn.Linear):
            setattr(module, name, RowLinear(child.weight, child.bias))
        elif isinstance(child, nn.LSTM):
            setattr(module, name, RowLstm(child))
        else:
            replace_layers(child, dtype, order)
            if isinstance(child, ResBlock):
                setattr(module, name, PackedResBlock(child))


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this PyTorch and this processor have oneDNN's convolutions for ``dtype``."""
    kernels = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(kernels, "_reorder_convolution_weight"):
        return False
    return dtype != torch.bfloat16 or bool(kernels._is_mkldnn_bf16_supported())


class PackedConv2d(nn.Module):
    """A convolution by oneDNN, its weight laid out once (for the map it first sees; others are right as well)."""

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = conv.weight.data.to(dtype).contiguous(memory_format=torch.channels_last)
        self.bias = None if conv.bias is None else conv.bias.data.to(dtype)
        self.padding, self.stride = list(cast(Any, conv.padding)), list(conv.stride)
        self.dilation, self.groups = list(conv.dilation), conv.groups
        self.packs, self.ready = can_pack(dtype), False

    def forward(self, x: Tensor, plus: Tensor | None = None) -> Tensor:
        """The convolution, and ``plus`` added to it."""
        x = x.to(self.weight.dtype).contiguous(memory_format=torch.channels_last)
        if not self.packs:
            y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
            return y if plus is None else y.add_(plus)
        kernels, geometry = torch.ops.mkldnn, (self.padding, self.stride, self.dilation, self.groups)
        if not self.ready:
            self.weight = kernels._reorder_convolution_weight(self.weight, *geometry, list(x.shape))
            self.ready = True
        if plus is None:
            return kernels._convolution_pointwise(x, self.weight, self.bias, *geometry, "none", [], "")
        where = (self.weight, self.bias, *geometry)
        return kernels._convolution_pointwise.binary(x, plus, *where, "add", 1.0, None, [], "")


def by_row(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of batches of one, over a batch."""
    return function(x) if len(x) == 1 else torch.cat([function(row) for row in x.split(1)])


class RowLinear(nn.Module):
    """A linear layer over the last axis, float32, one product for each entry of the first."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight, self.bias = weight.data.float(), None if bias is None else bias.data.float()

    def forward(self, x: Tensor) -> Tensor:
        return by_row(lambda row: F.linear(row, self.weight, self.bias), x.float())


class Modulation(nn.Module):
    """Conditioning vectors (B, cond) to every scale and shift of a network, in one product a row."""

    def __init__(self, norms: list[AdaGroupNorm]) -> None:
        super().__init__()
        self.widths = [norm.linear.out_features // 2 for norm in norms for _ in ("scale", "shift")]
        ones = [torch.full((width,), 1.0 - k % 2) for k, width in enumerate(self.widths)]
        weight = torch.cat([norm.linear.weight.data for norm in norms])
        self.linear = RowLinear(weight, torch.cat([norm.linear.bias.data for norm in norms]) + torch.cat(ones))

    def forward(self, cond: Tensor) -> Modulations:
        return [row.split_with_sizes(self.widths) for row in self.linear(cond)]


class RowNorm(nn.Module):
    """A group norm with fixed scale and shift, row by row."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        super().__init__()
        self.groups, self.scale, self.shift = norm.num_groups, norm.weight.data.float(), norm.bias.data.float()

    def forward(self, x: Tensor) -> Tensor:
        return by_row(lambda row: torch.group_norm(row, self.groups, self.scale, self.shift, EPS, False), x)


class RowModulatedNorm(nn.Module):
    """The network's n-th group norm with scale and shift from the condition, row by row."""

    def __init__(self, groups: int, n: int) -> None:
        super().__init__()
        self.groups, self.scale, self.shift = groups, 2 * n, 2 * n + 1

    def forward(self, x: Tensor, modulations: Modulations) -> Tensor:
        rows = [x] if len(x) == 1 else x.split(1)
        out = [
            torch.group_norm(row, self.groups, modulation[self.scale], modulation[self.shift], EPS, False)
            for row, modulation in zip(rows, modulations, strict=True)
        ]
        return out[0] if len(out) == 1 else torch.cat(out)


class PackedResBlock(nn.Module):
    """A residual block of packed layers: activations in place, the sum inside the second convolution."""

    def __init__(self, block: ResBlock) -> None:
        super().__init__()
        self.proj, self.attn = block.proj, block.attn
        self.norm1, self.conv1, self.norm2, self.conv2 = block.norm1, block.conv1, block.norm2, block.conv2

    def forward(self, x: Tensor, modulations: Modulations, looks: Looks | None = None) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x, modulations), inplace=True))
        y = F.silu(self.norm2(y, modulations), inplace=True)
        return self.attn(self.conv2(y, self.proj(x)), looks)


class RowLstm(nn.Module):
    """nn.LSTM of one layer with the batch first, float32."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        weights = dict(lstm.named_parameters())
        self.width = lstm.hidden_size
        self.inputs = RowLinear(weights["weight_ih_l0"], weights["bias_ih_l0"])
        self.recurrent = RowLinear(weights["weight_hh_l0"], weights["bias_hh_l0"])

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, T, width in), state (1, B, width) twice or zeros; all outputs (B, T, width) and the state after."""
        zeros = torch.zeros(len(x), self.width)
        hidden, cell = (zeros, zeros) if state is None else (state[0][0].float(), state[1][0].float())
        outputs = []
        for gates in self.inputs(x).unbind(1):
            keep_in, forget, new, keep_out = (gates + self.recurrent(hidden)).chunk(4, dim=1)
            cell = forget.sigmoid() * cell + keep_in.sigmoid() * new.tanh()
            hidden = keep_out.sigmoid() * cell.tanh()
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden[None], cell[None])
