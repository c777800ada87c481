"""Sessions over the counting world: determinism and time travel."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.controllers import Controller, RandomController, ReplayController
from engine.controls import Input
from engine.errors import ReverieError
from engine.moment import Frame
from engine.session import Session
from models.envs.real_world import RealWorld
from models.types import Context
from tests.counting import CountingWorld, starts

UP, RIGHT = Input(frozenset({"up"})), Input(frozenset({"right"}))


def session(world: CountingWorld | None = None, **options: Any) -> Session:
    return Session(world or CountingWorld(), starts(), world_hash="c0ffee", **options)


def images(frames: Iterable[Frame]) -> list[bytes]:
    return [frame.image.tobytes() for frame in frames]


def play(s: Session, inputs: Iterable[Input]) -> list[bytes]:
    return images(s.tick(input) for input in inputs)


def test_alignment_of_the_first_tick() -> None:
    """An action applied one tick late, or a reward put on the frame before it, would show here."""
    s = session(start=2)
    first = s.frame
    assert (first.index, first.total, first.action) == (0, 0.0, 0)
    assert np.all(first.image == 80)
    frame = s.tick(RIGHT)
    assert (frame.index, frame.action, frame.reward, frame.total) == (1, 3, 1.0, 1.0)
    assert frame.image.shape == (4, 6, 3)
    assert frame.image[0, 0, :2].tolist() == [1, 3]
    assert s.tick(UP).total == 1.0


def test_same_seed_same_dream_other_seed_another() -> None:
    """Any draw from a global generator would break this."""
    inputs = [UP, RIGHT] * 5
    torch.manual_seed(1)
    one = play(session(seed=7), inputs)
    torch.manual_seed(2)
    assert play(session(seed=7), inputs) == one
    assert play(session(seed=8), inputs) != one


def test_chance_goes_on() -> None:
    """A generator put back at every tick would draw the same noise for ever."""
    s = session()
    assert len({int(s.tick(UP).image[0, 0, 2]) for _ in range(20)}) > 10


def test_rewind_then_same_inputs_same_frames() -> None:
    """A generator not taken back with the state would dream another future."""
    s = session()
    s.controller = RandomController(sticky=0.5)
    s.tick(UP)
    future = play(s, [UP] * 6)
    assert s.rewind(6).index == 1
    assert images([s.forward(2)]) == future[1:2]
    s.rewind(2)
    assert play(s, [UP] * 6) == future


def test_tick_after_rewind_drops_what_lay_ahead() -> None:
    """Frames of an abandoned future must not come back by going forward."""
    s = session()
    play(s, [UP] * 5)
    s.rewind(3)
    assert s.timeline.length == 6
    s.tick(RIGHT)
    assert (s.timeline.length, s.timeline.cursor) == (4, 3)
    assert s.forward(10).action == 3


def test_rewind_is_bounded_and_keeps_what_it_promises() -> None:
    """A ring too short loses promised seconds; one without a bound eats the memory."""
    s = session(rewind_s=3.0)
    play(s, [UP] * 100)
    assert s.timeline.length == 31
    assert s.rewind(1000).index == 70
    assert len(s.recent(1000)) == 1
    with pytest.raises(ValueError, match="rewind: got -1"):
        s.rewind(-1)


def test_fork_goes_its_own_way() -> None:
    """A fork that shared its generator or its ring would be disturbed by the original."""
    s = session()
    play(s, [UP] * 3)
    twin = s.fork()
    future = play(s, [RIGHT, UP, UP])
    assert twin.frame.index == 3
    assert play(twin, [RIGHT, UP, UP]) == future
    s.rewind(5)
    assert twin.frame.index == 6


def test_slots() -> None:
    """Loading must bring back generator and return, and be undone by rewinding."""
    s = session()
    play(s, [RIGHT] * 3)
    s.save("1")
    future = play(s, [UP] * 4)
    assert (s.load("1").total, s.frame.index) == (3.0, 3)
    assert len(s.recent(60)) == 1
    assert s.rewind(1).index == 7
    s.forward(1)
    assert play(s, [UP] * 4) == future
    with pytest.raises(ReverieError, match="slot 2: got nothing saved there, expected one of: 1"):
        s.load("2")


@pytest.mark.parametrize("controller", [RandomController(sticky=0.7), ReplayController([1, 2, 3, 4])])
def test_save_file_carries_everything(tmp_path: Path, controller: Controller) -> None:
    """A save without generators or the controller's memory would go on differently in a fresh process."""
    s = session(seed=3)
    s.controller = controller
    play(s, [UP] * 3)
    s.save_to(tmp_path / "deep" / "a.reverie")
    frame, history = s.frame, s.history
    future = play(s, [UP] * 5)
    other = session(seed=99)
    other.controller = controller
    loaded = other.load_from(tmp_path / "deep" / "a.reverie")
    assert loaded.image.tobytes() == frame.image.tobytes()
    assert (loaded.total, loaded.index, other.seed) == (frame.total, frame.index, 3)
    assert other.history.episodes() == history.episodes()
    assert play(other, [UP] * 5) == future


