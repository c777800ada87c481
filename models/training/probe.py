"""The object probe: a small network that reads from a frame where each object is and whether it is there at all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.pixels import to_float

WIDTH = 24
REACH = 4
"""A place is the mean of the heat within so many pixels of its peak: a ghost elsewhere does not pull it, and a fast
object that a frame shows twice (the maximum of two screens) is between both."""
BATCH = 256


@dataclass(frozen=True)
class Sightings:
    """places (..., K, 2) float32: y and x in pixels, 0 the first pixel's centre; present (..., K) bool."""

    places: Tensor
    present: Tensor

    def errors(self, objects: Tensor) -> Tensor:
        """Pixels from labels (..., K, 3) of y, x, visible: (..., K) float32, infinite where none was found."""
        distance = (self.places - objects[..., :2]).norm(dim=-1)
        return torch.where(self.present, distance, torch.inf)


class Probe(nn.Module):
    """A map of logits an object over the frame's pixels, beside one fixed logit of 0 for "nowhere".

    Their softmax is the probability of every place, so that logsumexp(map) is the logit of being there at all; an
    object is found where it is above that object's ``bar``. Half the frame's resolution inside; the pixels' coordinates
    are an input, since an object may have a side of its own.
    """

    def __init__(self, names: tuple[str, ...], height: int, width: int) -> None:
        super().__init__()
        if height % 2 or width % 2 or not names:
            raise ValueError(f"probe: got {names} in {height} x {width}, expected objects in frames of even size")
        self.names, self.height, self.width = names, height, width
        self.layers = nn.Sequential(
            nn.Conv2d(14, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=2, dilation=2),
            nn.SiLU(),
            nn.Conv2d(WIDTH, 4 * len(names), 3, padding=1),
            nn.PixelShuffle(2),
        )
        self.bar: Tensor
        self.register_buffer("bar", torch.zeros(len(names)))

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, H, W) float in [-1, 1] to logits (B, K, H, W)."""
        y = torch.linspace(-1, 1, self.height // 2, device=frames.device)
        x = torch.linspace(-1, 1, self.width // 2, device=frames.device)
        grid = torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(len(frames), -1, -1, -1)
        logits: Tensor = self.layers(torch.cat([F.pixel_unshuffle(frames, 2), grid], dim=1))
        return logits - 8.0

    @torch.no_grad()
    def read(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames (N, 3, H, W) uint8 to places (N, K, 2) and logits of presence (N, K)."""
        if frames.dtype != torch.uint8 or tuple(frames.shape[1:]) != (3, self.height, self.width):
            got = f"{tuple(frames.shape)} {frames.dtype}"
            raise ValueError(f"probe: got frames {got}, expected (N, 3, {self.height}, {self.width}) torch.uint8")
        places, presence = [], []
        for part in frames.split(BATCH):
            logits = self(to_float(part))
            places.append(peaks(logits))
            presence.append(logits.flatten(2).logsumexp(-1))
        return torch.cat(places), torch.cat(presence)

    def find(self, frames: Tensor) -> Sightings:
        """Read frames (..., 3, H, W) uint8."""
        places, presence = self.read(frames.reshape(-1, *frames.shape[-3:]))
        shape = (*frames.shape[:-3], len(self.names))
        return Sightings(places.reshape(*shape, 2), (presence > self.bar).reshape(shape))


def peaks(logits: Tensor) -> Tensor:
    """The mean place of the heat around each map's peak: (B, K, H, W) to (B, K, 2) of y, x in pixels."""
    b, k, height, width = logits.shape
    best = logits.flatten(2).argmax(-1)
    rows, columns = best // width, best % width
    y = torch.arange(height, device=logits.device)
    x = torch.arange(width, device=logits.device)
    near_y = (y - rows[..., None]).abs() <= REACH
    near_x = (x - columns[..., None]).abs() <= REACH
    near = near_y[..., :, None] & near_x[..., None, :]
    heat = logits.masked_fill(~near, -torch.inf).flatten(2).softmax(-1).reshape(b, k, height, width)
    return torch.stack([(heat.sum(3) * y).sum(-1), (heat.sum(2) * x).sum(-1)], dim=-1)


def place_loss(logits: Tensor, objects: Tensor, spread: float = 0.8) -> Tensor:
    """Divergence of places and "nowhere" from a Gaussian around the label, or from "nowhere" where invisible: (B, K).

    logits (B, K, H, W); objects (B, K, 3) of y, x, visible.
    """
    height, width = logits.shape[2:]
    y = torch.arange(height, device=logits.device) - objects[..., 0:1].clamp(0, height - 1)
    x = torch.arange(width, device=logits.device) - objects[..., 1:2].clamp(0, width - 1)
    target = torch.exp(-(y[..., :, None] ** 2 + x[..., None, :] ** 2) / (2 * spread**2)).flatten(2)
    visible = objects[..., 2:3]
    target = torch.cat([visible * target / target.sum(-1, keepdim=True), 1 - visible], dim=-1)
    scores = torch.cat([logits.flatten(2), torch.zeros_like(visible)], dim=-1).log_softmax(-1)
    return (torch.xlogy(target, target) - target * scores).sum(-1)
