"""What can be noted of a U-Net while it computes: its feature maps, and where its heads look."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Looks:
    """Notes of one call, empty before it.

    maps: by name ("down 1", "middle", "up 1"; level 1 is the finest) the output (B, C, h, w) of a level's blocks.
    attention: by name of the level, in the order of its blocks, how much each place is attended to by a head
    (B, heads, h, w) float32: the mean over all places that look, so that a head's sum is 1 (what lies in the padding of
    a map is cut off).
    """

    maps: dict[str, Tensor] = field(default_factory=dict)
    attention: dict[str, list[Tensor]] = field(default_factory=dict)
    fresh: list[Tensor] = field(default_factory=list)
    """Attention of the level that is being computed."""

    def begin(self) -> None:
        """Forget what was noted: another call follows."""
        self.maps, self.attention, self.fresh = {}, {}, []

    def attended(self, q: Tensor, k: Tensor, height: int, width: int) -> None:
        """Note a layer's attention: q, k (B, heads, height * width, d)."""
        with torch.autocast(q.device.type, enabled=False):
            weights = (q.float() @ k.float().transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        self.fresh.append(weights.mean(-2).unflatten(-1, (height, width)))

    def note(self, name: str, x: Tensor, inside: tuple[float, float]) -> None:
        """Note a level's output, and as that level's the attention since the last one.

        inside: the shares of its height and width that are no padding.
        """
        rows, columns = (math.ceil(side * share) for side, share in zip(x.shape[-2:], inside, strict=True))
        self.maps[name] = x[..., :rows, :columns]
        if self.fresh:
            self.attention[name] = [weights[..., :rows, :columns] for weights in self.fresh]
            self.fresh = []


def coloured(maps: Tensor) -> Tensor:
    """Feature maps (B, C, h, w) as colours (B, 3, h, w) uint8: of every row its three principal components.

    The components of a picture have no order and no sign of their own, so they are not lights by themselves: what they
    keep of the features is seen along three directions that are the same for all maps of C channels. So colours change
    no faster than features do, from picture to picture. A light is grey at its mean and full at 2 deviations.
    """
    height, width = maps.shape[-2:]
    points = maps.detach().float().cpu().flatten(2).transpose(1, 2)
    points = points - points.mean(1, keepdim=True)
    scores = torch.stack([principal(row) for row in points])
    deviation = scores.square().mean(1, keepdim=True).sqrt().clamp(min=1e-12)
    light = (127.5 + 127.5 / 2 * scores / deviation).round().clamp(0, 255).to(torch.uint8)
    return light.transpose(1, 2).unflatten(2, (height, width)).contiguous()


def principal(points: Tensor) -> Tensor:
    """Centred points (n, C) by their three principal components, seen along fixed directions: (n, 3).

    A component of variance v counts by v^(1/4), so that the first does not hide the others, times (v - u) / v for the
    variance u of the fourth: a component that changes places with it does so when it counts for nothing.
    """
    variance, basis = torch.linalg.eigh(points.T @ points / len(points))
    variance = variance.clamp(min=1e-20)
    kept, fourth = variance[-3:], variance[-4] if len(variance) > 3 else variance.new_zeros(())
    weight = kept.pow(-0.25) * (kept - fourth) / kept
    basis = basis[:, -3:]
    seen: Tensor = points @ (basis * weight) @ (basis.T @ fixed_directions(points.shape[1]))
    return seen


def fixed_directions(channels: int) -> Tensor:
    """Orthogonal (channels, 3) float32, the same at every call."""
    drawn = torch.randn(channels, 3, generator=torch.Generator().manual_seed(channels))
    return torch.linalg.qr(drawn).Q if channels >= 3 else drawn
