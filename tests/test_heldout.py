"""Held-out episodes for studies: those of the store, and more that are played where they lack."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from models.data.store import EpisodeStore
from models.envs.adapter import make_env
from models.study import heldout
from models.study.heldout import FIRST_SEED, Game, episodes_for, extra_folder, missing, play_one, seed_for
from models.training.collect import Shared
from tests.stores import fill_counting_store

GAME = Game("counting", 16)


def test_a_store_with_enough_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: playing, or taking training episodes, where the store holds enough held-out ones."""
    monkeypatch.setattr(heldout, "play_missing", lambda *_: pytest.fail("played"))
    folder = fill_counting_store(tmp_path / "counting", 20)
    episodes = episodes_for(folder, GAME, 2)
    assert [e.header.path.name for e in episodes] == ["000009.safetensors", "000019.safetensors"]
    assert len(episodes_for(folder, GAME, 1)) == 1
    assert not extra_folder(folder).exists()


def test_what_lacks_is_played_once(tmp_path: Path) -> None:
    """Catches: half games, seeds of training, play that lands in a training split, playing again what is there."""
    folder, heard = fill_counting_store(tmp_path / "counting", 10), list[int]()
    episodes = episodes_for(folder, GAME, 3, workers=1, on_episode=heard.append)
    extra = EpisodeStore(extra_folder(folder))
    assert (len(episodes), sum(heard)) == (3, 2)
    assert extra.scan("train")[0] == []
    assert extra.numbers() == [9, 19]
    for episode in episodes[1:]:
        whole = episode.read()
        assert bool(whole.terminated[-1])
        assert whole.meta["seed"] >= FIRST_SEED
        assert whole.meta["game"] == "counting"
    before = [(path, path.stat().st_mtime_ns) for path in sorted(extra.folder.rglob("*.safetensors"))]
    again = episodes_for(folder, GAME, 3, workers=1, on_episode=heard.append)
    assert [e.header.path for e in again] == [e.header.path for e in episodes]
    assert [(path, path.stat().st_mtime_ns) for path in sorted(extra.folder.rglob("*.safetensors"))] == before
    assert sum(heard) == 2


def test_numbers_that_lack() -> None:
    """Catches: a gap left by a stopped run that is never filled."""

    class Holey:
        def numbers(self) -> list[int]:
            return [9, 29]

    store: Any = Holey()
    assert missing(store, 4) == [19, 39]
    assert missing(store, 1) == []


def test_a_stopped_game_is_not_kept(tmp_path: Path) -> None:
    """Catches: half a game among the held-out ones after Ctrl-C."""
    context, store = multiprocessing.get_context("spawn"), EpisodeStore(tmp_path)
    shared = Shared(context.Value("q", 0), context.Value("q", 0), context.Event(), context.SimpleQueue())
    env = make_env("counting", 16)
    play_one(env, store, 9, 5, shared)
    assert store.numbers() == [9]
    shared.stop.set()
    play_one(env, store, 19, 6, shared)
    assert store.numbers() == [9]


def test_seeds_keep_out_of_the_way() -> None:
    """Catches: a held-out game that training has seen under the same seed."""
    assert seed_for(9, frozenset()) == FIRST_SEED + 9
    assert seed_for(9, frozenset({FIRST_SEED + 9})) == FIRST_SEED + 1_000_009


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    """Catches: episodes of other settings mixed in, or a number of episodes that asks for nothing."""
    folder = fill_counting_store(tmp_path / "counting", 10)
    fill_counting_store(extra_folder(folder), 10, size=32)
    with pytest.raises(ValueError, match=r"got size 32, expected 16; remove .*counting-heldout"):
        episodes_for(folder, GAME, 3)
    with pytest.raises(ValueError, match="episodes: got 0, expected at least 1"):
        episodes_for(folder, GAME, 0)


def test_an_environment_that_fails_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a run that waits for ever for processes that are gone."""
    monkeypatch.setattr(heldout, "check_settings", lambda *_: None)
    with pytest.raises(ChildProcessError, match="held-out play of no such game.*what was finished is kept"):
        episodes_for(tmp_path / "none", Game("no such game", 16), 1, workers=1)
