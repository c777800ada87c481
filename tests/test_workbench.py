"""What is looked at while one plays: views of the past, studies, alarms, anchors and flags of a seat."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.controls import Controls
from engine.errors import ReverieError
from engine.latent_path import NOW, PAST, LatentPath, principal
from engine.lockstep import LockstepWorld
from engine.outlet import Reply
from engine.player import Player
from engine.runner import Runner
from engine.session import Session
from engine.shown import Shown
from engine.studying import Slices
from engine.workbench import Trace, views_around
from models.types import View
from tests.counting import CountingState, CountingWorld, starts
from tests.lockstep_worlds import DreamtCounting, Invents, RealCounting, counting_session
from tests.tiny_rssm import grounded_pong
from tests.tiny_worlds import random_starts

WAIT = 10.0


class Circling(DreamtCounting):
    """Its latent goes around in a circle, in a plane of five dimensions."""

    def latent(self, state: CountingState) -> Tensor:
        angle = state.count.float() / 7
        flat = torch.stack([3 * angle.cos(), angle.sin()], dim=1)
        plane = torch.linalg.qr(torch.randn(5, 2, generator=torch.Generator().manual_seed(0)))[0]
        return flat @ plane.T + 4


@dataclass(frozen=True)
class FakeAtlas:
    """A map on which everything is where its first two numbers are."""

    cloud: Tensor

    def coordinates(self, latent: Tensor) -> Tensor:
        return latent[:, :2]

    def drift(self, latent: Tensor) -> Tensor:
        return latent[:, 0]

    def nearest(self, latent: Tensor, k: int) -> tuple[Tensor, Tensor]:
        pictures = torch.arange(k, dtype=torch.uint8)[None, :, None, None, None].expand(1, k, 3, 2, 2)
        return torch.arange(k)[None] / 4, pictures


def by_name(views: tuple[View, ...]) -> dict[str, View]:
    named = {view.name: view for view in views}
    assert len(named) == len(views)
    return named


def answer(seat: Runner, command: str) -> Reply:
    """The next reply to ``command``."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        reply = seat.reply(timeout_s=0.1)
        if reply and reply.command == command:
            return reply
    raise AssertionError(f"no reply to {command}")


def until(seat: Runner, true: Callable[[Shown], bool]) -> Shown:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        shown = seat.latest(timeout_s=0.1)
        if shown and true(shown):
            return shown
    raise AssertionError("no such frame")


def seat_of(session: Callable[[], Session] = counting_session, **options: Any) -> Runner:
    """A paused seat in a dream, with a lockstep to go to."""
    dream = Session(DreamtCounting(), starts(), world_hash="c0ffee")
    return Runner(dream, Controls(), paused=True, lockstep=session, **options)


# -- views of the past


def test_curves_are_the_readings_of_the_past() -> None:
    """Catches: a curve that is a step late, that goes on over an anchor, or ends in what was rewound."""
    session = counting_session(DreamtCounting(), Invents().with_settings(gain=9), probe=True)
    world: Any = session.world
    for action in (2, 0, 3, 0, 0):
        session.step(torch.tensor([action]))
    views = by_name(views_around(session))
    moments = session.trail(100)
    for k in range(2):
        want = [world.readings(m.state)[k].moving_psnr for m in moments]
        want = [math.nan, *want[1:]]
        torch.testing.assert_close(views["drift"].value[0, k], torch.tensor(want), equal_nan=True)
        apart = views[f"{world.names[2]}: objects apart" if k else "objects apart"].value[0]
        wanted = torch.tensor([world.readings(m.state)[k].apart for m in moments]).T
        torch.testing.assert_close(apart, wanted, equal_nan=True)
    assert views["reward"].value[0].tolist() == [[0, 0, 0, 1, 0, 0], [0, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0]]
    assert (views["reward"].labels, views["drift"].labels) == (world.names, world.names[1:])
    assert views["drift"].columns == ("steps ago", "dB")
    session.anchor()
    session.step(torch.tensor([5]))
    drift = by_name(views_around(session))["drift"].value[0, 0]
    assert drift.isnan().tolist()[-2:] == [True, False]
    session.rewind(4)
    assert by_name(views_around(session))["reward"].value.shape == (1, 3, 4)


def test_curves_do_not_reach_across_a_load() -> None:
    """Catches: a curve that joins two pasts."""
    session = counting_session()
    session.step(torch.tensor([0]))
    session.save("1")
    for _ in range(3):
        session.step(torch.tensor([0]))
    session.load("1")
    session.step(torch.tensor([0]))
    assert by_name(views_around(session))["reward"].value.shape[-1] == 2


