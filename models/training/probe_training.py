"""Training of the object probe on labelled frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.data.env_meta import DREAMED
from models.data.episode import EpisodeFile
from models.nn.pixels import to_float
from models.training.probe import Probe, place_loss

STEPS, BATCH, LEARNING_RATE = 1000, 32, 4e-3
POOL, CALIBRATION = 8192, 4096
"""Training frames drawn from the store, and how many of them set the bars of presence."""
ERASE, BOX, TRUST = 0.15, 8, 12
"""Share of objects painted over with the background, half the side of the box, and how near a neighbour's label is
then ignored, in pixels of a 64-pixel frame. Without erased ones an object that is always there could not be missed."""
NOISE, BLUR = 6.0, 0.5
"""At most so many levels of noise and so much of a 3 x 3 mean are mixed in: dreams are a little soft."""
JUNK = 2
"""Pictures of noise in a batch, without any object, so that a broken dream shows none."""
DRAWN, AROUND = 24, 2
"""An object is drawn where a pixel so near its place differs from the background by more than so many levels."""
OnStep = Callable[[int, float], None]
"""Hears of a step and its loss."""


RECIPE = (STEPS, BATCH, LEARNING_RATE, POOL, CALIBRATION, ERASE, BOX, TRUST, NOISE, BLUR, JUNK, DRAWN, AROUND)
"""All that shapes a probe beside its data."""


def quiet(step: int, loss: float) -> None:
    """Where nobody listens."""


@dataclass(frozen=True)
class Labelled:
    """frames (N, 3, H, W) uint8 with objects (N, K, 3) of y, x, visible."""

    frames: Tensor
    objects: Tensor


def labelled_frames(episodes: list[EpisodeFile], count: int, seed: int) -> Labelled:
    """Frames drawn evenly over all episodes' frames, seeded."""
    random = np.random.default_rng(seed)
    episodes = [e for e in episodes if e.header.meta.get("policy") != DREAMED]  # nobody knows where things are there
    lengths = np.array([len(e) + 1 for e in episodes])
    frames, objects = [], []
    shares = random.multinomial(count, lengths / lengths.sum())
    for episode, share in zip(episodes, shares, strict=True):
        for t in sorted(random.integers(0, len(episode) + 1, share).tolist()):
            frames.append(episode.slice("frames", t, t + 1))
            objects.append(episode.slice("objects", t, t + 1))
    order = torch.from_numpy(random.permutation(count))
    return Labelled(torch.cat(frames)[order], torch.cat(objects)[order])


def background(frames: Tensor) -> Tensor:
    """What is behind the objects: the median of frames (N, 3, H, W) uint8 at every pixel, (3, H, W) uint8."""
    return frames.median(dim=0).values


def drawn(data: Labelled, behind: Tensor) -> Labelled:
    """The labels with those objects invisible of which nothing is drawn: memory also places what the screen hides."""
    changed = (data.frames.int() - behind.int()).abs().amax(1) > DRAWN
    y = torch.arange(data.frames.shape[-2])
    x = torch.arange(data.frames.shape[-1])
    near_y = (y - data.objects[..., 0:1]).abs() <= AROUND
    near_x = (x - data.objects[..., 1:2]).abs() <= AROUND
    seen = (near_y[..., :, None] & near_x[..., None, :] & changed[:, None]).flatten(2).any(-1)
    objects = data.objects.clone()
    objects[..., 2] *= seen
    return Labelled(data.frames, objects)


def erase(batch: Labelled, behind: Tensor, share: float, generator: torch.Generator) -> tuple[Labelled, Tensor]:
    """Paint some visible objects over with the background.

    Returns the batch with those objects invisible, and the trust in every label, (N, K) float32: 0 for objects so near
    an erased one that they may have lost a part.
    """
    objects, scale = batch.objects, batch.frames.shape[-1] / 64
    gone = (torch.rand(objects.shape[:2], generator=generator) < share) & (objects[..., 2] > 0)
    y = torch.arange(batch.frames.shape[-2])
    x = torch.arange(batch.frames.shape[-1])
    in_y = (y - objects[..., 0:1]).abs() <= BOX * scale
    in_x = (x - objects[..., 1:2]).abs() <= BOX * scale
    painted = (in_y[..., :, None] & in_x[..., None, :] & gone[..., None, None]).any(1)
    frames = torch.where(painted[:, None], behind, batch.frames)
    apart = (objects[:, :, None, :2] - objects[:, None, :, :2]).abs().amax(-1)
    near = ((apart <= (BOX + TRUST) * scale) & gone[:, None, :]).any(-1)
    after = objects.clone()
    after[..., 2] = torch.where(gone, 0.0, objects[..., 2])
    trust = (gone | ~near | (objects[..., 2] == 0)).float()
    return Labelled(frames, after), trust


