"""Pictures of a gallery: its dreams as labelled tiles of one grid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from engine.gallery import Grid, Rollout
from engine.recorder import enlarge

SIDES = {1: 512, 2: 384, 3: 288, 4: 208}
"""Most pixels of a tile's longer side, by the number of columns."""
LEAST = 168
"""Fewest pixels of a tile's width: its caption has to fit."""
GAP, LINE, TEXT = 8, 17, 13
"""Pixels between tiles, of a caption's line, and of its letters."""
BACKGROUND, INK, FAINT = (13, 15, 19), (230, 233, 239), (160, 167, 180)


def pictures(grid: Grid) -> Iterator[np.ndarray]:
    """The gallery's pictures, (H, W, 3) uint8, as long as its longest dream.

    Each tile says who plays, the return so far, the seed and the frame. Where an episode ended, its last frame stays,
    at half its light, and the tile says so.
    """
    tiles = grid.rollouts
    columns = math.ceil(math.sqrt(len(tiles)))
    height, width = tiles[0].frames[0].image.shape[:2]
    scale = max(1, SIDES[columns] // max(height, width))
    tall, wide = height * scale + 2 * LINE, max(width * scale, LEAST)
    rows = math.ceil(len(tiles) / columns)
    size = (GAP + rows * (tall + GAP), GAP + columns * (wide + GAP), 3)
    for index in range(max(len(tile.frames) for tile in tiles)):
        picture = np.full(size, BACKGROUND, dtype=np.uint8)
        for k, tile in enumerate(tiles):
            top, left = GAP + k // columns * (tall + GAP), GAP + k % columns * (wide + GAP)
            picture[top : top + tall, left : left + wide] = _tile(tile, index, scale, wide)
        yield picture


def _tile(rollout: Rollout, index: int, scale: int, wide: int) -> np.ndarray:
    last = len(rollout.frames) - 1
    frame = rollout.frames[min(index, last)]
    image = enlarge(frame.image, scale)
    over = frame.over and index > last
    if over:
        image = image // 2
    margin = wide - image.shape[1]
    edge = np.array(BACKGROUND, dtype=np.uint8)
    sides = [np.broadcast_to(edge, (image.shape[0], part, 3)) for part in (margin // 2, margin - margin // 2)]
    told = f"ended at {frame.index}" if frame.over else f"frame {frame.index}"
    first = _caption(rollout.controller, f"return {_signed(frame.total)}", wide, INK)
    second = _caption(f"seed {rollout.seed}", told, wide, INK if frame.over else FAINT)
    return np.concatenate([np.concatenate([sides[0], image, sides[1]], axis=1), first, second])


@lru_cache(maxsize=1024)
def _caption(left: str, right: str, wide: int, ink: tuple[int, int, int]) -> np.ndarray:
    """A line of text, (LINE, wide, 3) uint8: one part to the left, cut where it must be, and one to the right."""
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("RGB", (wide, LINE), BACKGROUND)
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(TEXT)
    room = wide - draw.textlength(right, font=font) - TEXT
    if draw.textlength(left, font=font) > room:
        while left and draw.textlength(left + "...", font=font) > room:
            left = left[:-1]
        left += "..."
    draw.text((1, LINE // 2 + 1), left, ink, font, anchor="lm")
    draw.text((wide - 2, LINE // 2 + 1), right, ink, font, anchor="rm")
    return np.asarray(strip)


def _signed(value: float) -> str:
    return f"{value:+.4g}" if value else "0"
