"""What every world must keep to, whatever its family. A new family is one more entry of CASES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from engine.lockstep import LockstepWorld
from models.envs.episode_world import EpisodeWorld
from models.envs.real_world import RealWorld
from models.envs.replayed_world import ReplayedWorld
from models.types import Prediction
from models.world import Rng, WorldModel, cat_states, clone_state, split_state, state_tensors
from tests.counting import CountingWorld
from tests.lockstep_worlds import DreamtCounting, counting_lockstep
from tests.tiny_rssm import DRIVE, grounded_pong, tiny_rssm_world
from tests.tiny_worlds import random_actions, random_starts, tiny_world


@dataclass(frozen=True)
class Case:
    """A world to hold to the contract."""

    make: Callable[[], WorldModel[Any]]
    levels: int = 0
    """Greatest difference of a frame's bytes between a batch and its rows alone. Batched float32 sums may differ in
    their
    last bits, which flips a level of a quantised frame at the edge."""
    change: tuple[tuple[str, Any], ...] = ()
    """A valid change of settings; empty where a world has none."""


def episode_world() -> EpisodeWorld:
    spec = CountingWorld().spec
    starts = random_starts(replace(spec, context=10), 1)
    return EpisodeWorld(starts.frames[0], starts.actions[0], torch.ones(11), spec, 3)


CASES = {
    "diamond": Case(tiny_world, levels=1, change=(("steps", 2),)),
    "counting": Case(CountingWorld, change=(("gain", 3),)),
    "real": Case(lambda: RealWorld("pong")),
    "replayed": Case(lambda: ReplayedWorld("counting", 16)),
    "replayed_continuous": Case(lambda: ReplayedWorld("car_racing", 16)),
    "rssm_v1": Case(lambda: tiny_rssm_world("v1"), levels=1, change=(("temperature", 0.5),)),
    "rssm_v2": Case(lambda: tiny_rssm_world("v2"), levels=1, change=(("temperature", 0.0),)),
    "rssm_v3_2023": Case(lambda: tiny_rssm_world("v3_2023"), levels=1, change=(("sample_events", True),)),
    "rssm_v3": Case(tiny_rssm_world, levels=1, change=(("temperature", 2.0),)),
    "rssm_continuous": Case(lambda: tiny_rssm_world("v3", DRIVE), levels=1, change=(("reward_unit", 1.0),)),
    "grounded": Case(lambda: grounded_pong(), levels=1, change=(("temperature", 0.5),)),
    "lockstep": Case(lambda: counting_lockstep(DreamtCounting(), probe=True), change=(("gain", 3),)),
    "lockstep_of_dreams": Case(
        lambda: LockstepWorld(tiny_rssm_world(seed=2), [tiny_world(), tiny_rssm_world()]),
        levels=1,
        change=(("steps", 2),),
    ),
    "episode": Case(lambda: episode_world()),
}


@cache
def made(name: str) -> WorldModel[Any]:
    return CASES[name].make()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def world(request: pytest.FixtureRequest, case: Case) -> WorldModel[Any]:
    return made(next(name for name, known in CASES.items() if known is case))


@cache
def start(world: WorldModel[Any], seeds: tuple[int, ...]) -> tuple[Any, Rng]:
    rng = Rng.seeded(seeds)
    return world.initial(random_starts(world.spec, 3), rng), rng


def begin(world: WorldModel[Any], seeds: tuple[int, ...] = (1, 2, 3)) -> tuple[Any, Rng]:
    """Three rows at their start, and their randomness."""
    state, rng = start(world, seeds)
    return clone_state(state), rng.clone()


def play(world: WorldModel[Any], state: Any, rng: Rng, actions: list[Tensor]) -> tuple[Any, list[Prediction]]:
    seen = []
    for action in actions:
        state, prediction = world.step(state, action, rng)
        seen.append(prediction)
    return state, seen


def moves(world: WorldModel[Any], steps: int = 3) -> list[Tensor]:
    """Different actions in different rows."""
    actions, n = world.spec.actions, world.spec.actions.size
    if actions.kind != "discrete":
        return list(random_actions(actions, (steps, 3), torch.Generator().manual_seed(0)))
    return [torch.tensor([t % n, (t + 1) % n, (2 * t + 2) % n]) for t in range(steps)]


def assert_same(a: list[Prediction], b: list[Prediction], levels: int = 0) -> None:
    for t, (x, y) in enumerate(zip(a, b, strict=True)):
        assert int((x.frame.int() - y.frame.int()).abs().max()) <= levels, f"frame of step {t}"
        assert torch.equal(x.reward, y.reward), f"reward of step {t}"
        assert torch.equal(x.terminated, y.terminated), f"termination of step {t}"


def test_shapes_and_types(world: WorldModel[Any]) -> None:
    """Catches: a state with something else than batched tensors (which no save or batch could hold), predictions of
    other types than every face expects."""
    spec = world.spec
    state, rng = begin(world)
    after, prediction = world.step(state, spec.actions.noops(3), rng)
    for moment in (state, after):
        assert is_dataclass(moment)
        assert type(moment).__dataclass_params__.frozen
        assert {f.name for f in fields(moment)} == set(state_tensors(moment))
        assert all(isinstance(t, Tensor) and t.shape[0] == 3 for t in state_tensors(moment).values())
        assert world.frame(moment).shape == (3, 3, spec.height, spec.width)
        assert world.frame(moment).dtype == torch.uint8
    assert prediction.frame.shape == (3, 3, spec.height, spec.width)
    assert prediction.frame.dtype == torch.uint8
    assert prediction.reward.shape == (3,)
    assert prediction.reward.dtype == torch.float32
    assert prediction.terminated.shape == (3,)
    assert prediction.terminated.dtype == torch.bool
    assert torch.equal(world.frame(after), prediction.frame), "what is seen before the next step"


def test_same_seed_same_start(world: WorldModel[Any]) -> None:
    """Catches: a start that depends on what was played in the same world before."""
    want, rng = begin(world)
    again = Rng.seeded((1, 2, 3))
    got = world.initial(random_starts(world.spec, 3), again)
    assert all(torch.equal(t, getattr(want, name)) for name, t in state_tensors(got).items())
    assert torch.equal(rng.state(), again.state())


def test_state_is_dense_in_every_step(world: WorldModel[Any]) -> None:
    """Catches: a state that grows with every step, or is a view of more than it shows, in a session of an hour."""
    state, rng = begin(world)
    shapes = {name: (t.shape, t.dtype) for name, t in state_tensors(state).items()}
    state, _ = play(world, state, rng, moves(world))
    assert {name: (t.shape, t.dtype) for name, t in state_tensors(state).items()} == shapes
    assert all(t.is_contiguous() for t in state_tensors(state).values())


def test_step_leaves_its_input_alone(world: WorldModel[Any]) -> None:
    """Catches: a state changed in place, so that rewinding to it finds another past."""
    state, rng = begin(world)
    before = clone_state(state)
    after, _ = world.step(state, moves(world)[1], rng)
    for tensor in state_tensors(after).values():
        tensor.zero_()
    for name, tensor in state_tensors(state).items():
        assert torch.equal(tensor, getattr(before, name)), name


def test_clone_shares_no_memory(world: WorldModel[Any]) -> None:
    """Catches: a fork that plays on in the original's state."""
    state, _ = begin(world)
    copy = clone_state(state)
    mine = {t.untyped_storage().data_ptr() for t in state_tensors(state).values()}
    assert not mine & {t.untyped_storage().data_ptr() for t in state_tensors(copy).values()}


