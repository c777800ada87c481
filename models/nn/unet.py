"""DIAMOND's U-Net (its published code's structure and parameter names)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.blocks import Downsample, ResBlocks, Upsample
from models.nn.looks import Looks


class UNet(nn.Module):
    """Feature maps (B, c_0, H, W) to the same shape, under a conditioning vector (B, cond).

    Any H and W: the map is padded with zeros on the right and bottom to a multiple of 2^(levels - 1) and cropped back.
    """

    def __init__(self, cond: int, depths: Sequence[int], channels: Sequence[int], attn_depths: Sequence[int]) -> None:
        super().__init__()
        if not len(depths) == len(channels) == len(attn_depths) > 0:
            raise ValueError(f"UNet: got depths {depths}, channels {channels}, attention {attn_depths}: equal lengths")
        self.levels = len(channels)
        below = [channels[0], *channels[:-1]]
        down, up = [], []
        for depth, c_in, c, attn in zip(depths, below, channels, attn_depths, strict=True):
            down.append(ResBlocks([(c_in if j == 0 else c, c) for j in range(depth)], cond, bool(attn)))
            up.append(ResBlocks([(2 * c, c)] * depth + [(c + c_in, c_in)], cond, bool(attn)))
        self.downsamples = nn.ModuleList([nn.Identity(), *[Downsample(c) for c in channels[:-1]]])
        self.d_blocks = nn.ModuleList(down)
        self.mid_blocks = ResBlocks([(channels[-1], channels[-1])] * 2, cond, True)
        self.u_blocks = nn.ModuleList(up[::-1])
        self.upsamples = nn.ModuleList([nn.Identity(), *[Upsample(c) for c in list(channels[:-1])[::-1]]])

    def forward(self, x: Tensor, cond: Tensor, looks: Looks | None = None) -> Tensor:
        """looks: takes notes of this call."""
        h, w = x.shape[-2:]
        multiple = 2 ** (self.levels - 1)
        x = F.pad(x, (0, -w % multiple, 0, -h % multiple))
        inside = h / x.shape[-2], w / x.shape[-1]
        skips = []
        for level, (downsample, block) in enumerate(zip(self.downsamples, self.d_blocks, strict=True)):
            x_down = downsample(x)
            x, outputs = block(x_down, cond, looks=looks)
            if looks is not None:
                looks.note(f"down {level + 1}", x, inside)
            skips.append([x_down, *outputs])
        x, _ = self.mid_blocks(x, cond, looks=looks)
        if looks is not None:
            looks.note("middle", x, inside)
        for level, (upsample, block, skip) in enumerate(zip(self.upsamples, self.u_blocks, skips[::-1], strict=True)):
            x, _ = block(upsample(x), cond, skip[::-1], looks)
            if looks is not None:
                looks.note(f"up {self.levels - level}", x, inside)
        return x[..., :h, :w]
