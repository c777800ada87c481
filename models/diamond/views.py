"""Looks inside a DIAMOND world: how a frame comes out of noise, and what the U-Net makes of it on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from models.diffusion.sampler import Denoise, SamplerConfig, levels
from models.nn.looks import Looks, coloured
from models.nn.pixels import to_bytes
from models.types import View

CHANNELS = 16
"""Most feature maps of the middle that are shown, spread evenly over its channels."""


@dataclass
class Course:
    """What is noted of one denoised frame: the context (B, n, 3, H, W) float32 in [-1, 1] that the denoiser was given,
    its estimates (B, 3, H, W) float32 of the clean frame in the order of its calls, and the U-Net at the last call."""

    context: Tensor
    estimates: list[Tensor] = field(default_factory=list)
    net: Looks = field(default_factory=Looks)

    def noting(self, denoise: Denoise) -> Denoise:
        """The denoiser, its estimates noted."""

        def noted(x: Tensor, sigma: Tensor) -> Tensor:
            estimate = denoise(x, sigma)
            self.estimates.append(estimate)
            return estimate

        return noted


def step_views(course: Course, path: list[Tensor], settings: SamplerConfig) -> tuple[View, ...]:
    """All that a step shows of its frame; path: the sampler's trajectory."""
    noise = tuple(f"sigma {sigma:.3g}" for sigma in levels(settings).tolist())
    return (
        film("denoising", path, (*noise[:-1], "frame")),
        film("estimate", course.estimates, estimate_labels(settings, noise)),
        film("context", list(course.context.unbind(1)), context_labels(course.context.shape[1])),
        unet_view(course.net, course.context.shape[-2:]),
        *middle_views(course.net),
    )


def film(name: str, pictures: list[Tensor], labels: tuple[str, ...]) -> View:
    """Pictures (B, 3, H, W) float32 in [-1, 1], what is beyond cut off."""
    return View(name, "film_strip", torch.stack([to_bytes(x, nearest=True) for x in pictures], dim=1), labels)


def estimate_labels(settings: SamplerConfig, noise: tuple[str, ...]) -> tuple[str, ...]:
    """A name for every call of the denoiser: its level; Heun's second call of a step looks ahead to the next one."""
    labels: list[str] = []
    for k in range(settings.steps):
        labels.append(noise[k])
        if settings.order == 2 and k < settings.steps - 1:
            labels.append(f"{noise[k + 1]} ahead")
    return tuple(labels)


def context_labels(count: int) -> tuple[str, ...]:
    return tuple(f"{back} before" for back in range(count, 0, -1))


def unet_view(net: Looks, size: torch.Size) -> View:
    """Every level on the way down and up as one picture of a frame's size, its features as colours."""
    pictures = [F.interpolate(coloured(maps), tuple(size), mode="nearest") for maps in net.maps.values()]
    labels = tuple(f"{name} {maps.shape[-2]}x{maps.shape[-1]}" for name, maps in net.maps.items())
    return View("U-Net", "film_strip", torch.stack(pictures, dim=1), labels)


def middle_views(net: Looks) -> tuple[View, ...]:
    """Some features of the middle, and where heads look: those of the middle, then of levels that have any."""
    middle = net.maps["middle"].float().contiguous()
    places = torch.linspace(0, middle.shape[1] - 1, min(CHANNELS, middle.shape[1])).round().long()
    labels = tuple(f"channel {place}" for place in places.tolist())
    views = [View("features", "feature_maps", middle[:, places], labels)]
    for level in sorted(net.attention, key=lambda name: name != "middle"):
        blocks = net.attention[level]
        names = (f"block {b + 1} head {h + 1}" for b, weights in enumerate(blocks) for h in range(weights.shape[1]))
        name = "attention" if level == "middle" else f"attention {level}"
        views.append(View(name, "feature_maps", torch.cat(blocks, dim=1), tuple(names)))
    return tuple(views)
