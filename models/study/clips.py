"""Moments as small moving pictures: what was real, what each world made of it, and the difference."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.study.moments import Moment
from models.study.scan import Scan, Truth

BEFORE, AFTER = 12, 12
"""Frames of a clip before and after its moment, at most."""
GAP, BAR = 2, 3
"""Pixels between the panes, and of the strip below that shows where in the clip one is."""
SLOW_MS, HOLD_MS = 120, 900
"""How long a frame stands, and how long the last one."""
LARGE = 60_000
"""Bytes from which on a clip is stored with some loss."""
GREY, MARK, HERE = 128, (230, 60, 60), (160, 160, 160)


@dataclass(frozen=True)
class Clip:
    """A looping WebP, a still PNG of the moment itself, both of width x height pixels, and what the panes are."""

    moving: bytes
    still: bytes
    width: int
    height: int
    panes: tuple[str, ...]
    frames: int


def signed_error(dream: Tensor, real: Tensor) -> Tensor:
    """(..., 3, H, W) uint8 twice to a picture of the same shape: grey where equal, red where the dream is brighter,
    blue where it is darker. Brightness is the mean over the channels; small differences are drawn larger.
    """
    off = (dream.float() - real.float()).mean(-3) / 255
    strength = off.abs().sqrt() * GREY
    up, down = strength * (off > 0), strength * (off < 0)
    rgb = torch.stack([GREY + up - down, GREY - up - down, GREY - up + down], dim=-3)
    return rgb.round().clamp(0, 255).to(torch.uint8)


def clip_of(
    moment: Moment, scans: Sequence[Scan], names: Sequence[str], truth: Truth, episodes: Sequence[EpisodeFile]
) -> Clip:
    """What was real beside what every world showed from the same frames on."""
    if moment.dreamed:
        real, dreams, at = dreamed_frames(moment, scans, truth)
    else:
        real, dreams, at = foretold_frames(moment, scans, truth, episodes)
    panes = [real]
    for dream in dreams:
        panes += [dream, signed_error(dream, real)]
    labels = ("real", *(label for name in names for label in (name, "error")))
    pictures = side_by_side(panes, at)
    moving, still = animated(pictures), png(pictures[at])
    return Clip(moving, still, pictures.shape[2], pictures.shape[1], labels, len(pictures))


def dreamed_frames(moment: Moment, scans: Sequence[Scan], truth: Truth) -> tuple[Tensor, list[Tensor], int]:
    """Frames (T, 3, H, W) of reality and of each dream around a moment of a dream, and the moment's index."""
    row, last = moment.row, int(truth.there[moment.row].sum()) - 1
    first, stop = max(0, moment.step - BEFORE), min(last, moment.step + AFTER) + 1
    start = truth.dreamed[row, :1]
    dreams = [torch.cat([start, s.dreams[row]])[first:stop] for s in scans]
    return truth.dreamed[row, first:stop], dreams, moment.step - first


def foretold_frames(
    moment: Moment, scans: Sequence[Scan], truth: Truth, episodes: Sequence[EpisodeFile]
) -> tuple[Tensor, list[Tensor], int]:
    """The same for a single step: the real frames up to it, which the worlds were shown, then what they foretold."""
    first = max(0, moment.t - BEFORE)
    real = episodes[moment.episode].slice("frames", first, moment.t + 1)
    dreams = [torch.cat([real[:-1], s.steps.frames[moment.row][None]]) for s in scans]
    return real, dreams, len(real) - 1


def side_by_side(panes: Sequence[Tensor], at: int) -> np.ndarray:
    """Panes (T, 3, H, W) to pictures (T, H + GAP + BAR, W', 3) uint8 with a strip of time below, red from ``at`` on."""
    count, _, height, width = panes[0].shape
    total = len(panes) * width + (len(panes) - 1) * GAP
    out = np.zeros((count, height + GAP + BAR, total, 3), np.uint8)
    for k, pane in enumerate(panes):
        left = k * (width + GAP)
        out[:, :height, left : left + width] = pane.permute(0, 2, 3, 1).numpy()
    for t in range(count):
        reached, mark = round((t + 1) * total / count), round(at * total / count)
        out[t, -BAR:, :reached] = HERE
        out[t, -BAR:, mark:reached] = MARK
    return out


def animated(pictures: np.ndarray) -> bytes:
    """A looping WebP: without loss where that is small."""
    exact = webp(pictures, lossless=True, quality=60)
    return exact if len(exact) <= LARGE else webp(pictures, lossless=False, quality=80)


def webp(pictures: np.ndarray, lossless: bool, quality: int) -> bytes:
    from PIL import Image

    frames = [Image.fromarray(p) for p in pictures]
    times = [SLOW_MS] * (len(frames) - 1) + [HOLD_MS]
    file = io.BytesIO()
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=times,
        loop=0,
        lossless=lossless,
        quality=quality,
        method=3,
    )
    return file.getvalue()


def png(picture: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    return file.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as an address that holds them, kind e.g. image/webp."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
