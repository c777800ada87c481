"""The networks as they play: the parts of a step with all that does not change worked out once.

The recurrent model and the heads are float32 in every precision, since what they get wrong would be carried on; only
pictures, which nothing is built on, may be bfloat16.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.packed import PackedConv2d
from models.nn.pixels import share_to_bytes
from models.rssm.cells import BlockGru
from models.rssm.codec import SpatialDecoder
from models.rssm.convs import UpConv
from models.rssm.core import RssmState
from models.rssm.layers import NormAct
from models.rssm.model import RssmModel


class PlayNet:
    """What a step of imagination needs, of the networks themselves: the reference, and for devices but processors."""

    def __init__(self, model: RssmModel) -> None:
        self.model, self.rssm = model, model.rssm

    def recur(self, state: RssmState, action: Tensor) -> Tensor:
        """The next deter (B, D); action (B, A)."""
        return self.rssm.cell(state.deter, state.stoch.flatten(1), action)

    def picture(self, state: RssmState) -> Tensor:
        """(B, 3, H, W) uint8."""
        image = self.model.dec(state.deter[:, None], state.stoch[:, None])["image"][:, 0]
        return share_to_bytes(image).contiguous()


class FastNet(PlayNet):
    """The same for a processor: V3's kernels rearranged once instead of at every step. ``dtype``: of the pictures."""

    def __init__(self, model: RssmModel, dtype: torch.dtype) -> None:
        super().__init__(model)
        cell, image = self.rssm.cell, model.dec.image
        self.cell = cell if isinstance(cell, BlockGru) else None
        if self.cell is not None:
            self.plan = tuple(part.contiguous() for part in self.cell.plan())
            self.action_weight = self.cell.split()[1][2 * self.cell.units :].t().contiguous()
        self.decoder = FastDecoder(image, dtype) if isinstance(image, SpatialDecoder) else None
        self.dtype = dtype

    def recur(self, state: RssmState, action: Tensor) -> Tensor:
        if self.cell is None:
            return super().recur(state, action)
        action = action / action.abs().clamp(min=1)
        part = F.linear(self.cell.action_in(action), self.action_weight, self.cell.hidden[0].bias)  # type: ignore[arg-type]
        return self.cell.step(self.plan, state.deter, state.stoch.flatten(1), part)

    def picture(self, state: RssmState) -> Tensor:
        if self.decoder is not None:
            return self.decoder(state)
        if self.dtype == torch.float32:
            return super().picture(state)
        with torch.autocast("cpu", self.dtype):
            return super().picture(state)


class FastDecoder(nn.Module):
    """V3's image decoder: doubling convolutions folded and laid out once, channels last all the way."""

    def __init__(self, decoder: SpatialDecoder, dtype: torch.dtype) -> None:
        super().__init__()
        self.start, self.dtype = decoder, dtype
        layers = [*decoder.convs, decoder.out]
        self.convs = nn.ModuleList([folded(cast(UpConv, layer), dtype) for layer in layers])
        self.after = [cast(NormAct, after) for after in decoder.after]

    def forward(self, state: RssmState) -> Tensor:
        """(B, 3, H, W) uint8."""
        x = self.start.begin(state.deter, state.stoch).permute(0, 3, 1, 2)
        for conv, after in zip(self.convs, [*self.after, None], strict=True):
            y = unfold(conv(x))
            if after is None:
                return share_to_bytes(y.float().sigmoid_()).permute(0, 3, 1, 2).contiguous()
            x = after(y).permute(0, 3, 1, 2)
        raise AssertionError("the last convolution has no norm after it")


def folded(layer: UpConv, dtype: torch.dtype) -> PackedConv2d:
    """The doubling convolution as one over the small image, its outputs in the order row phase, column phase, out."""
    kernel = layer.folded().detach()
    inp, out = kernel.shape[1], kernel.shape[0] // 4
    conv = nn.Conv2d(inp, 4 * out, 3, padding=1)
    conv.weight.data = kernel.view(out, 2, 2, inp, 3, 3).permute(1, 2, 0, 3, 4, 5).reshape(4 * out, inp, 3, 3)
    conv.bias = nn.Parameter(layer.bias.detach().repeat(4))
    return PackedConv2d(conv, dtype)


def unfold(y: Tensor) -> Tensor:
    """(N, 4 C, H, W), channels last, of ``folded`` to (N, 2 H, 2 W, C)."""
    count, channels, height, width = y.shape
    parts = y.permute(0, 2, 3, 1).view(count, height, width, 2, 2, channels // 4)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(count, 2 * height, 2 * width, channels // 4)