def test_same_past_same_future(world: WorldModel[Any]) -> None:
    """Catches: memory outside of state and generator (a cache, an emulator's own clock, a global generator)."""
    state, rng = begin(world)
    state, _ = play(world, state, rng, moves(world, 2))
    copy, other = clone_state(state), rng.clone()
    _, a = play(world, state, rng, moves(world))
    torch.manual_seed(12345)
    _, b = play(world, copy, other, moves(world))
    assert_same(a, b)


def test_stored_state_and_generators_go_on(world: WorldModel[Any]) -> None:
    """Catches: a save that restores the picture but not the randomness or a hidden part of the state."""
    state, rng = begin(world)
    state, _ = play(world, state, rng, moves(world, 2))
    stored = load(save({**state_tensors(state), "rng": rng.state()}))
    _, want = play(world, state, rng, moves(world))
    again = Rng.from_state(stored.pop("rng"))
    _, got = play(world, type(state)(**stored), again, moves(world))
    assert_same(want, got)
    assert torch.equal(rng.state(), again.state())


def test_rows_together_are_rows_alone(world: WorldModel[Any], case: Case) -> None:
    """Catches: rows that mix in a batch: cat, one step, split must be the steps of the single rows. Floats may differ
    by a thousandth, frames by the case's levels, events not at all."""
    state, rng = begin(world)
    singles, generators = split_state(state), rng.clone().split()
    for action in moves(world):
        joined, together = world.step(cat_states(split_state(state)), action, rng)
        for row, after in enumerate(split_state(joined)):
            singles[row], alone = world.step(singles[row], action[row : row + 1], generators[row])
            cut = slice(row, row + 1)
            mine = Prediction(together.frame[cut], together.reward[cut], together.terminated[cut])
            assert_same([mine], [alone], case.levels)
            for name, tensor in state_tensors(after).items():
                other = getattr(singles[row], name)
                tolerance = 1e-3 if tensor.is_floating_point() else case.levels
                assert float((tensor.double() - other.double()).abs().max()) <= tolerance, name
        state = joined
        singles = split_state(joined)
    assert torch.equal(rng.state(), Rng.cat(generators).state())


