"""Where things go in a window of any size: the picture, the panel, the timeline."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pygame import Rect

SCALE_OF = (960, 720)
"""The window size at which the scale is 1."""
SCALES = (0.7, 2.0)
LEAST = (520, 480)
"""No scale needs more than this many window pixels a unit: flat and slim windows stay whole."""
SIDE, NARROW, BELOW = 250, 168, 132
"""Width of the panel beside the picture, the least it may shrink to for a larger picture, its height below it."""
GAP, STRIP = 12, 44
INSIDE = 0.4
"""Share of the window's height that a look inside takes."""
LABEL, BETWEEN = 20, 8
"""Height of the name above each of several pictures, and the space between them."""


@dataclass(frozen=True)
class Layout:
    """Boxes in window pixels. picture: the game at ``zoom`` pixels a pixel, or all of ``panes``, the boxes of several
    pictures of it, each under room for its name. panel is None when hidden."""

    scale: float
    zoom: int
    stage: Rect
    picture: Rect
    panel: Rect | None
    panel_is_side: bool
    timeline: Rect
    inside: Rect | None = None
    """The look inside the world; None when it is closed."""
    panes: tuple[Rect, ...] = ()


@dataclass(frozen=True)
class _Pictures:
    """Pictures of one size in rows of ``columns``; one alone has no name above it."""

    size: tuple[int, int]
    count: int
    columns: int
    between: int
    label: int

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    @property
    def spare(self) -> tuple[int, int]:
        """Width and height of all that is no picture."""
        return (self.columns - 1) * self.between, self.rows * self.label + (self.rows - 1) * self.between

    def zoom(self, room: tuple[int, int]) -> int:
        """Pixels a pixel, the most for which all fits; at least 1."""
        wide, tall = self.size[0] * self.columns, self.size[1] * self.rows
        return max(1, min((room[0] - self.spare[0]) // wide, (room[1] - self.spare[1]) // tall))

    def whole(self, zoom: int) -> tuple[int, int]:
        """Width and height of all of it."""
        wide, tall = self.size[0] * self.columns * zoom, self.size[1] * self.rows * zoom
        return wide + self.spare[0], tall + self.spare[1]

    def boxes(self, at: Rect, zoom: int) -> tuple[Rect, ...]:
        """Each picture's box."""
        wide, tall = self.size[0] * zoom, self.size[1] * zoom
        across, down = wide + self.between, tall + self.between + self.label
        places = [divmod(k, self.columns) for k in range(self.count)]
        return tuple(Rect(at.left + c * across, at.top + self.label + r * down, wide, tall) for r, c in places)


def arrange(
    window: tuple[int, int], game: tuple[int, int], panel: bool = True, inside: bool = False, panes: int = 1
) -> Layout:
    """The layout of a ``window`` (width, height) around a ``game`` picture (width, height), or ``panes`` of them.

    The pictures are scaled by the largest whole number that fits (at least 1; then edges may be cut), side by side, or
    above each other where they come out larger. So does the panel: beside the pictures, or below them.
    """
    if inside:
        return _with_inside(window, game, panel, panes)
    scale = _scale(window)
    if not panel:
        return _side(window, game, scale, 0, panes)
    side, below = _side(window, game, scale, round(SIDE * scale), panes), _below(window, game, scale, panes)
    return below if below.zoom > side.zoom else side


def _with_inside(window: tuple[int, int], game: tuple[int, int], panel: bool, panes: int) -> Layout:
    """All else in a window that is so much lower, and the look inside between it and the timeline."""
    tall = round(INSIDE * window[1])
    rest = arrange((window[0], window[1] - tall), game, panel, panes=panes)
    gap = round(GAP * rest.scale)
    band = Rect(rest.timeline.left, rest.timeline.top + gap, rest.timeline.width, tall - gap)
    return replace(rest, timeline=rest.timeline.move(0, tall), inside=band)


def _scale(window: tuple[int, int]) -> float:
    wanted = math.sqrt(window[0] * window[1] / (SCALE_OF[0] * SCALE_OF[1]))
    wanted = min(wanted, window[0] / LEAST[0], window[1] / LEAST[1])
    return min(max(wanted, SCALES[0]), SCALES[1])


def _side(window: tuple[int, int], game: tuple[int, int], scale: float, panel_width: int, panes: int) -> Layout:
    gap, strip = round(GAP * scale), round(STRIP * scale)
    height = window[1] - strip
    if panel_width:
        room = (window[0] - round(NARROW * scale) - 3 * gap, height - gap)
        pictures = _pictures(room, game, scale, panes)
        spare = window[0] - pictures.whole(pictures.zoom(room))[0] - 3 * gap
        panel_width = max(min(panel_width, spare), min(round(NARROW * scale), window[0] // 2))
    panel = Rect(window[0] - panel_width - gap, gap, panel_width, height - gap) if panel_width else None
    stage = Rect(0, 0, panel.left if panel else window[0], height)
    return _finish(window, game, scale, stage, panel, panes, panel_is_side=True)


def _below(window: tuple[int, int], game: tuple[int, int], scale: float, panes: int) -> Layout:
    gap, strip, tall = round(GAP * scale), round(STRIP * scale), round(BELOW * scale)
    panel = Rect(gap, window[1] - strip - tall, window[0] - 2 * gap, tall)
    stage = Rect(0, 0, window[0], panel.top)
    return _finish(window, game, scale, stage, panel, panes, panel_is_side=False)


def _pictures(room: tuple[int, int], game: tuple[int, int], scale: float, panes: int) -> _Pictures:
    """As many columns as make the pictures largest; the more the better where it is the same."""
    label = round(LABEL * scale) if panes > 1 else 0
    ways = [_Pictures(game, panes, columns, round(BETWEEN * scale), label) for columns in range(panes, 0, -1)]
    return max(ways, key=lambda way: way.zoom(room))


def _finish(
    window: tuple[int, int],
    game: tuple[int, int],
    scale: float,
    stage: Rect,
    panel: Rect | None,
    panes: int,
    *,
    panel_is_side: bool,
) -> Layout:
    gap, strip = round(GAP * scale), round(STRIP * scale)
    room = (stage.width - 2 * gap, stage.height - gap)
    pictures = _pictures(room, game, scale, panes)
    zoom = pictures.zoom(room)
    picture = Rect((0, 0), pictures.whole(zoom))
    picture.center = (stage.centerx, stage.centery + gap // 2)
    timeline = Rect(gap, window[1] - strip, window[0] - 2 * gap, strip)
    boxes = pictures.boxes(picture, zoom) if panes > 1 else ()
    return Layout(scale, zoom, stage, picture, panel, panel_is_side, timeline, panes=boxes)
