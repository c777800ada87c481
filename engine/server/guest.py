"""One connection of a player: bytes in, events and the newest frame out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.history import History
from engine.server.errors import ServerError
from engine.server.flow import Flow
from engine.server.keeping import HISTORY_BYTES, HISTORY_GROWS, enter, read_upload, replayed
from engine.server.limits import Bucket
from engine.server.messages import Ack, Axis, Blur, ClientMessage, Codec, Control, FrameHeader, Hello, Key, Mouse, Ping
from engine.server.outbox import Outbox
from engine.server.protocol import PROTOCOL, decode_client, encode_event, encode_frame, encode_pong
from engine.server.shelf import Shelved
from engine.server.snapshot import choices_of, frame_header, state_facts
from engine.server.views import Looks
from engine.session import episode_hash, real_of
from engine.shown import Shown

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.stay import Stay

BYTES_A_TOKEN = 1024
"""A message counts as one more for each that many bytes."""
STATE_S = 0.2
"""The state is told at most this often where nothing but the timeline has changed."""


class Guest:
    """What a socket talks to. Thread-safe; nothing here waits for the device but ``load_save``.

    on_ready: called from any thread when something can be sent; then take all of ``next_event``, and ``next_frame``.
    ``receive`` and ``next_event`` raise the fatal ServerError that ends the connection: tell the client, close with its
    code, and call ``Hub.leave``.
    """

    def __init__(self, hub: Hub, stay: Stay, pictures: Sequence[Codec]) -> None:
        self._hub, self._stay, self.pictures = hub, stay, tuple(pictures)
        self.on_ready: Callable[[], None] = _nobody
        self._lock = threading.RLock()
        self._rate = Bucket(hub.limits.message_rate, hub.limits.message_burst, hub.clock)
        self._outbox = Outbox()
        self._loading = threading.Lock()
        self._told: dict[str, Any] | None = None
        self._choices: object = None
        self._told_at, self._state_due = -STATE_S, True
        self.flow = Flow(hub.clock)
        self._fresh: Shown | None = None
        self._taken: dict[int, FrameHeader] = {}
        self._looks = Looks()
        self._stamp: float | None = None
        self._dropped = False

    @property
    def session(self) -> str:
        """The session's id."""
        return self._stay.id

    @property
    def key(self) -> str:
        """What resumes the session, until somebody has done so."""
        return self._stay.key

    @property
    def stay(self) -> Stay:
        return self._stay

    # -- from the client

    def receive(self, data: bytes) -> None:
        """One message. Errors that are not fatal are told as events. Raises ServerError, fatal."""
        with self._lock:
            if self._outbox.end is not None:
                raise self._outbox.end
            if not self._rate.take(1 + len(data) / BYTES_A_TOKEN):
                limit = self._hub.limits.message_rate
                raise ServerError("rate", f"got messages too fast, expected at most {limit:g} a second", True)
        try:
            message = decode_client(data)
        except ServerError as error:
            if error.fatal:
                raise
            self._complain(error)
            return
        self._obey(message)

    def _obey(self, message: ClientMessage) -> None:
        stay, controls = self._stay, self._stay.play.controls
        match message:
            case Key(down, button, time):
                buttons = stay.play.world.pad.buttons
                if button < len(buttons):  # else it was meant for the world before
                    (controls.press if down else controls.release)(buttons[button], stamp=time)
                stay.touched()
            case Mouse(dx, dy, time):
                controls.move(dx, dy, stamp=time)
                stay.touched()
            case Axis(axis, value, time):
                names = stay.play.world.spec.actions.names
                if axis < len(names):
                    controls.lean(names[axis], value, stamp=time)
                stay.touched()
            case Blur():
                controls.clear()
            case Ack(seq):
                self._ack(seq)
            case Ping(time):
                self._queue(encode_pong(time))
            case Control():
                if message.do not in ("visible", "bye") or message.args.get("on"):
                    stay.touched()
                stay.orders.obey(message)
            case Hello():
                raise ServerError("protocol", "got a second HELLO, expected one a connection", True)
        self.ready()

    def load_save(self, path: Path) -> dict[str, Any]:
        """Go to the moment in a save that the player brought. Waits for the device; never call it on its thread.

        Its history is kept as long as the session's world, and counts as memory of it. Raises ServerError: bad_value
        (no save, a damaged one, one of another world), too_large, memory, rate, expired.
        """
        if not self._loading.acquire(blocking=False):
            raise ServerError("rate", "save: got a second one while the first is being loaded; wait for it")
        try:
            orders = self._stay.orders
            world, budget = orders.play.world, orders.play.budget
            grown = HISTORY_GROWS * min(path.stat().st_size, HISTORY_BYTES)
            like, world_hash = orders.ask(lambda session: (session.moment, session.world_hash))
            budget.reserve(grown, "save")
            try:
                moment = read_upload(path, like, History(world.spec.name, world_hash, ()), world.spec)
                if real_of(world_hash):
                    moment = replayed(
                        moment, world_hash, world.loaded, self._hub.episodes.file(episode_hash(world_hash))
                    )
                self._stay.touched()
                return {"index": orders.ask(lambda session: enter(session, moment, world_hash).index)}
            except BaseException:
                budget.release(grown)
                raise
        finally:
            self._loading.release()

    # -- to the client

    def next_event(self) -> bytes | None:
        """The oldest message not yet sent; then the state, where it has changed. None: nothing is to be told now.

        Raises ServerError, fatal, when all is told and the connection is to end.
        """
        with self._lock:
            message = self._outbox.take()
            return self._state() if message is None else message

    def next_frame(self) -> Shown | None:
        """The newest frame, where there is one not yet sent and the client keeps up. Then call ``messages``."""
        with self._lock:
            shown = self._fresh
            if shown is None or self._outbox.end is not None or not self.flow.open(shown.fps):
                return None
            header = frame_header(shown, self.pictures[0], self.flow.send())
            self._taken = {id(shown): replace(header, dropped=self._dropped, echo=self._stamp)}
            self._fresh, self._stamp, self._dropped = None, None, False
            return shown

    def messages(self, shown: Shown) -> list[bytes]:
        """The messages of a frame that ``next_frame`` gave: the look inside, where there is one, then the frame.

        Takes milliseconds: for a worker thread.
        """
        from engine.server.pictures import take_picture

        with self._lock:
            header = self._taken.pop(id(shown))
        codec = self._stay.play.world.codec(self.pictures)
        picture = take_picture(shown.frame.image, codec)
        frame = encode_frame(replace(header, codec=codec, encode_ms=picture.ms), picture.data)
        views = shown.frame.views if shown.inspect else ()
        return [self._looks.message(header.seq, views, codec), frame] if views else [frame]

    # -- from the session

    def welcome(self, resumed: bool) -> None:
        """The first event."""
        stay, limits = self._stay, self._hub.limits
        world = stay.play.world
        facts = {"protocol": PROTOCOL, "session": stay.id, "key": stay.key, "resumed": resumed, "limits": limits.told()}
        picture = world.codec(self.pictures)
        with self._lock:
            late = self._outbox.take_all()
            self.tell("welcome", **facts, picture=picture, world=self._hub.facts(world))
            for event in late:
                self._queue(event)
            if stay.shown is not None:
                self._fresh = stay.shown

    def enter(self, world: Shelved) -> None:
        """The session has gone to another world."""
        with self._lock:
            self._fresh, self._stamp, self._dropped = None, None, False
            self.tell("world", **self._hub.facts(world))

    def tell(self, name: str, /, **fields: Any) -> None:
        """An event, without loss."""
        self._queue(encode_event(name, **fields))

    def show(self, shown: Shown) -> None:
        """A frame that could be sent: the newest wins."""
        with self._lock:
            if self._fresh is not None and self._fresh.frame is not shown.frame:
                self._dropped = True
            if self._stamp is None:
                self._stamp = shown.stamp
            self._state_due |= choices_of(shown) != self._choices
            self._fresh, self._choices = shown, choices_of(shown)

    def ready(self) -> None:
        """Something can be sent."""
        self.on_ready()

    def end(self, error: ServerError) -> None:
        """The connection is to end, with a fatal error, once its events are sent."""
        with self._lock:
            self._outbox.end = self._outbox.end or error
        self.ready()

    def hand_over(self) -> list[bytes]:
        """Events that were not sent, for the connection that takes over; this one is told goodbye."""
        with self._lock:
            events = self._outbox.take_all()
            if self._outbox.end is None:
                self.tell("bye", reason="elsewhere", message="This session was opened somewhere else")
                self._outbox.end = ServerError("expired", "the session goes on in another connection", True)
        self.ready()
        return events

    def take_over(self, events: Sequence[bytes]) -> None:
        """What the connection before this one could not send."""
        for event in events:
            self._queue(event)

    def tick(self) -> None:
        """Called now and then: what has changed may be told."""
        self.ready()

    # -- inside

    def _queue(self, message: bytes) -> None:
        with self._lock:
            self._outbox.put(message)
            self._state_due = True

    def _complain(self, error: ServerError) -> None:
        """An error that is not fatal: the reply of its order, or an event of its own."""
        if error.id is not None:
            fields = {"code": error.code, "message": error.message}
            self.tell("reply", id=error.id, do=error.do, ok=False, error=fields)
        else:
            self.tell("error", code=error.code, message=error.message, fatal=False)
        self.ready()

    def _ack(self, seq: int) -> None:
        with self._lock:
            self.flow.ack(seq)
        self._stay.seen = True
        self._stay.wake("silent")

    def _state(self) -> bytes | None:
        """The ``state`` event, where something has changed since the last one and it is time."""
        shown, now = self._stay.shown, self._hub.clock()
        if shown is None or (not self._state_due and now - self._told_at < STATE_S):
            return None
        self._state_due = False
        facts = state_facts(shown, self._stay.asleep)
        if facts == self._told:
            return None
        self._told, self._told_at = facts, now
        return encode_event("state", **facts)


def _nobody() -> None:
    """on_ready where no socket listens."""
