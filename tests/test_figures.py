"""Looks inside as figures and files: what is drawn where, for every kind, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from engine import figures
from engine.errors import ReverieError
from engine.figures import figure, save_view
from engine.plates import broken, plate_of
from engine.plots import curves, line_looks
from engine.scales import bounded, digits, lone, short, span
from engine.sheet import DAY, NIGHT, Sheet
from models.types import View, ViewKind

NAN = float("nan")


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def frames(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def path_value(seed: int) -> Tensor:
    value = draw(1, 40, 3, seed=seed)
    value[0, :, 2] = torch.tensor([0.0] * 20 + [1.0] * 19 + [2.0])
    return value


MAKES: dict[ViewKind, Callable[[int], Tensor]] = {
    "film_strip": lambda seed: frames(1, 3, 3, 8, 8, seed=seed),
    "vector": lambda seed: draw(1, 5, seed=seed) - 0.5,
    "one_hot_grid": lambda seed: draw(1, 4, 6, seed=seed),
    "token_grid": lambda seed: frames(1, 4, 4, seed=seed).long(),
    "feature_maps": lambda seed: draw(1, 3, 4, 6, seed=seed),
    "scalar": lambda seed: draw(1, seed=seed),
    "curves": lambda seed: draw(1, 2, 30, seed=seed),
    "path": path_value,
    "heat_map": lambda seed: draw(1, 8, 6, seed=seed) * (seed + 1),
    "matrix": lambda seed: draw(1, 3, 2, seed=seed) - 0.1 * seed,
    "picture_grid": lambda seed: frames(1, 2, 4, 3, 8, 8, seed=seed),
}
"""Values of every kind, others for every seed."""


def view_of(kind: ViewKind, seed: int = 0) -> View:
    return View(f"a {kind}", kind, MAKES[kind](seed), ("$one_a", "two", "three"), columns=("x", "y", "z", "w"))


def colour(text: str) -> np.ndarray:
    return np.array([int(text[k : k + 2], 16) for k in (1, 3, 5)])


def near(image: np.ndarray, text: str, by: int = 30) -> np.ndarray:
    """(h, w) bool: where an image has a colour."""
    return np.abs(image.astype(int) - colour(text)).max(-1) <= by


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", MAKES)
def test_a_kept_figure_shows_the_new_values_and_only_them(kind: ViewKind, dark: bool) -> None:
    """Catches: lines, cells, bounds or numbers that stay from the values before; figures of two sizes or themes that
    are taken for each other; a figure that is the memory the next one is drawn into."""
    figure(view_of(kind, 3), 220, 140, not dark)
    first = figure(view_of(kind, 0), 220, 140, dark)
    kept = first.copy()
    second = figure(view_of(kind, 1), 220, 140, dark)
    assert first.shape == (140, 220, 3) and first.dtype == np.uint8
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)
    figures._KEPT.clear()
    assert np.array_equal(figure(view_of(kind, 1), 220, 140, dark), second)
    assert near(first, (NIGHT if dark else DAY).ground, 0).mean() > 0.05


@pytest.mark.parametrize("kind", MAKES)
def test_any_size_and_values_without_end(kind: ViewKind) -> None:
    """Catches: a crash in a window made small, for one step or place, for values that are nan or infinite."""
    view = view_of(kind)
    figure(view, 24, 12)
    figure(replace(view, labels=(), columns=()), 90, 60, scale=2.0, titled=False)
    if view.value.is_floating_point():
        for number in (NAN, float("inf"), float("-inf"), 0.0):
            figure(replace(view, value=torch.full_like(view.value, number)), 120, 90)
    if kind in ("curves", "path", "vector"):
        figure(replace(view, value=view.value[..., :1] if kind != "path" else view.value[:, :1]), 120, 90)


def test_a_curve_rises_to_the_right_and_has_no_ink_where_there_is_nothing() -> None:
    """Catches: an axis upside down or back to front, a gap that is bridged, the lines' colours in another order."""
    up = torch.linspace(0, 1, 100)
    up[20:60] = NAN
    image = figure(View("v", "curves", torch.stack([up, 1 - torch.linspace(0, 1, 100)])[None]), 400, 200)
    line = near(image, NIGHT.series[0])
    columns = np.flatnonzero(line.any(0))
    heights = [np.flatnonzero(line[:, c]).mean() for c in columns]
    assert np.all(np.diff(heights) < 2) and heights[0] - heights[-1] > 80
    gap = np.diff(columns).max()
    assert abs(gap / (columns[-1] - columns[0]) - 0.4) < 0.05
    other = near(image, NIGHT.series[1])
    assert np.flatnonzero(other[:, columns[5]]).mean() < heights[5]


