"""Small experiments on a lockstep while it is played: a step dreamed again from real frames, an action tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.lockstep import LockstepWorld
from engine.moment import Moment
from models.study.checks import rest_of
from models.study.faults import Answer, Outcome, close
from models.study.response import (
    Branched,
    Slices,
    answers,
    drain,
    futures_in_steps,
    held_for,
    onset,
    responses,
    stands_still,
    stirs,
)
from models.study.spread import energy_map, resample
from models.training.measures import moved_pixels
from models.training.rollout import WARM_UP
from models.training.stored_branches import held_actions
from models.types import Context
from models.world import Rng, WorldModel, cat_states

if TYPE_CHECKING:
    from engine.session import Session

HOLD = 4
"""Steps for which an action is tried."""
TRIES = 3
"""Actions tried at most until reality answers one."""
SAMPLES = 3
FEWEST = 8
"""Pixels that must have moved for anything to be a surprise."""
WORSE = 1.25
"""A frame surprises when it is this many times further off than the frame before it was."""


@dataclass(frozen=True)
class Trial:
    """What came of an action in one dream. still: it stood still, None where reality might have as well. outcomes: of
    the first steps. stood: nothing moved in the dream, whatever reality did."""

    still: bool | None
    answers: tuple[Answer, ...]
    outcomes: tuple[Outcome, ...]
    stood: bool


def can_branch(lead: WorldModel[Any]) -> bool:
    """Whether other actions can be tried from a state of it, quickly: a real game that stores its state."""
    return lead.spec.family == "real" and not getattr(lead, "alone", False)


def known_of(trail: Sequence[Moment], length: int) -> Context:
    """What is known of reality at the last of some moments that lead up to it: at most ``length`` frames and the
    actions between them, or as many as one moment holds."""
    first = trail[0].state
    frames, actions = [first.window], [first.taken]
    for moment in trail[1:]:
        if moment.past.edit is None:
            frames.append(moment.state.window[:, -1:])
            actions.append(moment.state.taken[:, -1:])
    length = max(length, first.window.shape[1])
    return Context(torch.cat(frames, dim=1)[:, -length:], torch.cat(actions, dim=1)[:, 1 - length :])


def path_to(session: Session, back: int = 0) -> Context:
    """What is known of reality ``back`` steps before the present moment, with warm-up for recurrent parts."""
    world: Any = session.world
    trail = session.trail(WARM_UP + 1 + back)
    return known_of(trail[: len(trail) - back], world.length + WARM_UP)


@torch.no_grad()
def judge(world: LockstepWorld, part: int, before: Moment, known: Context, after: Moment) -> Slices[Outcome]:
    """A step of reality dreamed again from real frames. part: which follower; known: of reality up to ``before``."""
    dream, action, seed = world.followers[part], after.state.taken[:, -1], after.frame.index
    rng = Rng.seeded([seed])
    state = dream.initial(known, rng)
    yield
    _, said = dream.step(state, action, rng)
    yield
    reading = world.readings(after.state)[part]
    outcome = Outcome(reading.reward_real, float(said.reward[0]), reading.ended_real, bool(said.terminated[0]))
    return unhung(world, world.parts(before.state)[0], outcome)


def unhung(world: LockstepWorld, state: Any, outcome: Outcome) -> Outcome:
    """The outcome, with what hangs on the action found out where the dream was wrong, and it can be.

    state: the lead's, before the step.
    """
    wrong = not close(outcome.paid, outcome.said) or outcome.ended != outcome.said_ended
    if not wrong or not can_branch(world.lead):
        return outcome
    held, _ = held_actions(world.spec.actions)
    others = drain(futures_in_steps(world.lead, state, held_for(held, 1), [0] * len(held)))
    same = all(close(paid, outcome.paid) for paid in others.rewards[:, 0].tolist())
    same &= bool((others.terminated[:, 0] == outcome.ended).all())
    return Outcome(outcome.paid, outcome.said, outcome.ended, outcome.said_ended, hangs=not same)


@torch.no_grad()
def ask(
    world: LockstepWorld, moment: Moment, known: Context, first: int, here: bool
) -> Slices[tuple[Trial, ...] | None]:
    """Hold an action from a moment, in every dream and in the real game, and nothing beside it.

    The dreams begin from what is ``known`` of reality there, or with ``here`` from where they stand. first: counts
    through the actions; the next one is taken where reality gives no answer. None where it answers none of them.
    """
    held, names = held_actions(world.spec.actions)
    rest = rest_of(world.spec.actions)
    others = [k for k in range(len(held)) if k != rest]
    lead, before = world.parts(moment.state)[0], moment.state.taken[:, -1:]
    for turn in range(first, first + min(TRIES, len(others))):
        action = others[turn % len(others)]
        both = held[[rest, action]]
        told = drain(futures_in_steps(world.lead, lead, held_for(both, HOLD + 1), [0, 0]))
        yield
        if onset(responses(told.frames[:, : HOLD - 1], 0)[1]) is not None:
            break
    else:
        return None
    delayed = torch.cat([before.expand(2, *before.shape[1:]), held_for(both, HOLD - 1)], dim=1)
    late = drain(futures_in_steps(world.lead, lead, delayed, [0, 0]))
    yield
    real = Branched(told.frames, late.frames, (names[rest], names[action]), 0)
    found = []
    for part, dream in enumerate(world.followers):
        seeds = [moment.frame.index] * 2
        if here:
            state = cat_states([world.parts(moment.state)[part + 1]] * 2)
            shown = moment.state.shown[0, part]
        else:
            state, shown = cat_states([dream.initial(known, Rng.seeded(seeds[:1]))] * 2), known.frames[0, -1]
            yield
        said = yield from futures_in_steps(dream, state, held_for(both, HOLD), seeds)
        first_steps = (
            ()
            if here
            else tuple(
                unhung(
                    world,
                    lead,
                    Outcome(
                        float(told.rewards[row, 0]),
                        float(said.rewards[row, 0]),
                        bool(told.terminated[row, 0]),
                        bool(said.terminated[row, 0]),
                    ),
                )
                for row in range(2)
            )
        )
        found.append(
            Trial(
                stands_still(known.frames[0, -1], said.frames, real),
                tuple(answers(shown, said.frames, real)),
                first_steps,
                not bool(stirs(shown, said.frames).any()),
            )
        )
    return tuple(found)


@torch.no_grad()
def stands(world: LockstepWorld, part: int, moment: Moment, first: int) -> Slices[bool]:
    """Whether a dream stands still from where it stands now, under an action held and under none."""
    held, _ = held_actions(world.spec.actions)
    rest = rest_of(world.spec.actions)
    others = [k for k in range(len(held)) if k != rest] or [rest]
    both = held[[rest, others[first % len(others)]]]
    state = cat_states([world.parts(moment.state)[part + 1]] * 2)
    said = yield from futures_in_steps(world.followers[part], state, held_for(both, HOLD), [moment.frame.index] * 2)
    return not bool(stirs(moment.state.shown[0, part], said.frames).any())


@torch.no_grad()
def startle(world: LockstepWorld, part: int, known: Context, action: Tensor, real: Tensor) -> Slices[bool | None]:
    """Whether the next real frame (3, H, W) was further from what a dream foretold of it than the frame before was.

    known: of reality up to that one; action (1, ...): what led on. Only pixels that moved count; None where few did.
    """
    last = known.frames[0, -1]
    moved = moved_pixels(last, real)
    if int(moved.sum()) < FEWEST:
        return None
    dream = world.followers[part]
    state = dream.initial(known, Rng.seeded([0]))
    yield
    frames = resample(dream, state, action, list(range(SAMPLES)))
    yield
    off = float(energy_map(frames, real)[moved].sum())
    return off > WORSE * float(energy_map(last[None], real)[moved].sum())