def test_a_path_keeps_its_shape_and_its_sides() -> None:
    """Catches: a path that is mirrored from one frame to the next, distances that its projection stretches, a past read
    in the wrong order."""
    session = Session(Circling(), starts(), world_hash="c0ffee")
    for _ in range(30):
        session.step(torch.tensor([0]))
    trace, last = Trace(at_once=7), torch.zeros(0, 3)
    for _ in range(40):
        session.step(torch.tensor([0]))
        path = by_name(trace.views(session))["latent path"].value[0]
        assert path[-1, 2] == NOW
        assert (path[:-1, 2] == PAST).all()
        latents = Circling().latent(session.trail(len(path))[0].state), Circling().latent(session.moment.state)
        apart = (path[0, :2] - path[-1, :2]).norm()
        assert float(apart) == pytest.approx(float((latents[0] - latents[1]).norm()), abs=1e-3)
        if len(last) > 20:
            common = min(len(last), len(path) - 1)
            moved = (last[-common:, :2] - path[-common - 1 : -1, :2]).norm(dim=1)
            assert float(moved.max()) < 1.0
        last = path
    assert len(last) == 71, "the older past is read bit by bit"
    session.rewind(20)
    assert len(by_name(trace.views(session))["latent path"].value[0]) == 51


def test_a_path_on_the_map() -> None:
    """Catches: a map whose cloud is taken for the past, or the drift of another moment."""
    atlas = FakeAtlas(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    session = counting_session(Circling())
    session._tools = type("Tools", (), {"atlas": atlas, "probe": None})()  # type: ignore[assignment]
    session.step(torch.tensor([0]))
    views = by_name(views_around(session))
    latents = [Circling().latent(session.world.parts(m.state)[1])[0] for m in session.trail(9)]  # type: ignore[attr-defined]
    path = views["latent path"].value[0]
    assert path[:3].tolist() == [[1, 2, 0], [3, 4, 0], [5, 6, 0]]
    torch.testing.assert_close(path[3:, :2], torch.stack(latents)[:, :2])
    assert path[3:, 2].tolist() == [PAST, NOW]
    assert float(views["off the map"].value) == pytest.approx(float(latents[-1][0]))
    assert views["nearest real"].value.shape == (1, 3, 3, 2, 2)
    assert views["nearest real"].labels == ("0.00", "0.25", "0.50")


def test_memory_of_a_path_is_bounded() -> None:
    """Catches: a state kept for every frame of an hour."""
    session = Session(Circling(), starts(), world_hash="c0ffee")
    path = LatentPath(16)
    for _ in range(100):
        session.step(torch.tensor([0]))
        path.views(session, session.trail(10))
    assert len(path._points) <= 26


def test_axes_of_a_single_moment() -> None:
    """Catches: a path of one point, or of one number, that is no number."""
    for rows in (torch.ones(1, 5), torch.ones(4, 5), torch.rand(4, 1), torch.zeros(2, 2)):
        axes = principal(rows, None)
        assert axes.shape == (rows.shape[1], 2)
        assert bool(axes.isfinite().all())


def test_a_world_without_latents_has_no_path() -> None:
    """Catches: a real game, or a foreign family, that cannot be looked into at all."""
    assert views_around(Session(CountingWorld(), starts(), world_hash="c0ffee")) == ()


# -- while playing


def test_looking_costs_no_frame() -> None:
    """Catches: views of the past or alarms that change what is played."""
    plain, looked = (Player(counting_session(probe=True), Controls()) for _ in range(2))
    looked.inspect = True
    for _ in range(5):
        a, b = plain.tick(), looked.tick()
        assert a.frame.image.tobytes() == b.frame.image.tobytes()
        assert {"lockstep", "moving error", "objects", "drift", "reward"} <= set(by_name(b.frame.views))
        assert a.frame.views == ()
    assert torch.equal(plain.session.moment.rng, looked.session.moment.rng)


def test_the_same_views_are_the_same_objects() -> None:
    """Catches: views made anew each time a paused frame is asked for."""
    player = Player(counting_session(), Controls())
    player.inspect = True
    player.pin((View("every action", "scalar", torch.zeros(1)),))
    player.tick()
    first, again = player.frame, player.frame
    assert first is again
    assert first.views[0].name == "every action"
    player.tick()
    assert player.frame.views[0] is first.views[0], "it stays while play goes on"


def test_lockstep_is_a_way_to_play() -> None:
    """Catches: a lockstep that is not shown as one, or whose branches are the dream's."""
    with seat_of() as seat:
        seat.real_game("lockstep")
        assert answer(seat, "real_game").value == "lockstep"
        seat.step()
        shown = until(seat, lambda s: s.frame.index == 1)
        assert (shown.lockstep, shown.real, shown.grounded, shown.against) == (True, False, False, "")
        seat.fork()
        assert answer(seat, "fork").value == 1
        seat.step()
        assert until(seat, lambda s: s.frame.index == 2).branches == 2
        seat.branch(0)
        assert until(seat, lambda s: s.branch == 0).frame.index == 1
        seat.real_game(False)
        shown = until(seat, lambda s: not s.lockstep)
        assert (shown.branches, shown.frame.index) == (1, 0)


def test_anchors_do_not_stop_play() -> None:
    """Catches: an anchor that pauses, or a second one that is lost."""
    with seat_of() as seat:
        seat.anchor()
        error = answer(seat, "anchor").error
        assert isinstance(error, ReverieError)
        seat.real_game("lockstep")
        seat.step()
        seat.resume()
        until(seat, lambda s: s.frame.index > 2)
        seat.anchor()
        assert answer(seat, "anchor") == Reply("anchor")
        shown = until(seat, lambda s: any(mark.kind == "anchor" for mark in s.timeline.marks))
        assert not shown.paused
        assert until(seat, lambda s: s.frame.index > shown.frame.index)


def test_another_world_beside() -> None:
    """Catches: a world beside that is shown under the old one's name, or that takes the player into another mode."""
    with seat_of() as seat:
        seat.beside(lambda: counting_session(Invents(), against="other"))
        assert answer(seat, "beside").value == {"against": "other"}
        seat.step()
        assert not until(seat, lambda s: s.frame.index == 1).lockstep
        seat.real_game("lockstep")
        assert until(seat, lambda s: s.lockstep).against == "other"
        seat.beside(lambda: counting_session(against="third"))
        assert answer(seat, "beside").value == {"against": "third"}
        assert until(seat, lambda s: s.against == "third").frame.index == 0

        def fails() -> Session:
            raise ReverieError("no such world")

        seat.beside(fails)
        assert "no such world" in str(answer(seat, "beside").error)
        assert seat.session.against == "third"


# -- studies


def counted(frames: int, seen: list[int]) -> Callable[[Session], Slices]:
    """A study that notes the session's frame at every slice, and shows what the sum is."""

    def make(session: Session) -> Slices:
        def slices() -> Slices:
            for _ in range(frames):
                seen.append(session.frame.index)
                yield
            return (View("sum", "scalar", torch.tensor([float(sum(seen))])),)

        return slices()

    return make


def endless(begun: threading.Event, closed: threading.Event) -> Callable[[Session], Slices]:
    def make(session: Session) -> Slices:
        def slices() -> Slices:
            begun.set()
            try:
                while True:
                    yield
            finally:
                closed.set()

        return slices()

    return make


def test_a_study_is_of_the_moment_it_was_asked_at() -> None:
    """Catches: a study of a moment that play has left, views that vanish with the next frame."""
    seen: list[int] = []
    with seat_of() as seat:
        seat.inspect(True)
        seat.step()
        seat.study("counting", counted(5, seen))
        seat.step()
        assert answer(seat, "study").value == {"study": "counting", "views": ["sum"]}
        assert seen == [1] * 5
        seat.step()
        shown = until(seat, lambda s: s.frame.index == 3)
        assert (shown.frame.views[0].name, shown.study) == ("sum", "")
        seat.study_clear()
        assert answer(seat, "study_clear") == Reply("study_clear")
        assert until(seat, lambda s: "sum" not in by_name(s.frame.views))


def test_one_study_at_a_time_each_with_one_answer() -> None:
    """Catches: an old study whose views come late, one that is answered twice or never, one that goes on unseen."""
    begun, closed = ([threading.Event() for _ in range(4)] for _ in range(2))
    with seat_of() as seat:
        seat.study("first", endless(begun[0], closed[0]))
        assert begun[0].wait(WAIT)
        assert until(seat, lambda s: s.study == "first")
        seat.study("second", endless(begun[1], closed[1]))
        assert begun[1].wait(WAIT)
        assert "cancelled" in str(answer(seat, "study").error)
        assert closed[0].wait(WAIT), "it does not go on unseen"
        seat.study_clear()
        assert "second: cancelled" in str(answer(seat, "study").error)
        assert answer(seat, "study_clear").error is None
        assert closed[1].wait(WAIT)
        seat.study("third", endless(begun[2], closed[2]))
        assert begun[2].wait(WAIT)
        seat.real_game("lockstep")
        assert "another session" in str(answer(seat, "study").error)
        seat.study("last", endless(begun[3], closed[3]))
        assert begun[3].wait(WAIT)
        assert until(seat, lambda s: s.study == "last")
    assert "last: cancelled" in str(answer(seat, "study").error)
    assert closed[2].wait(WAIT)
    assert closed[3].wait(WAIT)
    assert seat.reply() is None


def test_a_study_that_fails_is_told() -> None:
    """Catches: an error that ends the device, or leaves "under way" standing."""

    def make(session: Session) -> Slices:
        def slices() -> Slices:
            yield
            raise ReverieError("study: got nothing to see")

        return slices()

    def refuse(session: Session) -> Slices:
        raise ReverieError("study: got a dream")

    with seat_of() as seat:
        seat.study("bad", make)
        assert "nothing to see" in str(answer(seat, "study").error)
        assert until(seat, lambda s: s.study == "")
        seat.study("refused", refuse)
        assert "got a dream" in str(answer(seat, "study").error)
        seat.step()
        assert answer(seat, "step").error is None


# -- alarms and flags


def test_alarms_are_heard_in_lockstep_only() -> None:
    """Catches: a world that pays for nothing and raises no alarm, or an alarm that outlives its session."""
    dream = Session(DreamtCounting(), starts(), world_hash="c0ffee")
    player = Player(dream, Controls(), lockstep=lambda: counting_session(Invents()))
    assert player.tick().alarms == ()
    player.to_real("lockstep")
    heard: list[int] = []

    class Hears:
        now = ("on",)

        def hear(self, session: Session) -> None:
            heard.append(session.frame.index)

        def background(self, session: Session) -> Generator[None, None, None] | None:
            return None

    told = grounded_pong()
    player.watch.hear(Session(told, random_starts(told.spec, 1), world_hash="grounded:c0ffee"))
    assert player.watch._alarms is None, "a dream that is told of every frame drifts nowhere"
    player.watch.hear(player.session)
    assert player.watch._alarms is not None
    player.watch._alarms = Hears()  # type: ignore[assignment]
    shown = player.tick()
    player.shown()
    assert heard == [1], "every moment is heard once"
    assert shown.alarms == ("on",)
    player.session.rewind(1)
    player.shown()
    assert heard == [1, 0]
    player.to_real(False)
    assert player.shown().alarms == ()


def test_slow_checks_run_where_they_fit() -> None:
    """Catches: checks that make every tick late, that never come where no gap is long enough, that go on in a dream, or
    end play when they fail."""
    clock = [0.0]
    dream = Session(DreamtCounting(), starts(), world_hash="c0ffee")
    player = Player(dream, Controls(), clock=lambda: clock[0], lockstep=counting_session)
    done: list[float] = []

    class Checks:
        now = ()

        def hear(self, session: Session) -> None:
            pass

        def background(self, session: Session) -> Generator[None, None, None]:
            for _ in range(5):
                done.append(round(clock[0], 3))
                clock[0] += 0.1
                yield
            raise ValueError("a check that fails")

    def run(idle_s: float) -> bool:
        slices = player.watch.slices(idle_s)
        return slices is not None and sum(1 for _ in slices) >= 0

    assert not run(1.0), "a dream is not checked"
    player.to_real("lockstep")
    player.tick()
    player.watch._alarms = Checks()  # type: ignore[assignment]
    clock[0] = 1.0
    assert run(0.35)
    assert done == [1.0, 1.1, 1.2], "three fit"
    clock[0] = 1.4
    assert not run(0.05), "none fits"
    clock[0] = 3.0
    assert run(0.05), "it has waited long enough"
    assert done[3:] == [3.0]
    clock[0] = 4.0
    held: Future[None] = Future()
    player.watch.given(held)
    assert not run(1.0), "the last ones are not done yet"
    held.set_result(None)
    assert run(1.0)
    assert done[4:] == [4.0]
    clock[0] = 9.0
    assert not run(1.0), "it has failed, and is let be"


def test_flags_are_kept_while_play_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a glitch without its note, one that is not marked, or that pauses play."""
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path))
    dreams = LockstepWorld(DreamtCounting(), [Invents()])
    with seat_of(lambda: Session(dreams, starts(), world_hash="lockstep:c0ffee")) as seat:
        seat.real_game("lockstep")
        seat.step()
        seat.flag("the count is wrong")
        reply = answer(seat, "flag")
        assert reply.error is None
        glitch = reply.value
        assert (glitch.note, glitch.mode, glitch.index) == ("the count is wrong", "lockstep", 1)
        shown = until(seat, lambda s: True)
        assert (shown.timeline.cursor, "flag") in [(mark.position, mark.kind) for mark in shown.timeline.marks]


def test_a_real_lead_is_told_by_its_family() -> None:
    """Catches: a dream that is taken for reality because it stands first."""
    world = LockstepWorld(RealCounting(), [DreamtCounting()])
    assert (world.dreamed, world.names) == (False, ("real", "dream"))
    dreams = LockstepWorld(DreamtCounting(), [Invents()])
    assert (dreams.dreamed, dreams.names) == (True, ("counting", "counting 2"))


def test_input_reaches_both() -> None:
    """Catches: a lockstep whose player acts on one of the two alone."""
    player = Player(counting_session(), Controls())
    player.tick()
    player._controls.press("right", "k")
    player.tick()
    real, dream = player.session.world.parts(player.session.moment.state)  # type: ignore[attr-defined]
    assert (int(real.last), int(dream.last)) == (3, 3)
