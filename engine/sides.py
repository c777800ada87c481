"""The worlds of a session one by one, to be played on from its present moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import ReverieError
from engine.history import derive_seed
from engine.lockstep import LockstepWorld
from models.types import ActionSpec
from models.world import WorldModel

if TYPE_CHECKING:
    from engine.session import Session

LONGEST, MOST = 64, 64
"""Frames of a future, and futures or samples."""
ROOM = 64 << 20
"""Bytes that the frames of all futures of a study may take."""


@dataclass(frozen=True)
class Side:
    """A world of a session, and its state at the present moment (batch 1). real: it is the game itself."""

    name: str
    world: WorldModel[Any]
    state: Any
    real: bool


def sides_of(session: Session) -> list[Side]:
    """The worlds of a session that can be played on from where they stand: its dreams, then the real game if there."""
    world, state = session.world, session.moment.state
    if not isinstance(world, LockstepWorld):
        real = world.spec.family == "real"
        return [Side("real" if real else "dream", world, state, real)]
    parts = world.parts(state)
    names = world.names if world.dreamed or len(world.names) > 2 else ("real", "dream")
    sides = [Side(*of, real=False) for of in zip(names[1:], world.followers, parts[1:], strict=True)]
    lead = Side(names[0], world.lead, parts[0], not world.dreamed)
    if world.dreamed:
        return [lead, *sides]
    return [*sides, lead] if follows_actions(world.lead) else sides


def follows_actions(real: WorldModel[Any]) -> bool:
    """Whether a real part is a game: an episode that was recorded goes on as it did, whatever is done."""
    return not hasattr(real, "past")


def dreams_of(session: Session, study: str) -> list[Side]:
    """The dreams of a session. Raises ReverieError where there is none."""
    dreams = [side for side in sides_of(session) if not side.real]
    if not dreams:
        raise ReverieError(
            f"{study}: got the real game alone, expected a dream; go back to the dream, or to a lockstep"
        )
    return dreams


def knows_reality(session: Session) -> bool:
    """Whether ``surprise`` can say something: there is a step behind, and what it really led to is known."""
    world, moment = session.world, session.moment
    known = isinstance(world, LockstepWorld) and not world.dreamed
    return known and moment.past.action is not None and moment.past.edit is None and len(session.trail(2)) == 2


def seed_of(session: Session, study: str) -> int:
    """The randomness of a study: the same for the same moment."""
    return derive_seed(session.seed, f"{study} {session.frame.index}") % 2**62


def last_action(session: Session) -> Tensor:
    """What was done to get to the present moment, a batch of 1."""
    return as_actions([session.frame.action], session.world.spec.actions)


def as_actions(sequence: Sequence[Any], spec: ActionSpec) -> Tensor:
    """A sequence of actions as (n, ...). Raises ReverieError for one that the world does not have."""
    try:
        return spec.check(
            torch.tensor(list(sequence), dtype=spec.dtype).reshape(len(sequence), *spec.shape), len(sequence)
        )
    except (ValueError, RuntimeError, TypeError) as error:
        raise ReverieError(f"sequences: {error}") from error


def title_of(sequence: Sequence[Any], spec: ActionSpec) -> str:
    """Names of the actions, as in "RIGHT*4 NOOP*2"; nothing where they have none."""
    if spec.kind != "discrete":
        return ""
    runs = [(spec.names[int(action)], len(list(run))) for action, run in groupby(sequence)]
    return " ".join(f"{name}*{count}" if count > 1 else name for name, count in runs)


def check_room(study: str, session: Session, frames: int, rows: int, count: int = 2) -> None:
    """Raises ReverieError where a study would be too large, or of nothing."""
    if not 1 <= frames <= LONGEST:
        raise ReverieError(f"{study}: got {frames} frames, expected 1 to {LONGEST}")
    if not 2 <= count <= MOST:
        raise ReverieError(f"{study}: got {count} samples, expected 2 to {MOST}")
    spec = session.world.spec
    size = frames * rows * 3 * spec.height * spec.width
    if size > ROOM:
        raise ReverieError(
            f"{study}: got {rows} futures of {frames} frames, {size >> 20} MiB, expected at most {ROOM >> 20} MiB; "
            "ask for fewer frames"
        )


def address(side: Side, dreams: Sequence[Side]) -> str:
    """What stands before a view's name where there are several dreams."""
    return f"{side.name}: " if len(dreams) > 1 else ""
