"""What a report asks of the real game: the futures of actions by game, and the named faults of several worlds."""

from __future__ import annotations

from typing import Any

import pytest

from models.envs.real_world import RealWorld
from models.study import actions, beside
from models.study.actions import real_futures, stored_futures, study_actions
from models.study.beside import FaultFinder, playable, real_game
from models.types import WorldSpec
from tests.counting_oracle import Bright, CountingOracle
from tests.oracle_worlds import quiet
from tests.test_scan import played


def test_actions_of_known_worlds() -> None:
    """Catches: a hit counted for another action, games that are mixed up, a matrix with rows and columns exchanged."""
    heard: list[int] = []
    futures = stored_futures(played(), 3, 4, 0, heard.append)
    assert (len(futures.games), futures.states, sum(heard)) == (3, 3, 3)
    right = study_actions(CountingOracle(), futures, 0, quiet)
    assert (right.accuracy.value, right.first.value) == (1.0, 1.0)
    assert right.chance == pytest.approx(1 / 3)
    assert right.confusion.tolist() == [[3, 0, 0], [0, 3, 0], [0, 0, 3]]
    assert right.accuracy.episodes == 3
    wrong = study_actions(Bright(), futures, 0, quiet)
    assert wrong.accuracy.value == pytest.approx(1 / 3)
    assert wrong.confusion.tolist() == [[0, 0, 3]] * 3


def test_the_cost_of_futures_is_what_is_ticked() -> None:
    """Catches: a progress bar that never fills."""
    futures, heard = stored_futures(played(), 2, 4, 0, quiet), list[int]()
    study_actions(CountingOracle(), futures, 0, heard.append)
    assert sum(heard) == futures.cost


def test_play_that_is_too_short_says_so() -> None:
    """Catches: an average over nothing."""
    with pytest.raises(ValueError, match="no stored state from which actions differ.*collect longer episodes"):
        stored_futures(played(), 2, 1000, 0, quiet)


def test_every_game_has_seeds_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: the same game counted several times as if it were several."""
    asked: list[int] = []

    def branches(real: Any, count: int, length: int, seed: int, taken: Any, on_state: Any) -> int:
        asked.append(seed)
        return count

    monkeypatch.setattr(actions, "real_branches", branches)
    real: Any = None
    real_futures(real, 4, 2, 16, 1, frozenset(), quiet)
    real_futures(real, 4, 2, 16, 2, frozenset(), quiet)
    assert len(set(asked)) == 8


def test_the_real_game_is_played_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: minutes of the same play for every world; rewards of one meaning held against those of another."""
    begun: list[str] = []
    monkeypatch.setattr(beside, "real_game", lambda meta, spec: spec.reward)
    monkeypatch.setattr(beside, "truth_in_steps", lambda real, *_, **__: begun.append(real) or iter(()))
    monkeypatch.setattr(beside, "drain", lambda slices: list(slices))
    monkeypatch.setattr(beside, "evidence_in_steps", lambda *_, **__: iter(()))
    monkeypatch.setattr(beside, "find_faults", lambda evidence: ())
    monkeypatch.setattr(beside, "cost", lambda truth: 1)
    own: Any = CountingOracle()
    finder = FaultFinder({"env": "vizdoom"}, 16, None, 0)
    for reward in ("the game's own", "the game's own", WorldSpec.reward):
        own.spec = WorldSpec("x", "y", 16, 16, own.spec.actions, 2, 15.0, reward=reward)
        assert finder.find(own, "x", lambda name, total: quiet) == ()
    assert begun == ["the game's own", WorldSpec.reward]


def test_which_games_can_be_asked() -> None:
    """Catches: a game without a way back that is asked for its futures all the same."""
    assert playable({"env": "atari"})
    assert playable({"env": "car_racing"})
    assert not playable({"env": "counting"})
    assert not playable({})
    spec = WorldSpec("pong", "diamond", 64, 64, RealWorld("pong").spec.actions, 4, 15.0)
    assert isinstance(real_game({"env": "atari", "game": "pong"}, spec), RealWorld)
