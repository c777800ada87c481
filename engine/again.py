"""A step made once more to look into it, for a moment that play went back to or stands at."""

from __future__ import annotations

from typing import Any

import torch

from engine.moment import Moment
from engine.transition import settings_of
from models.types import View
from models.world import Rng, WorldModel, state_tensors


def seen_again(world: WorldModel[Any], before: Moment, now: Moment) -> tuple[View, ...] | None:
    """The views of the step that led from one moment to the other, made again and thrown away.

    None where it was no step (a start, an edit, a load), where other settings are in force by now, and where the step
    does not lead to the same state: what is shown is what happened, or nothing.
    """
    past = now.past
    if past.before is not before.past or past.action is None or past.edit is not None:
        return None
    if past.settings != settings_of(world):
        return None
    action = torch.tensor([past.action], dtype=world.spec.actions.dtype)
    with torch.no_grad():
        after, seen = world.step(before.state, action, Rng.from_state(before.rng), inspect=True)
    tensors, again = state_tensors(now.state), state_tensors(after)
    if tensors.keys() != again.keys() or not all(torch.equal(tensors[name], again[name]) for name in tensors):
        return None
    return seen.views
