"""One player at a device, seen from the device's thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Any

from engine.batcher import Turn
from engine.commands import LATER, SILENT, Commands
from engine.controls import Controls
from engine.errors import ReverieError
from engine.moment import Frame
from engine.outlet import Outlet, Reply
from engine.player import Player
from engine.session import Session
from engine.studying import Desk, GiveJob, Slices, Study


class Place(Outlet):
    """Turns a device's time into commands run and ticks made of one player; ``engine.seat`` has what a player can ask.

    The arguments are Seat's. But for ``attach`` and ``detach`` everything here is for the device's thread alone.
    """

    def __init__(
        self,
        session: Session,
        controls: Controls,
        *,
        real: Callable[[], Session] | None = None,
        rewind_step: int = 2,
        paused: bool = False,
        wait_at_end: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        notify: Callable[[], None] | None = None,
        grounded: Callable[[], Session] | None = None,
        lockstep: Callable[[], Session] | None = None,
    ) -> None:
        super().__init__(notify)
        self._player = Player(session, controls, real, rewind_step, wait_at_end, clock, grounded, lockstep)
        self._player.paused = paused
        self._clock = clock
        self._suspended = False
        self._stepping: float | None = None  # since when a step asked for is due
        self._commands = Commands(self.answer)
        self._job: GiveJob | None = None
        self._desk = Desk()

    @property
    def suspended(self) -> bool:
        return self._suspended

    @property
    def sessions(self) -> tuple[Session, ...]:
        """All sessions of this player: the branches, and the real game's. Not to be changed but by commands."""
        return self._player.sessions

    @property
    def session(self) -> Session:
        """The session in play. Not to be changed but by commands."""
        return self._player.session

    # -- the device's side

    def attach(self, wake: Callable[[], None], job: GiveJob | None = None) -> None:
        """A device takes the seat; ``wake`` tells it that there is a command, ``job`` has it do long work in slices."""
        self._job = job
        self._commands.open(wake)

    def detach(self) -> None:
        """No device plays the seat any more (any thread): commands are answered with an error from now on."""
        self._commands.shut()
        self._end_study("a session that has ended")

    @property
    def waiting(self) -> bool:
        """Whether a command can run now."""
        return self._commands.ready

    @property
    def due(self) -> float | None:
        """When the next tick is due, on the clock; None where none is."""
        if self._stepping is not None:
            return self._stepping
        return self._player.pacer.due if self._player.moving and not self._suspended else None

    @property
    def kind(self) -> Hashable:
        """Seats of equal kinds can share a step; None: nothing is to be stepped."""
        return None if self._back else self._player.kind

    @property
    def period(self) -> float:
        """Seconds from tick to tick."""
        return self._player.pacer.period

    def begin_to_play(self) -> None:
        """The first thing a device does with a seat: time begins, and the present frame is shown."""
        self._player.restart()
        self.put(self._player.shown())

    def serve(self) -> None:
        """Run the oldest command."""
        command = self._commands.take()
        if command is None:
            return
        name, function = command
        try:
            value = function()
            self._player.settle()
            self._drop_study()
            if name not in SILENT and value is not LATER:
                self.put(self._player.shown())
                self.answer(Reply(name, value))
        except Exception as error:
            self.answer(Reply(name, error=error))
        self._tell_summaries()

    def begin(self, pull: float = 0.0) -> Turn | None:
        """The turn to take now; None where the tick needs none and is made. pull: see ``Pacer.advance``."""
        if self._stepping is None:
            self._player.pacer.advance(pull)
        if not self._back:
            return self._player.begin()
        self.put(self._player.back())
        self._tell_summaries()
        return None

    def finish(self, frame: Frame, batch: int, queue_ms: float) -> None:
        """The turn was taken and showed ``frame``; batch and queue_ms as in Shown."""
        shown = self._player.finish(frame, batch, queue_ms)
        self.put(shown)
        if self._stepped():
            self.answer(Reply("step", shown))
        self._tell_summaries()
        if self._job is not None and shown.inspect:
            pacer = self._player.pacer
            slices = self._player.watch.slices(pacer.due - self._clock())
            if slices is not None:
                self._player.watch.given(self._job(slices))

    def fail(self, error: Exception) -> None:
        """The tick failed: play is paused, and the player told."""
        self._player.halt()
        self.put(self._player.shown())
        name = "step" if self._stepping is not None else "tick"
        if self._stepped() or name == "tick":
            self.answer(Reply(name, error=error))
        self._tell_summaries()

    # -- inside

    @property
    def _back(self) -> bool:
        return self._player.rewinding and self._stepping is None

    def _send(self, name: str, function: Callable[[], Any]) -> None:
        self._commands.send(name, function)

    def _step(self) -> object:
        if self._suspended:
            raise ReverieError("step: got a suspended session, expected one in play; wake it first")
        self._player.pause(True)
        self._stepping = self._clock()
        self._commands.hold("step")
        return LATER

    def _stepped(self) -> bool:
        """Whether the tick that has ended was a step asked for, to be answered; those waiting for it may go on."""
        stepping, self._stepping = self._stepping, None
        return stepping is not None and self._commands.release()

    def _suspend(self, on: bool) -> None:
        self._suspended = on
        self._player.restart()

    def _begin_study(self, name: str, make: Callable[[Session], Slices]) -> object:
        """Have a study made of the present moment; its reply comes when it ends."""
        if self._job is None:
            raise ReverieError(f"study {name}: got a session that no device plays, expected one in play")
        slices = make(self.session.still())
        self._end_study(f"another one, {name}")
        study = Study(name, self.session, self._job(slices))
        self._desk.put(study)
        self._player.study = name
        study.result.add_done_callback(lambda _: self._send("study_end", lambda: self._pin(study)))
        self.put(self._player.shown())
        return LATER

    def _pin(self, study: Study) -> None:
        """A study has come to its end: its views are shown from now on. One that was cancelled is answered already."""
        if self._desk.take(study) is None:
            return
        self._player.study = ""
        try:
            views = study.result.result()
            self._player.pin(views)
            reply = Reply("study", {"study": study.name, "views": [view.name for view in views]})
        except Exception as error:
            reply = Reply("study", error=error)
        self.put(self._player.shown())
        self.answer(reply)

    def _clear_study(self) -> None:
        """No study, and nothing pinned."""
        self._end_study("study_clear")
        self._player.pin(())

    def _drop_study(self) -> None:
        """After a command: a study of a session that is no longer in play is over."""
        study = self._desk.study
        if study is not None and study.session is not self.session:
            self._end_study("another session in play")

    def _end_study(self, why: str) -> None:
        study = self._desk.take()
        if study is not None:
            self._player.study = ""
            study.result.cancel()
            self.answer(Reply("study", error=study.cancelled(why)))

    def _tell_summaries(self) -> None:
        for summary in self._player.summaries():
            self.answer(Reply("playback", summary))