def test_a_row_does_not_depend_on_the_others(world: WorldModel[Any], case: Case) -> None:
    """Catches: one generator for the whole batch: another player's seed and actions would change this player's
    game."""
    state, rng = begin(world, (1, 2, 3))
    other, others = begin(world, (1, 77, 78))
    actions = moves(world)
    changed = [torch.stack([a[0], *a[1:].flip(0)]) for a in actions]
    _, a = play(world, state, rng, actions)
    _, b = play(world, other, others, changed)
    first = [[Prediction(p.frame[:1], p.reward[:1], p.terminated[:1]) for p in row] for row in (a, b)]
    assert_same(*first, levels=case.levels)
    assert torch.equal(rng.state()[0], others.state()[0])


def test_looking_inside_changes_nothing(world: WorldModel[Any]) -> None:
    """Catches: an open inspector that changes the game, and views without a row for every player."""
    state, rng = begin(world)
    twin = rng.clone()
    _, plain = world.step(state, moves(world)[1], rng)
    _, looked = world.step(state, moves(world)[1], twin, inspect=True)
    assert_same([plain], [looked])
    assert torch.equal(rng.state(), twin.state())
    assert plain.views == ()
    assert all(view.value.shape[0] == 3 for view in looked.views)
    assert len({view.name for view in looked.views}) == len(looked.views)


def test_edits(world: WorldModel[Any]) -> None:
    """Catches: a view that says it can be edited and cannot, an edit that reaches into the given state or takes any
    shape."""
    state, rng = begin(world)
    state, prediction = world.step(state, moves(world)[1], rng, inspect=True)
    with pytest.raises(ValueError, match="no such view"):
        world.edit(state, "no such view", torch.zeros(3))
    for view in prediction.views:
        if not view.editable:
            with pytest.raises(ValueError, match=view.name):
                world.edit(state, view.name, view.value)
            continue
        before = clone_state(state)
        edited = world.edit(state, view.name, view.value + 1)
        assert any(not torch.equal(t, getattr(before, name)) for name, t in state_tensors(edited).items())
        assert all(torch.equal(t, getattr(before, name)) for name, t in state_tensors(state).items())
        with pytest.raises(ValueError, match="expected"):
            world.edit(state, view.name, view.value[..., :1])


@pytest.mark.parametrize(
    "wrong", [torch.tensor([0, 0]), torch.tensor([[0], [0], [0]]), torch.tensor([0, 0, 99]), torch.tensor([0, -1, 0])]
)
def test_wrong_actions_are_refused(world: WorldModel[Any], wrong: Tensor) -> None:
    """Catches: an index that wraps around in an embedding, a batch broadcast over the rows."""
    state, rng = begin(world)
    before = rng.state()
    with pytest.raises(ValueError, match="expected"):
        world.step(state, wrong, rng)
    assert torch.equal(rng.state(), before), "a refused action must not advance the game's randomness"


def test_actions_must_be_of_their_type(world: WorldModel[Any]) -> None:
    """Catches: floats taken for action numbers, or numbers for the components of a continuous action."""
    state, rng = begin(world)
    actions = world.spec.actions
    other = torch.float32 if actions.dtype == torch.int64 else torch.int64
    with pytest.raises(ValueError, match="dtype"):
        world.step(state, torch.zeros(3, *actions.shape, dtype=other), rng)


def test_settings_are_live_and_share_the_weights(world: WorldModel[Any], case: Case) -> None:
    """Catches: a change of settings that copies the network, changes the world it was made from, or breaks its
    states."""
    before = world.settings
    other = world.with_settings(**dict(case.change))
    for key, value in case.change:
        assert getattr(other.settings, key) == value
        assert getattr(before, key) != value
    assert world.settings == before
    networks = {name: value for name, value in vars(world).items() if isinstance(value, nn.Module)}
    assert all(vars(other)[name] is value for name, value in networks.items())
    state, rng = begin(world)
    other.step(state, moves(world)[0], rng)


def test_unknown_settings_are_refused(world: WorldModel[Any]) -> None:
    """Catches: a misspelt setting that is silently without effect."""
    with pytest.raises(ValueError, match="stepps"):
        world.with_settings(stepps=4)
