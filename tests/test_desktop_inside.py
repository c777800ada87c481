"""The window's look inside a world, under SDL's dummy driver: every kind of view, clicks that change the dream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame

from app.desktop.game import GameChoices, start_game
from app.desktop.gamepad import Gamepads
from app.desktop.inspector import Card
from app.desktop.layout import arrange
from app.desktop.look import action_rows
from app.desktop.playing import Playing
from app.desktop.views import bound_of, index_at, picture_of, value_at, words_for
from app.desktop.window import Window
from app.settings import Settings
from engine.controls import Controls
from engine.loading import LoadedWorld
from engine.runner import Shown
from models.types import ActionSpec, View
from tests.tiny_rssm import DRIVE, tiny_rssm_world
from tests.tiny_worlds import random_starts
from tests.windows import press, until


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings = Settings(dreams=str(tmp_path / "dreams"), saves=str(tmp_path / "saves"), width=1000, height=900)
    with Window(settings) as window:
        yield window


@pytest.fixture
def playing(window: Window) -> Iterator[Playing]:
    world = tiny_rssm_world("v3", DRIVE)
    loaded = LoadedWorld(world, None, random_starts(world.spec, 2), "tiny")
    game = start_game(loaded, GameChoices("tiny", fps=60.0))
    playing = Playing(window, game)
    until(playing, lambda shown: True)
    yield playing
    game.runner.close()


def point(kind: int, at: tuple[int, int]) -> None:
    extra: dict[str, Any] = {"rel": (0, 0), "buttons": (1, 0, 0)} if kind == pygame.MOUSEMOTION else {"button": 1}
    pygame.event.post(pygame.event.Event(kind, pos=at, **extra))


def inside(playing: Playing) -> Shown:
    """The look inside, open, at a pause."""
    press("v")
    until(playing, lambda shown: bool(shown.frame.views))
    press("p")
    return until(playing, lambda shown: shown.paused and bool(shown.frame.views))


def card(playing: Playing, name: str) -> Card:
    playing._draw()
    return next(card for card in playing.inspector.cards if card.view.name == name)


def value(shown: Shown, name: str) -> torch.Tensor:
    return next(view.value[0] for view in shown.frame.views if view.name == name)


def test_every_kind_of_view_has_a_picture() -> None:
    """Catches: a kind that ends the window; values drawn in another place than a pointer finds them."""
    grid = View("g", "one_hot_grid", torch.eye(3)[[1, 0]][None])
    image = picture_of(grid)
    assert image is not None and image.shape == (2, 3, 3)
    assert image[0].sum(-1).argmax() == 1 and image[1].sum(-1).argmax() == 0
    tokens = picture_of(View("t", "token_grid", torch.tensor([[[0, 1], [8, 511]]])))
    assert tokens is not None and len(np.unique(tokens.reshape(-1, 3), axis=0)) == 4
    bars = picture_of(View("v", "vector", torch.tensor([[1.0, -1.0, 0.0, torch.nan]])))
    assert bars is not None and bars[4, 0].sum() > bars[4, 1].sum() and bars[-4, 1].sum() > bars[-4, 0].sum()
    frames = torch.randint(256, (1, 2, 3, 4, 5)).to(torch.uint8)
    strip = picture_of(View("f", "film_strip", frames))
    assert strip is not None and np.array_equal(strip[:, 5:], frames[0, 1].permute(1, 2, 0).numpy())
    maps = picture_of(View("m", "feature_maps", torch.tensor([[[[-1.0, 3.0]], [[1.0, 1.0]]]])))
    assert maps is not None and sorted(np.unique(maps[..., 0])) == [0, 16, 128, 255]
    assert picture_of(View("s", "scalar", torch.tensor([1.0]))) is None


def test_places_and_values_agree() -> None:
    """Catches: a click that changes the neighbour, or a bar that is set to another height than it was dragged to."""
    grid = View("g", "one_hot_grid", torch.zeros(1, 2, 3))
    assert [index_at(grid, x, y) for x, y in ((0.0, 0.0), (0.99, 0.0), (0.4, 0.6), (1.0, 0.0))] == [0, 2, 4, None]
    assert index_at(View("s", "scalar", torch.zeros(1)), 0.5, 0.5) is None
    assert (value_at(0, 2), value_at(0.5, 2), value_at(1.2, 2)) == (2.0, 0.0, -2.0)
    bounds = [bound_of(np.array(values)) for values in ([0.3], [3.0], [-70.0], [np.nan], [1e9])]
    assert bounds == [1.0, 5.0, 100.0, 1.0, 1e9]
    assert words_for(grid, np.zeros((2, 3)), 4) == "row 1, class 1: 0"


@pytest.mark.parametrize("size", [(320, 240), (600, 900), (1600, 1200)])
def test_the_look_inside_leaves_room_for_all_else(size: tuple[int, int]) -> None:
    """Catches: a band over the picture, the panel or the timeline."""
    layout = arrange(size, (64, 64), inside=True)
    assert layout.inside is not None and layout.panel is not None
    for other in (layout.stage, layout.panel, layout.timeline):
        assert not layout.inside.colliderect(other)
    assert layout.timeline.bottom <= size[1] and layout.inside.bottom <= layout.timeline.top
    assert arrange(size, (64, 64)).inside is None


def test_a_click_flips_a_choice_and_the_picture_changes(playing: Playing) -> None:
    """Catches: a look inside that shows another frame; a click without effect; an edit that cannot be taken back."""
    before = inside(playing)
    stoch = value(before, "stoch")
    row, column = 1, int(stoch[1].argmax() + 1) % stoch.shape[1]
    box = card(playing, "stoch").box
    at = (
        round(box.left + (column + 0.5) * box.width / stoch.shape[1]),
        round(box.top + (row + 0.5) * box.height / len(stoch)),
    )
    point(pygame.MOUSEBUTTONDOWN, at)
    point(pygame.MOUSEBUTTONUP, at)
    after = until(playing, lambda shown: any(mark.kind == "edit" for mark in shown.timeline.marks))
    assert value(after, "stoch")[row].argmax() == column
    assert torch.equal(value(after, "stoch")[0], stoch[0])
    assert not np.array_equal(after.frame.image, before.frame.image)
    press("u")
    back = until(playing, lambda shown: shown.frame is not after.frame)
    assert np.array_equal(back.frame.image, before.frame.image)


def test_a_dragged_bar_is_one_edit(playing: Playing) -> None:
    """Catches: an edit for every motion of the pointer, or a bar that jumps back while it is held."""
    before = inside(playing)
    box = card(playing, "deter").box
    x = round(box.left + 2.5 * box.width / value(before, "deter").numel())
    point(pygame.MOUSEBUTTONDOWN, (x, box.centery))
    for y in (box.centery - 4, box.centery - 8, box.top + box.height // 4):
        point(pygame.MOUSEMOTION, (x, y))
    assert playing.turn()
    drag = playing.inspector._drag
    assert drag is not None and drag.index == 2
    point(pygame.MOUSEBUTTONUP, (x, box.top))
    after = until(playing, lambda shown: any(mark.kind == "edit" for mark in shown.timeline.marks))
    assert float(value(after, "deter")[2]) == pytest.approx(drag.value)
    assert [mark.kind for mark in after.timeline.marks].count("edit") == 1


def test_the_temperature_has_a_slider_and_keys(playing: Playing) -> None:
    """Catches: a setting that only programs can change."""
    inside(playing)
    sliders = {slider.name: slider for slider in playing.inspector.sliders}
    assert set(sliders) == {"temperature", "context_noise"}
    slider = sliders["temperature"]
    at = (slider.box.right - 8, slider.box.centery)
    point(pygame.MOUSEBUTTONDOWN, at)
    point(pygame.MOUSEMOTION, (slider.box.left, at[1]))
    point(pygame.MOUSEBUTTONUP, (slider.box.left, at[1]))
    until(playing, lambda shown: shown.settings.temperature == 0.0)
    press("/")
    until(playing, lambda shown: shown.settings.temperature == pytest.approx(0.1))
    press(",")
    press(",")
    until(playing, lambda shown: shown.settings.temperature == 0.0)


def test_every_place_has_saves_of_its_own(playing: Playing) -> None:
    """Catches: a save made beside the real game that takes the place of the dream's, which then cannot be loaded."""
    shown = until(playing, lambda shown: True)
    places = [shown, replace(shown, real=True), replace(shown, grounded=True)]
    assert len({playing.pilot._slot(place, 1) for place in places}) == 3


