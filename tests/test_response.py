"""Paired futures and how a dream's answers to actions are held against reality's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from models.study.response import (
    Branched,
    answers,
    branch_in_steps,
    drain,
    futures,
    futures_in_steps,
    held_for,
    onset,
    responses,
    stands_still,
    stirs,
)
from models.types import Prediction
from models.world import Rng, cat_states, state_tensors
from tests.counting import CountingWorld, starts

STEPS = 4


def begun(world: CountingWorld, rows: int = 1) -> Any:
    return world.initial(starts(rows), Rng.seeded([9] * rows))


def test_rows_differ_by_their_actions_alone() -> None:
    """Catches: rows that share a generator, so that a future depends on what else was asked for."""
    world, actions = CountingWorld(), torch.tensor([[1, 1, 1], [3, 0, 2]])
    state = begun(world)
    both = futures(world, state, actions, [7, 7])
    for row in range(2):
        alone = futures(world, state, actions[row : row + 1], [7])
        assert torch.equal(both.frames[row], alone.frames[0])
        assert torch.equal(both.rewards[row], alone.rewards[0])
    assert torch.equal(both.frames[0, :, 2], both.frames[1, :, 2]), "the same noise"
    assert both.rewards.tolist() == [[0, 0, 0], [1, 0, 0]]
    assert int(state.count) == 0
    many = futures(world, begun(world, 2), actions, [7, 8])
    assert not torch.equal(many.frames[0, :, 2], many.frames[1, :, 2])
    with pytest.raises(ValueError, match="expected 1 or 2"):
        futures(world, begun(world, 3), actions, [7, 7])


def test_futures_pause_after_every_step() -> None:
    """Catches: a slice that is a whole study, by which play stutters; gradients left switched off for others."""
    slices, count = futures_in_steps(CountingWorld(), begun(CountingWorld()), torch.zeros(2, 5).long(), [1, 1]), 0
    for _ in slices:
        count += 1
        assert torch.is_grad_enabled()
    assert count == 5


class Alone(CountingWorld):
    """A world that may not be stepped with many rows at a time."""

    alone = True

    def step(self, state: Any, action: torch.Tensor, rng: Rng, *, inspect: bool = False) -> Any:
        assert len(action) == 1
        return super().step(state, action, rng, inspect=inspect)


def test_a_game_with_few_copies_is_played_row_by_row() -> None:
    """Catches: a game that plays its past again at every step of every branch."""
    actions = torch.tensor([[1, 2, 3], [3, 2, 1], [0, 0, 0]])
    for rows in (1, 3):
        want = futures(CountingWorld(), begun(CountingWorld(), rows), actions, [1, 2, 3])
        got = futures(Alone(), begun(Alone(), rows), actions, [1, 2, 3])
        assert all(torch.equal(getattr(want, name), getattr(got, name)) for name in ("frames", "rewards", "terminated"))


@dataclass(frozen=True)
class SlideState:
    """x (B,) int64: where the dot is; last (B,) int64: the action taken before; frame (B, 3, 8, 32) uint8."""

    x: torch.Tensor
    last: torch.Tensor
    frame: torch.Tensor


class Slide:
    """A dot that an action moves by 0, 1 or 2 pixels a step. delay: in steps; ahead: steps that are shown too soon."""

    spec = CountingWorld().spec

    def __init__(self, delay: int = 0, ahead: int = 0, gain: int = 1) -> None:
        self.delay, self.ahead, self.gain = delay, ahead, gain

    def at(self, x: int = 4, last: int = 0) -> SlideState:
        return SlideState(torch.tensor([x]), torch.tensor([last]), self.shown(torch.tensor([x])))

    def shown(self, x: torch.Tensor) -> torch.Tensor:
        frame = torch.zeros(len(x), 3, 8, 32, dtype=torch.uint8)
        frame[torch.arange(len(x)), :, 4, x.clamp(0, 31)] = 200
        return frame

    def step(self, state: SlideState, action: torch.Tensor, rng: Rng, *, inspect: bool = False) -> Any:
        x = state.x + self.gain * (state.last if self.delay else action)
        frame = self.shown(x + self.ahead * self.gain * action)
        nothing = torch.zeros(len(action))
        return SlideState(x, action, frame), Prediction(frame, nothing, nothing.bool())


def branched(last: int = 0) -> Branched:
    state, held = Slide().at(last=last), torch.arange(3)
    before = torch.tensor([last])
    return drain(branch_in_steps(Slide(), state, before, held, ("STAY", "ONE", "TWO"), 0, STEPS))  # type: ignore[arg-type]


def dreamed(world: Slide, last: int = 0) -> torch.Tensor:
    return futures(world, world.at(last=last), held_for(torch.arange(3), STEPS), [0] * 3).frames  # type: ignore[arg-type]


def test_real_branches_are_of_both_alignments() -> None:
    """Catches: late branches that begin with another action than the one before."""
    real = branched(last=2)
    columns = real.told[:, :, 0, 4].argmax(-1)
    assert columns.tolist() == [[4] * 5, [5, 6, 7, 8, 9], [6, 8, 10, 12, 14]]
    assert real.late[:, :, 0, 4].argmax(-1).tolist() == [[6, 6, 6, 6], [6, 7, 8, 9], [6, 8, 10, 12]]


@pytest.mark.parametrize("last", [0, 1, 2])
def test_answers_tell_the_alignment(last: int) -> None:
    """Catches: a late answer from a moving start, which lies elsewhere than reality's one step before."""
    before = Slide().at().frame[0]
    right = answers(before, dreamed(Slide(), last), branched(last))
    assert [(a.action, a.size, a.told) for a in right] == [("ONE", 1.0, 0.0), ("TWO", 1.0, 0.0)]
    assert not any(a.none or a.nearer(a.early) or a.nearer(a.late) or a.stood for a in right)
    late = answers(before, dreamed(Slide(delay=1), last), branched(last))
    told = [a for a in late if not math.isnan(a.late)]
    assert len(told) >= 1
    assert all(a.late == 0.0 and a.nearer(a.late) and not a.none for a in told)
    early = answers(before, dreamed(Slide(ahead=1), last), branched(last))
    assert all(a.early == 0.0 and a.nearer(a.early) and not a.none for a in early)
    deaf = answers(before, dreamed(Slide(gain=0), last), branched(last))
    assert all(a.none and a.size == 0.0 and a.stood for a in deaf)


