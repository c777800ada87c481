"""Looks inside a world as figures: each kind of view drawn once, as an image and as a file, for every family."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np

from engine.errors import ReverieError
from engine.files import write_file
from engine.plots import Update, bars, curves, heat_map, matrix, number, path_plot, pictures
from engine.sheet import DAY, DPI, NIGHT, Sheet
from models.types import View

FORMATS = (".png", ".svg", ".pdf")
KEPT = 24
"""Figures whose axes and lines are kept, to be given new values."""
SCALE = 1.3
"""Of letters in files."""
MAKES: Mapping[str, Callable[[View, Sheet], Update]] = {
    "curves": curves,
    "path": path_plot,
    "heat_map": heat_map,
    "matrix": matrix,
    "vector": bars,
    "scalar": number,
}
"""How kinds are drawn that are not pictures."""


@dataclass(frozen=True)
class Drawing:
    """A sheet with all it shows, and how it is given other values."""

    sheet: Sheet
    update: Update


_LOCK = Lock()
_KEPT: OrderedDict[Hashable, Drawing] = OrderedDict()


def figure(
    view: View, width: int, height: int, dark: bool = True, *, scale: float = 1.0, titled: bool = True
) -> np.ndarray:
    """The first row of a view as an image (height, width, 3) uint8, from any thread.

    scale: of letters and lines; titled: with the view's name above it. Raises ValueError for a size of no pixels.
    """
    if min(width, height) < 1:
        raise ValueError(f"figure: got {width} x {height} pixels, expected at least 1 x 1")
    looks = (width, height, dark, scale, titled)
    key = (view.kind, view.name, view.labels, view.columns, tuple(view.value.shape[1:]), looks)
    with _LOCK:
        if key not in _KEPT:
            _KEPT[key] = drawing(view, Sheet(width, height, NIGHT if dark else DAY, scale), titled)
            while len(_KEPT) > KEPT:
                _KEPT.popitem(last=False)
        _KEPT.move_to_end(key)
        made = _KEPT[key]
        made.update(values_of(view))
        made.sheet.canvas.draw()
        return np.asarray(made.sheet.canvas.buffer_rgba())[..., :3].copy()


def save_view(
    view: View, path: Path, *, dark: bool = False, width: int | None = None, height: int | None = None
) -> None:
    """Write the first row of a view as a .png, .svg or .pdf, whole or not at all; its size follows from what it holds.

    Raises ReverieError: another ending, a file that cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise ReverieError(f"{path}: got the ending {path.suffix!r}, expected one of {', '.join(FORMATS)}")
    from matplotlib import rc_context

    usual = size_of(view)
    with _LOCK, rc_context({"svg.fonttype": "none", "svg.hashsalt": "reverie", "pdf.fonttype": 42}):
        made = drawing(view, Sheet(width or usual[0], height or usual[1], DAY if not dark else NIGHT, SCALE), True)
        made.update(values_of(view))
        content = BytesIO()
        kind = path.suffix.lower()[1:]
        dated = {"Date": None} if kind == "svg" else {"CreationDate": None} if kind == "pdf" else {}
        made.sheet.figure.savefig(content, format=kind, dpi=2 * DPI, facecolor="auto", metadata=dated)
    write_file(path, content.getvalue())


def size_of(view: View) -> tuple[int, int]:
    """Pixels (width, height) that suit a view in a file."""
    shape = view.value.shape[1:]
    match view.kind:
        case "film_strip" | "feature_maps":
            across = min(shape[0], 8)
            return 60 + 140 * across, 50 + 165 * -(-shape[0] // across)
        case "picture_grid" | "matrix":
            cell = (110, 110) if view.kind == "picture_grid" else (64, 40)
            return 240 + cell[0] * shape[1], 110 + cell[1] * shape[0]
        case "one_hot_grid" | "token_grid":
            side = max(1, min(640 // shape[1], 560 // shape[0]))
            return max(160, 24 + side * shape[1]), 50 + side * shape[0]
        case "scalar":
            return 320, 140
        case "vector":
            return 900, 300
        case "curves":
            return 900, 420
        case _:
            return 640, 560


def values_of(view: View) -> np.ndarray:
    """The first row's values."""
    row = view.value[0].detach().cpu()
    values: np.ndarray = (row.float() if row.is_floating_point() else row).numpy()
    return values


def drawing(view: View, sheet: Sheet, titled: bool) -> Drawing:
    """The sheet with a view's axes, lines and names on it."""
    if titled:
        sheet.title(view.name)
    return Drawing(sheet, MAKES.get(view.kind, pictures)(view, sheet))
