"""Studies of a present moment: futures, samples, faults, as views, in slices, without a change of the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.controllers import RandomController
from engine.controls import Input
from engine.errors import ReverieError
from engine.lockstep import LockstepWorld
from engine.session import Session
from engine.studies import (
    Study,
    check_world,
    every_action,
    knows_reality,
    seeds,
    sequences,
    surprise,
    unsure,
)
from models.study.checks import Effort
from models.study.faults import FAULTS
from models.types import Context, View, WorldSpec
from models.world import clone_state, state_tensors
from tests.broken_counting import ACTION, Counts, DeafCounts, FlippedCounts, counting_game
from tests.counting import CountingWorld, starts
from tests.tiny_rssm import DRIVE, tiny_rssm_world
from tests.tiny_worlds import endless, random_starts, tiny_world


def nothing(spec: WorldSpec) -> Context:
    frames = torch.zeros(1, spec.context, 3, spec.height, spec.width, dtype=torch.uint8)
    return Context(frames, spec.actions.noops(spec.context - 1)[None])


def beside(*dreams: Any, steps: int = 3, told: bool = False) -> Session:
    """A lockstep with the counting game, a few steps in."""
    world = LockstepWorld(counting_game(), dreams, told=told)
    session = Session(world, nothing(world.spec), world_hash="lockstep", seed=1)
    session.controller = RandomController(0.5)
    for _ in range(steps):
        session.tick(Input())
    return session


def alone(world: Any, context: Context | None = None, steps: int = 3) -> Session:
    session = Session(world, context or random_starts(world.spec, 1), world_hash="alone", seed=1)
    session.controller = RandomController(0.5)
    for _ in range(steps):
        session.tick(Input())
    return session


def views_of(study: Study) -> dict[str, View]:
    """The views that a study ends in, which must take more than one slice."""
    slices = 0
    while True:
        try:
            next(study)
        except StopIteration as end:
            assert slices > 0
            return {view.name: view for view in end.value}
        slices += 1


def test_every_action_in_dream_and_reality() -> None:
    """Catches: rows under the wrong name; futures from another moment; columns off by one."""
    session = beside(Counts())
    views = views_of(every_action(session, frames=4))
    grid, now = views["every action"], session.frame.image[0, 0, 0]
    assert grid.kind == "picture_grid"
    assert grid.labels == ("NOOP dream", "NOOP real", "RIGHT dream", "RIGHT real", "LEFT dream", "LEFT real")
    assert grid.columns == ("1", "2", "3", "4")
    assert grid.value.shape == (1, 6, 4, 3, 16, 16)
    assert grid.value[0, :, :, 0, 0, 0].tolist() == [[now + 7 * k for k in range(1, 5)]] * 6
    assert grid.value[0, :, 0, 1, 0, 0].tolist() == [0, 0, ACTION, ACTION, 2 * ACTION, 2 * ACTION]
    matrix = views["action matrix"]
    assert matrix.labels == matrix.columns == ("NOOP", "RIGHT", "LEFT")
    assert matrix.value[0].diagonal().tolist() == [0.0] * 3
    assert matrix.value[0, 0, 1] < 1 < matrix.value[0, 0, 2], "LEFT is twice as far from NOOP as RIGHT is"
    response = views["action response"]
    assert response.labels == ("RIGHT dream", "RIGHT real", "LEFT dream", "LEFT real")
    assert response.columns == ("steps ahead", "levels")
    assert torch.allclose(response.value[0, 0], torch.full((4,), ACTION / 3**0.5))


def test_a_deaf_dream_is_seen_as_such() -> None:
    """Catches: a matrix normalised by the dream's own futures, in which they all look apart."""
    views = views_of(every_action(beside(DeafCounts()), frames=3))
    matrix = views["action matrix"].value[0]
    assert torch.equal(matrix[0], matrix[1]) and torch.equal(matrix[0], matrix[2])
    assert matrix[:, 0].tolist() == [0.0] * 3
    assert views["action response"].value[0, 0].tolist() == [0.0] * 3, "the dream's"
    assert float(views["action response"].value[0, 1].min()) > 50, "reality's"


