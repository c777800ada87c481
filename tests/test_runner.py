"""The device thread: commands in order, nothing lost, a clean end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.controllers import RandomController
from engine.controls import Controls, Input
from engine.errors import ReverieError
from engine.mailbox import Mailbox
from engine.player import Player
from engine.runner import Reply, Runner
from engine.session import Session
from engine.shown import Shown
from tests.counting import CountingWorld, starts

WAIT = 10.0


def session(world: CountingWorld | None = None) -> Session:
    return Session(world or CountingWorld(), starts(), world_hash="c0ffee")


def runner(world: CountingWorld | None = None, **options: Any) -> Runner:
    """A runner that plays as fast as it can, unless paused."""
    made = Runner(session(world), Controls(), **options)
    made.speed(1e6)
    return made


def answer(runner: Runner, command: str) -> Reply:
    """The next reply to ``command``."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        reply = runner.reply(timeout_s=0.1)
        if reply and reply.command == command:
            return reply
    raise AssertionError(f"no reply to {command}")


def until(runner: Runner, true: Callable[[Shown], bool]) -> Shown:
    """The first frame shown of which ``true`` holds."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        shown = runner.latest(timeout_s=0.1)
        if shown and true(shown):
            return shown
    raise AssertionError("no such frame")


def test_plays_and_closes() -> None:
    """A thread that survives close would keep the process alive."""
    with runner() as play:
        assert until(play, lambda shown: shown.frame.index > 20).fps > 0
        play.close()
        assert not play.alive


def test_paused_steps_one_by_one() -> None:
    """A step that plays two ticks, or a pause that lets one through, makes single-stepping useless."""
    with runner(paused=True) as play:
        assert until(play, lambda shown: True).frame.index == 0
        for _ in range(3):
            play.step()
        shown = until(play, lambda shown: shown.frame.index == 3)
        assert shown.paused
        play.call("index", lambda s: s.frame.index)
        assert answer(play, "index").value == 3


def test_commands_run_in_order_and_all_are_answered() -> None:
    """A queue that drops or reorders would load before it saved."""
    with runner(paused=True) as play:
        for k in range(200):
            play.call(f"{k}", lambda s, k=k: k)  # type: ignore[misc]
        play.step()
        play.save("a")
        play.step()
        play.load("a")
        play.call("end", lambda s: s.frame.index)
        replies = [Reply("")]
        while replies[-1].command != "end":
            reply = play.reply(timeout_s=WAIT)
            assert reply, "a reply was lost"
            replies.append(reply)
        assert [reply.command for reply in replies[1:]] == [
            "speed",
            *(f"{k}" for k in range(200)),
            "step",
            "save",
            "step",
            "load",
            "end",
        ]
        assert replies[-1].value == 1


def test_a_failed_command_is_answered_and_play_goes_on() -> None:
    """An error that killed the thread, or vanished, would leave a frozen window without a word."""
    with runner() as play:
        play.load("nothing")
        error = answer(play, "load").error
        assert isinstance(error, ReverieError)
        play.settings(colour=3)
        assert isinstance(answer(play, "settings").error, ValueError)
        play.speed(0)
        assert isinstance(answer(play, "speed").error, ValueError)
        until(play, lambda shown: shown.frame.index > 10)


class Failing(CountingWorld):
    def step(self, state: Any, action: Any, rng: Any, *, inspect: bool = False) -> Any:
        if int(state.count) == 3:
            raise RuntimeError("the device is gone")
        return super().step(state, action, rng, inspect=inspect)


def test_a_failed_tick_pauses_and_is_answered() -> None:
    """After a failure one must still be able to rewind and save."""
    with runner(Failing()) as play:
        error = answer(play, "tick").error
        assert str(error) == "the device is gone"
        play.scrub(-1)
        assert until(play, lambda shown: shown.frame.index == 2).paused


def test_rewind_while_held() -> None:
    """Rewinding must move backwards on its own, stop at the beginning, and go on from there when let go."""
    with runner() as play:
        until(play, lambda shown: shown.frame.index > 50)
        play.rewind(True)
        shown = until(play, lambda shown: shown.rewinding and shown.timeline.cursor == 0)
        first, length = shown.frame.index, shown.timeline.length
        assert length > 50
        play.pause()
        play.rewind(False)
        play.step()
        shown = until(play, lambda shown: not shown.rewinding and shown.timeline.cursor == 1)
        assert (shown.frame.index, shown.timeline.length) == (first + 1, 2)


def test_branches_and_the_real_game() -> None:
    """A fork must leave the original where it was, and the real game must not disturb the dream."""
    with runner(paused=True, real=lambda: session(CountingWorld(end=5))) as play:
        play.step()
        play.fork()
        assert answer(play, "fork").value == 1
        play.step()
        play.real_game(True)
        play.step()
        shown = until(play, lambda shown: shown.real and shown.frame.index == 1)
        play.fork()
        assert answer(play, "fork").value == 1, "the real game has branches of its own"
        play.step()
        assert until(play, lambda shown: shown.frame.index == 2).branches == 2
        play.branch(0)
        assert until(play, lambda shown: shown.branch == 0).frame.index == 1
        play.real_game(False)
        shown = until(play, lambda shown: not shown.real)
        assert (shown.branch, shown.branches, shown.frame.index) == (1, 2, 2)
        play.branch(2)
        assert until(play, lambda shown: shown.branch == 0).frame.index == 1
    with runner(paused=True) as play:
        play.real_game(True)
        assert isinstance(answer(play, "real_game").error, ReverieError)


def test_live_choices() -> None:
    """Each choice must reach the session in play, and be shown at once even while paused."""
    with runner(paused=True) as play:
        play.controller(RandomController())
        play.horizon(9)
        play.settings(gain=4)
        play.inspect(True)
        play.new_start(2, 5)
        shown = until(play, lambda shown: shown.seed == 5)
        assert (shown.controller, shown.horizon, shown.settings.gain, shown.start) == ("random", 9, 4, 2)
        play.step()
        assert until(play, lambda shown: shown.frame.index == 1).frame.views


def test_recording_ends_before_close(tmp_path: Path) -> None:
    """Quitting right after asking for a clip must not lose it."""
    with runner() as play:
        until(play, lambda shown: shown.frame.index > 10)
        play.record(tmp_path / "a.gif", seconds=1.0)
        play.record(tmp_path / "a.avi")
    replies = [reply for reply in play.replies() if reply.command == "record"]
    assert [reply.value for reply in replies if reply.value] == [(tmp_path / "a.gif", tmp_path / "a.replay.json")]
    assert [".mp4 or .gif" in str(reply.error) for reply in replies if reply.error] == [True]
    assert (tmp_path / "a.gif").exists()


def test_close_before_start() -> None:
    """A window that fails to open closes a runner that never ran."""
    play = runner()
    play.close()
    play.close()


def test_input_is_latched_at_the_step() -> None:
    """A key pressed just before a tick must be in that tick's frame, and its delay measured from the press."""
    now = [50.0]
    controls = Controls(clock=lambda: now[0])
    player = Player(session(), controls, clock=lambda: now[0])
    player.tick()
    controls.press("right")
    now[0] += 0.25
    shown = player.tick()
    assert (shown.frame.action, shown.input_at) == (3, 50.0)
    assert shown.input_ms == pytest.approx(250)
    assert player.tick().input_at is None


def test_a_persons_game_waits_at_its_end() -> None:
    """A face that only asked for a pause after seeing the end could come too late to keep it on the screen."""
    player = Player(session(CountingWorld(end=2)), Controls(), wait_at_end=True)
    assert not player.tick().paused
    assert player.tick().paused
    assert player.step().frame.index == 0
    player.session.controller = RandomController()
    player.pause(False)
    assert [player.tick().paused for _ in range(3)] == [False] * 3


def test_newest_frame_wins() -> None:
    """A queue of frames would show an ever older past on a slow display."""
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.put(2)
    assert (box.take(), box.take(), box.take(timeout_s=0.01)) == (2, None, None)


def test_paced_ticks_need_their_time() -> None:
    """Without pacing the game would run as fast as the machine."""
    player = Player(session(), Controls(), clock=lambda: 7.0)
    assert player.pacer.remaining() == 0
    player.advance()
    assert player.pacer.remaining() == pytest.approx(0.1)
    assert player.session.tick(Input()).index == 2
