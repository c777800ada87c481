"""The window's layout: whole at any size, and the picture as large as whole pixels allow."""

from __future__ import annotations

import itertools

import pytest
from pygame import Rect

from app.desktop.layout import GAP, arrange

WINDOWS = [(320, 240), (400, 300), (600, 900), (800, 600), (960, 720), (1280, 720), (1600, 1200), (3840, 2160)]
GAMES = [(64, 64), (160, 210), (96, 72)]


@pytest.mark.parametrize(("window", "game", "panel"), list(itertools.product(WINDOWS, GAMES, [True, False])))
def test_everything_lies_inside_and_apart(window: tuple[int, int], game: tuple[int, int], panel: bool) -> None:
    """Bug: at some window size the panel covers the picture, or something is cut off."""
    layout = arrange(window, game, panel)
    whole = Rect((0, 0), window)
    boxes = [layout.picture, layout.timeline, *([layout.panel] if layout.panel else [])]
    fits = layout.picture.width <= layout.stage.width and layout.picture.height <= layout.stage.height
    assert fits or layout.zoom == 1
    for box in boxes if fits else boxes[1:]:
        assert whole.contains(box)
    if fits:
        assert not any(one.colliderect(other) for one, other in itertools.combinations(boxes, 2))
    assert layout.picture.size == (game[0] * layout.zoom, game[1] * layout.zoom)
    assert (layout.panel is not None) == panel


@pytest.mark.parametrize("window", WINDOWS)
def test_the_picture_is_as_large_as_it_can_be(window: tuple[int, int]) -> None:
    """Bug: rounding wastes a whole zoom step, or the zoom is no whole number and pixels become uneven."""
    layout = arrange(window, (64, 64), panel=False)
    gap = round(GAP * layout.scale)
    room = (layout.stage.width - 2 * gap, layout.stage.height - gap)
    fitting = [zoom for zoom in range(1, 100) if zoom * 64 <= room[0] and zoom * 64 <= room[1]]
    assert layout.zoom == max(fitting)


def test_a_tall_window_has_the_panel_below() -> None:
    """Bug: a slim window squeezes the picture beside the panel."""
    assert arrange((600, 900), (64, 64)).panel_is_side is False
    assert arrange((960, 720), (64, 64)).panel_is_side is True
