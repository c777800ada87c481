"""Ticks of many sessions at once: those of one world share a step of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.controls import Input
from engine.history import Edit
from engine.moment import Frame, Moment
from engine.session import Session
from engine.transition import Move, advance_all
from models.types import View
from models.world import state_tensors

MAX_BATCH = 16


@dataclass(frozen=True)
class Turn:
    """A tick that a session is to make.

    move: what is done, whoever is the controller; None: the controller decides from ``input``. start: a new start,
    (index, seed), instead of a step. edit: a change of the state by hand, instead of a step.
    """

    session: Session
    input: Input = Input()
    inspect: bool = False
    move: Move | None = None
    start: tuple[int, int] | None = None
    edit: Edit | None = None


def take_turns(turns: Sequence[Turn], max_batch: int = MAX_BATCH) -> list[Frame | Exception]:
    """Make one tick of every session, each at most once; a frame or the error it ended with, in the order given.

    Sessions of the same kind (see ``kind_of``) share steps of up to ``max_batch`` rows. A row's generators are its own,
    so that nothing depends on who else is in the batch but the rounding of the arithmetic. Where a batch fails, its
    rows are stepped alone: one's error stays its own, and its session as it was.
    """
    if max_batch < 1:
        raise ValueError(f"max_batch: got {max_batch}, expected at least 1")
    results: dict[int, Frame | Exception] = {}
    rows: dict[Hashable, list[tuple[int, Move]]] = {}
    for index, turn in enumerate(turns):
        try:
            move = _prepare(turn)
            if isinstance(move, Frame):
                results[index] = move
            else:
                rows.setdefault(kind_of(turn.session, turn.inspect), []).append((index, move))
        except Exception as error:
            results[index] = error
    for group in rows.values():
        for first in range(0, len(group), max_batch):
            _step(turns, group[first : first + max_batch], results)
    return [results[index] for index in range(len(turns))]


def kind_of(session: Session, inspect: bool = False) -> Hashable:
    """Sessions of equal kinds can share a step: same weights, settings, device, and shapes of the state.

    Of a world that is ``alone`` (it holds copies of a real game, each where its player is) nobody else takes a step.
    """
    world: Any = session.world
    tensors = state_tensors(session.moment.state).items()
    shapes = tuple((name, tensor.shape[1:], tensor.dtype, tensor.device) for name, tensor in tensors)
    own = id(world) if getattr(world, "alone", False) else None
    return session.world_hash, type(world), world.settings, shapes, inspect, own


def _prepare(turn: Turn) -> Move | Frame:
    """What the session is about to do; or the frame of a new start or an edit, which need no step."""
    if turn.start is not None:
        return turn.session.new_start(*turn.start)
    if turn.edit is not None:
        return turn.session.apply_edit(turn.edit)
    move = turn.session.plan(turn.input) if turn.move is None else turn.move
    if move is None:
        return turn.session.new_start()
    turn.session.world.spec.actions.check(move.action, 1)
    return move


def _step(turns: Sequence[Turn], group: Sequence[tuple[int, Move]], results: dict[int, Frame | Exception]) -> None:
    """One step of all rows of a group (an index into ``turns`` and a move each); alone, one by one, where it fails."""
    try:
        reached = _advance([turns[index] for index, _ in group], [move for _, move in group])
    except Exception as error:
        if len(group) == 1:
            results[group[0][0]] = error
            return
        for row in group:
            _step(turns, [row], results)
        return
    for (index, _), (moment, views) in zip(group, reached, strict=True):
        results[index] = turns[index].session.apply(moment, views)


def _advance(turns: Sequence[Turn], moves: Sequence[Move]) -> list[tuple[Moment, tuple[View, ...]]]:
    sessions = [turn.session for turn in turns]
    world: Any = sessions[0].world
    moments = [session.moment for session in sessions]
    horizons = [session.horizon for session in sessions]
    return advance_all(world, moments, moves, horizons, turns[0].inspect)