def test_bad_saves(tmp_path: Path) -> None:
    """A damaged, foreign or missing save must say so and leave play as it was."""
    s = session()
    path = tmp_path / "a.reverie"
    s.save_to(path)
    good = path.read_bytes()
    cases = {"truncated": good[:-9], "flipped": good[:-9] + bytes([good[-9] ^ 255]) + good[-8:], "text": b"hello"}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ReverieError, match=f"{name}: got"):
            s.load_from(tmp_path / name)
    with pytest.raises(ReverieError, match="no such file"):
        s.load_from(tmp_path / "missing")
    with pytest.raises(ReverieError, match="got a save of the world counting"):
        Session(CountingWorld(), starts(), world_hash="other").load_from(path)
    assert s.timeline.length == 1
    assert not list(tmp_path.glob(".*"))


def test_a_save_that_cannot_be_written_keeps_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk must leave the earlier save whole and say what to do."""
    s = session()
    path = tmp_path / "a.reverie"
    s.save_to(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReverieError, match=r"a\.reverie: could not be written: the disk is full; free some space"):
        s.save_to(path)
    assert path.read_bytes() == before


def test_a_new_start_follows_the_end() -> None:
    """The last frame must be seen before the next start; starts go round, seeds differ and follow from the first."""
    s, again = session(CountingWorld(end=2), start=2), session(CountingWorld(end=2), start=2)
    play(s, [UP])
    assert s.tick(UP).terminated
    frame = s.tick(UP)
    assert (frame.index, s.start, frame.terminated) == (0, 0, False)
    assert s.seed not in (0, again.seed)
    play(again, [UP] * 3)
    assert again.seed == s.seed
    s.auto_restart = False
    play(s, [UP] * 2)
    assert s.tick(UP).index == 3


def test_horizon_is_live() -> None:
    """A horizon fixed at the start would ignore the player; truncation must not be called termination."""
    s = session(horizon=5)
    play(s, [UP] * 2)
    s.horizon = 3
    frame = s.tick(UP)
    assert (frame.truncated, frame.terminated) == (True, False)
    assert s.tick(UP).index == 0
    with pytest.raises(ValueError, match="horizon: got 0"):
        s.horizon = 0


def test_settings_are_live_and_survive_a_rewind() -> None:
    """A setting must act on the next tick without a reset, and stay as chosen when time goes back."""
    s = session()
    play(s, [UP])
    assert s.settings(gain=5).gain == 5
    assert s.tick(UP).image[0, 0, 0] == 10
    s.rewind(1)
    assert s.settings().gain == 5
    with pytest.raises(ValueError, match=r"got .*colour"):
        s.settings(colour=1)


def test_controllers_can_be_swapped_between_ticks() -> None:
    """A swap must not reset the dream, and a replay must act by the frame's index, whatever came before."""
    s = session()
    play(s, [UP] * 2)
    s.controller = ReplayController([1, 1, 3])
    frame = s.tick(UP)
    assert (frame.index, frame.action, frame.controller) == (3, 3, "replay")
    assert s.tick(UP).action == 0
    assert s.rewind(4).controller == "human"