def soften(frames: Tensor, generator: torch.Generator) -> Tensor:
    """Noise and blur of a strength drawn for each frame, none for half of them: (N, 3, H, W) in [-1, 1]."""
    n = len(frames)
    on = (torch.rand(n, 1, 1, 1, generator=generator) < 0.5).float()
    blur = on * BLUR * torch.rand(n, 1, 1, 1, generator=generator)
    noise = on * NOISE / 127.5 * torch.rand(n, 1, 1, 1, generator=generator)
    mean = F.avg_pool2d(F.pad(frames, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return frames + blur * (mean - frames) + noise * torch.randn(frames.shape, generator=generator)


def junk(rows: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Pictures (rows, 3, H, W) in [-1, 1] with no object in them: noise of a random contrast, coarse or fine."""
    coarse = 2 ** int(torch.randint(2, 7, (1,), generator=generator))
    contrast = torch.rand(rows, 1, 1, 1, generator=generator)
    noise = torch.randn(rows, 3, coarse, coarse, generator=generator) * contrast
    flat = 2 * torch.rand(rows, 3, 1, 1, generator=generator) - 1
    return (flat + F.interpolate(noise, size=shape, mode="bilinear")).clamp(-1, 1)


def train_probe(
    names: tuple[str, ...],
    data: Labelled,
    steps: int = STEPS,
    seed: int = 0,
    on_step: OnStep = quiet,
) -> Probe:
    """A probe trained on labelled frames; the same seed gives the same probe. ``on_step`` hears of step and loss."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = Probe(names, *data.frames.shape[-2:])
    optimizer = torch.optim.AdamW(probe.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    behind = background(data.frames[:512])
    data = drawn(data, behind)
    hardness = torch.full((len(data.frames),), 5.0)
    for step in range(steps):
        rows = torch.multinomial(hardness + hardness.mean(), BATCH, replacement=True, generator=generator)
        batch, trust = erase(Labelled(data.frames[rows], data.objects[rows]), behind, ERASE, generator)
        frames = soften(to_float(batch.frames), generator)
        frames[:JUNK], trust[:JUNK] = junk(JUNK, frames.shape[-2:], generator), 1.0
        batch.objects[:JUNK, :, 2] = 0.0
        losses = place_loss(probe(frames), batch.objects) * trust
        loss = losses.sum() / trust.sum().clamp(min=1)
        hardness[rows[JUNK:]] = losses.detach()[JUNK:].sum(1).clamp(max=5.0)
        warm = min(1.0, (step + 1) / 30)
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * step / steps)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
        optimizer.step()
        on_step(step, float(loss.detach()))
    probe.eval().requires_grad_(False)
    sample = Labelled(data.frames[:CALIBRATION], data.objects[:CALIBRATION])
    probe.bar.copy_(presence_bars(probe, *erase(sample, behind, 0.3, generator)))
    return probe


def presence_bars(probe: Probe, data: Labelled, trust: Tensor) -> Tensor:
    """The logits (K,) above which objects count as found: misses and false finds are as rare as each other."""
    bars, presence = [], probe.read(data.frames)[1]
    for k in range(len(probe.names)):
        there = presence[(data.objects[:, k, 2] > 0) & (trust[:, k] > 0), k]
        gone = presence[(data.objects[:, k, 2] == 0) & (trust[:, k] > 0), k]
        choices = torch.linspace(-6, 6, 121)
        if len(there) == 0 or len(gone) == 0:
            bars.append(0.0)
            continue
        missed = (there <= choices[:, None]).float().mean(1)
        false = (gone > choices[:, None]).float().mean(1)
        bars.append(float(choices[torch.maximum(missed, false).argmin()]))
    return torch.tensor(bars)


def probe_error(probe: Probe, data: Labelled, behind: Tensor, within: float = 3.0, seed: int = 0) -> dict[str, Any]:
    """How well a probe reads real frames, by object.

    share: found within so many pixels where visible; median_error in pixels; false: found where it is not, because the
    game hides it or because it was painted over with the background.
    """
    generator = torch.Generator().manual_seed(seed)
    erased, trust = erase(data, behind, 0.3, generator)
    errors = probe.find(data.frames).errors(data.objects)
    present = probe.find(erased.frames).present
    out = {}
    for k, name in enumerate(probe.names):
        visible = data.objects[:, k, 2] > 0
        absent = (erased.objects[:, k, 2] == 0) & (trust[:, k] > 0)
        out[name] = {
            "share": mean(errors[visible, k] <= within),
            "median_error": float(errors[visible, k].median()) if bool(visible.any()) else None,
            "frames": int(visible.sum()),
            "false": mean(present[absent, k]),
            "absent_frames": int(absent.sum()),
        }
    return out


def mean(hits: Tensor) -> float | None:
    return float(hits.float().mean()) if len(hits) else None