def test_long_futures_show_a_few_columns() -> None:
    """Catches: the last step left out of the picture."""
    session = alone(CountingWorld(), starts())
    grid = views_of(every_action(session, frames=20))["every action"]
    assert grid.columns[0] == "1" and grid.columns[-1] == "20" and len(grid.columns) == 8
    assert grid.labels[:2] == ("NOOP dream", "FIRE dream")
    counts = grid.value[0, 0, :, 0, 0, 0].tolist()
    assert counts == [session.frame.index + int(column) for column in grid.columns]


def test_chosen_sequences() -> None:
    """Catches: a shorter sequence that repeats instead of resting; names that do not say what was done."""
    views = views_of(sequences(beside(Counts()), [[1, 1, 0], [2]]))
    grid = views["sequences"]
    assert grid.labels == ("1 RIGHT*2 NOOP dream", "1 RIGHT*2 NOOP real", "2 LEFT dream", "2 LEFT real")
    led = (grid.value[0, ::2, :, 1, 0, 0].int() // ACTION).tolist()
    assert led == [[1, 1, 0], [2, 0, 0]]
    assert views["sequence response"].labels == ("2 LEFT dream", "2 LEFT real")
    assert set(views_of(sequences(beside(Counts()), [[1]]))) == {"sequences"}
    with pytest.raises(ReverieError, match="sequences: action"):
        views_of(sequences(beside(Counts()), [[9]]))
    with pytest.raises(ReverieError, match="0 frames"):
        views_of(sequences(beside(Counts()), []))


def test_seeds_of_one_future() -> None:
    """Catches: seeds that all draw the same; a sure world that looks unsure; another action than the last one."""
    noisy = views_of(seeds(alone(CountingWorld(), starts()), count=3, frames=2))
    assert noisy["seeds"].labels == ("seed 1 dream", "seed 2 dream", "seed 3 dream")
    frames = noisy["seeds"].value[0]
    assert not torch.equal(frames[0, :, 2], frames[1, :, 2])
    assert torch.equal(frames[0, :, :2], frames[1, :, :2])
    assert float(noisy["spread of seeds"].value.min()) > 0
    session = beside(Counts())
    sure = views_of(seeds(session, count=3, frames=2))
    assert sure["seeds"].labels[-1] == "real"
    assert sure["spread of seeds"].value.tolist() == [[[0.0, 0.0]]]
    assert (sure["seeds"].value[0, :, 0, 1, 0, 0] == session.frame.action * ACTION).all()  # type: ignore[operator]


def test_unsure_points_at_what_varies() -> None:
    """Catches: a map of the state's frame instead of the samples; a world stepped on by being asked."""
    views = views_of(unsure(alone(CountingWorld(), starts()), samples=6))
    assert views["unsure"].kind == "heat_map"
    assert views["samples"].value.shape == (1, 6, 3, 4, 6)
    assert torch.allclose(views["spread"].value, views["unsure"].value.mean((1, 2)))
    assert float(views["spread"].value) > 0
    assert float(views_of(unsure(beside(Counts())))["spread"].value) == 0.0


def test_surprise_is_reality_against_the_samples() -> None:
    """Catches: a perfect world that is surprised; a real frame held against the one after it."""
    session = beside(Counts())
    views = views_of(surprise(session, samples=3))
    assert float(views["surprise score"].value) == 0.0
    assert views["foretold"].labels == ("1", "2", "3", "real")
    shown = torch.from_numpy(session.frame.image).permute(2, 0, 1)
    assert torch.equal(views["foretold"].value[0, -1], shown)
    action = torch.tensor([2])
    deaf = beside(DeafCounts())
    deaf.step(action)
    assert float(views_of(surprise(deaf))["surprise score"].value) > 0.5


def test_where_surprise_is_not_known() -> None:
    """Catches: an index out of range at a start; a dream that is surprised by another dream."""
    for session in (beside(Counts(), steps=0), alone(CountingWorld(), starts()), pair_of_dreams()):
        assert not knows_reality(session)
        with pytest.raises(ReverieError, match="real frame is not known"):
            views_of(surprise(session))
    session = beside(Counts())
    assert knows_reality(session)
    session.anchor()
    assert not knows_reality(session)


def pair_of_dreams() -> Session:
    return alone(LockstepWorld(CountingWorld(), [CountingWorld()]), starts())


def test_two_dreams_have_views_of_their_own() -> None:
    """Catches: one view for two worlds, or two of one name."""
    session = beside(Counts(), DeafCounts())
    every = views_of(every_action(session, frames=2))
    assert every["every action"].labels[:3] == ("NOOP counts", "NOOP deafcounts", "NOOP real")
    assert float(every["counts: action matrix"].value[0, 1, 1]) == 0.0
    assert float(every["deafcounts: action matrix"].value[0, 1, 1]) > 0.0
    assert {"counts: unsure", "deafcounts: unsure"} < set(views_of(unsure(session)))
    lone = views_of(every_action(pair_of_dreams(), frames=2))
    assert lone["every action"].labels[:2] == ("NOOP counting", "NOOP counting 2")


def test_check_says_what_is_wrong() -> None:
    """Catches: a fault that is found and not told; a verdict on the real game itself."""
    effort = Effort(states=4, steps=100, stretch=20, rows=8)
    view = views_of(check_world(beside(FlippedCounts()), effort))["faults"]
    assert view.kind == "matrix"
    assert view.value.shape == (1, len(FAULTS), 1)
    found = [label for label, value in zip(view.labels, view.value[0, :, 0].tolist(), strict=True) if value]
    assert len(found) == 1
    assert found[0].startswith("reward sign: the dream pays the opposite")
    assert [label.partition(":")[0] for label in view.labels] == list(FAULTS)
    assert views_of(check_world(beside(Counts()), effort))["faults"].value.sum() == 0


@pytest.mark.parametrize(
    ("ask", "match"),
    [
        (lambda s: every_action(s, frames=0), "0 frames"),
        (lambda s: every_action(s, frames=65), "65 frames"),
        (lambda s: seeds(s, count=1), "1 samples"),
        (lambda s: unsure(s, samples=65), "65 samples"),
        (check_world, "no real game"),
    ],
)
def test_what_is_impossible(ask: Callable[[Session], Study], match: str) -> None:
    """Catches: a study that eats the memory, or ends in a traceback instead of a sentence."""
    with pytest.raises(ReverieError, match=match):
        views_of(ask(alone(CountingWorld(), starts())))


def test_memory_is_bounded() -> None:
    """Catches: a study of many large frames that takes all the memory there is."""
    session = alone(tiny_rssm_world(size=160), steps=1)
    with pytest.raises(ReverieError, match="expected at most 64 MiB"):
        views_of(seeds(session, count=64, frames=64))


def test_the_real_game_alone() -> None:
    """Catches: samples of a game that is what it is; its futures that can be looked at all the same."""
    game = counting_game()
    session = alone(game, nothing(game.spec))
    assert views_of(every_action(session, frames=2))["every action"].labels[0] == "NOOP real"
    with pytest.raises(ReverieError, match="expected a dream"):
        views_of(unsure(session))


@pytest.mark.parametrize("world", [endless(tiny_world()), tiny_rssm_world("v3"), tiny_rssm_world("v3", DRIVE)])
def test_all_families_and_kinds_of_actions(world: Any) -> None:
    """Catches: a family whose states cannot be put beside each other; continuous actions without names."""
    session = alone(world, steps=2)
    moment, before = session.moment, clone_state(session.moment.state)
    names = views_of(every_action(session, frames=2))["every action"].labels
    assert names[0] in ("NOOP dream", "nothing dream")
    if world.spec.actions is DRIVE:
        assert names[1:3] == ("-steer dream", "steer dream")
        grid = views_of(sequences(session, [[(0.0, 1.0, 0.0)], [(1.0, 0.0, 0.0)]]))["sequences"]
        assert grid.labels == ("1 dream", "2 dream")
    views_of(seeds(session, 2, 2))
    views_of(unsure(session, 3))
    assert session.moment is moment, "the session is as it was"
    assert all(torch.equal(a, state_tensors(moment.state)[name]) for name, a in state_tensors(before).items())