def test_steps_are_counted_to_now_or_from_now() -> None:
    """Catches: a past that reads as what is to come, or the other way round."""
    value = draw(1, 1, 40)
    ends = {}
    for name in ("steps ago", "steps ahead", ""):
        sheet = Sheet(400, 200, NIGHT, 1.0)
        curves(View("v", "curves", value, columns=(name, "dB")), sheet)(value[0].numpy())
        line = sheet.figure.axes[0].lines[0].get_xdata()
        ends[name] = int(line[0]), int(line[-1])
    assert ends == {"steps ago": (-39, 0), "steps ahead": (1, 40), "": (1, 40)}


def test_lines_are_told_apart() -> None:
    """Catches: two lines of one look; reality that has another colour than the dream of the same action."""
    series = [f"c{k}" for k in range(8)]
    looks = line_looks([f"{action} {side}" for action in "abcdefgh" for side in ("dream", "real")], series)
    assert looks[::2] == [(colour, "-") for colour in series] and looks[1::2] == [(colour, "--") for colour in series]
    assert line_looks(["real", "dream"], series) == [("c0", "-"), ("c1", "-")]
    assert line_looks(["a real", "b real"], series) == [("c0", "-"), ("c1", "-")]
    many = line_looks([str(k) for k in range(16)], series)
    assert len(set(many)) == 16
    for labels in ((), ("a",), ("a", "b", "c")):
        figure(View("v", "curves", draw(1, 2, 5), labels), 200, 100)


def test_a_path_ends_where_it_stands() -> None:
    """Catches: x and y changed over, the point of now drawn at the path's start, the cloud drawn as the past."""
    value = torch.zeros(1, 12, 3)
    value[0, :10, 0] = torch.linspace(0, 1, 10)
    value[0, :10, 2] = 1
    value[0, 10] = torch.tensor([1.0, 0.0, 2.0])
    value[0, 11] = torch.tensor([0.0, 1.0, 0.0])
    image = figure(View("v", "path", value), 300, 200, titled=False)
    y, x = (axis.mean() for axis in np.nonzero(near(image, NIGHT.series[1])))
    assert x > 250 and y > 130
    way = np.nonzero(near(image, NIGHT.series[0], 60))
    assert way[0].min() > 130 and way[1].max() > 230
    top = np.nonzero(near(image[:60, :120], NIGHT.muted, 70))
    assert len(top[0])


def test_light_stands_where_the_heat_map_has_it() -> None:
    """Catches: a map that is transposed or upside down."""
    value = torch.zeros(1, 4, 8)
    value[0, 0, 7] = 2.0
    image = figure(View("v", "heat_map", value), 400, 160, titled=False)
    bright = image.astype(int).sum(-1) > 600
    ink = np.argwhere(bright[:, :330])
    assert ink[:, 0].max() < 50 and ink[:, 1].min() > 250


def test_cells_of_a_matrix_are_lit_by_their_values() -> None:
    """Catches: rows for columns, nothing drawn as 0, a negative number in the colour of a positive one, colours for a
    table whose columns have nothing to do with each other."""
    place = [(NIGHT.high[-1], NIGHT.low, NIGHT.ground), (NIGHT.low, NIGHT.high[-1], NIGHT.low)]
    shares = torch.tensor([[[1.0, 0.0, NAN], [0.0, 1.0, 0.0]]])
    signed = torch.tensor([[[2.0, 0.0, NAN], [0.0, -2.0, 0.0], [0.0, 0.0, 0.0]]])
    table = shares * 31.5
    for value, colours in (
        (shares, place),
        (signed, [(NIGHT.high[1], NIGHT.low, NIGHT.ground), (NIGHT.low, NIGHT.under, NIGHT.low)]),
        (table, [(NIGHT.ground,) * 3] * 2),
    ):
        image = figure(View("v", "matrix", value), 316, 16 + 100 * value.shape[1], titled=False)
        for row, column in np.ndindex(2, 3):
            found = image[8 + row * 100 + 8, 8 + column * 100 + 8][None, None]
            assert near(found, colours[row][column], 6).all(), (value, row, column)


def test_numbers_of_cells_have_the_digits_they_need() -> None:
    """Catches: 0.000129 that runs out of its cell, 12.345 rounded to 12 beside 0.5, whole numbers with zeros."""
    for values, want in (([1.0, 2.0, NAN], 0), ([0.5, 0.001], 2), ([12.345, 0.5], 1), ([123.4, 0.5], 0), ([NAN], 0)):
        assert digits(np.array(values)) == want


def test_bounds_hold_all_and_values_without_end_are_the_greatest() -> None:
    """Catches: a perfect dream's curve (infinite PSNR) that is left out or that flattens all others; bounds that cut
    a line off, or are one and the same number."""
    values = np.array([[1.0, np.inf, NAN], [-np.inf, 3.0, 2.0]])
    assert np.array_equal(bounded(values), [[1.0, 3.0, NAN], [1.0, 3.0, 2.0]], equal_nan=True)
    assert np.isnan(bounded(np.array([np.inf]))).all()
    for found in (np.array([2.0]), np.array([0.0]), np.array([-5.0, 7.0]), np.array([])):
        low, high = span(found)
        assert low < high and not (found < low).any() and not (found > high).any()
    assert short(-0.12345) == "−0.123" and short(NAN) == "none"


