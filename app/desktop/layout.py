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


@dataclass(frozen=True)
class Layout:
    """Boxes in window pixels. picture: the game at ``zoom`` pixels a pixel. panel is None when hidden."""

    scale: float
    zoom: int
    stage: Rect
    picture: Rect
    panel: Rect | None
    panel_is_side: bool
    timeline: Rect
    inside: Rect | None = None
    """The look inside the world; None when it is closed."""


def arrange(window: tuple[int, int], game: tuple[int, int], panel: bool = True, inside: bool = False) -> Layout:
    """The layout of a ``window`` (width, height) around a ``game`` picture (width, height).

    The picture is scaled by the largest whole number that fits (at least 1; then its edges may be cut). The panel goes
    beside the picture or below it, wherever the picture comes out larger.
    """
    if inside:
        return _with_inside(window, game, panel)
    scale = _scale(window)
    if not panel:
        return _side(window, game, scale, 0)
    side, below = _side(window, game, scale, round(SIDE * scale)), _below(window, game, scale)
    return below if below.zoom > side.zoom else side


def _with_inside(window: tuple[int, int], game: tuple[int, int], panel: bool) -> Layout:
    """All else in a window that is so much lower, and the look inside between it and the timeline."""
    tall = round(INSIDE * window[1])
    rest = arrange((window[0], window[1] - tall), game, panel)
    gap = round(GAP * rest.scale)
    band = Rect(rest.timeline.left, rest.timeline.top + gap, rest.timeline.width, tall - gap)
    return replace(rest, timeline=rest.timeline.move(0, tall), inside=band)


def _scale(window: tuple[int, int]) -> float:
    wanted = math.sqrt(window[0] * window[1] / (SCALE_OF[0] * SCALE_OF[1]))
    wanted = min(wanted, window[0] / LEAST[0], window[1] / LEAST[1])
    return min(max(wanted, SCALES[0]), SCALES[1])


def _side(window: tuple[int, int], game: tuple[int, int], scale: float, panel_width: int) -> Layout:
    gap, strip = round(GAP * scale), round(STRIP * scale)
    height = window[1] - strip
    if panel_width:
        zoom = _zoom((window[0] - round(NARROW * scale) - 3 * gap, height - gap), game)
        spare = window[0] - zoom * game[0] - 3 * gap
        panel_width = max(min(panel_width, spare), min(round(NARROW * scale), window[0] // 2))
    panel = Rect(window[0] - panel_width - gap, gap, panel_width, height - gap) if panel_width else None
    stage = Rect(0, 0, panel.left if panel else window[0], height)
    return _finish(window, game, scale, stage, panel, True)


def _below(window: tuple[int, int], game: tuple[int, int], scale: float) -> Layout:
    gap, strip, tall = round(GAP * scale), round(STRIP * scale), round(BELOW * scale)
    panel = Rect(gap, window[1] - strip - tall, window[0] - 2 * gap, tall)
    stage = Rect(0, 0, window[0], panel.top)
    return _finish(window, game, scale, stage, panel, False)


def _zoom(room: tuple[int, int], game: tuple[int, int]) -> int:
    return max(1, min(room[0] // game[0], room[1] // game[1]))


def _finish(
    window: tuple[int, int], game: tuple[int, int], scale: float, stage: Rect, panel: Rect | None, panel_is_side: bool
) -> Layout:
    gap, strip = round(GAP * scale), round(STRIP * scale)
    zoom = _zoom((stage.width - 2 * gap, stage.height - gap), game)
    picture = Rect(0, 0, game[0] * zoom, game[1] * zoom)
    picture.center = (stage.centerx, stage.centery + gap // 2)
    timeline = Rect(gap, window[1] - strip, window[0] - 2 * gap, strip)
    return Layout(scale, zoom, stage, picture, panel, panel_is_side, timeline)
