"""The window's workbench: lockstep on the stage, questions, flags, alarms, and figures drawn beside play."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.windows import click, point, press, until, until_said, write  # isort: skip, it chooses SDL's driver
import pygame
from pygame import Rect

import app.desktop.workbench
from app.desktop.beside import Beside
from app.desktop.canvas import Canvas
from app.desktop.cards import Card, draw_view, largest_of, margins_of, size_of
from app.desktop.game import Game, GameChoices, start_game
from app.desktop.layout import arrange
from app.desktop.look import Look
from app.desktop.note import LONGEST, NoteEntry
from app.desktop.overlays import draw_alarms
from app.desktop.panel import draw_panel
from app.desktop.playing import Playing
from app.desktop.plots import PERIOD_S, Plots, next_turn
from app.desktop.sections import sections_of
from app.desktop.timeline_bar import MARKS, TimelineBar
from app.desktop.views import index_at, picture_of, words_for
from app.desktop.window import Window
from app.settings import Settings
from engine.alarms import Alarm
from engine.controllers import AgentController, Carry
from engine.glitches import list_glitches
from engine.loading import LoadedWorld, load_world
from engine.moment import Mark, MarkKind, Timeline
from engine.runner import Shown
from engine.session import Session
from models.data.episode import Episode
from models.types import View, WorldSpec
from models.world import Rng
from tests.tiny_rssm import tiny_rssm_world
from tests.tiny_worlds import random_starts

PICTURE = View("asked", "picture_grid", torch.zeros(1, 4, 3, 3, 16, 16, dtype=torch.uint8), ("a", "b"), columns=("1",))
FIGURES = (
    View("lines", "curves", torch.randn(1, 2, 30), ("one", "two"), columns=("steps ago", "dB")),
    View("map", "heat_map", torch.rand(1, 16, 16)),
    View("table", "matrix", torch.rand(1, 3, 3)),
    View("way", "path", torch.cat([torch.randn(1, 9, 2), torch.ones(1, 9, 1)], dim=2)),
)


@pytest.fixture
def window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path / "glitches"))
    settings = Settings(dreams=str(tmp_path / "dreams"), saves=str(tmp_path / "saves"), width=1000, height=800)
    with Window(settings) as window:
        yield window


def dream(seed: int) -> LoadedWorld:
    world = tiny_rssm_world(seed=seed)
    return LoadedWorld(world, None, random_starts(world.spec, 2), f"tiny{seed}")


def begin(**choices: Any) -> Game:
    """Two dreams, of which the first leads in lockstep."""
    return start_game(dream(0), GameChoices("tiny", fps=60.0, **choices), dream(1))


@pytest.fixture
def playing(window: Window) -> Iterator[Playing]:
    game = begin()
    playing = Playing(window, replace(game, agent=AgentController(Rightward())))
    until(playing, lambda shown: shown.lockstep)
    yield playing
    playing.close()
    game.runner.close()


class Rightward:
    """A policy that always does action 1."""

    def check(self, spec: WorldSpec) -> Rightward:
        return self

    def initial(self, batch: int) -> Carry:
        return {}

    def act(self, carry: Carry, obs: Tensor, rng: Rng) -> tuple[Carry, Tensor]:
        return carry, torch.ones(len(obs), dtype=torch.int64)


def plays(shown: Shown, name: str) -> bool:
    return shown.controller == name


def strip(shown: Shown) -> View | None:
    return next((view for view in shown.frame.views if view.name == "lockstep"), None)


# -- lockstep


@pytest.mark.parametrize("panes", [3, 5])
@pytest.mark.parametrize("size", [(320, 240), (600, 900), (960, 720), (1600, 1000)])
@pytest.mark.parametrize("inside", [False, True])
def test_pictures_side_by_side_keep_apart(size: tuple[int, int], panes: int, inside: bool) -> None:
    """Catches: reality drawn over the dream, a picture cut off, one without room for its name."""
    layout = arrange(size, (16, 16), inside=inside, panes=panes)
    assert len(layout.panes) == panes
    assert {box.size for box in layout.panes} == {(16 * layout.zoom, 16 * layout.zoom)}
    for k, box in enumerate(layout.panes):
        assert layout.picture.contains(box) and layout.stage.contains(box)
        assert box.collidelist(layout.panes[k + 1 :]) == -1
        named = box.inflate(0, 0)
        named.top, named.height = box.top - 14, 14
        assert named.collidelist(layout.panes) == -1 and named.top >= layout.stage.top
    assert arrange(size, (16, 16), inside=inside).panes == ()


def test_a_slim_window_stacks_the_pictures() -> None:
    """Catches: three tiny pictures in a row where there is room above each other."""
    assert len({box.left for box in arrange((400, 1400), (64, 64), panel=False, panes=3).panes}) == 1
    assert len({box.top for box in arrange((1600, 700), (64, 64), panel=False, panes=3).panes}) == 1


def test_lockstep_stands_on_the_stage_pixel_for_pixel(playing: Playing) -> None:
    """Catches: the wrong picture under a name, swapped colours, the error of another frame; the band closed with it."""
    until(playing, lambda shown: strip(shown) is not None and playing.inspector.open)
    press("v")  # the band opened with the lockstep
    until(playing, lambda shown: not playing.inspector.open and shown.frame.index > 3)
    press("p")
    shown = until(playing, lambda shown: shown.paused and strip(shown) is not None)
    view = strip(shown)
    assert view is not None and view.labels[0] == "tiny v3"
    playing.toasts.shown.clear()
    surface = pygame.Surface((1000, 700))
    status = replace(playing._look.status(shown), mode="playing")
    playing._scene.draw(surface, shown, status, playing.toasts)
    layout = arrange((1000, 700), (16, 16), panes=view.value.shape[1])
    for box, frame in zip(layout.panes, view.value[0], strict=True):
        drawn = pygame.surfarray.array3d(surface.subsurface(box)).swapaxes(0, 1)
        wanted = frame.permute(1, 2, 0).numpy().repeat(layout.zoom, axis=0).repeat(layout.zoom, axis=1)
        assert np.array_equal(drawn, wanted)


def test_t_goes_and_comes_and_who_plays_stays(playing: Playing) -> None:
    """Catches: a person who has to take over from the agent at every change of place, or a mode without a way out."""
    for _ in range(2):
        press("c")
        until(playing, lambda shown: playing.pilot._changing == 0 and shown.controller != "human")
    shown = until(playing, lambda shown: shown.frame.controller == "agent")
    assert shown.lockstep and shown.frame.action == 1
    press("t")
    until(playing, lambda shown: not shown.lockstep and shown.frame.controller == "agent")
    assert playing.inspector.open
    press("t")
    until(playing, lambda shown: shown.lockstep and shown.frame.controller == "agent" and strip(shown) is not None)


def test_c_never_changes_where_it_is_played(playing: Playing) -> None:
    """Catches: the key of who plays that leads out of the lockstep, or never hands it to the agent."""
    until(playing, lambda shown: shown.frame.index > 2)
    for name in ("random", "agent", "replay", "human"):
        press("c")
        shown = until(playing, partial(plays, name=name))
        assert shown.lockstep


def test_y_leads_back_to_reality_and_play_goes_on(playing: Playing) -> None:
    """Catches: an anchor that pauses, leaves no mark, or is asked of a dream that has no reality."""
    until(playing, lambda shown: shown.frame.index > 3)
    press("y")
    until(playing, lambda shown: any(mark.kind == "anchor" for mark in shown.timeline.marks))
    until_said(playing, "goes on from reality")
    assert not playing.pilot.shown.paused  # type: ignore[union-attr]
    press("t")
    until(playing, lambda shown: not shown.lockstep)
    press("y")
    until_said(playing, "Only in lockstep")


def test_a_place_that_is_not_there_is_a_message(playing: Playing) -> None:
    """Catches: a world without its game that ends the window, or plays something else unasked."""
    press("t")
    until(playing, lambda shown: not shown.lockstep)
    press("c", pygame.KMOD_LSHIFT)
    until(playing, lambda shown: any(toast.kind == "error" for toast in playing.toasts.shown))
    assert not playing.pilot.shown.real  # type: ignore[union-attr]


class Rivals(Beside):
    """Two worlds that can be beside; remembers which were asked for."""

    names = ("tiny v3", "other")

    def __init__(self) -> None:
        super().__init__(dream(0), lambda other: Session.open(dream(0), real="lockstep", against=dream(1)), "cpu")
        self.made: list[str] = []

    def make(self, name: str) -> Session:
        self.made.append(name)
        return self._begin(None)


def test_e_brings_the_next_world_into_the_lockstep(playing: Playing) -> None:
    """Catches: a lockstep that goes on with the world before, or a mode that is left by it."""
    rivals = Rivals()
    assert [rivals.after(name) for name in ("", "tiny v3", "other", "?")] == ["tiny v3", "other", "", ""]
    playing.pilot.workbench.game = replace(playing.game, beside=rivals)
    before = until(playing, lambda shown: shown.frame.index > 5)
    press("e")
    until(playing, lambda shown: shown.frame.index < before.frame.index and shown.lockstep)
    until_said(playing, "in the same lockstep")
    assert rivals.made == ["other"]


def test_only_worlds_that_fit_are_beside() -> None:
    """Catches: a world of other frames or actions offered, or the world itself."""
    loaded = load_world("pong-dreamer")
    assert Beside(loaded, lambda other: Session.open(loaded), "cpu").names == ("pong",)


def test_a_lockstep_under_an_episode(window: Window, tmp_path: Path) -> None:
    """Catches: live play under recorded frames, a status that says nothing of it, a T that hands the episode over."""
    spec, path = dream(0).world.spec, tmp_path / "heldout" / "000019.safetensors"
    steps = 2000
    Episode(
        frames=torch.full((steps + 1, 3, spec.height, spec.width), 77, dtype=torch.uint8),
        actions=torch.arange(steps) % 3,
        rewards=torch.zeros(steps),
        terminated=torch.arange(steps) == steps - 1,
        truncated=torch.zeros(steps, dtype=torch.bool),
        objects=torch.zeros(steps + 1, 0, 3),
        meta={"actions": list(spec.actions.names)},
    ).write(path)
    game = begin(lockstep=True, episode=path)
    playing = Playing(window, game)
    try:
        for _ in range(2):
            shown = until(playing, lambda shown: shown.lockstep and plays(shown, "episode") and shown.frame.index > 3)
            status = Look(game).status(shown)
            assert (status.where, status.controller) == ("in lockstep with tiny v3 under heldout/000019", "Episode")
            assert shown.frame.action == (shown.frame.index + spec.context - 2) % 3
            view = until(playing, lambda shown: strip(shown) is not None)
            assert strip(view).value[0, 0].unique().tolist() == [77]  # type: ignore[union-attr]
            press("t")
            until(playing, lambda shown: not shown.lockstep and plays(shown, "human"))
            press("t")
    finally:
        playing.close()
        game.runner.close()


# -- questions


def answer(session: Session) -> Generator[None, None, tuple[View, ...]]:
    yield None
    return (PICTURE, *FIGURES[1:2])


def test_an_answer_comes_first_and_is_put_away(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an answer nobody sees, as the band is closed or other views stand before it; one that never leaves."""
    monkeypatch.setattr(app.desktop.workbench, "maker_of", lambda question: answer)
    playing.inspector.open = False
    press("k")
    until(playing, lambda shown: "asked" in [view.name for view in shown.frame.views])
    playing._draw()
    assert [card.view.name for card in playing.inspector.cards][:2] == ["asked", "map"]
    press("j", pygame.KMOD_LSHIFT)
    until(playing, lambda shown: "asked" not in [view.name for view in shown.frame.views])


