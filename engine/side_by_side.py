"""Pictures of two worlds next to each other, with names above and a line below."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from engine.lockstep_views import signed_error
from engine.moment import image_of

GAP = 2
"""Pixels between two pictures."""
DARK, INK, FAINT = 24, (236, 238, 242), (164, 172, 184)
"""Grey of what is around the pictures, and the colours of what is written."""
ERROR = "error (red: too bright, blue: too dark)"
"""Name of a signed error."""
SIDE = 256
"""A picture's side in a film is the largest whole multiple of the world's below this many pixels, or the world's."""
LETTERS, BAR = 15, 26
"""Height of the letters and of a line, in pixels."""


def lockstep_pictures(state: Any, names: Sequence[str]) -> tuple[list[np.ndarray], list[str]]:
    """Of a lockstep's state, batch 1: the lead's frame, then each dream's and its signed error, each with its name.

    names: of the lead and of each dream.
    """
    real = state.window[:, -1]
    pictures, titles = [image_of(real)], [names[0]]
    for k, name in enumerate(names[1:]):
        dream = state.shown[:, k]
        pictures += [image_of(dream), image_of(signed_error(real, dream))]
        titles += [name, ERROR if len(names) == 2 else f"{name}: {ERROR}"]
    return pictures, titles


def side_by_side(pictures: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Pictures (H, W, 3) uint8 of one size in a row: (H, n W + (n - 1) gap, 3) uint8."""
    between = np.full((pictures[0].shape[0], gap, 3), DARK, np.uint8)
    parts = [part for picture in pictures for part in (between, picture)][1:]
    return np.concatenate(parts, axis=1)


def captioned(pictures: Sequence[np.ndarray], names: Sequence[str], line: str, scale: int) -> np.ndarray:
    """Pictures in a row, each enlarged ``scale`` times with its name above, and a line of text below.

    What is too long for its place is cut. Gives (h, w, 3) uint8.
    """
    from PIL import Image, ImageDraw

    large = [picture.repeat(scale, axis=0).repeat(scale, axis=1) for picture in pictures]
    row = side_by_side(large, gap := GAP * scale)
    wide = large[0].shape[1]
    image = np.full((row.shape[0] + 2 * BAR, row.shape[1], 3), DARK, np.uint8)
    image[BAR : BAR + row.shape[0]] = row
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    top = (BAR - LETTERS) // 2 - 1
    for k, name in enumerate(names):
        draw.text((k * (wide + gap) + 6, top), fitting(name, wide - 12), fill=INK, font=font())
    text = fitting(line, row.shape[1] - 12)
    draw.text((6, BAR + row.shape[0] + top), text, fill=FAINT, font=font())
    return np.asarray(canvas)


@lru_cache(maxsize=256)
def fitting(text: str, width: float) -> str:
    """As much of a text as there is room for in one line of ``width`` pixels, an ellipsis where it was cut."""
    text = " ".join(text[: 2 * round(width)].splitlines())
    if font().getlength(text) <= width:
        return text
    count = bisect_right(range(len(text) + 1), width, key=lambda count: font().getlength(text[:count] + "…")) - 1
    return text[: max(0, count)].rstrip() + "…"


@cache
def font() -> Any:
    """Pillow's own letters."""
    from PIL import ImageFont

    return ImageFont.load_default(LETTERS)
