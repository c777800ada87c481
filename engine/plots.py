"""How each kind of view is drawn on a sheet: every function sets it up once and gives back what takes new values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from engine.plates import Plate, plate_of
from engine.scales import bounded, digits, lone, short, span
from engine.sheet import DPI, TEXT, Sheet, legend
from models.types import View

Update = Callable[[np.ndarray], None]

MOST_NUMBERS, MOST_BARS_NAMED = 400, 24
"""Cells of a matrix above which they are not written out; bars of a vector above which they have no names."""
DREAM, REAL = " dream", " real"
"""Ends of the names of lines that show one thing twice."""
FADES = 16
"""Parts of a path, each brighter than the one before."""
AGO = "ago"
"""Curves whose x axis has this word in its name end at 0, now; all others begin at step 1."""
EMPTY = "nothing yet"


def curves(view: View, sheet: Sheet) -> Update:
    """Lines over steps, a dot at the last value of each and where a value stands alone."""
    count, steps = view.value.shape[1:]
    names = (*view.labels, *(str(k + 1) for k in range(len(view.labels), count)))[:count]
    looks = line_looks(names, sheet.theme.series)
    if view.labels:
        legend(sheet, [(name, *look) for name, look in zip(names, looks, strict=True)])
    axes = line_axes(sheet, view.columns)
    past = AGO in "".join(view.columns[:1])
    x = np.arange(1 - steps, 1) if past else np.arange(1, steps + 1)
    axes.xaxis.set_major_formatter(lambda place, _: f"{abs(place):g}")
    lines, dots = [], []
    for colour, style in looks:
        lines += axes.plot(x, np.full(steps, np.nan), style, color=colour, linewidth=1.5 * sheet.scale)
        dots += axes.plot([], [], "o", color=colour, markersize=2.6 * sheet.scale, clip_on=False)
    empty = axes.text(0.5, 0.5, EMPTY, transform=axes.transAxes, ha="center", va="center", color=sheet.theme.muted)
    empty.set_fontproperties(sheet.font(TEXT))
    axes.set_xlim(x[0], x[-1] if steps > 1 else x[0] + 1)

    def update(values: np.ndarray) -> None:
        values = bounded(values)
        known = np.isfinite(values)
        for line, dot, row, there, single in zip(lines, dots, values, known, lone(known), strict=True):
            line.set_ydata(row)
            places = np.union1d(np.flatnonzero(there)[-1:], np.flatnonzero(single))
            dot.set_data(x[places], row[places])
        empty.set_visible(not known.any())
        axes.set_ylim(*span(values[known]))
        sheet.name_ticks(axes)

    return update


def line_looks(names: Sequence[str], series: Sequence[str]) -> list[tuple[str, str]]:
    """Colour and style of each line. Where dreams stand beside reality both have one colour, and reality is dashed.

    Colours that come round again are dotted, so that lines are told apart without them too.
    """
    paired = any(name.endswith(DREAM) for name in names) and any(name.endswith(REAL) for name in names)
    things = [name.removesuffix(DREAM).removesuffix(REAL) if paired else name for name in names]
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    looks = []
    for name, thing in zip(names, things, strict=True):
        again = numbers[thing] >= len(series)
        style = "--" if paired and name.endswith(REAL) else ":" if again else "-"
        looks.append((series[numbers[thing] % len(series)], style))
    return looks


def path_plot(view: View, sheet: Sheet) -> Update:
    """A cloud of points, the way taken so far, the brighter the later, and where it stands."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba

    theme = sheet.theme
    if view.labels:
        shades = (theme.muted, theme.series[0], theme.series[1])
        legend(sheet, [(name, shade, "-") for name, shade in zip(view.labels, shades, strict=False)])
    axes = line_axes(sheet, view.columns)
    axes.margins(0.06)
    (cloud,) = axes.plot([], [], ".", color=theme.muted, alpha=0.55, markersize=2.4 * sheet.scale, markeredgewidth=0)
    way = LineCollection(
        [],
        colors=[to_rgba(theme.series[0], 0.15 + 0.85 * (k + 1) / FADES) for k in range(FADES)],
        linewidths=1.5 * sheet.scale,
        capstyle="round",
    )
    axes.add_collection(way)
    (now,) = axes.plot([], [], "o", color=theme.series[1], markersize=5.5 * sheet.scale, markeredgecolor=theme.ground)

    def update(values: np.ndarray) -> None:
        values = values[np.isfinite(values).all(-1)]
        cloud.set_data(*values[values[:, 2] == 0, :2].T)
        here = values[values[:, 2] == 2, :2]
        now.set_data(*here.T)
        past = np.concatenate([values[values[:, 2] == 1, :2], here[:1]])
        cuts = np.linspace(0, len(past) - 1, FADES + 1).round().astype(int)
        way.set_segments([past[a : b + 1] for a, b in pairwise(cuts)] if len(past) > 1 else [])
        if len(values):
            axes.set_xlim(*span(values[:, 0]))
            axes.set_ylim(*span(values[:, 1]))
        sheet.name_ticks(axes)

    return update


