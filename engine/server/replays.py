"""Replay links, played: the world they are of, what stands beside it there, and what they may ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.server.dials import check_changes
from engine.server.errors import ServerError
from engine.server.link import Link, read_link
from engine.server.messages import Control
from engine.server.orders import PLAYED_BACK
from engine.server.workbench import prepare
from engine.session import bare_hash, episode_hash, other_hash, real_of

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.orders import Orders


def replay(orders: Orders, order: Control) -> object:
    def play() -> object:
        link = read_link(order.args["link"])
        name = world_of_link(orders.hub, link)
        if name != orders.play.world.name:
            orders.hub.move(orders.stay, name, None, None)
        return play_back(orders.stay.orders, link, order)

    return orders.work(order, play)


def play_back(orders: Orders, link: Link, order: Control | None = None) -> object:
    """Play a link's episode; a ``playback`` event tells how it went. Raises ServerError: it does not fit the world."""
    ticks = link.history.ticks
    check_link(orders, link)
    if real := real_of(link.history.world_hash):
        prepare(orders, ticks[0].start, ticks[0].seed, real, rival_of_link(orders, link), episode_of_link(orders, link))

    def accepted(_: object) -> object:
        orders.link = link
        return {"frames": len(ticks)}

    def both() -> None:
        orders.seat.playback(link.history)
        orders.seat.call(PLAYED_BACK, lambda session: session.world_hash)

    return orders.give(PLAYED_BACK, order, both, accepted)


def world_of_link(hub: Hub, link: Link) -> str:
    """The name of the world that a link is of. Raises ServerError, link: it is not on offer."""
    history = link.history
    name = hub.shelf.by_hash(bare_hash(history.world_hash))
    if name is None:
        got = f"one of the world {history.world[:60]!r} ({bare_hash(history.world_hash)[:12]})"
        raise ServerError("link", f"link: got {got}, expected one of a world offered here, of the same version")
    return name


def rival_of_link(orders: Orders, link: Link) -> str:
    """The name of the world beside that a link's lockstep was played with, "" without one. Raises ServerError: link."""
    other = other_hash(link.history.world_hash)
    name = orders.hub.shelf.by_hash(other) if other else ""
    if name is None:
        raise ServerError("link", f"link: got one beside the world {other[:12]}, expected one that is offered here")
    return name


def episode_of_link(orders: Orders, link: Link) -> str:
    """The name of the episode that a link's lockstep was played under, "" without one. Raises ServerError: link."""
    wanted = episode_hash(link.history.world_hash)
    name = orders.hub.episodes.of(orders.play.world.name, wanted) if wanted else ""
    if name is None:
        got = f"link: got one under the episode {wanted[:12]}"
        raise ServerError("link", f"{got}, expected one that was played under here; begin a lockstep under it first")
    return name


def check_link(orders: Orders, link: Link) -> None:
    """Raises ServerError (link) where its start or settings are not the world's, or beyond the limits."""
    world, history = orders.play.world, link.history
    if history.ticks[0].start >= world.starts:
        raise ServerError("link", f"link: got start {history.ticks[0].start}, expected one below {world.starts}")
    episode_of_link(orders, link)
    rival_of_link(orders, link)
    if real_of(history.world_hash) is True:
        return
    seen = {id(tick.settings): tick.settings for tick in history.ticks}
    for settings in seen.values():
        try:
            world.loaded.world.with_settings(**check_changes(world.loaded.world.settings, settings, orders.hub.limits))
        except (ServerError, ValueError) as error:
            raise ServerError("link", f"link: {error}") from error
