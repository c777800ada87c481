"""The desktop window under SDL's dummy driver: keys to actions, frames to pixels, commands to their effect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame

from app.desktop.bindings import Command
from app.desktop.game import Game, GameChoices, start_game
from app.desktop.keyboard import REPEAT_AFTER_MS, Keyboard
from app.desktop.layout import arrange
from app.desktop.playing import Playing, save_picture
from app.desktop.window import Window
from app.keymaps import Keymap, load_keymap
from app.paths import ASSETS
from app.settings import Settings
from engine.controllers import AgentController, Carry
from engine.controls import Controls
from engine.errors import ReverieError
from engine.runner import Reply
from models.types import WorldSpec
from models.world import Rng
from tests.counting import loaded
from tests.windows import press, until

KEYMAP = load_keymap("default", [ASSETS / "keymaps"])


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with Window(Settings(dreams=str(tmp_path / "dreams"), saves=str(tmp_path / "saves"))) as window:
        yield window


def start(end: int | None = None, **choices: object) -> Game:
    return start_game(loaded(end), GameChoices("counting", fps=200.0, **choices))  # type: ignore[arg-type]


@pytest.fixture
def playing(window: Window) -> Iterator[Playing]:
    game = start()
    playing = Playing(window, game)
    until(playing, lambda shown: True)
    yield playing
    game.runner.close()


def test_a_held_key_reaches_the_frame(playing: Playing) -> None:
    """Bug: keys are mapped, latched or combined wrongly, so that the game does something else, or nothing."""
    press("w", release=False)
    press("right", release=False)
    until(playing, lambda shown: shown.frame.action == 6)  # UPRIGHT
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_w, mod=0))
    until(playing, lambda shown: shown.frame.action == 3)  # RIGHT
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    until(playing, lambda shown: shown.frame.action == 0)


@pytest.mark.parametrize("size", [(400, 300), (601, 900), (960, 720), (1600, 1200)])
def test_the_picture_is_the_frame_pixel_for_pixel(playing: Playing, size: tuple[int, int]) -> None:
    """Bug: transposed axes, swapped colours or smoothing between the model's frame and the screen."""
    until(playing, lambda shown: shown.frame.index > 1)
    press("p")
    shown = until(playing, lambda shown: shown.paused)
    playing.toasts.shown.clear()
    surface = pygame.Surface(size)
    status = replace(playing._look.status(shown), mode="playing")
    playing._scene.draw(surface, shown, status, playing.toasts)
    layout = arrange(size, (6, 4))
    picture = pygame.surfarray.array3d(surface.subsurface(layout.picture)).swapaxes(0, 1)
    wanted = shown.frame.image.repeat(layout.zoom, axis=0).repeat(layout.zoom, axis=1)
    assert np.array_equal(picture, wanted)


@pytest.mark.parametrize("size", [(320, 240), (400, 300), (600, 900), (1600, 1200)])
def test_the_help_can_be_read_to_its_end(playing: Playing, size: tuple[int, int]) -> None:
    """Bug: in a small window the help is cut off, or its last pages cannot be reached."""
    shown = until(playing, lambda shown: True)
    status, surface, seen = playing._look.status(shown), pygame.Surface(size), set()
    pages = playing._scene.draw(surface, shown, status, playing.toasts, help_page=0)
    for page in range(pages):
        assert playing._scene.draw(surface, shown, status, playing.toasts, help_page=page) == pages
        seen.add(pygame.image.tobytes(surface, "RGB"))
    assert 1 <= len(seen) == pages


def test_f1_leafs_through_the_help_and_escape_leaves_it_first(playing: Playing) -> None:
    """Bug: Escape quits the game while one only wanted to close the help."""
    until(playing, lambda shown: True)
    press("f1")
    assert playing.turn() and playing.help_page == 0
    press("escape")
    assert playing.turn() and playing.help_page is None
    press("escape")
    assert not playing.turn()


def test_rewind_while_held_then_go_on(playing: Playing) -> None:
    """Bug: rewinding never ends, or play does not go on from where it was let go."""
    far = until(playing, lambda shown: shown.frame.index >= 30).frame.index
    press("backspace", release=False)
    until(playing, lambda shown: shown.rewinding and shown.frame.index < far - 6)
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_BACKSPACE, mod=0))
    until(playing, lambda shown: not shown.rewinding and shown.frame.index > far + 3)


