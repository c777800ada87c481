"""A recorded past played through a seat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.controllers import RandomController
from engine.controls import Controls, Input
from engine.errors import ReverieError
from engine.history import History, frame_digest
from engine.playback import Playback
from engine.player import Player
from engine.runner import Runner
from engine.session import Session
from engine.shown import Shown
from tests.counting import CountingWorld, starts

WAIT = 30.0


def session(world: CountingWorld | None = None, **options: Any) -> Session:
    return Session(world or CountingWorld(), starts(), world_hash="c0ffee", **options)


def recorded() -> History:
    """Two episodes of chance, with settings, horizon and speed of the gain changed on the way."""
    made = session(CountingWorld(end=12), seed=5, start=1)
    made.controller = RandomController(sticky=0.3)
    for k in range(20):
        if k == 4:
            made.settings(gain=7)
        if k == 15:
            made.settings(gain=2)
            made.horizon = 40
        made.tick(Input())
    return made.history


def play_through(player: Player) -> list[Shown]:
    """Ticks until the playback is over."""
    shown = []
    while player.playback is not None:
        shown.append(player.tick())
    return shown


def test_equals_the_original_with_settings_changed_on_the_way() -> None:
    """Settings put in force a tick too late, or a controller's draw too many, would dream other frames."""
    history = recorded()
    assert {tick.settings["gain"] for tick in history.ticks} == {1, 2, 7}
    controls = Controls()
    player = Player(session(CountingWorld(end=12), seed=99), controls, wait_at_end=True)
    player.play_back(history)
    controls.press("right", stamp=5.0)
    shown = play_through(player)
    digests = [frame_digest(s.frame.image, s.frame.reward, s.frame.terminated) for s in shown]
    assert digests == [tick.digest for tick in history.ticks]
    assert [s.frame.controller for s in shown[1:3]] == ["random", "random"]
    assert all(s.replaying and s.controller == "replay" and s.stamp is None for s in shown[:-1])
    last = shown[-1]
    assert (last.replaying, last.controller, last.paused) == (False, "human", True)
    assert (last.settings.gain, last.horizon, last.start, last.seed) == (2, 40, 2, history.ticks[-1].seed)
    assert player.summaries() == [{"frames": 21, "different": 0, "complete": True}]
    assert player.summaries() == []


def test_counts_what_differs_and_passes_over_what_is_unknown() -> None:
    """A comparison with nothing recorded must not look like a difference, nor a real one like none."""
    history = recorded()
    ticks = list(history.ticks)
    ticks[3] = replace(ticks[3], digest=b"12345678")
    ticks[7] = replace(ticks[7], digest=b"")
    player = Player(session(CountingWorld(end=12)), Controls())
    player.play_back(replace(history, ticks=tuple(ticks)))
    play_through(player)
    assert player.summaries() == [{"frames": 21, "different": 1, "complete": True}]


def test_played_on_from_its_end_alike() -> None:
    """A playback that left generators elsewhere than the recording would go on to another future."""
    made = session(seed=3)
    for _ in range(5):
        made.tick(Input())
    player = Player(session(seed=8), Controls())
    player.play_back(made.history)
    play_through(player)
    for _ in range(5):
        assert player.tick().frame.image.tobytes() == made.tick(Input()).image.tobytes()


@pytest.mark.parametrize("leave", ["load", "rewind", "new_start", "controller", "branch", "fork_and_step_aside"])
def test_left_by_going_elsewhere(leave: str) -> None:
    """A playback that went on after the player went away would put recorded actions onto another dream."""
    player = Player(session(CountingWorld(end=12)), Controls())
    player.session.save("1")
    if leave == "branch":
        player.fork()
    player.play_back(recorded())
    for _ in range(6):
        player.tick()
    commands = {
        "load": lambda: player.session.load("1"),
        "rewind": lambda: player.back(),
        "new_start": lambda: player.session.new_start(),
        "controller": lambda: setattr(player.session, "controller", RandomController()),
        "branch": lambda: player.to_branch(0),
        "fork_and_step_aside": lambda: (player.fork(), player.scrub(-1)),
    }
    commands[leave]()
    player.settle()
    assert player.playback is None
    assert player.summaries() == [{"frames": 6, "different": 0, "complete": False}]
    assert not player.shown().replaying