def test_random_controller_covers_and_sticks() -> None:
    """A constant draw, or a stickiness without effect, would make poor data."""
    s, sticky = session(), session()
    s.controller, sticky.controller = RandomController(), RandomController(sticky=0.8)
    plain = [s.tick(Input()).action for _ in range(200)]
    stuck = [sticky.tick(Input()).action for _ in range(200)]
    assert set(plain) == set(range(8))
    repeats = [sum(a == b for a, b in pairwise(x)) for x in (plain, stuck)]
    assert repeats[0] < 60
    assert repeats[1] > 120


def test_timeline_marks() -> None:
    """A mark one frame off would send a player to the wrong place."""
    s = session(CountingWorld(end=4))
    play(s, [UP, RIGHT, UP, UP])
    assert [(mark.position, mark.kind) for mark in s.timeline.marks] == [
        (0, "start"),
        (2, "reward"),
        (4, "terminated"),
    ]


def test_both_twins_show_where_they_parted() -> None:
    """A fork that one of the two did not remember could not be found again; a mark must move as time is forgotten."""
    s = session(rewind_s=1.0)
    play(s, [UP, RIGHT])
    twin = s.fork()
    play(twin, [UP])
    for one in (s, twin):
        assert [(mark.position, mark.kind) for mark in one.timeline.marks] == [
            (0, "start"),
            (2, "reward"),
            (2, "fork"),
        ]
    play(s, [UP] * 10)
    assert [(mark.position, mark.kind) for mark in s.timeline.marks] == [(0, "reward"), (0, "fork")]
    twin.rewind(2)
    play(twin, [UP])
    assert [mark.kind for mark in twin.timeline.marks] == ["start"]


def test_marks_agree_with_the_moments_kept() -> None:
    """Marks are kept beside the moments; going back, loading and forgetting must not leave one behind."""
    s = session(CountingWorld(end=7), rewind_s=2.0)
    s.controller = RandomController()
    draw = np.random.default_rng(0)
    for k in range(300):
        match int(draw.integers(6)):
            case 0:
                s.rewind(int(draw.integers(6)))
            case 1:
                s.forward(int(draw.integers(6)))
            case 2 if k > 20:
                s.load("a")
            case 3:
                s.save("a")
            case _:
                s.tick(Input())
        kept = s.kept[: s.timeline.length]
        expected = [(k, moment.frame.mark) for k, moment in enumerate(kept) if moment.frame.mark]
        assert [(mark.position, mark.kind) for mark in s.timeline.marks] == expected


def test_views_come_only_when_asked_for() -> None:
    """Views kept in the ring would hold every feature map for a minute."""
    s = session()
    assert s.tick(UP, inspect=True).views[0].name == "count"
    assert s.frame.views == ()
    assert s.tick(UP).views == ()


@pytest.mark.parametrize("options", [{"start": 3}, {"start": -1}, {"seed": -1}, {"seed": 2**63}, {"rewind_s": -1.0}])
def test_bad_arguments(options: dict[str, Any]) -> None:
    """A negative start would quietly index from the end; a bad seed would fail deep inside torch."""
    with pytest.raises(ValueError, match=r"got .*expected"):
        session(**options)


def test_a_real_game_is_a_session_too() -> None:
    """A real game that showed the context's picture first, or kept its place when rewound, would be no reference."""
    game = RealWorld("pong")
    contexts = Context(torch.zeros(2, 4, 3, 64, 64, dtype=torch.uint8), torch.zeros(2, 3, dtype=torch.int64))
    s = Session(game, contexts, world_hash="real:c0ffee", seed=4)
    assert s.frame.image.any()
    s.controller = RandomController(sticky=0.9)
    play(s, [Input()] * 10)
    future = play(s, [Input()] * 20)
    s.rewind(20)
    twin = s.fork()
    assert play(s, [Input()] * 20) == future
    assert play(twin, [Input()] * 20) == future
