"""Open-loop drift: how long a dream under the real actions stays what really happened, in pixels and in objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.training.bootstrap import decibel_interval, ratio_interval
from models.training.measures import moved_pixels, moving_psnr, psnr, squared_error
from models.training.one_step import number
from models.training.probe import Probe
from models.training.probe_training import Labelled, drawn
from models.training.rollout import Tick, after, all_places, context_at, draw, dream_on
from models.world import WorldModel

HORIZONS = (1, 5, 15, 50)
OBJECT_STEPS = 15
WITHIN = 3.0
"""Pixels."""


@dataclass(frozen=True)
class OpenLoop:
    """Dreams beside reality. start (N, 3, H, W); dream, truth (N, T, 3, H, W) uint8; objects (N, T + 1, K, 3) labels.

    The objects' first entry belongs to the start.
    """

    start: Tensor
    dream: Tensor
    truth: Tensor
    objects: Tensor


def open_loop(
    world: WorldModel[Any], episodes: Sequence[EpisodeFile], context: int, segments: int, seed: int, tick: Tick
) -> OpenLoop:
    """Dreams from an even draw of held-out starts, as long as the episodes allow up to the last horizon."""
    lengths = [len(e) for e in episodes]
    steps = min(HORIZONS[-1], max(lengths) - context + 1)
    places = draw(all_places(lengths, context, steps), segments, seed) if steps >= 1 else []
    if not places:
        raise ValueError(f"evaluation: got no held-out episode of {context} steps, expected one; run `reverie collect`")
    start = context_at(episodes, places, context)
    dream = dream_on(world, start, after(episodes, places, "actions", steps), seed, tick)
    first = torch.stack([episodes[p.episode].slice("objects", p.t, p.t + 1) for p in places])
    objects = torch.cat([first, after(episodes, places, "objects", steps)], dim=1)
    return OpenLoop(start.frames[:, -1], dream.frames, after(episodes, places, "frames", steps), objects)


def measure_drift(played: OpenLoop, seed: int) -> dict[str, Any]:
    """The part ``drift`` of a world's quality: PSNR after so many steps, beside that of showing the start for ever."""
    steps = {}
    for horizon in [h for h in HORIZONS if h <= played.dream.shape[1]]:
        guess, truth = played.dream[:, horizon - 1], played.truth[:, horizon - 1]
        error = squared_error(guess, truth)
        moved = moved_pixels(played.start, truth)
        pixels = torch.full((len(guess),), error[0].numel())
        steps[str(horizon)] = {
            "psnr": psnr(guess, truth),
            "psnr_interval": decibel_interval(error.sum((1, 2)), pixels, seed),
            "copy_psnr": psnr(played.start, truth),
            "moving_psnr": number(moving_psnr(guess, played.start, truth)),
            "moving_psnr_interval": decibel_interval((error * moved).sum((1, 2)), moved.sum((1, 2)), seed),
            "copy_moving_psnr": number(moving_psnr(played.start, played.start, truth)),
        }
    return {"segments": len(played.start), "steps": steps}


def measure_objects(played: OpenLoop, probe: Probe, behind: Tensor, own: str, seed: int) -> dict[str, Any]:
    """The part ``objects``: how often every object is where it should be, over all frames in which reality shows it.

    A dreamed object that the probe does not find is a miss. ``probe_share`` is what it reads off the real frames.
    """
    steps = min(OBJECT_STEPS, played.dream.shape[1])
    dream, truth = played.dream[:, :steps], played.truth[:, :steps]
    objects = visible_labels(played, behind, steps)
    dreamed, real = probe.find(dream).errors(objects[:, 1:]), probe.find(truth).errors(objects[:, 1:])
    shown = objects[..., 2] > 0
    out = {}
    for k, name in enumerate(probe.names):
        visible, kept = shown[:, 1:, k], shown[:, :, k].cumprod(1)[:, 1:].bool()
        out[name] = {**shares(dreamed[..., k], visible, seed), "by_step": by_step(dreamed[..., k], visible)}
        floor = shares(real[..., k], visible, seed)
        out[name] |= {"probe_share": floor["share"], "probe_median_error": floor["median_error"]}
        if int(kept.sum()) < int(visible.sum()):
            steady = shares(dreamed[..., k], kept, seed)
            out[name] |= {"share_in_sight": steady["share"], "frames_in_sight": steady["frames"]}
    return {"steps": steps, "within_pixels": WITHIN, "own": own, "segments": len(dream), "by_object": out}


def visible_labels(played: OpenLoop, behind: Tensor, steps: int) -> Tensor:
    """Labels of the start and of the first steps, (N, steps + 1, K, 3), visible only where something is drawn."""
    frames = torch.cat([played.start[:, None], played.truth[:, :steps]], dim=1)
    objects = played.objects[:, : steps + 1]
    seen = drawn(Labelled(frames.flatten(0, 1), objects.flatten(0, 1)), behind)
    return seen.objects.reshape(objects.shape)


def shares(errors: Tensor, visible: Tensor, seed: int) -> dict[str, Any]:
    """errors (N, T) in pixels, infinite where not found; only visible (N, T) frames count. Segments are the rows."""
    near, frames = (errors <= WITHIN) & visible, int(visible.sum())
    median = float(errors[visible].median()) if frames else float("inf")
    return {
        "share": int(near.sum()) / frames if frames else None,
        "interval": ratio_interval(near.sum(1), visible.sum(1), seed),
        "median_error": median if median < float("inf") else None,
        "not_found": int((errors.isinf() & visible).sum()),
        "frames": frames,
    }


def by_step(errors: Tensor, visible: Tensor) -> list[float | None]:
    """The share within reach after each step."""
    near, count = ((errors <= WITHIN) & visible).sum(0).tolist(), visible.sum(0).tolist()
    return [n / c if c else None for n, c in zip(near, count, strict=True)]