def test_not_left_by_saving_or_pausing() -> None:
    """A save, a pause or other settings in the middle must not end it."""
    player = Player(session(CountingWorld(end=12)), Controls())
    player.play_back(recorded())
    player.tick()
    player.session.save("1")
    player.session.settings(gain=4)
    player.pause(True)
    player.settle()
    assert player.playback is not None
    player.pause(False)
    play_through(player)
    assert player.summaries()[0]["different"] == 0


def test_another_worlds_replay_is_refused() -> None:
    """It would be played with this world's weights and called different."""
    player = Player(session(), Controls())
    before = player.session.moment
    with pytest.raises(ReverieError, match=r"playback: got a replay of the world counting \(other\), expected one of"):
        player.play_back(replace(recorded(), world_hash="other"))
    assert player.playback is None
    assert player.session.moment is before
    with pytest.raises(ValueError, match="playback: got 0 ticks"):
        Playback(())


def test_a_replay_of_the_real_game_plays_there() -> None:
    """The real game's actions over the dream would be a replay of nothing."""
    game = Session(CountingWorld(), starts(), world_hash="real:c0ffee", seed=2)
    for _ in range(3):
        game.tick(Input())
    player = Player(session(), Controls(), real=lambda: Session(CountingWorld(), starts(), world_hash="real:c0ffee"))
    player.play_back(game.history)
    assert player.real
    play_through(player)
    assert player.summaries()[0] == {"frames": 4, "different": 0, "complete": True}
    player.play_back(recorded())
    assert not player.real


def test_through_a_seat() -> None:
    """The answer must come once, at the end; an unfit setting must be told and end it."""
    history = recorded()
    with Runner(session(CountingWorld(end=12)), Controls(), paused=True) as play:
        play.speed(1e6)
        play.playback(history)
        reply = play.reply(timeout_s=WAIT)
        assert reply and reply.command == "speed"
        reply = play.reply(timeout_s=WAIT)
        assert reply and (reply.command, reply.value) == ("playback", {"frames": 21, "different": 0, "complete": True})
        strange = replace(history.ticks[0], settings={"colour": 3})
        play.playback(replace(history, ticks=(strange,)))
        replies = [play.reply(timeout_s=WAIT), play.reply(timeout_s=WAIT)]
        assert [r.command for r in replies if r] == ["tick", "playback"]
        assert replies[0] and "colour" in str(replies[0].error)
        play.playback(replace(history, world_hash="other"))
        reply = play.reply(timeout_s=WAIT)
        assert reply and reply.command == "playback" and isinstance(reply.error, ReverieError)


def test_again_hands_over_at_its_end() -> None:
    """Without handing over, a person's keys would stay dead after the replay; one action off, it would not be again."""
    controls = Controls()
    player = Player(session(CountingWorld(end=12), seed=4), controls, wait_at_end=True)
    controls.press("up")
    first = [player.tick().frame.image.tobytes() for _ in range(3)]
    controls.press("right")
    first += [player.tick().frame.image.tobytes() for _ in range(3)]
    controls.clear()
    assert player.again() == 6
    shown = [player.tick() for _ in range(6)]
    assert [s.frame.image.tobytes() for s in shown] == first
    assert [s.controller for s in shown] == ["replay"] * 5 + ["human"]
    controls.press("fire")
    assert player.tick().frame.action == 1


def test_again_at_an_episodes_end_waits_there() -> None:
    """The handed-over game must wait at its end as it does for a person, not run on into the next start."""
    player = Player(session(CountingWorld(end=3)), Controls(), wait_at_end=True)
    for _ in range(3):
        player.tick()
    assert player.paused
    player.again()
    assert not player.paused
    shown = [player.tick() for _ in range(3)][-1]
    assert (shown.controller, shown.paused, shown.frame.over) == ("human", True, True)
    fresh = Player(session(), Controls())
    with pytest.raises(ReverieError, match="again: got an episode without a step"):
        fresh.again()


def test_again_from_a_save_file(tmp_path: Path) -> None:
    """The episode's actions are all those since its start, also those made before a save."""
    made = session(seed=6)
    made.controller = RandomController()
    for _ in range(4):
        made.tick(Input())
    made.save_to(tmp_path / "a.safetensors")
    player = Player(session(), Controls())
    player.session.load_from(tmp_path / "a.safetensors")
    assert player.again() == 4
    assert [player.tick() for _ in range(4)][-1].frame.image.tobytes() == made.frame.image.tobytes()