def test_a_click_makes_a_view_large_and_escape_small(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an Escape that quits while a view is large; a click into it that reaches what it covers."""
    monkeypatch.setattr(app.desktop.workbench, "maker_of", lambda question: answer)
    press("o")
    until(playing, lambda shown: "asked" in [view.name for view in shown.frame.views])
    playing._draw()
    box = next(card.box for card in playing.inspector.cards if card.view.name == "asked")
    for leave in (lambda: press("escape"), lambda: click((5, 5))):
        click(box.move(2, 2).topleft)
        assert playing.turn() and playing.inspector.enlarged == ("asked", "picture_grid")
        playing.toasts.shown.clear()
        playing._draw()
        before = pygame.image.tobytes(playing.window.surface, "RGB")
        playing.note.begin()
        playing._draw()
        assert pygame.image.tobytes(playing.window.surface, "RGB") != before  # a note can be written over it
        playing.note.end()
        leave()
        assert playing.turn() and playing.inspector.enlarged is None


def test_a_question_that_fails_is_a_message(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a question without an answer that ends the game, or is never heard of again."""

    def fails(session: Session) -> Generator[None, None, tuple[View, ...]]:
        yield None
        raise ValueError("no answer to that")

    monkeypatch.setattr(app.desktop.workbench, "maker_of", lambda question: fails)
    press("j")
    until_said(playing, "no answer to that")
    assert playing.pilot.shown.study == ""  # type: ignore[union-attr]


def test_a_question_left_for_another_is_no_error(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: red messages about what the player did on purpose, or none about what failed after it."""

    def never(session: Session) -> Generator[None, None, tuple[View, ...]]:
        while True:
            yield None

    def fails(session: Session) -> Generator[None, None, tuple[View, ...]]:
        yield None
        raise ValueError("no answer to that")

    monkeypatch.setattr(app.desktop.workbench, "maker_of", lambda question: never)
    for key, mod in (("k", 0), ("o", 0), ("j", pygame.KMOD_LSHIFT)):
        press(key, mod)
    until_said(playing, "put away")
    press("k")
    until(playing, lambda shown: shown.study != "")
    press("t")
    until(playing, lambda shown: not shown.lockstep and shown.study == "")
    assert not [toast for toast in playing.toasts.shown if toast.kind == "error"]
    monkeypatch.setattr(app.desktop.workbench, "maker_of", lambda question: fails)
    press("k")
    until_said(playing, "no answer to that")


# -- the note


def test_a_flag_keeps_the_moment_and_the_note(playing: Playing) -> None:
    """Catches: keys of the note that play the game, the opening key in the note, a pause that stays, a lost note."""
    until(playing, lambda shown: shown.frame.index > 3)
    press("right", release=False)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_x, mod=0))
    pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text="x"))
    pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.K_x, mod=0))
    at = until(playing, lambda shown: playing.note.open and shown.paused).frame.index
    write("ball gonee")
    press("backspace")
    until(playing, lambda shown: playing.note.text == "ball gone" and shown.frame.index == at)
    press("return")
    shown = until(playing, lambda shown: shown.frame.index > at + 2)
    assert shown.frame.action == 0  # what was held was let go of
    until_said(playing, "Flagged as")
    (glitch,) = list_glitches()
    assert (glitch.note, glitch.mode) == ("ball gone", "lockstep")
    assert "flag" in [mark.kind for mark in shown.timeline.marks]


def test_escape_flags_nothing_and_a_pause_stays(playing: Playing) -> None:
    """Catches: an Escape that quits the game or flags all the same; a game that goes on though it was paused."""
    press("p")
    until(playing, lambda shown: shown.paused)
    press("x")
    until(playing, lambda shown: playing.note.open)
    write("no")
    press("escape")
    shown = until(playing, lambda shown: not playing.note.open)
    for _ in range(5):
        assert playing.turn()
    assert shown.paused and not list_glitches()


def test_a_note_holds_what_it_shows(window: Window) -> None:
    """Catches: a text without end, characters that cannot be shown, words that cannot be taken back."""
    note = NoteEntry()
    note.begin()
    note.handle(pygame.event.Event(pygame.KEYUP, key=pygame.K_x))
    note.handle(pygame.event.Event(pygame.TEXTINPUT, text="one two\t\x00"))
    note.handle(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_BACKSPACE, mod=pygame.KMOD_LCTRL))
    assert note.text == "one"
    note.handle(pygame.event.Event(pygame.TEXTINPUT, text="ä" * 900))
    assert len(note.text) == LONGEST
    canvas = Canvas(pygame.Surface((200, 120)), 0.7)
    note.draw(canvas, canvas.surface.get_rect())
    assert note.end() == note.text and not note.open


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (40, 200)])
def test_a_note_ends_where_there_is_no_room(window: Window, size: tuple[int, int]) -> None:
    """Catches: a window that hangs for ever while a note is written in one that is too small for a letter."""
    note = NoteEntry()
    note.begin()
    canvas = Canvas(pygame.Surface(size), 0.7)
    for _ in range(2):
        note.draw(canvas, canvas.surface.get_rect())
        note.handle(pygame.event.Event(pygame.TEXTINPUT, text="ab"))


def test_a_flagged_moment_opens_again(window: Window, playing: Playing) -> None:
    """Catches: a glitch that opens at another frame, in another place, or runs off before one has looked."""
    until(playing, lambda shown: shown.frame.index > 5)
    press("p")
    shown = until(playing, lambda shown: shown.paused)
    playing.pilot.workbench.flag("here")
    until_said(playing, "Flagged as")
    (glitch,) = list_glitches()
    playing.game.runner.close()
    game = start_game(dream(0), GameChoices("tiny", glitch=glitch.path), dream(1))
    try:
        again = Playing(window, game)
        now = until(again, lambda now: now.lockstep and now.frame.index > 0)
        assert now.paused and np.array_equal(now.frame.image, shown.frame.image)
        assert (now.frame.index, now.frame.total) == (shown.frame.index, shown.frame.total)
    finally:
        game.runner.close()


# -- alarms, marks


def words(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What gets written from now on."""
    said: list[str] = []
    write_text = Canvas.text

    def text(self: Canvas, text: str, *args: Any, **options: Any) -> Rect:
        said.append(text)
        return write_text(self, text, *args, **options)

    monkeypatch.setattr(Canvas, "text", text)
    return said


@pytest.mark.parametrize("side", [True, False])
def test_alarms_are_told_in_words(playing: Playing, monkeypatch: pytest.MonkeyPatch, side: bool) -> None:
    """Catches: an alarm that is a colour only, or falls out of the panel before the settings do."""
    alarms = (("action ignored", "The dream does the same whatever is pressed."), ("object lost", "No ball."))
    shown = until(playing, lambda shown: True)
    status = playing._look.status(replace(shown, alarms=tuple(Alarm(name, text, 3) for name, text in alarms)))
    assert status.alarms == alarms
    canvas, said = Canvas(pygame.Surface((1000, 400))), words(monkeypatch)
    draw_panel(canvas, Rect(0, 0, 250 if side else 1000, 360), status, side=side)
    assert {"action ignored", "object lost", "No ball."} <= set(said)
    assert "whatever is pressed." in " ".join(said)
    said.clear()
    draw_panel(canvas, Rect(0, 0, 250 if side else 1000, 170), status, side=side)
    assert {"action ignored", "object lost"} <= set(said)
    said.clear()
    draw_alarms(canvas, Rect(0, 0, 700, 400), alarms)
    assert said == ["action ignored", "object lost"]


def test_every_mark_has_a_colour_and_a_name(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a new kind of mark that ends the window; a pointer that is told of another place's mark."""
    assert set(MARKS) == set(get_args(MarkKind))
    marks = tuple(Mark(20 * k, kind) for k, kind in enumerate(MARKS))
    line = Timeline(20 * len(marks), 5, marks)
    said = words(monkeypatch)
    bar = TimelineBar(Canvas(window.surface), Rect(0, 700, 1000, 44), line, fps=10, rewind_s=60)
    for mark in marks:
        assert bar.said_at(bar.x_of(mark.position)) == MARKS[mark.kind][1]
    assert bar.said_at(bar.x_of(10)) == ""
    bar.draw((bar.x_of(20), 720))
    assert MARKS[marks[1].kind][1] in said


def test_the_pointer_over_the_timeline_asks_what_is_there(playing: Playing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: marks that nobody can tell apart."""
    press("p")
    until(playing, lambda shown: shown.paused)
    playing._draw()
    bar = playing._scene.bar
    assert bar is not None
    said = words(monkeypatch)
    point(pygame.MOUSEMOTION, (bar.x_of(0), bar.rect.centery))
    assert playing.turn()
    assert any(text.startswith("start") for text in said)


# -- views


def test_a_grid_of_pictures_is_its_pictures_in_place() -> None:
    """Catches: rows and columns swapped, a picture's axes mixed up, a pointer told of another picture."""
    value = torch.randint(256, (1, 2, 3, 3, 4, 5)).to(torch.uint8)
    view = View("g", "picture_grid", value, ("up", "down"), columns=("1", "2", "3"))
    image = picture_of(view)
    assert image is not None and image.shape == (8, 15, 3)
    for row in range(2):
        for column in range(3):
            part = image[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
            assert np.array_equal(part, value[0, row, column].permute(1, 2, 0).numpy())
    index = index_at(view, 0.99, 0.6)
    assert index == 5 and words_for(view, value[0].numpy(), index) == "down · 3"


@pytest.mark.parametrize("size", [(300, 120), (1500, 300)])
def test_every_kind_of_view_fits_its_room(window: Window, size: tuple[int, int]) -> None:
    """Catches: a large view that leaves the window, or is drawn without a pixel."""
    canvas = Canvas(window.surface)
    film = View("s", "film_strip", torch.zeros(1, 9, 3, 8, 8, dtype=torch.uint8))
    maps = View("m", "feature_maps", torch.zeros(1, 5, 4, 4))
    for view in (*FIGURES, PICTURE, film, maps):
        left, top = margins_of(canvas, view)
        for wide, tall in (size_of(canvas, view, size), largest_of(canvas, view, size)):
            assert 0 < wide <= size[0] - left and tall > 0
        assert largest_of(canvas, view, size)[1] <= size[1] - top


def test_what_a_check_found_can_be_read(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: faults as a column of numbers, a sentence cut off, what was found hidden among what was not."""
    found = torch.tensor([[[0.0], [1.0]]])
    text = "no key moves the dream at all, but it does move reality, in sixteen of sixteen looks at eight of its states"
    view = View("faults", "matrix", found, ("frozen", f"action ignored: {text}"), columns=("found",))
    canvas, said = Canvas(window.surface), words(monkeypatch)
    box = Rect((10, 10), size_of(canvas, view, (300, 200)))
    draw_view(canvas, Card(view, box), view.value[0].numpy(), Plots(Pencil()))
    assert said[0] == "action ignored" and said[-1] == "frozen" and " ".join(said[1:-1]) == text
    assert box.width <= 300 and box.height >= len(said) * canvas.line_height(12)


def test_sections_keep_every_view_once() -> None:
    """Catches: a view that is drawn twice or not at all; a study taken for one that is no longer shown."""
    others = (View("b", "vector", torch.zeros(1, 3)), View("g", "one_hot_grid", torch.zeros(1, 2, 2)))
    stage = View("lockstep", "film_strip", torch.zeros(1, 3, 3, 4, 4, dtype=torch.uint8))
    asked = sections_of((PICTURE, stage, *others, *FIGURES), ("asked",))
    assert [view.name for view in asked.study] == ["asked"]
    names = [view.name for part in (asked.study, asked.figures, asked.grids, asked.others) for view in part]
    assert sorted(names) == sorted(["asked", "b", "g", "lines", "map", "table", "way"])
    assert sections_of((*others, *FIGURES), ("asked",)).study == []


# -- figures


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Pencil:
    """Draws at once, or when told; remembers what."""

    def __init__(self, clock: Clock | None = None, takes: float = 0.0) -> None:
        self.clock, self.takes = clock or Clock(), takes
        self.drawn: list[View] = []
        self.ended = threading.Semaphore(0)

    def __call__(self, view: View, width: int, height: int, scale: float) -> np.ndarray:
        self.clock.now += self.takes
        self.drawn.append(view)
        self.ended.release()
        if view.name == "broken":
            raise ValueError("not to be drawn")
        return np.full((height, width, 3), len(self.drawn), np.uint8)


def curve(name: str = "a") -> View:
    return View(name, "curves", torch.zeros(1, 1, 4))


def finished(plots: Plots, pencil: Pencil) -> None:
    """Wait for one more figure."""
    assert pencil.ended.acquire(timeout=20)
    while not plots.fresh():
        pass


def test_figures_are_drawn_a_few_times_a_second_and_the_newest_wins() -> None:
    """Catches: a figure for every frame, which takes the processor from play; one that stays behind for ever."""
    clock, pencil = Clock(), Pencil()
    plots = Plots(pencil, clock)
    views = [curve() for _ in range(9)]
    assert plots.figure(views[0], (8, 4)) is None
    finished(plots, pencil)
    for view in views[1:]:
        done = plots.figure(view, (8, 4))
        assert done is not None and done.view is views[0]
    clock.now = 0.9 * PERIOD_S
    plots.figure(views[7], (8, 4))
    assert len(pencil.drawn) == 1
    clock.now = 1.1 * PERIOD_S
    plots.figure(views[8], (8, 4))
    finished(plots, pencil)
    done = plots.figure(views[8], (8, 4))
    assert done is not None and done.view is views[8] and done.image is not None and done.image.shape == (4, 8, 3)
    assert pencil.drawn == [views[0], views[8]]
    clock.now += 10
    plots.figure(views[8], (8, 4))  # the same again: nothing to draw
    plots.close()
    assert len(pencil.drawn) == 2


def test_figures_take_turns_and_rest() -> None:
    """Catches: one figure that keeps the others from being drawn, more than a few a second, no rest for play."""
    assert next_turn(["a"], {}, -1.0) == ("a", -1.0)
    assert next_turn(["a", "b", "c"], {"a": 1.0, "b": 2.0}, 0.5) == ("c", 0.5)
    assert next_turn(["b", "a"], {"a": 1.0, "b": 2.0}, 0.5) == ("a", 1.0 + PERIOD_S)
    assert next_turn(["b", "a"], {"a": 1.0, "b": 2.0}, 9.0) == ("a", 9.0)


def test_a_slow_first_figure_delays_the_others_by_a_period_at_most() -> None:
    """Catches: a band that stays empty for long, since the first figure had a library to load."""
    clock = Clock()
    pencil = Pencil(clock, takes=100.0)
    plots = Plots(pencil, clock)
    plots.figure(curve(), (8, 4))
    finished(plots, pencil)
    clock.now += PERIOD_S
    plots.figure(curve("b"), (8, 4))
    finished(plots, pencil)
    plots.close()
    assert [view.name for view in pencil.drawn] == ["a", "b"]


def test_a_view_that_cannot_be_drawn_spoils_no_other(window: Window) -> None:
    """Catches: one bad view that ends the thread, after which no figure ever changes again."""
    pencil = Pencil()
    plots = Plots(pencil, Clock())
    plots.figure(curve("broken"), (8, 4))
    finished(plots, pencil)
    plots.figure(curve(), (8, 4))
    finished(plots, pencil)
    broken, fine = plots.figure(curve("broken"), (8, 4)), plots.figure(curve(), (8, 4))
    assert broken is not None and broken.image is None
    assert fine is not None and fine.image is not None
    plots.close()
    plots.close()


def test_figures_come_into_the_band(playing: Playing) -> None:
    """Catches: figures that are drawn but never shown while play stands still."""
    until(playing, lambda shown: strip(shown) is not None)
    press("p")
    until(playing, lambda shown: shown.paused)
    plots = playing.inspector.plots
    until(playing, lambda shown: "drift" in plots._done and plots._done["drift"].image is not None)
    playing._draw()
    box = next(card.box for card in playing.inspector.cards if card.view.name == "drift")
    done = plots._done["drift"]
    assert done.image is not None and done.size == box.size
    seen = box.clip(playing.inspector._body)
    drawn = pygame.surfarray.array3d(playing.window.surface.subsurface(seen)).swapaxes(0, 1)
    assert np.array_equal(drawn, done.image[: seen.height, : seen.width])