def test_a_click_on_the_timeline_goes_there(playing: Playing) -> None:
    """Bug: the pointer's place and the timeline's frame disagree."""
    until(playing, lambda shown: shown.timeline.length > 60)
    press("p")
    until(playing, lambda shown: shown.paused)
    playing._draw()
    bar = playing._scene.bar
    assert bar is not None
    at = (bar.x_of(20), bar.track.centery)
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=at))
    shown = until(playing, lambda shown: shown.timeline.cursor != shown.timeline.length - 1)
    assert abs(shown.timeline.cursor - 20) <= bar.capacity / bar.track.width + 1
    assert shown.paused


def test_saved_slots_outlive_the_window(playing: Playing, window: Window) -> None:
    """Bug: a slot is kept in memory only, or one world loads another's."""
    shown = until(playing, lambda shown: shown.frame.index >= 5)
    press("p")
    shown = until(playing, lambda shown: shown.paused)
    press("3", pygame.KMOD_LCTRL)
    until(playing, lambda _: any(toast.text == "Saved" for toast in playing.toasts.shown))
    playing.game.runner.close()
    again = start()
    try:
        other = Playing(window, again)
        until(other, lambda shown: True)
        press("p")
        until(other, lambda shown: shown.paused)
        press("3")
        loaded_frame = until(other, lambda now: now.frame.index == shown.frame.index and now.paused).frame
        assert np.array_equal(loaded_frame.image, shown.frame.image)
    finally:
        again.runner.close()


def test_an_empty_slot_and_a_missing_real_game_are_messages(playing: Playing) -> None:
    """Bug: a key that cannot be obeyed does nothing, or ends the window."""
    until(playing, lambda shown: True)
    press("7")
    until(playing, lambda _: any("Slot 7 is empty" in toast.text for toast in playing.toasts.shown))
    playing.game.runner.real_game(True)
    until(playing, lambda _: any(toast.kind == "error" for toast in playing.toasts.shown))


def test_fork_and_branches(playing: Playing) -> None:
    """Bug: the branch one forked from plays on, or cannot be found again."""
    at = until(playing, lambda shown: shown.frame.index >= 5).frame.index
    press("f")
    until(playing, lambda shown: shown.branches == 2 and shown.branch == 1 and shown.frame.index > at + 20)
    press("p")
    far = until(playing, lambda shown: shown.paused).frame.index
    press("b")
    back = until(playing, lambda shown: shown.branch == 0)
    assert at <= back.frame.index < far


def test_controllers_in_turn(playing: Playing) -> None:
    """Bug: the controller's key skips one, or the replay does not show the episode that was played."""
    press("right", release=False)
    until(playing, lambda shown: shown.frame.total >= 5)
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_RIGHT, mod=0))
    press("c")
    until(playing, lambda shown: shown.controller == "random")
    press("c")
    replayed = until(playing, lambda shown: shown.controller == "replay" and shown.frame.index > 0)
    assert replayed.seed == 0
    until(playing, lambda shown: shown.controller == "human")


def test_the_agent_is_one_of_the_controllers(window: Window) -> None:
    """Bug: the controller's key never comes to the agent, or does not go on from it."""
    game = replace(start(), agent=AgentController(Upward()))
    playing = Playing(window, game)
    until(playing, lambda shown: True)
    press("c")
    until(playing, lambda shown: shown.controller == "random" and shown.frame.index > 0)
    press("c")
    shown = until(playing, lambda shown: shown.frame.controller == "agent")
    assert shown.frame.action == 2
    press("c")
    until(playing, lambda shown: shown.controller == "replay")
    until(playing, lambda shown: shown.controller == "human")
    game.runner.close()


class Upward:
    """A policy that always does action 2."""

    def check(self, spec: WorldSpec) -> Upward:
        return self

    def initial(self, batch: int) -> Carry:
        return {}

    def act(self, carry: Carry, obs: Tensor, rng: Rng) -> tuple[Carry, Tensor]:
        return carry, torch.full((len(obs),), 2)


