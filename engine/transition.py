"""Moment in, moment out: how a session begins and goes on, as pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.controllers import Carry, Controller
from engine.history import Action, Edit, Past, derive_seed, frame_digest
from engine.moment import Frame, Moment, image_of, plain_action
from models.types import Context, Prediction, View
from models.world import Rng, WorldModel, cat_states, split_state


@dataclass(frozen=True)
class Move:
    """What a controller did: the action (a batch of 1), its memory after it, and its generator's state.

    name: who acted, for the frame. carrier: whose memory the carry is.
    """

    action: Tensor
    carry: Carry
    player_rng: Tensor
    name: str
    carrier: str


def begin(
    world: WorldModel[Any],
    starts: Context,
    start: int,
    seed: int,
    *,
    controller: Controller,
    horizon: int | None,
    before: Past | None,
) -> Moment:
    """The first moment of an episode. Raises ValueError: no such start, a seed out of range."""
    count = starts.frames.shape[0]
    if not 0 <= start < count:
        raise ValueError(f"start: got {start}, expected an index from 0 to {count - 1}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed: got {seed}, expected a number from 0 to 2**63 - 1")
    context = Context(starts.frames[start : start + 1], starts.actions[start : start + 1])
    rng, player_rng = Rng.seeded([seed]), Rng.seeded([derive_seed(seed, "controller")])
    with torch.no_grad():
        state = world.initial(context, rng)
    image = image_of(world.frame(state))
    noop = plain_action(world.spec.actions.noops(1))
    frame = Frame(0, image, 0.0, 0.0, False, False, noop, controller.name)
    past = _past(world, before, None, start, seed, horizon, frame)
    carry = controller.initial(world.spec)
    return Moment(state, rng.state(), player_rng.state(), carry, controller.name, frame, past)


def advance(
    world: WorldModel[Any], moment: Moment, move: Move, *, horizon: int | None, inspect: bool = False
) -> tuple[Moment, tuple[View, ...]]:
    """The next moment, and the views when asked for. Raises ValueError for an action the world does not have."""
    return advance_all(world, [moment], [move], [horizon], inspect)[0]


def advance_all(
    world: WorldModel[Any],
    moments: Sequence[Moment],
    moves: Sequence[Move],
    horizons: Sequence[int | None],
    inspect: bool = False,
) -> list[tuple[Moment, tuple[View, ...]]]:
    """``advance`` for many players in one step of the world: a row each, with a generator of its own.

    The moments share nothing with each other afterwards. Their states must be of the same shapes. Raises ValueError for
    an action the world does not have, whoever's it is.
    """
    spec = world.spec.actions
    actions = [spec.check(move.action, 1).to(spec.dtype) for move in moves]
    rngs = [Rng.from_state(moment.rng) for moment in moments]
    alone = len(moments) == 1
    state = moments[0].state if alone else cat_states([moment.state for moment in moments])
    with torch.no_grad():
        after, seen = world.step(state, torch.cat(actions), Rng.cat(rngs), inspect=inspect)
    states = [after] if alone else split_state(after)
    seen = replace(seen, frame=seen.frame.cpu(), reward=seen.reward.cpu(), terminated=seen.terminated.cpu())
    results = []
    for row, (moment, move, horizon) in enumerate(zip(moments, moves, horizons, strict=True)):
        frame = _frame(moment.frame, move, actions[row], horizon, seen, row)
        past = _past(world, moment.past, frame.action, moment.past.start, moment.past.seed, horizon, frame)
        reached = Moment(states[row], rngs[row].state(), move.player_rng, move.carry, move.carrier, frame, past)
        results.append((reached, seen.views if alone or not seen.views else _views_of(seen.views, row)))
    return results


def edited(world: WorldModel[Any], moment: Moment, edit: Edit, *, horizon: int | None) -> Moment:
    """The moment after a change of the state by hand: no step is made, nothing is drawn from the generators.

    Its frame is what the changed state shows, under the same index and without a reward. Raises ValueError where the
    world cannot.
    """
    with torch.no_grad():
        state = world.edit(moment.state, edit.name, edit.value())
        image = image_of(world.frame(state))
    frame = replace(moment.frame, image=image, reward=0.0, views=())
    old = moment.past
    past = _past(world, old, frame.action, old.start, old.seed, horizon, frame, edit)
    return replace(moment, state=state, frame=frame, past=past)


def _frame(old: Frame, move: Move, action: Tensor, horizon: int | None, seen: Prediction, row: int) -> Frame:
    """What row ``row`` of a prediction shows after the frame ``old``."""
    reward = float(seen.reward[row])
    return Frame(
        index=old.index + 1,
        image=image_of(seen.frame[row : row + 1]),
        reward=reward,
        total=old.total + reward,
        terminated=bool(seen.terminated[row]),
        truncated=horizon is not None and old.index + 1 >= horizon,
        action=plain_action(action),
        controller=move.name,
    )


def _views_of(views: tuple[View, ...], row: int) -> tuple[View, ...]:
    """One row's views, a batch of 1 with memory of its own."""
    return tuple(replace(view, value=view.value[row : row + 1].clone()) for view in views)


def settings_of(world: WorldModel[Any]) -> Mapping[str, Any]:
    """The world's settings as JSON data, as a history stores them; one object for equal settings."""
    return _plain(world.settings)


@lru_cache(maxsize=64)
def _plain(settings: Any) -> Mapping[str, Any]:
    if not is_dataclass(settings) or isinstance(settings, type):
        return {}
    plain: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return plain


def _past(
    world: WorldModel[Any],
    before: Past | None,
    action: Action | None,
    start: int,
    seed: int,
    horizon: int | None,
    frame: Frame,
    edit: Edit | None = None,
) -> Past:
    digest = frame_digest(frame.image, frame.reward, frame.terminated)
    return Past(before, action, start, seed, settings_of(world), horizon, frame.controller, digest, edit)
