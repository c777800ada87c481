"""What a look inside a world holds, as pictures: each kind of view, whatever family it is of. No window needed."""

from __future__ import annotations

import math

import numpy as np

from models.types import View

DARK, COLD, HOT, LIT = (16, 20, 26), (86, 180, 233), (240, 136, 74), (255, 214, 102)
ZERO = (70, 78, 90)
HUES = (
    (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (187, 187, 187),
)  # fmt: skip
BAR = 48
"""Pixels from the top to the bottom of a vector's picture."""


def numbers(view: View) -> np.ndarray:
    """The values of a view of batch 1, without the batch."""
    values: np.ndarray = view.value[0].detach().cpu().numpy()
    return values


def picture_of(view: View, values: np.ndarray | None = None) -> np.ndarray | None:
    """A view as (h, w, 3) uint8, one pixel a value where it holds numbers; None for a scalar and for what is plotted.

    values: in place of the view's own.
    """
    values = numbers(view) if values is None else values
    match view.kind:
        case "film_strip":
            return np.ascontiguousarray(values.transpose(2, 0, 3, 1).reshape(values.shape[2], -1, 3))
        case "vector":
            return _bars(values.astype(np.float64))
        case "one_hot_grid":
            return _glow(values.astype(np.float64))
        case "token_grid":
            return _hues(values.astype(np.int64))
        case "feature_maps":
            return _tiles(values.astype(np.float64))
        case "picture_grid":
            return np.ascontiguousarray(values.transpose(0, 3, 1, 4, 2).reshape(_grid_size(values)))
        case _:
            return None


def cells_of(view: View) -> tuple[int, int] | None:
    """Columns and rows of values in the picture; None where a place in it is no value."""
    if view.kind == "vector":
        return max(1, view.value.shape[1]), 1
    if view.kind in ("one_hot_grid", "token_grid", "picture_grid"):
        return view.value.shape[2], view.value.shape[1]
    return None


def index_at(view: View, x: float, y: float) -> int | None:
    """The index of the value at a place, x and y from 0 to 1; None where there is none."""
    cells = cells_of(view)
    if cells is None or not (0 <= x < 1 and 0 <= y < 1):
        return None
    return math.floor(y * cells[1]) * cells[0] + math.floor(x * cells[0])


def value_at(y: float, bound: float) -> float:
    """What the height y (0: top, 1: bottom) stands for in a vector's picture, to three digits."""
    return float(f"{bound * (1 - 2 * min(max(y, 0.0), 1.0)):.3g}")


def bound_of(values: np.ndarray) -> float:
    """The bound of a vector's bars: the least of 1, 2, 5, 10, 20 ... that holds all values."""
    finite = values[np.isfinite(values)]
    most = float(np.abs(finite).max()) if finite.size else 0.0
    bound = 1.0
    for factor in (2, 2.5, 2) * 4:
        if bound >= most:
            break
        bound *= factor
    return max(bound, most)


def words_for(view: View, values: np.ndarray, index: int) -> str:
    """A value and where it stands; of a picture where it stands."""
    if view.kind == "picture_grid":
        row, column = divmod(index, values.shape[1])
        return f"{_name(view.labels, row, 'row')} · {_name(view.columns, column, 'column')}"
    value = number_text(float(values.reshape(-1)[index]))
    if view.kind == "vector":
        return f"{view.labels[index] if index < len(view.labels) else index}: {value}"
    row, column = divmod(index, values.shape[1])
    row_name = view.labels[row] if row < len(view.labels) else str(row)
    return f"row {row_name}, {'class' if view.kind == 'one_hot_grid' else 'column'} {column}: {value}"


def _name(names: tuple[str, ...], k: int, kind: str) -> str:
    return names[k] if k < len(names) else f"{kind} {k}"


def _grid_size(pictures: np.ndarray) -> tuple[int, int, int]:
    """Height, width and channels of pictures (R, C, 3, H, W) side by side."""
    rows, columns, channels, height, width = pictures.shape
    return rows * height, columns * width, channels


def number_text(value: float) -> str:
    """Three digits, a true minus sign."""
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "none"


def _bars(values: np.ndarray) -> np.ndarray:
    image = np.empty((BAR, max(1, len(values)), 3), np.uint8)
    image[:] = DARK
    image[BAR // 2] = ZERO
    tall = np.rint(np.nan_to_num(values) * (BAR // 2) / bound_of(values)).astype(int)
    rows = np.arange(BAR)[:, None]
    image[:, : len(values)][(rows >= BAR // 2 - tall) & (rows < BAR // 2)] = COLD
    image[:, : len(values)][(rows >= BAR // 2) & (rows < BAR // 2 - tall)] = HOT
    return image


def _glow(values: np.ndarray) -> np.ndarray:
    """Probabilities: dark at 0, lit at 1; the square root lets small ones be seen."""
    share = np.sqrt(np.clip(np.nan_to_num(values), 0, 1))[..., None]
    low = _mix(DARK, COLD, np.minimum(share / 0.7, 1))
    return np.where(share <= 0.7, low, _mix(COLD, LIT, np.clip((share - 0.7) / 0.3, 0, 1))).round().astype(np.uint8)


def _hues(tokens: np.ndarray) -> np.ndarray:
    """Whole numbers: neighbours differ, and so do those a round of hues apart."""
    tokens = np.abs(tokens)
    hue = np.asarray(HUES, np.float64)[tokens % len(HUES)]
    share = 0.7 * (1 - 1 / (1 + tokens // len(HUES) / 8))
    return (hue + (np.asarray(DARK) - hue) * share[..., None]).round().astype(np.uint8)


def _tiles(maps: np.ndarray) -> np.ndarray:
    """Maps side by side, grey from the least to the greatest value of all."""
    _, height, width = maps.shape
    maps = np.nan_to_num(maps)
    low, high = float(maps.min()), float(maps.max())
    levels = np.rint((maps - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)
    across = _across(*maps.shape)
    image = np.empty((*tiles_size(*maps.shape), 3), np.uint8)
    image[:] = DARK
    for k, level in enumerate(levels):
        top, left = k // across * (height + 1), k % across * (width + 1)
        image[top : top + height, left : left + width] = level[..., None]
    return image


def tiles_size(count: int, height: int, width: int) -> tuple[int, int]:
    """Height and width of so many maps side by side, a pixel apart."""
    across = _across(count, height, width)
    return math.ceil(count / across) * (height + 1) - 1, across * (width + 1) - 1


def _across(count: int, height: int, width: int) -> int:
    return max(1, min(count, math.ceil(math.sqrt(2 * count * height / width))))


def _mix(one: tuple[int, int, int], other: tuple[int, int, int], share: np.ndarray) -> np.ndarray:
    first = np.asarray(one, np.float64)
    mixed: np.ndarray = first + (np.asarray(other) - first) * share
    return mixed
