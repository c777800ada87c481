"""Moment in, moment out: how a session begins and goes on, as pure functions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from engine.controllers import Carry, Controller
from engine.history import Action, Past, derive_seed, frame_digest
from engine.moment import Frame, Moment, image_of, plain_action
from models.types import Context, View
from models.world import Rng, WorldModel


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
    action = world.spec.actions.check(move.action, 1)
    rng = Rng.from_state(moment.rng)
    with torch.no_grad():
        state, seen = world.step(moment.state, action, rng, inspect=inspect)
    old, reward = moment.frame, float(seen.reward[0])
    frame = Frame(
        index=old.index + 1,
        image=image_of(seen.frame),
        reward=reward,
        total=old.total + reward,
        terminated=bool(seen.terminated[0]),
        truncated=horizon is not None and old.index + 1 >= horizon,
        action=plain_action(action),
        controller=move.name,
    )
    past = _past(world, moment.past, frame.action, moment.past.start, moment.past.seed, horizon, frame)
    return Moment(state, rng.state(), move.player_rng, move.carry, move.carrier, frame, past), seen.views


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
) -> Past:
    digest = frame_digest(frame.image, frame.reward, frame.terminated)
    return Past(before, action, start, seed, settings_of(world), horizon, frame.controller, digest)
