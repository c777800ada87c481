"""A flagged glitch opened again by a player: its world, where it was played, its moment. On one's own machine only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.glitch import ID, Glitch
from engine.glitches import open_glitch
from engine.reopening import enter, moments_of
from engine.server.errors import ServerError
from engine.server.messages import Control
from engine.server.workbench import prepare
from engine.session import bare_hash, episode_hash, other_hash

if TYPE_CHECKING:
    from engine.server.orders import Orders


def glitch(orders: Orders, order: Control) -> object:
    """Pause at a flagged moment. Replies ``id``, ``note``, ``index``. Raises ServerError: unsupported, bad_value."""
    if not orders.hub.flags:
        raise ServerError(
            "unsupported",
            "glitch: got a server for others, expected one on the player's own machine: glitches are there",
        )
    if not ID.fullmatch(order.args["name"]):
        raise ServerError("bad_value", f"glitch: got {order.args['name'][:60]!r}, expected a glitch's ID")
    return orders.work(order, lambda: reopen(orders, order))


def reopen(orders: Orders, order: Control) -> object:
    """Open what is needed and go there. Takes seconds.

    Raises ServerError: a world that is not offered, one without its game, memory; ReverieError: a damaged glitch.
    """
    flagged = open_glitch(order.args["name"])
    name, against = _name(orders, bare_hash(flagged.world_hash)), other_hash(flagged.world_hash)
    if name != orders.play.world.name:
        orders.hub.move(orders.stay, name, None, None)
    there = orders.stay.orders
    seat, shown = there.seat, there.stay.shown
    if flagged.mode:
        beside, episode = _name(orders, against) if against else "", ""
        if episode_hash(flagged.world_hash):
            episode = _episode(orders, name, flagged)
        prepare(there, shown.start if shown else 0, shown.seed if shown else 0, flagged.mode, beside, episode)
    there.give("real_game", None, lambda: seat.real_game(flagged.mode))
    there.give("pause", None, seat.pause)
    moments = moments_of(flagged, *there.ask(lambda session: (session.moment, session.history)))
    told = {"id": flagged.id, "note": flagged.note}
    return there.call(order, lambda session: {**told, "index": enter(session, moments).index})


def _episode(orders: Orders, world: str, flagged: Glitch) -> str:
    """The name under which the episode of a glitch is offered. Raises ServerError: it is not."""
    name = orders.hub.episodes.at(world, Path(flagged.beside)) if flagged.beside else None
    if name is None:
        hint = f"`reverie glitches open {flagged.id} --window` opens it where the file is still there"
        raise ServerError(
            "unsupported", f"glitch: got one under {flagged.beside or 'an episode'}, expected one on offer; {hint}"
        )
    return name


def _name(orders: Orders, world_hash: str) -> str:
    """The name under which a world is offered. Raises ServerError: it is not."""
    name = orders.hub.shelf.by_hash(world_hash)
    if name is None:
        raise ServerError("unknown_world", f"glitch: got one of a world {world_hash[:12]}, expected one offered here")
    return name
