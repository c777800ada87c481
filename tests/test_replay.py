"""Replay files: the same frames again, and clear words when that cannot be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.controllers import RandomController
from engine.controls import Input
from engine.errors import ReverieError
from engine.history import History
from engine.history_codec import encode_history
from engine.moment import Frame
from engine.replay import play_replay, read_replay, write_replay
from engine.session import Session
from tests.counting import CountingWorld, loaded

WORLD = loaded(end=7)


def eventful() -> tuple[Session, list[Frame]]:
    """A session with ends, a user's new start, live settings and horizon, a rewind and a load in its past."""
    session = Session.open(WORLD, seed=5, start=1)
    session.controller = RandomController()
    frames = [session.frame]
    frames += [session.tick(Input()) for _ in range(4)]
    session.save("a")
    [session.tick(Input()) for _ in range(3)]
    session.load("a")
    session.settings(gain=3)
    frames += [session.tick(Input()) for _ in range(9)]
    session.rewind(2)
    frames = frames[:-2]
    session.horizon = 3
    frames += [session.tick(Input()) for _ in range(8)]
    frames.append(session.new_start(start=2, seed=77))
    frames += [session.tick(Input()) for _ in range(2)]
    return session, frames


def shown(frame: Frame) -> tuple[Any, ...]:
    return (
        frame.index,
        frame.image.tobytes(),
        frame.reward,
        frame.total,
        frame.terminated,
        frame.truncated,
        frame.action,
    )


def test_a_replay_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    """A past that forgot a restart, a setting, a horizon or a rewind would dream something else."""
    session, frames = eventful()
    write_replay(tmp_path / "r.json", session.history)
    replay = read_replay(tmp_path / "r.json")
    assert [shown(frame) for frame in play_replay(replay, WORLD)] == [shown(frame) for frame in frames]
    assert encode_history(replay) == encode_history(session.history)


def test_a_part_begins_at_its_episode() -> None:
    """A clip's replay that began in the middle of an episode could not be dreamt."""
    session, frames = eventful()
    for first in range(len(frames)):
        part = session.history.since(first)
        played = list(play_replay(part, WORLD))
        assert [shown(frame) for frame in played[part.first :]] == [shown(frame) for frame in frames[first:]]
        assert frames[first].index == part.first


def test_another_frame_is_reported_where_it_happens() -> None:
    """A replay that differs must say at which frame, not end quietly."""
    session, frames = eventful()
    data = encode_history(session.history)
    other = Session.open(WORLD, seed=6, start=1)
    other.step(other.world.spec.actions.noops(1))
    wrong = History("counting", WORLD.hash, (*session.history.ticks[:3], other.history.ticks[1]))
    played: list[Frame] = []
    with pytest.raises(ReverieError, match="another frame than the one recorded, at frame 3 of 4"):
        played.extend(play_replay(wrong, WORLD))
    assert len(played) == 3
    assert len(list(play_replay(wrong, WORLD, check=False))) == 4
    assert data["actions"][0] is None
    assert len(frames) == len(data["actions"])


def test_a_replay_of_the_real_game(monkeypatch: pytest.MonkeyPatch) -> None:
    """Played in the dream, a replay of the real game would differ at its first frame."""
    game = CountingWorld(end=3)
    game.spec = replace(game.spec, name="counting (real)")
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: game)
    session = Session.open(WORLD, real=True, seed=9)
    frames = [session.frame, *(session.tick(Input()) for _ in range(6))]
    assert session.history.world == "counting"
    assert [shown(frame) for frame in play_replay(session.history, WORLD)] == [shown(frame) for frame in frames]
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: None)
    with pytest.raises(ReverieError, match="no real game"):
        next(play_replay(session.history, WORLD))


def test_another_world() -> None:
    """Dreaming a replay in the wrong world would end in nonsense instead of words."""
    history = Session.open(WORLD).history
    other = loaded(hash="beef")
    with pytest.raises(
        ReverieError, match=r"got one of the world counting \(c0ffee\), expected one of counting \(beef\)"
    ):
        next(play_replay(history, other))


def test_an_action_the_world_does_not_have(tmp_path: Path) -> None:
    """An edited file must not reach the model's embedding with an index out of range."""
    session = Session.open(WORLD)
    session.tick(Input())
    data = encode_history(session.history)
    (tmp_path / "r.json").write_text(json.dumps(data | {"actions": [None, 99]}))
    with pytest.raises(ReverieError, match=r"replay: frame 1: action: got \[99\]"):
        list(play_replay(read_replay(tmp_path / "r.json"), WORLD))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 3}, "format: got 3, expected 1"),
        ({"extra": 1}, "keys: got .'extra'."),
        ({"actions": []}, "actions: got"),
        ({"actions": [0, 0, 0]}, "begins with null"),
        ({"actions": [None, True, 0]}, "actions: got True"),
        ({"actions": [None, 0]}, "digests: got"),
        ({"starts": []}, "1 pairs"),
        ({"starts": [[0, -1]]}, "1 pairs"),
        ({"settings": [[1, {}]]}, "settings: got"),
        ({"settings": [[0, {}], [9, {}]]}, "settings: got"),
        ({"horizon": [[0, 0]]}, "horizon: got"),
        ({"digests": "zz"}, "digests: got"),
        ({"digests": "0" * 48}, "sha256: got"),
        ({"first": 3}, "first: got 3, expected a tick from 0 to 2"),
        ({"first": True}, "first: got True"),
        ({"world": 3}, "world: got 3"),
    ],
)
def test_bad_files(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """Whatever is wrong in a file must be named, and never come out as a KeyError."""
    session = Session.open(WORLD)
    session.tick(Input())
    session.tick(Input())
    path = tmp_path / "r.json"
    path.write_text(json.dumps(encode_history(session.history) | change))
    with pytest.raises(ReverieError, match=f"r.json: .*{words}"):
        read_replay(path)


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[]", "expected a JSON object"), ("\xff", "not JSON")])
def test_foreign_files(tmp_path: Path, text: str, words: str) -> None:
    """A file of another kind must be refused in words."""
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ReverieError, match=words):
        read_replay(path)
    with pytest.raises(ReverieError, match="no such file"):
        read_replay(tmp_path / "none.json")
