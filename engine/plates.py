"""Looks inside that are pictures or cells, as tiles with names: plain data, drawn by ``engine.figures``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.types import View

Colour = tuple[int, int, int]

DARK, COLD, HOT, LIT, ZERO = (16, 20, 26), (86, 180, 233), (240, 136, 74), (255, 214, 102), (70, 78, 90)
HUES = (
    *((86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167), (187, 187, 187)),
)


@dataclass(frozen=True)
class Plate:
    """tiles (R, C, h, w, 3) uint8, the last ones of the last row left out beyond ``count``.

    captions: of the tiles, row by row, where they have names of their own. rows and columns: the names of a grid's.
    """

    tiles: np.ndarray
    count: int
    captions: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def plate_of(view: View, width: int, height: int, caption: int) -> Plate:
    """A film strip, grid of pictures, feature maps, tokens or probabilities of batch 1.

    width, height: pixels there are for it, after which a strip's pictures are broken into rows; caption: pixels of a
    line of text. Raises ValueError for a view of another kind.
    """
    values = view.value[0].detach().cpu().numpy()
    match view.kind:
        case "film_strip":
            pictures = values.transpose(0, 2, 3, 1)
        case "feature_maps":
            pictures = lights(values)
        case "picture_grid":
            tiles = values.transpose(0, 1, 3, 4, 2)
            return Plate(tiles, tiles.shape[0] * tiles.shape[1], (), view.labels, view.columns)
        case "one_hot_grid":
            return Plate(glow(values)[None, None], 1)
        case "token_grid":
            return Plate(hues(values)[None, None], 1)
        case _:
            raise ValueError(f"view {view.name!r}: got kind {view.kind!r}, expected one of pictures or cells")
    count, tall, wide = pictures.shape[:3]
    across = broken(count, wide, tall, width, height, caption if view.labels else 0)
    room = math.ceil(count / across) * across
    tiles = np.zeros((room, tall, wide, 3), np.uint8)
    tiles[:count] = pictures
    return Plate(tiles.reshape(-1, across, tall, wide, 3), count, view.labels)


def broken(count: int, wide: int, tall: int, width: int, height: int, caption: int) -> int:
    """How many of ``count`` tiles stand side by side so that they are as large as can be."""

    def scale(across: int) -> float:
        rows = math.ceil(count / across)
        return min(width / (across * wide), max(height / rows - caption, 1) / tall)

    return max(range(1, max(count, 1) + 1), key=lambda across: (scale(across), -(-count % across)))


def lights(maps: np.ndarray) -> np.ndarray:
    """Maps (C, h, w) as greys (C, h, w, 3) uint8 from the least to the greatest value of all."""
    maps = np.nan_to_num(maps.astype(np.float64))
    low, high = (float(maps.min()), float(maps.max())) if maps.size else (0.0, 0.0)
    levels = np.rint((maps - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)


def glow(values: np.ndarray) -> np.ndarray:
    """Probabilities as colours (..., 3) uint8: dark at 0, lit at 1; the square root lets small ones be seen."""
    share = np.sqrt(np.clip(np.nan_to_num(values.astype(np.float64)), 0, 1))[..., None]
    low = _mix(DARK, COLD, np.minimum(share / 0.7, 1))
    bright: np.ndarray = np.where(share <= 0.7, low, _mix(COLD, LIT, np.clip((share - 0.7) / 0.3, 0, 1)))
    return bright.round().astype(np.uint8)


def hues(tokens: np.ndarray) -> np.ndarray:
    """Whole numbers as colours (..., 3) uint8: neighbours differ, and so do those a round of hues apart."""
    tokens = np.abs(tokens.astype(np.int64))
    hue = np.asarray(HUES, np.float64)[tokens % len(HUES)]
    share = 0.7 * (1 - 1 / (1 + tokens // len(HUES) / 8))
    mixed: np.ndarray = hue + (np.asarray(DARK) - hue) * share[..., None]
    return mixed.round().astype(np.uint8)


def _mix(one: Colour, other: Colour, share: np.ndarray) -> np.ndarray:
    first = np.asarray(one, np.float64)
    mixed: np.ndarray = first + (np.asarray(other) - first) * share
    return mixed