def test_values_that_stand_alone_are_seen() -> None:
    """Catches: a line that is drawn nowhere, since between any two of its values there is a gap."""
    known = np.array([[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 0, 0]], bool)
    assert np.array_equal(lone(known), np.array([[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0]], bool))
    value = torch.full((1, 1, 9), NAN)
    value[0, 0, ::2] = 1.0
    image = figure(View("v", "curves", value), 300, 150)
    columns = np.flatnonzero(near(image, NIGHT.series[0]).any(0))
    assert (np.diff(columns) > 10).sum() == 4


def test_pictures_stand_in_their_order_as_they_are() -> None:
    """Catches: a strip with its pictures in another order or its colours changed over; a blurred enlargement."""
    colours = torch.tensor([[200, 10, 30], [20, 180, 40], [30, 60, 220], [90, 90, 0]], dtype=torch.uint8)
    strip = colours[None, :, :, None, None].expand(1, 4, 3, 8, 8)
    image = figure(View("v", "film_strip", strip, ("a", "b", "c", "d")), 300, 90)
    grid = figure(View("v", "picture_grid", strip.unflatten(1, (2, 2)), ("r", "s"), columns=("t", "u")), 220, 200)
    for found in (image, grid):
        places = []
        for rgb in colours.numpy():
            exact = (found == rgb).all(-1)
            assert exact.sum() >= 30 * 30
            places.append(np.argwhere(exact).mean(0))
        assert places[0][1] < places[1][1] and places[2][1] < places[3][1]
        assert (places[1][1] < places[2][1]) == (found is image)
        assert (places[0][0] + 20 < places[2][0]) == (found is grid)


def test_a_strip_is_broken_where_its_pictures_are_largest() -> None:
    """Catches: rows broken so that pictures are smaller than they might be, or a picture left out at the break."""
    assert broken(4, 64, 64, 400, 100, 0) == 4
    assert broken(4, 64, 64, 200, 200, 0) == 2
    assert broken(4, 64, 64, 100, 400, 0) == 1
    strip = View("v", "film_strip", frames(1, 5, 3, 8, 8))
    plate = plate_of(strip, 90, 60, 0)
    assert plate.count == 5
    flat = plate.tiles.reshape(-1, 8, 8, 3)
    assert np.array_equal(flat[:5], strip.value[0].permute(0, 2, 3, 1).numpy()) and not flat[5:].any()


def test_threads_draw_what_one_draws() -> None:
    """Catches: two threads that draw into one figure."""
    views = [view_of(kind, seed) for kind in ("curves", "matrix", "film_strip") for seed in range(4)]
    alone = [figure(view, 160, 120) for view in views]
    figures._KEPT.clear()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda view: figure(view, 160, 120), views * 2))
    for k, image in enumerate(together):
        assert np.array_equal(image, alone[k % len(views)])


def test_few_figures_are_kept() -> None:
    """Catches: memory that grows with every name or size that was ever drawn."""
    for width in range(30, 30 + 2 * figures.KEPT):
        figure(view_of("scalar"), width, 20)
    assert len(figures._KEPT) == figures.KEPT


@pytest.mark.parametrize("kind", MAKES)
def test_every_kind_is_a_file(kind: ViewKind, tmp_path: Path) -> None:
    """Catches: a kind that cannot be saved, a file of another format than its name, one that depends on the day."""
    view = view_of(kind)
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    for ending in (".svg",) if kind not in ("curves", "film_strip") else starts:
        save_view(view, tmp_path / f"a{ending}")
        save_view(view, tmp_path / f"b{ending}")
        content = (tmp_path / f"a{ending}").read_bytes()
        assert content.startswith(starts[ending])
        assert content == (tmp_path / f"b{ending}").read_bytes()
    assert f"A {kind}" in (tmp_path / "a.svg").read_text()
    if kind in ("matrix", "curves", "film_strip", "picture_grid"):
        assert "$one_a" in (tmp_path / "a.svg").read_text()
    if kind == "curves":
        image = cv2.imread(str(tmp_path / "a.png"))
        assert image.shape == (840, 1800, 3) and near(image[:8], DAY.ground, 0).all()


def test_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """Catches: a picture under a name that says something else, a traceback for a place that cannot be written."""
    with pytest.raises(ReverieError, match=r"got the ending '.gif', expected one of .png, .svg, .pdf"):
        save_view(view_of("scalar"), tmp_path / "a.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(ReverieError, match="could not be written"):
        save_view(view_of("scalar"), tmp_path / "file" / "a.png")
    with pytest.raises(ValueError, match="got 0 x 10 pixels"):
        figure(view_of("scalar"), 0, 10)