def test_what_reality_does_not_answer_is_not_asked() -> None:
    """Catches: a dream that is blamed for an action that does nothing in the game either."""
    real = branched()
    still = real.told[:1].expand(3, -1, -1, -1, -1)
    assert answers(Slide().at().frame[0], dreamed(Slide()), Branched(still, real.late, real.names, 0)) == []


def test_a_faint_answer_is_not_asked_for() -> None:
    """Catches: a dream held against one pixel of reality, beside which every difference is huge."""
    real = branched()
    faint = torch.where(real.told > 0, 6, 0).to(torch.uint8)
    assert answers(Slide().at().frame[0], dreamed(Slide()), Branched(faint, real.late, real.names, 0)) == []


def test_faint_differences_are_no_response() -> None:
    """Catches: a compression's or a sampler's tremble of a few levels taken for an answer."""
    frames = torch.full((2, 3, 3, 4, 4), 100, dtype=torch.uint8)
    frames[1, 1] += 3
    assert onset(responses(frames, 0)[1]) is None
    frames[1, 2, 0, 0, 0] = 90
    assert onset(responses(frames, 0)[1]) == 2
    assert responses(frames, 0)[1, 2, 0, 0, 0] == -10


def test_what_stirs() -> None:
    """Catches: a move between the start and the first frame that is not seen."""
    frames = dreamed(Slide())
    assert stirs(Slide().at().frame[0], frames).tolist() == [[False] * 4, [True] * 4, [True] * 4]
    assert stirs(frames[2, 0], frames[2]).tolist() == [False, True, True, True]


def test_standing_still_is_judged_where_reality_moves_whatever_is_done() -> None:
    """Catches: a game that waits for an action, and its dream too, called frozen."""
    before, real = Slide().at().frame[0], branched()
    assert stands_still(before, dreamed(Slide(gain=0)), real) is None
    moving = Branched(real.told[[1, 1, 2]], real.late, real.names, 0)
    assert stands_still(before, dreamed(Slide(gain=0)), moving) is True
    assert stands_still(before, dreamed(Slide()), moving) is False


def test_states_of_many_rows_are_not_mixed() -> None:
    """Catches: row k's future from row 0's state."""
    world = CountingWorld()
    states = [begun(world), world.step(begun(world), torch.tensor([5]), Rng.seeded([1]))[0]]
    got = futures(world, cat_states(states), torch.zeros(2, 1).long(), [1, 1])
    assert got.frames[:, 0, 0, 0, 0].tolist() == [1, 2]
    assert set(state_tensors(states[0])) == {"count", "last", "noise", "frame"}