def test_a_measure_that_is_no_number_is_drawn(playing: Playing) -> None:
    """Catches: a surprise beyond all numbers that ends the window."""
    shown = inside(playing)
    views = [View("surprise", "scalar", torch.tensor([value])) for value in (torch.inf, torch.nan, -torch.inf)]
    for view in views:
        playing.pilot.shown = replace(shown, frame=replace(shown.frame, views=(view,)))
        playing._draw()
    assert [card.view.name for card in playing.inspector.cards] == ["surprise"]


def test_arrows_drive(playing: Playing) -> None:
    """Catches: continuous actions that no key reaches, or whose values are nowhere to be read."""
    press("left", release=False)
    press("up", release=False)
    shown = until(playing, lambda shown: shown.frame.action == (-1.0, 1.0, 0.0))
    assert action_rows(playing.game.action_names, shown.frame.action)[0] == ("Steer", "−1.00")
    assert ("Gas", "1.00") in playing._look.status(shown).more
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    until(playing, lambda shown: shown.frame.action == (0.0, 0.0, 0.0))


class Stick:
    """A gamepad whose axes and buttons are set by the test."""

    def __init__(self) -> None:
        self.axes, self.buttons = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [False] * 8

    def get_numaxes(self) -> int:
        return len(self.axes)

    def get_axis(self, number: int) -> float:
        return self.axes[number]

    def get_numbuttons(self) -> int:
        return len(self.buttons)

    def get_button(self, number: int) -> bool:
        return self.buttons[number]


def test_a_gamepad_steers_by_degrees() -> None:
    """Catches: a trigger that is half pressed before it was touched, a stick that knows only full lock."""
    controls, pad = Controls(), Stick()
    gamepads = Gamepads(DRIVE, {}, controls)
    gamepads.add(7, pad)
    gamepads.poll()
    assert controls.latch().axes == ()
    pad.axes = [-0.56, 0.0, -1.0, 0.0, 0.0, -1.0]
    gamepads.poll()
    pad.axes[5] = 0.0
    gamepads.poll()
    assert dict(controls.latch().axes) == {"steer": -0.5, "gas": 0.5}
    gamepads.remove(7)
    assert controls.latch().axes == ()


def test_a_gamepad_presses_buttons_of_a_world_that_has_them() -> None:
    """Catches: a stick that presses the key's name instead of what the key means in this game."""
    controls, pad = Controls(), Stick()
    gamepads = Gamepads(ActionSpec(("NOOP", "FIRE", "RIGHT")), {"up": "right", "space": "fire"}, controls)
    gamepads.add(1, pad)
    pad.axes[1], pad.buttons[0] = -1.0, True
    gamepads.poll()
    assert controls.latch().buttons == {"right", "fire"}
    pad.axes[1], pad.buttons[0] = 0.0, False
    gamepads.poll()
    controls.latch()
    assert controls.latch().buttons == frozenset()
