"""Ticks of many sessions in one step: everyone's result is as if alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.batcher import Turn, take_turns
from engine.controllers import RandomController
from engine.controls import Input
from engine.moment import Frame
from engine.session import Session
from models.envs.counting import CountingEnv
from models.envs.replayed_world import ReplayedWorld
from models.types import Context, Prediction
from models.world import Rng
from tests.counting import CountingState, CountingWorld, starts
from tests.tiny_worlds import random_starts, tiny_world

UP, RIGHT = Input(frozenset({"up"})), Input(frozenset({"right"}))


class Watched(CountingWorld):
    """Keeps the sizes of its steps; rows whose count is ``fatal`` make the step fail."""

    def __init__(self, end: int | None = None, settings: Any = None, fatal: int | None = None) -> None:
        super().__init__(end, *([settings] if settings else []))
        self.fatal, self.sizes = fatal, list[int]()

    def with_settings(self, **changes: Any) -> Watched:
        made = Watched(self.end, super().with_settings(**changes).settings, self.fatal)
        made.sizes = self.sizes
        return made

    def step(
        self, state: CountingState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountingState, Prediction]:
        self.sizes.append(len(state.count))
        if self.fatal is not None and bool((state.count == self.fatal).any()):
            raise RuntimeError("this row cannot be stepped")
        return super().step(state, action, rng, inspect=inspect)


def session(world: Any, seed: int = 0, contexts: Context | None = None, **options: Any) -> Session:
    made = Session(world, contexts or starts(), world_hash="c0ffee", seed=seed, **options)
    made.controller = RandomController(sticky=0.5)
    return made


def tick(sessions: Sequence[Session], **options: Any) -> list[Frame]:
    frames = take_turns([Turn(s) for s in sessions], **options)
    assert all(isinstance(frame, Frame) for frame in frames), frames
    return [frame for frame in frames if isinstance(frame, Frame)]


def told(frame: Frame) -> tuple[Any, ...]:
    return frame.image.tobytes(), frame.action, frame.reward, frame.total, frame.index, frame.over, frame.controller


def test_alone_and_among_seven_others_bit_equal() -> None:
    """A generator shared by rows, or results given to the wrong row, would mix players up."""
    world = Watched(end=9)
    together = [session(world, seed, start=seed % 3, horizon=5 + seed) for seed in range(8)]
    alone = [session(CountingWorld(end=9), seed, start=seed % 3, horizon=5 + seed) for seed in range(8)]
    for _ in range(30):
        batched = tick(together)
        assert [told(frame) for frame in batched] == [told(s.tick(Input())) for s in alone]
    assert max(world.sizes) == 8
    assert [s.history.episodes() for s in together] == [s.history.episodes() for s in alone]


def test_an_action_the_world_lacks_costs_the_others_no_second_step() -> None:
    """A controller whose memory came out of a file decides nonsense: everybody's step must not be made twice."""
    world = Watched()
    sessions = [session(world, seed) for seed in range(3)]
    carry = {"last": torch.tensor([99]), "begun": torch.ones(1, dtype=torch.bool)}
    sessions[1].controller = RandomController(sticky=0.999)
    sessions[1]._ring.now = replace(sessions[1].moment, carry=carry)
    results = take_turns([Turn(s) for s in sessions])
    assert isinstance(results[1], ValueError) and isinstance(results[0], Frame) and isinstance(results[2], Frame)
    assert world.sizes == [2]


def test_rows_of_a_learned_world_do_not_depend_on_their_neighbours() -> None:
    """Noise drawn for the whole batch, or a state of another row, would show as other pixels and events."""
    world = tiny_world()
    contexts = random_starts(world.spec, 3)
    sessions = [session(world, seed, contexts, start=seed % 3) for seed in range(8)]
    moved = 0
    for _ in range(3):
        twins = [s.fork() for s in sessions]
        for one, twin, frame in zip(sessions, twins, tick(sessions), strict=True):
            before, lone = twin.frame, twin.tick(Input())
            assert (frame.action, frame.reward, frame.over) == (lone.action, lone.reward, lone.over)
            assert np.abs(frame.image.astype(int) - lone.image.astype(int)).max() <= 1
            assert torch.equal(one.moment.rng, twin.moment.rng)
            assert torch.equal(one.moment.player_rng, twin.moment.player_rng)
            moved += not np.array_equal(before.image, frame.image)
    assert moved == 24