def heat_map(view: View, sheet: Sheet) -> Update:
    """Numbers from 0 up as light, and beside them what the light stands for."""
    tall, wide = view.value.shape[1:]
    bar, gap, words = sheet.px(9), sheet.px(8), sheet.px(38)
    room = (sheet.width - 2 * gap - bar - words - sheet.px(8), sheet.height - sheet.top - gap)
    fit = min(max(room[0], 1) / wide, max(room[1], 1) / tall)
    left = gap + max(room[0] - fit * wide, 0) / 2
    right, bottom = left + fit * wide, sheet.top + fit * tall
    axes = bare(sheet.axes(left, sheet.top, right, bottom))
    image = axes.imshow(np.zeros((tall, wide)), cmap="inferno", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    beside = sheet.axes(right + gap, sheet.top, right + gap + bar, bottom)
    sheet.figure.colorbar(image, cax=beside).outline.set_visible(False)
    beside.tick_params(length=0, pad=sheet.px(3))

    def update(values: np.ndarray) -> None:
        most = float(np.nanmax(values, initial=0.0, where=np.isfinite(values)))
        image.set_data(values)
        image.set_clim(0, most or 1.0)
        beside.set_yticks(
            [0, most / 2, most] if most else [0], [short(v) for v in (0, most / 2, most)][: 3 if most else 1]
        )
        sheet.name_ticks(beside)

    return update


def matrix(view: View, sheet: Sheet) -> Update:
    """Cells with their numbers, named rows and columns, nothing where there is nothing.

    Those of shares (0 to 1) and those with as many rows as columns are lit by their values, with another colour below
    0; any other is a table, whose columns may be of different units.
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    rows, columns = view.value.shape[1:]
    theme, gap = sheet.theme, sheet.px(8)
    left = gap + max((sheet.wide(name) for name in view.labels), default=0) + (sheet.px(6) if view.labels else 0)
    cell = (sheet.width - left - gap) / max(columns, 1)
    widest = max((sheet.wide(name) for name in view.columns), default=0)
    slanted = widest > cell - sheet.px(4)
    top = sheet.top + (0.72 * widest + sheet.px(10) if slanted else sheet.px(TEXT + 8) if view.columns else 0)
    cell = (sheet.width - left - gap - (0.5 * widest if slanted else 0)) / max(columns, 1)
    axes = bare(sheet.axes(left, top, left + cell * columns, sheet.height - gap))
    up, down = (theme.low, *theme.high), (theme.under, theme.low, theme.high[1])
    maps = [LinearSegmentedColormap.from_list("cells", colours) for colours in (up, down)]
    image = axes.imshow(np.zeros((rows, columns)), cmap=maps[0], aspect="auto", interpolation="nearest")
    high = (sheet.height - gap - top) / max(rows, 1)
    name_sides(view, sheet, left, top, cell, high, slanted)
    written = rows * columns <= MOST_NUMBERS and high >= sheet.px(TEXT + 1) and cell >= sheet.px(26)
    texts = [
        axes.text(c, r, "", ha="center", va="center", fontproperties=sheet.font(TEXT), parse_math=False)
        for r, c in np.ndindex(rows, columns)
        if written
    ]

    rules = [axes.axhline(r - 0.5, color=theme.line, linewidth=0.8) for r in range(rows + 1)]

    def update(values: np.ndarray) -> None:
        known = values[np.isfinite(values)]
        low, most = float(known.min(initial=0.0)), float(np.abs(known).max(initial=0.0)) or 1.0
        lit = rows == columns or bool(((known >= 0) & (known <= 1)).all())
        image.set(cmap=maps[low < 0], norm=Normalize(-most if low < 0 else 0, most), visible=lit)
        image.set_data(np.ma.masked_invalid(values))
        for rule in rules:
            rule.set_visible(not lit)
        places = [digits(values)] * columns if lit else [digits(column) for column in values.T]
        for k, (text, value) in enumerate(zip(texts, values.flat, strict=False)):
            there = math.isfinite(value)
            text.set_text(f"{value:.{places[k % columns]}f}".replace("-", "−") if there else "·")
            light = sum(to_rgb(image.cmap(image.norm(value)))) / 3 > 0.55 if there and lit else None
            text.set_color(theme.muted if not there else theme.ink if light is None else ("#f5f6f8", "#14171d")[light])

    return update


def name_sides(view: View, sheet: Sheet, left: float, top: float, wide: float, tall: float, slanted: bool) -> None:
    """The names of rows and columns of cells (wide, tall pixels) that begin at (left, top)."""
    muted = sheet.theme.muted
    for k, name in enumerate(view.labels):
        sheet.text(left - sheet.px(6), top + (k + 0.5) * tall, name, ha="right", va="center", color=muted)
    for k, name in enumerate(view.columns):
        turn = {"rotation": 45, "ha": "left", "rotation_mode": "anchor"} if slanted else {"ha": "center"}
        sheet.text(left + (k + 0.5) * wide, top - sheet.px(5), name, va="baseline", color=muted, **turn)


def bars(view: View, sheet: Sheet) -> Update:
    """A bar for each number, up or down from 0."""
    count = view.value.shape[1]
    axes = line_axes(sheet, ())
    x, share = np.arange(count), 0.8 if count <= MOST_BARS_NAMED else 1.0
    wide = share * axes.get_position().width * sheet.width / (count + 0.2)
    shapes = axes.vlines(x, 0, 0, linewidth=max(wide, 0.8) * 72 / DPI)
    axes.set_xlim(-0.6, max(count, 1) - 0.4)
    axes.axhline(0, color=sheet.theme.muted, linewidth=0.8)
    if view.labels and count <= MOST_BARS_NAMED:
        axes.set_xticks(np.arange(count), [*view.labels, *[""] * count][:count])

    def update(values: np.ndarray) -> None:
        values = np.nan_to_num(bounded(values))
        shapes.set_segments(np.stack([np.stack([x, 0 * x], -1), np.stack([x, values], -1)], 1))
        shapes.set_color([sheet.theme.series[0 if value >= 0 else 1] for value in values])
        low, high = span(np.append(values, 0.0))
        axes.set_ylim(low if values.min(initial=0.0) < 0 else 0.0, high)
        sheet.name_ticks(axes)

    return update


def number(view: View, sheet: Sheet) -> Update:
    """One number, as large as there is room for."""
    size = min(40.0, 0.6 * (sheet.height - sheet.top) / sheet.scale)
    text = sheet.text(sheet.px(8), (sheet.top + sheet.height) / 2, "", max(size, 8.0), bold=True, va="center")
    return lambda values: text.set_text(short(float(values)))


def pictures(view: View, sheet: Sheet) -> Update:
    """Pictures side by side with their names, or cells as one picture."""
    gap, line = sheet.px(8), sheet.px(TEXT + 6)
    left, top = gap, sheet.top

    def plate(values: View) -> Plate:
        return plate_of(values, int(sheet.width - 2 * gap), int(sheet.height - sheet.top - gap), int(line))

    first = plate(view)
    if first.rows:
        left += max(sheet.wide(name) for name in first.rows) + sheet.px(6)
    caption = line if first.captions else 0
    top += line if first.columns else 0
    rows, across, tall, wide = first.tiles.shape[:4]
    space = (sheet.width - left - gap) / across, (sheet.height - top - sheet.px(4)) / rows - caption
    fit = max(min((space[0] - sheet.px(3)) / wide, (space[1] - sheet.px(3)) / tall), 0.02)
    fit = math.floor(fit) if fit >= 2 else fit
    step = fit * wide + sheet.px(3), fit * tall + sheet.px(3) + caption
    smooth = "nearest" if fit >= 1 else "antialiased"
    images = []
    for k in range(first.count):
        x, y = left + k % across * step[0], top + k // across * step[1]
        if first.captions[k : k + 1]:
            name = sheet.fitted(first.captions[k], step[0] - sheet.px(3))
            sheet.text(x, y + sheet.px(1), name, color=sheet.theme.muted)
        axes = bare(sheet.axes(x, y + caption, x + fit * wide, y + caption + fit * tall))
        images.append(axes.imshow(first.tiles[k // across, k % across], aspect="auto", interpolation=smooth))
    sides = View(view.name, view.kind, view.value, first.rows, columns=first.columns)
    name_sides(sides, sheet, left - sheet.px(1), top, step[0], step[1], False)

    def update(values: np.ndarray) -> None:
        import torch

        tiles = plate(View(view.name, view.kind, torch.from_numpy(values)[None], view.labels)).tiles
        for k, image in enumerate(images):
            image.set_data(tiles[k // across, k % across])

    return update


def line_axes(sheet: Sheet, names: tuple[str, ...]) -> Any:
    """Axes of what is left of a sheet, with a quiet grid and the names of both axes."""
    from matplotlib.ticker import MaxNLocator

    below = sheet.px(TEXT + 8 + (TEXT + 4 if names[:1] and names[0] else 0))
    left = sheet.px(38 + (TEXT + 4 if names[1:] and names[1] else 0))
    axes = sheet.axes(left, sheet.top + sheet.px(2), sheet.width - sheet.px(10), sheet.height - below)
    axes.grid(color=sheet.theme.line, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(max(2, min(6, int(sheet.height / sheet.px(40))))))
    rooms = (sheet.width - left, sheet.height - sheet.top - below)
    for place, name, room in zip(("x", "y"), names, rooms, strict=False):
        name = sheet.fitted(name, room)
        label = getattr(axes, f"set_{place}label")(name, fontproperties=sheet.font(TEXT), labelpad=sheet.px(2))
        label.set(color=sheet.theme.muted, parse_math=False)
    return axes


def bare(axes: Any) -> Any:
    """Axes without ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes
