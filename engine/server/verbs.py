"""What each order does: one function a verb, which gives its value, or LATER."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from engine.controllers import Controller, HumanController, RandomController
from engine.history import derive_seed
from engine.server.dials import check_changes, values_of
from engine.server.errors import ServerError
from engine.server.keeping import Kept, keep_clip, keep_save, kept
from engine.server.link import make_link
from engine.server.memory import OVERHEAD
from engine.server.messages import Control
from engine.server.orders import LATER, Orders
from engine.server.reopening import glitch
from engine.server.replays import replay
from engine.server.workbench import anchor, flag, real, study, way_of
from engine.session import Session

if TYPE_CHECKING:
    from engine.seat import Seat

STICKY = 0.75
"""How likely chance keeps to its last action: without it, it would only tremble."""
SEED_SHIFT = 10
"""Seeds of 63 bits lose so many of them, and are whole numbers that JavaScript takes exactly."""


def seat_command(command: Callable[[Seat, Mapping[str, Any]], None]) -> Callable[[Orders, Control], object]:
    """An order that is a command of the seat, of the same name."""

    def obey(orders: Orders, order: Control) -> object:
        return orders.give(order.do, order, lambda: command(orders.seat, order.args), lambda _: None)

    return obey


def go_on(orders: Orders) -> None:
    """Let time run again where it stood at an episode's end."""
    orders.give("resume", None, orders.seat.resume)


def is_over(orders: Orders) -> bool:
    return orders.stay.shown is not None and orders.stay.shown.frame.over


# -- time


def resume(orders: Orders, order: Control) -> object:
    """Where the episode is over, a new one begins."""
    if is_over(orders):
        orders.give(
            "new start", None, lambda: orders.seat.call("new start", lambda s: begin(s) if s.frame.over else None)
        )
    return orders.give("resume", order, orders.seat.resume, lambda _: None)


def step(orders: Orders, order: Control) -> object:
    return orders.give("step", order, orders.seat.step, lambda shown: {"index": shown.frame.index})


def rewind(orders: Orders, order: Control) -> object:
    hold = order.args["hold"]
    if hold and is_over(orders):
        go_on(orders)
    return orders.give("rewind", order, lambda: orders.seat.rewind(hold), lambda _: None)


def go_to(orders: Orders, order: Control) -> object:
    def move(session: Session) -> None:
        away = order.args["position"] - session.timeline.cursor
        (session.forward if away > 0 else session.rewind)(abs(away))

    orders.give("pause", None, orders.seat.pause)
    return orders.call(order, move)


def start(orders: Orders, order: Control) -> object:
    def new_start(session: Session) -> dict[str, int]:
        begin(session, order.args["start"], order.args["seed"])
        return {"start": session.start, "seed": session.seed}

    over = is_over(orders)
    orders.call(order, new_start)
    if over:
        go_on(orders)
    return LATER


def begin(session: Session, start: int | None = None, seed: int | None = None) -> None:
    """A new start; a seed that nobody chose follows from the present one."""
    session.new_start(start, derive_seed(session.seed, "next start") >> SEED_SHIFT if seed is None else seed)


# -- what is changed by hand


def edit(orders: Orders, order: Control) -> object:
    """What it sets is kept with the past, beyond all rewinding: it counts as memory. Raises ServerError, memory."""
    name, changes = order.args["view"], [(index, float(number)) for index, number in order.args["changes"]]
    shown, budget = orders.stay.shown, orders.play.budget
    views = shown.frame.views if shown is not None else ()
    size = OVERHEAD + 4 * sum(view.value.numel() for view in views if view.name == name and view.editable)
    budget.reserve(size, "edit")

    def undo() -> None:
        budget.release(size)

    try:
        return orders.give("edit", order, lambda: orders.seat.edit(name, changes), lambda _: None, undo)
    except ServerError:
        undo()
        raise


# -- what is kept


def save(orders: Orders, order: Control) -> object:
    slot = str(order.args["slot"])
    orders.play.reserve_slot(slot, way_of(orders))
    return orders.call(order, lambda session: session.save(slot))