def test_one_step_a_group_and_no_more_rows_than_allowed() -> None:
    """Sessions under other settings in one step would be dreamt with the wrong ones; one step each would be slow."""
    world = Watched()
    sessions = [session(world, seed) for seed in range(7)]
    for s in sessions[:2]:
        s.settings(gain=3)
    frames = tick(sessions, max_batch=4)
    assert sorted(world.sizes) == [1, 2, 4]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [3, 3, 1, 1, 1, 1, 1]
    world.sizes.clear()
    tick(sessions, max_batch=1)
    assert world.sizes == [1] * 7
    with pytest.raises(ValueError, match="max_batch: got 0"):
        take_turns([], max_batch=0)


def test_a_world_that_is_alone_is_stepped_by_its_own_player() -> None:
    """Catches: players of a real game who share one's few copies of it, each step of which plays all pasts again."""
    resets: list[int] = []

    class Env(CountingEnv):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            resets.append(1)
            return super().reset(seed=seed)

    worlds = [ReplayedWorld("counting", 16, make=lambda game, size: Env(size)) for _ in range(6)]  # type: ignore[arg-type]
    sessions = [session(world, seed, random_starts(world.spec, 2)) for seed, world in enumerate(worlds)]
    begun = len(resets)
    for _ in range(5):
        tick(sessions)
    assert len(resets) == begun


def test_other_hashes_and_shapes_stay_apart() -> None:
    """Two worlds in one step would dream one of them with the other's weights."""
    world = Watched()
    other = Session(world, starts(), world_hash="other")
    frames = take_turns([Turn(session(world)), Turn(other), Turn(session(world, 1), inspect=True)])
    assert world.sizes == [1, 1, 1]
    assert [len(frame.views) for frame in frames if isinstance(frame, Frame)] == [0, 0, 1]


def test_a_failing_row_fails_alone() -> None:
    """One player's broken state must not stop the others, nor move its own session."""
    world = Watched(fatal=2)
    sessions = [session(world, seed) for seed in range(4)]
    for _ in range(2):
        sessions[1].tick(Input())
    twins = [s.fork() for s in sessions]
    world.fatal, world.sizes = 2, []
    results = take_turns([Turn(s) for s in sessions])
    assert str(results[1]) == "this row cannot be stepped"
    assert sessions[1].frame is twins[1].frame
    for k in (0, 2, 3):
        frame = results[k]
        assert isinstance(frame, Frame)
        assert told(frame) == told(twins[k].tick(Input()))
    assert world.sizes[:5] == [4, 1, 1, 1, 1]


def test_a_bad_action_fails_alone() -> None:
    """An action the world does not have, in one row, must not be an error of the batch."""
    world = Watched()
    sessions = [session(world, seed) for seed in range(3)]
    bad = sessions[0].given(torch.tensor([99]))
    results = take_turns([Turn(sessions[0], move=bad), Turn(sessions[1]), Turn(sessions[2])])
    assert isinstance(results[0], ValueError)
    assert [isinstance(result, Frame) for result in results[1:]] == [True, True]
    assert world.sizes == [2]


def test_new_starts_among_steps() -> None:
    """Whose episode is over gets a new start, and the given one where one is given, while the others go on."""
    world = Watched(end=2)
    over, other, given = (session(world, seed) for seed in range(3))
    for _ in range(2):
        over.tick(Input())
    assert over.frame.over
    frames = take_turns([Turn(over), Turn(other), Turn(given, start=(2, 77))])
    assert [frame.index for frame in frames if isinstance(frame, Frame)] == [0, 1, 0]
    assert (over.start, given.start, given.seed) == (1, 2, 77)


def test_rows_keep_nothing_of_each_other() -> None:
    """A row that is a view of the batch would keep every neighbour's state in memory as long as it is kept itself."""
    world = tiny_world()
    contexts = random_starts(world.spec, 3)
    sessions = [session(world, seed, contexts) for seed in range(4)]
    take_turns([Turn(s, inspect=True) for s in sessions])
    moment = sessions[0].moment
    tensors = [moment.state.frames, moment.state.hidden, moment.rng, torch.from_numpy(moment.frame.image)]
    for tensor in tensors:
        assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