def test_a_persons_game_waits_at_its_end(window: Window) -> None:
    """Bug: the next episode begins before one has seen how the last one ended."""
    game = start(end=30)
    try:
        playing = Playing(window, game)
        shown = until(playing, lambda shown: shown.paused)
        assert shown.frame.terminated and shown.frame.index == 30
        assert playing._look.status(shown).mode == "ended"
        press("return")
        until(playing, lambda shown: not shown.paused and 0 < shown.frame.index < 30 and shown.start == 1)
    finally:
        game.runner.close()


def test_horizon_and_speed_keys_change_one_step_at_a_time(playing: Playing) -> None:
    """Bug: a live setting jumps, or sticks at its end."""
    until(playing, lambda shown: True)
    press(";")
    until(playing, lambda shown: shown.horizon == 2500)
    press(";")
    until(playing, lambda shown: shown.horizon == 1000)
    press("'")
    press("'")
    press("0")
    until(playing, lambda shown: shown.horizon == 2500 and shown.speed == 1.0)
    press("-")
    until(playing, lambda shown: shown.speed == 0.75)


def test_instant_replay_writes_clip_and_actions(playing: Playing, tmp_path: Path) -> None:
    """Bug: the clip comes without its actions, or the player never hears where it went."""
    until(playing, lambda shown: shown.frame.index > 10)
    press("r", pygame.KMOD_LSHIFT)
    until(playing, lambda _: any("and its actions" in toast.text for toast in playing.toasts.shown))
    assert len(list((tmp_path / "dreams").glob("*.gif"))) == 1
    assert len(list((tmp_path / "dreams").glob("*.replay.json"))) == 1


def test_the_end_of_the_runner_is_raised(playing: Playing) -> None:
    """Bug: the device thread dies and the window stands still without a word."""
    with pytest.raises(RuntimeError, match="out of memory"):
        playing.pilot.hear(Reply("runner", error=RuntimeError("out of memory")))


def test_a_world_that_cannot_be_opened_is_raised_in_the_window(window: Window) -> None:
    """Bug: an error on the loading thread leaves the opening screen forever."""

    def load() -> Game:
        raise ReverieError("no such world")

    with pytest.raises(ReverieError, match="no such world"):
        window.open(load, "pong")


def test_a_screenshot_that_cannot_be_written_is_an_error(window: Window, tmp_path: Path) -> None:
    """Bug: a full disk or a missing folder ends the game."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReverieError, match=r"shot\.png"):
        save_picture(window.surface, tmp_path / "file" / "shot.png")


class Clock:
    now = 0

    def __call__(self) -> int:
        return self.now


def event(kind: int, name: str, mod: int = 0) -> pygame.event.Event:
    return pygame.event.Event(kind, key=pygame.key.key_code(name), mod=mod)


def test_two_keys_of_one_button_and_losing_the_focus(window: Window) -> None:
    """Bug: letting go of one of two keys lets go of the button; a key stays down after Alt+Tab."""
    controls = Controls()
    keyboard = Keyboard(KEYMAP, controls)
    for name in ("up", "w"):
        assert keyboard.handle(event(pygame.KEYDOWN, name)) is None
    keyboard.handle(event(pygame.KEYUP, "up"))
    controls.latch()
    assert controls.latch().buttons == {"up"}
    assert keyboard.handle(event(pygame.KEYDOWN, "backspace")) == Command("rewind")
    assert keyboard.handle(pygame.event.Event(pygame.WINDOWFOCUSLOST)) == Command("rewind", down=False)
    assert controls.latch().buttons == frozenset()


def test_a_kept_key_repeats_until_let_go(window: Window) -> None:
    """Bug: a setting's key has to be hammered, or repeats for ever."""
    clock = Clock()
    keyboard = Keyboard(KEYMAP, Controls(), clock)
    assert keyboard.handle(event(pygame.KEYDOWN, "=")) == Command("faster")
    assert keyboard.repeat() is None
    clock.now = REPEAT_AFTER_MS
    assert keyboard.repeat() == Command("faster")
    keyboard.handle(event(pygame.KEYUP, "="))
    clock.now += 10_000
    assert keyboard.repeat() is None


def test_a_keymap_may_not_take_the_windows_keys(window: Window) -> None:
    """Bug: a user's keymap makes it impossible to pause."""
    with pytest.raises(ReverieError, match="'p'"):
        Keyboard(Keymap("mine", {"p": "fire"}, {}), Controls())
