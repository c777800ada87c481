"""What can be asked of a world while it is played: where it is played, anchors, studies, flags. One function a verb."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from engine.opening import play_episode
from engine.server.errors import ServerError
from engine.server.memory import OVERHEAD
from engine.server.messages import Control
from engine.session import Real, Session, episode_hash
from models.types import View

if TYPE_CHECKING:
    from engine.server.orders import Orders

Slices = Generator[Any, None, tuple[View, ...]]
FRAMES, COUNT = 8, 8
"""Frames of a future, and samples, where an order says nothing of them."""
STUDY_BYTES = 8 << 20
"""What a study takes while it goes on and after it, rounded up: pictures of all its futures."""


def way_of(orders: Orders) -> Real:
    """Where the player plays at present."""
    shown = orders.stay.shown
    if shown is None or not (shown.real or shown.grounded or shown.lockstep):
        return False
    return "lockstep" if shown.lockstep else "grounded" if shown.grounded else True


# -- where it is played


def real(orders: Orders, order: Control) -> object:
    """The real game, and what is played beside it, is opened on another thread, when first asked for."""
    on, against, episode = order.args["on"], order.args["against"] or "", order.args["episode"] or ""
    for name, got in (("against", against), ("episode", episode)):
        if got and on != "lockstep":
            raise ServerError("bad_value", f"real.{name}: got {got[:60]!r}, expected it in lockstep only")
    if not on:
        return _switch(orders, order)
    shown = orders.stay.shown
    start, seed = (shown.start, shown.seed) if shown is not None else (0, 0)

    def open_there() -> object:
        prepare(orders, start, seed, on, against, episode)
        return _switch(orders, order)

    return orders.work(order, open_there)


def _switch(orders: Orders, order: Control) -> object:
    on = order.args["on"]
    told = {"on": on, **({name: order.args[name] for name in ("against", "episode")} if on == "lockstep" else {})}
    given = orders.give("real_game", order, lambda: orders.seat.real_game(on), lambda _: told)
    if order.args["episode"]:
        orders.give("episode", None, lambda: orders.seat.call("episode", play_episode))
    return given


def prepare(orders: Orders, start: int, seed: int, real: Real, against: str = "", episode: str = "") -> None:
    """Open what is to be played there, with the world ``against`` beside it, under an episode. Takes seconds.

    Not on the device's thread. Raises ServerError: unknown_world, unsupported, memory, bad_value; ReverieError: what
    does not fit together.
    """
    name, shelf = orders.play.world.name, orders.hub.shelf
    if against:
        shelf.listing(against)
        if against not in shelf.rivals(name):
            fit = ", ".join(shelf.rivals(name)) or "none: no other is of its size and actions"
            raise ServerError("bad_value", f"real.against: got {against[:60]!r}, expected one of {fit}")
    if episode and not orders.hub.flags:
        raise ServerError(
            "unsupported",
            "real.episode: got a server for others, expected one on the player's own machine: episodes are there",
        )
    under = (episode, orders.hub.episodes.path(name, episode)) if episode else None
    session = orders.play.prepare_real(start, seed, real, shelf.open(against) if against else None, under)
    if under is not None:
        orders.hub.episodes.opened(episode_hash(orders.play.hash_of("lockstep")), under[1])
    if session is not None:
        orders.give("beside", None, lambda: orders.seat.beside(lambda: session))


# -- what is asked of the present moment


def anchor(orders: Orders, order: Control) -> object:
    """It is kept with the past, beyond all rewinding: it counts as memory. Raises ServerError, memory."""
    budget = orders.play.budget
    budget.reserve(OVERHEAD, "anchor")

    def undo() -> None:
        budget.release(OVERHEAD)

    try:
        return orders.give("anchor", order, orders.seat.anchor, lambda _: None, undo)
    except ServerError:
        undo()
        raise


def study(orders: Orders, order: Control) -> object:
    """Replies when it is done, or cancelled by the next one. Raises ServerError: rate, bad_value, unsupported."""
    if order.args["what"] == "clear":
        return orders.give("study_clear", order, orders.seat.study_clear, lambda _: None)
    make, limits = study_of(orders, order), orders.hub.limits
    if (others := orders.hub.doing("study", orders.stay)) >= limits.studies:
        raise ServerError(
            "rate",
            f"study: got {others} players who study already, expected fewer than {limits.studies}; wait a little",
        )
    budget = orders.play.budget
    budget.reserve(STUDY_BYTES, "study")

    def undo() -> None:
        budget.release(STUDY_BYTES)

    def then(value: Any) -> Any:
        undo()
        return value

    try:
        return orders.give("study", order, lambda: orders.seat.study(order.args["what"], make), then, undo)
    except ServerError:
        undo()
        raise


def study_of(orders: Orders, order: Control) -> Callable[[Session], Slices]:
    """What makes the slices of a study. Raises ServerError, bad_value: beyond the limits, or an action that is not."""
    from engine import studies

    args, limits = order.args, orders.hub.limits
    what, frames, count = args["what"], args["frames"] or FRAMES, args["count"] or COUNT
    for name, got, most in (("frames", frames, limits.study_frames), ("count", count, limits.study_samples)):
        if got > most:
            raise ServerError("bad_value", f"study.{name}: got {got}, expected at most {most} on this server")
    if what == "sequences":
        return partial(studies.sequences, chosen=chosen_of(orders, args["sequences"]))
    made: dict[str, Callable[[Session], Slices]] = {
        "every_action": partial(studies.every_action, frames=frames),
        "seeds": partial(studies.seeds, count=count, frames=frames),
        "unsure": partial(unsure, samples=count),
        "check": studies.check_world,
    }
    return made[what]


def unsure(session: Session, samples: int) -> Slices:
    """Where the world is unsure, and, where reality is known, how much reality surprised it."""
    from engine import studies

    views = yield from studies.unsure(session, samples=samples)
    if studies.knows_reality(session):
        with suppress(ReverieError):  # nothing has led to this moment: an episode's first, or an anchor
            views = (*views, *(yield from studies.surprise(session)))
    return views


def chosen_of(orders: Orders, names: list[list[str]] | None) -> list[list[int]]:
    """Indices of the actions named. Raises ServerError: none, or one that the world does not have."""
    actions = orders.play.world.spec.actions
    if actions.kind != "discrete":
        raise ServerError(
            "unsupported", "study: got sequences for a world of continuous actions, expected every_action"
        )
    if not names:
        raise ServerError("bad_value", "study.sequences: got none, expected at least one sequence of actions")
    known = {name: index for index, name in enumerate(actions.names)}
    for name in (name for sequence in names for name in sequence):
        if name not in known:
            raise ServerError(
                "bad_value", f"study.sequences: got the action {name[:40]!r}, expected one of {', '.join(known)}"
            )
    return [[known[name] for name in sequence] for sequence in names]


# -- what is kept


def flag(orders: Orders, order: Control) -> object:
    """Keep the present moment as a glitch on the server's machine. Raises ServerError: unsupported, memory."""
    if not orders.hub.flags:
        raise ServerError(
            "unsupported",
            "flag: got a server for others, expected one on the player's own machine: it keeps files there",
        )
    stay, most = orders.stay, orders.hub.limits.flags
    if stay.flags >= most:
        raise ServerError("memory", f"flag: got {stay.flags} of this session already, expected at most {most}")
    stay.flags += 1

    def undo() -> None:
        stay.flags -= 1

    def told(glitch: Any) -> dict[str, Any]:
        return {"id": glitch.id, "note": glitch.note}

    try:
        return orders.give("flag", order, lambda: orders.seat.flag(order.args["note"] or ""), told, undo)
    except ServerError:
        undo()
        raise
