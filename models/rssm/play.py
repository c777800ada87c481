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
from models.rssm.layers import NormAct, RmsNorm
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
        fits = isinstance(image, SpatialDecoder) and (model.config.net.norm, model.config.net.act) == ("rms", "silu")
        self.decoder = FastDecoder(cast(SpatialDecoder, image), dtype) if fits else None
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
        self.start = decoder
        layers = [*decoder.convs, decoder.out]
        self.convs = nn.ModuleList([folded(cast(UpConv, layer), dtype) for layer in layers])
        self.norms = [cast(RmsNorm, cast(NormAct, after).norm) for after in decoder.after]
        self.offset = None if decoder.offset is None else halved(decoder.offset)

    def forward(self, state: RssmState) -> Tensor:
        """(B, 3, H, W) uint8."""
        x = self.start.begin(state.deter, state.stoch)
        for conv, norm in zip(self.convs, self.norms, strict=False):
            x = rms_silu_(unfold(conv(x.permute(0, 3, 1, 2))), norm)
        y = self.convs[-1](x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = y.float() if self.offset is None else y + self.offset
        return doubled(share_to_bytes(y.sigmoid_())).permute(0, 5, 1, 2, 3, 4).flatten(2, 3).flatten(3)


def rms_silu_(x: Tensor, norm: RmsNorm) -> Tensor:
    """The norm over the last axis and SiLU, in place: no allocation of the size of a feature map."""
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    scale = size.square_().div_(x.shape[-1]).add_(norm.eps).rsqrt_()
    return F.silu(x.mul_(scale).mul_(norm.scale), inplace=True)


def folded(layer: UpConv, dtype: torch.dtype) -> PackedConv2d:
    """The doubling convolution as one over the small image, its outputs in the order row phase, column phase, out."""
    kernel = layer.folded().detach()
    conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], 3, padding=1)
    conv.weight = nn.Parameter(kernel)
    conv.bias = nn.Parameter(layer.bias.detach().repeat(4))
    return PackedConv2d(conv, dtype)


def doubled(y: Tensor) -> Tensor:
    """(N, H, W, 4 C) of ``folded``, seen as (N, H, 2, W, 2, C)."""
    return y.view(*y.shape[:3], 2, 2, -1).transpose(2, 3)


def halved(image: Tensor) -> Tensor:
    """(C, 2 H, 2 W) in the order of ``folded``: (H, W, 4 C)."""
    channels, height, width = image.shape
    cut = image.view(channels, height // 2, 2, width // 2, 2)
    return cut.permute(1, 3, 2, 4, 0).reshape(height // 2, width // 2, -1)


def unfold(y: Tensor) -> Tensor:
    """(N, 4 C, H, W), channels last, of ``folded`` to (N, 2 H, 2 W, C) float32."""
    y = doubled(y.permute(0, 2, 3, 1)).contiguous().float()
    return y.flatten(1, 2).flatten(2, 3)
