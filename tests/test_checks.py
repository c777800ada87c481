"""The check of a world beside its real game: it names what is broken, and nothing else."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from models.study.checks import Effort, Truth, check, check_in_steps, evidence_in_steps, truth_in_steps
from models.study.faults import find_faults
from models.study.response import drain
from models.study.watched import usual_of
from models.training.probe_cache import open_probe
from tests.broken_counting import BROKEN_COUNTS, Counts, counting_game
from tests.broken_worlds import BROKEN, Deaf, Early, Endless, Frozen, Late, Loses, Perfect, Stops, Witness, witness
from tests.counting import CountingWorld

PROBE = Path(__file__).parents[1] / "assets" / "worlds" / "pong" / "probe.safetensors"
SHORT = Effort(states=5, steps=300, stretch=80)
LENGTH = 4
ON_PONG = (Perfect, Deaf, Late, Early, Frozen, Loses)
ON_BREAKOUT = tuple(kind for kind in BROKEN if kind is not Loses)


@cache
def truth(game: str, seed: int = 0) -> Truth:
    probe = open_probe(PROBE) if game == "pong" else None
    return drain(truth_in_steps(witness(game), LENGTH, SHORT, probe=probe, seed=seed))


def faults(world: Any, seen: Truth) -> tuple[str, ...]:
    return tuple(fault.name for fault in find_faults(drain(evidence_in_steps(world, seen))))


@pytest.mark.parametrize("kind", ON_PONG, ids=lambda kind: kind.__name__)
def test_pong(kind: type[Perfect]) -> None:
    """Catches: a fault that goes unnamed, one that is named for another's sake, a perfect world that is blamed."""
    assert faults(kind(witness("pong")), truth("pong")) == BROKEN[kind]


@pytest.mark.parametrize("kind", ON_BREAKOUT, ids=lambda kind: kind.__name__)
def test_breakout(kind: type[Perfect]) -> None:
    """Catches: a check that fits one game: here the ball waits for a serve, and games end soon."""
    assert faults(kind(witness("breakout")), truth("breakout")) == BROKEN[kind]


@pytest.mark.parametrize("kind", BROKEN_COUNTS, ids=lambda kind: kind.__name__)
def test_a_game_that_is_played_again(kind: type[Counts]) -> None:
    """Catches: rewards that hang on a wrong action blamed too; a game without stored states that cannot be branched."""
    seen = drain(truth_in_steps(counting_game(), LENGTH, Effort(steps=150, stretch=20)))
    assert faults(kind(), seen) == BROKEN_COUNTS[kind]


def test_what_is_seen_of_reality() -> None:
    """Catches: contexts off by one, events that are not kept, states that do not belong to their frames."""
    seen = truth("breakout")
    watched, real = seen.watched, seen.real
    assert isinstance(real, Witness)
    assert any(step.ended for step in watched.steps)
    assert sum(step.paid > 0 for step in watched.steps) >= 3
    assert watched.usual == 0.0
    for scene in (*seen.scenes, *(step.scene for step in watched.steps)):
        assert len(scene.frames) == LENGTH
        assert len(scene.actions) == LENGTH - 1
        assert torch.equal(real.frame(scene.state)[0], scene.frames[-1])
    for stretch in watched.stretches:
        assert 16 <= len(stretch.actions) <= SHORT.stretch
    assert len(seen.branches) == len(seen.scenes) == SHORT.states


def test_the_usual_reward() -> None:
    """Catches: a fee that is paid at most steps counted as an event; a lucky streak taken for a fee."""
    assert usual_of(Counter()) == 0.0
    assert usual_of(Counter({-0.1: 80, 3.1: 20})) == -0.1
    assert usual_of(Counter({0.0: 90, 1.0: 10})) == 0.0
    assert usual_of(Counter({1.0: 60})) == 0.0
    assert usual_of(Counter({1.0: 40, -1.0: 30, 0.0: 30})) == 0.0


def test_the_same_seed_sees_the_same() -> None:
    """Catches: a check whose verdict changes from one call to the next."""
    effort = Effort(states=2, steps=60, stretch=20)
    first, again = (drain(truth_in_steps(counting_game(), LENGTH, effort, seed=3)) for _ in range(2))
    other = drain(truth_in_steps(counting_game(), LENGTH, effort, seed=4))
    assert first.watched.seeds == again.watched.seeds != other.watched.seeds
    assert all(torch.equal(a.told, b.told) for a, b in zip(first.branches, again.branches, strict=True))


def test_whole_check_and_its_slices() -> None:
    """Catches: a tick that counts something else than steps of the world; slices that are whole games."""
    done: list[int] = []
    assert check(Counts(), counting_game(), states=2, steps=60, stretch=20, tick=done.append) == ()
    assert sum(done) > 2 * 3 * 6 + 20, "branches of every action, and then some"
    slices = sum(1 for _ in check_in_steps(Counts(), counting_game(), Effort(2, 60, 20, rows=2)))
    assert slices > 200


def test_what_cannot_be_checked() -> None:
    """Catches: another game's world, or a silly effort, found out in the middle of the work."""
    with pytest.raises(ValueError, match="size and actions"):
        check(CountingWorld(), witness("pong"))
    with pytest.raises(ValueError, match="at least 1"):
        check(Counts(), counting_game(), states=0)


def test_stops_and_ends_are_in_the_books() -> None:
    """Catches: a broken world that is left out of both lists of games above."""
    assert {Stops, Endless} < set(ON_BREAKOUT)
    assert set(ON_PONG) | set(ON_BREAKOUT) == set(BROKEN)
