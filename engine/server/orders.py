"""What a client orders becomes commands to its seat; every order gets exactly one reply."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from engine.seat import Reply
from engine.server.errors import ServerError
from engine.server.keeping import kept
from engine.server.messages import Control
from engine.server.play import Play
from engine.session import Session

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.link import Link
    from engine.server.stay import Stay

MOST_OPEN, MOST_HEAVY = 64, 8
"""Orders of one session that may wait for their reply, and those among them that cost more than a step."""
HEAVY = frozenset(
    ["start", "real", "anchor", "study", "flag", "glitch", "world", "replay", "record", "link", "save_file"]
)
ASK_S = 20.0
PLAYED_BACK = "played back!"
"""Name of the call that follows a playback command, which itself answers at its end."""
LATER = object()
"""What a handler or ``then`` returns where the reply comes later, from elsewhere."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """A command given to the seat.

    order: whose reply it brings (None: nobody's). then: from the command's value to the reply's. undo: where it fails.
    """

    order: Control | None
    then: Callable[[Any], Any] | None = None
    undo: Callable[[], None] | None = None


class Orders:
    """The orders of one player in one world. Thread-safe."""

    def __init__(self, hub: Hub, stay: Stay, play: Play) -> None:
        self.hub, self.stay, self.play, self.seat = hub, stay, play, play.seat
        self._lock = threading.RLock()
        self._waiting: dict[str, deque[Waiting]] = {}
        self._open: list[Control] = []
        self._dropped, self._skip = False, 0
        self.link: Link | None = None
        """Whose episode is played back, or was last."""

    # -- in

    def obey(self, order: Control) -> None:
        """Carry out an order. It is answered in any case, now or later; nothing is raised."""
        from engine.server.verbs import OBEY

        try:
            self._admit(order)
        except ServerError as error:
            self._tell(order, error=error)
            return
        try:
            value = OBEY[order.do](self, order)
        except Exception as error:
            self.refuse(order, error)
        else:
            if value is not LATER:
                self.answer(order, value)

    def hear(self, reply: Reply) -> None:
        """What came of a command, in the order they were given. Called on the device's thread."""
        found = self._found(reply)
        if found is not None:
            self._finish(found, reply)
            if found.order is None and reply.command == "playback":
                self._complain(reply)
        elif reply.command == "playback" and reply.error is None:
            self._played(reply.value)
        elif reply.command == "runner":
            gone = "the server can play no more: its device failed; start it again"
            self.stay.end(ServerError("internal", gone, True))
        elif reply.error is not None:
            self._complain(reply)

    def doing(self, verb: str) -> bool:
        """Whether an order of this kind is under way."""
        with self._lock:
            return any(order.do == verb for order in self._open)

    def drop(self) -> None:
        """Another world is played now: what still waits for the seat is answered with an error."""
        with self._lock:
            self._dropped = True
            waiting = [found for queue in self._waiting.values() for found in queue]
            self._waiting.clear()
        for found in waiting:
            self._finish(found, Reply("", error=_another_world()))

    # -- out

    def answer(self, order: Control, value: Any) -> None:
        """The one reply of an order that went well."""
        self._close(order)
        self._tell(order, value)

    def refuse(self, order: Control, error: Exception) -> None:
        """The one reply of an order that failed."""
        self._close(order)
        self._tell(order, error=error)

    # -- for the handlers

    def give(
        self,
        name: str,
        order: Control | None,
        command: Callable[[], object],
        then: Callable[[Any], Any] | None = None,
        undo: Callable[[], None] | None = None,
    ) -> object:
        """Give the seat a command that it answers as ``name``: the order's reply. Raises ServerError: no seat left."""
        with self._lock:
            if self._dropped:
                raise _another_world()
            self._waiting.setdefault(name, deque()).append(Waiting(order, then, undo))
            command()
        return LATER

    def call(
        self, order: Control, function: Callable[[Session], Any], then: Callable[[Any], Any] | None = None
    ) -> object:
        """Run a function of the session between two ticks; its value, through ``then``, is the order's reply."""
        name = f"{order.do}!"
        return self.give(name, order, lambda: self.seat.call(name, function), then)

    def work(self, order: Control, function: Callable[[], Any]) -> object:
        """Do something slow on another thread, one thing a session at a time; its value is the order's reply."""

        def work() -> None:
            try:
                value = function()
            except Exception as error:
                self.refuse(order, error)
            else:
                if value is not LATER:
                    self.answer(order, value)

        self.stay.work(work)
        return LATER

    def ask(self, function: Callable[[Session], Any]) -> Any:
        """Run a function of the session between two ticks and wait for its value, or error. Not on the device's thread.

        Raises ServerError where the session is gone.
        """
        future: Future[Any] = Future()

        def run(session: Session) -> None:
            try:
                future.set_result(function(session))
            except Exception as error:
                future.set_exception(error)

        gone = ServerError("expired", "got a session that has ended, expected one that is played")
        self.give("ask!", None, lambda: self.seat.call("ask!", run), undo=lambda: future.set_exception(gone))
        try:
            return future.result(ASK_S)
        except TimeoutError as error:
            raise ServerError("internal", f"the device gave no answer in {ASK_S:g} s; try again") from error

    # -- inside

    def _admit(self, order: Control) -> None:
        with self._lock:
            heavy = sum(other.do in HEAVY for other in self._open)
            if len(self._open) >= MOST_OPEN or (order.do in HEAVY and heavy >= MOST_HEAVY):
                raise ServerError("rate", f"{order.do}: got orders faster than they are done; wait for their replies")
            self._open.append(order)

    def _close(self, order: Control) -> None:
        with self._lock:
            self._open = [other for other in self._open if other is not order]

    def _found(self, reply: Reply) -> Waiting | None:
        """Who waits for a reply. A playback that is refused says so itself; its order waits for the call after it."""
        with self._lock:
            refused = reply.command == "playback" and reply.error is not None
            waiting = self._waiting.get(PLAYED_BACK if refused else reply.command)
            if reply.command == PLAYED_BACK and self._skip:
                self._skip -= 1
                return None
            self._skip += refused and bool(waiting)
            return waiting.popleft() if waiting else None

    def _finish(self, found: Waiting, reply: Reply) -> None:
        order, error, value = found.order, reply.error, reply.value
        if error is not None and found.undo is not None:
            found.undo()
        if error is None and found.then is not None:
            try:
                value = found.then(value)
            except Exception as caught:
                error = caught
        if order is None:
            return
        if error is not None:
            self.refuse(order, error)
        elif value is not LATER:
            self.answer(order, value)

    def _played(self, summary: Any) -> None:
        """A playback is over. same: whether every frame was the recorded one; None where it was left before its end."""
        shown, same = self.stay.shown, None
        if self.link is not None and shown is not None and summary["complete"]:
            sessions = self.seat.sessions
            elsewhere = shown.real or shown.grounded or shown.lockstep
            session = self.seat.session if elsewhere else sessions[shown.branch]
            same = self.link.matches(kept(session, self.play.world.name).history(1))
        self.stay.tell("playback", **summary, same=same)

    def _complain(self, reply: Reply) -> None:
        """An error that answers no order: a tick's, or of a playback that nobody here ordered."""
        if reply.error is not None:
            code, message = explain(reply.error)
            self.stay.tell("error", code=code, message=message, fatal=False)

    def _tell(self, order: Control, value: Any = None, error: Exception | None = None) -> None:
        if error is None:
            self.stay.tell("reply", id=order.id, do=order.do, ok=True, value=plain(value))
        else:
            code, message = explain(error)
            failed = {"code": code, "message": message}
            self.stay.tell("reply", id=order.id, do=order.do, ok=False, error=failed)


def explain(error: Exception) -> tuple[str, str]:
    """Code and message of an error as a client is told; one of the server's own stays in its log."""
    if isinstance(error, ServerError):
        return error.code, error.message
    if isinstance(error, ReverieError | ValueError) and str(error):
        return "bad_value", str(error)
    logger.error("an order failed", exc_info=error)
    return "internal", f"something failed in the server ({type(error).__name__}); its log tells more"


def plain(value: Any) -> Any:
    """A command's value as JSON data; None where it has no such form."""
    if value is None or isinstance(value, bool | int | float | str | dict | list):
        return value
    shown = is_dataclass(value) and hasattr(value, "frame")
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) and not shown else None


def _another_world() -> ServerError:
    return ServerError("unsupported", "got another world meanwhile, expected the one this was meant for; do it again")