def load(orders: Orders, order: Control) -> object:
    slot = str(order.args["slot"])

    def go(session: Session) -> dict[str, int]:
        if slot not in session.slots:
            have = ", ".join(sorted(session.slots)) or "none"
            raise ServerError("unknown_slot", f"load: got slot {slot}, expected one saved to: {have}; save first")
        return {"index": session.load(slot).index}

    return orders.call(order, go)


def fork(orders: Orders, order: Control) -> object:
    undo, way = orders.play.release_branch, way_of(orders)
    orders.play.reserve_branch(way)
    try:
        return orders.give("fork", order, orders.seat.fork, lambda index: {"branch": index}, lambda: undo(way))
    except ServerError:
        undo(way)
        raise


def branch(orders: Orders, order: Control) -> object:
    index = order.args["index"]
    return orders.give("branch", order, lambda: orders.seat.branch(index), lambda index: {"branch": index})


def record(orders: Orders, order: Control) -> object:
    seconds = min(order.args["seconds"], orders.hub.limits.clip_s)
    return keep(orders, order, lambda clip: keep_clip(orders.hub.downloads, clip, order.args["format"]), seconds)


def save_file(orders: Orders, order: Control) -> object:
    return keep(orders, order, lambda save: keep_save(orders.hub.downloads, save))


def link(orders: Orders, order: Control) -> object:
    return keep(orders, order, lambda episode: {"link": make_link(episode.history(1))})


def keep(
    orders: Orders, order: Control, write: Callable[[Kept], dict[str, Any]], seconds: float | None = None
) -> object:
    """Look where the session stands, and do the rest on another thread."""
    world = orders.play.world.name
    return orders.call(
        order, lambda session: kept(session, world, seconds), lambda found: orders.work(order, lambda: write(found))
    )


# -- who plays, and what


def controller(orders: Orders, order: Control) -> object:
    name, agent = order.args["name"], orders.play.world.agent
    if name == "again":
        return orders.give("again", order, orders.seat.again, lambda count: {"frames": count})
    if name == "agent" and agent is None:
        raise ServerError("unsupported", f"controller: got agent, expected another: {orders.play.world.name} has none")
    chosen: Mapping[str, Controller | None] = {
        "human": HumanController(),
        "random": RandomController(sticky=STICKY),
        "agent": agent,
    }
    given = chosen[name]
    assert given is not None
    return orders.give("controller", order, lambda: orders.seat.controller(given), lambda _: None)


def settings(orders: Orders, order: Control) -> object:
    def change(session: Session) -> dict[str, Any]:
        now = session.world.settings
        return values_of(session.settings(**check_changes(now, order.args["changes"], orders.hub.limits)))

    return orders.call(order, change)


def world(orders: Orders, order: Control) -> object:
    name = orders.hub.shelf.listing(order.args["name"]).name
    return orders.work(order, lambda: orders.hub.move(orders.stay, name, order.args["start"], order.args["seed"]))


# -- the connection


def visible(orders: Orders, order: Control) -> object:
    if order.args["on"]:
        orders.stay.wake("hidden")
    else:
        orders.stay.sleep("hidden")
    return None


def bye(orders: Orders, order: Control) -> object:
    orders.stay.leaving = True
    return None


OBEY: Mapping[str, Callable[[Orders, Control], object]] = {
    "pause": seat_command(lambda seat, args: seat.pause()),
    "resume": resume,
    "step": step,
    "speed": seat_command(lambda seat, args: seat.speed(args["factor"])),
    "rewind": rewind,
    "scrub": seat_command(lambda seat, args: seat.scrub(args["frames"])),
    "go_to": go_to,
    "save": save,
    "load": load,
    "fork": fork,
    "branch": branch,
    "start": start,
    "controller": controller,
    "real": real,
    "anchor": anchor,
    "study": study,
    "flag": flag,
    "glitch": glitch,
    "inspect": seat_command(lambda seat, args: seat.inspect(args["on"])),
    "edit": edit,
    "settings": settings,
    "horizon": seat_command(lambda seat, args: seat.horizon(args["frames"])),
    "world": world,
    "record": record,
    "link": link,
    "save_file": save_file,
    "replay": replay,
    "visible": visible,
    "bye": bye,
}
"""By verb."""
