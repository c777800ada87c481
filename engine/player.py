"""What is played and how, without threads: the sessions side by side, pause, rewind, speed, and the measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

from engine.batcher import Turn, kind_of, take_turns
from engine.branches import Branches
from engine.controllers import HumanController, ReplayController
from engine.controls import Controls, Input, Latch
from engine.edits import Change, changed, editable
from engine.errors import ReverieError
from engine.gauges import Gauges
from engine.history import Action, History
from engine.looks import Looks
from engine.moment import Frame
from engine.pacer import Pacer
from engine.playback import Playback, PlaybackSummary
from engine.session import Real, Session, real_of
from engine.shown import Shown
from engine.watch import Watch
from models.types import View

LOOK_MS = 250.0
"""A step that takes longer is not made again only to look into it."""


@dataclass(frozen=True)
class Again(ReplayController):
    """An episode's actions once more; the player hands over to the person at their end."""


class Player:
    """Turns due times into ticks of the session in play, and the result into what a face shows.

    All of it happens on one thread, the device's. real, grounded, lockstep: make the real game's session, the one
    grounded in it and the one in lockstep with it, when first asked for. Each way to play has branches of its own.
    rewind_step: frames a tick while rewind is held. wait_at_end: pause where the episode of a person, or one from disk,
    ends, instead of going on to the next start. A tick is ``begin``, the turn wherever it is taken, and ``finish``;
    ``tick`` is all of it.
    """

    def __init__(
        self,
        session: Session,
        controls: Controls,
        real: Callable[[], Session] | None = None,
        rewind_step: int = 2,
        wait_at_end: bool = False,
        clock: Callable[[], float] = time.perf_counter,
        grounded: Callable[[], Session] | None = None,
        lockstep: Callable[[], Session] | None = None,
    ) -> None:
        self._controls, self._clock, self._rewind_step = controls, clock, rewind_step
        self._makers: dict[Real, Callable[[], Session] | None] = {
            True: real,
            "grounded": grounded,
            "lockstep": lockstep,
        }
        self._wait_at_end = wait_at_end
        self._branches = Branches(session)
        self.study = ""
        self.watch, self.looks = Watch(clock), Looks()
        self.paused = self.rewinding = self.inspect = False
        self.playback: Playback | None = None
        self._summaries: list[PlaybackSummary] = []
        self._latch = Latch(Input())
        self.pacer, self._gauges = Pacer(session.world.spec.fps, clock), Gauges(clock)

    @property
    def session(self) -> Session:
        """The session in play."""
        return self._branches.session

    @property
    def real(self) -> Real:
        """Where it plays."""
        return self._branches.real

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The branches of all ways to play that there are yet."""
        return self._branches.all

    def maker(self, real: Real) -> Callable[[], Session] | None:
        """What makes the session to play there; None where there is one already, or no way to make it."""
        return None if real in self._branches else self._makers.get(real)

    @property
    def moving(self) -> bool:
        """Whether ticks are due at all."""
        return self.rewinding or not self.paused

    @property
    def kind(self) -> Hashable:
        """Players of equal kinds can share a step."""
        return kind_of(self.session, self.inspect)

    @property
    def frame(self) -> Frame:
        """The present frame; where it is looked into, with the views of a study, the world's, and those of the past."""
        return self.looks.frame(self.session, self._quick) if self.inspect else self.session.frame

    def pin(self, views: tuple[View, ...]) -> None:
        """Show these views first from now on, until there are others or another session is played."""
        self.looks.pin(self.session, views)

    @property
    def _quick(self) -> bool:
        """Whether a step is not to be made again only to look into it."""
        slow = getattr(self.session.world, "alone", False) or self._gauges.step_ms.p50 > LOOK_MS
        return self.rewinding or slow

    # -- ticks

    def advance(self) -> Shown:
        """What a due time brings: a tick, or a step back while rewind is held."""
        self.pacer.advance()
        return self.back() if self.rewinding else self.tick()

    def back(self) -> Shown:
        """What a due time brings while rewind is held."""
        self.session.rewind(self._rewind_step)
        self.settle()
        return self.shown()

    def tick(self) -> Shown:
        """One tick, of this player alone."""
        result = take_turns([self.begin()])[0]
        if isinstance(result, Exception):
            raise result
        return self.finish(result)

    def begin(self) -> Turn:
        """The turn to take now: input is latched at this last moment. Raises ValueError: an unfit playback."""
        begin = self._clock()
        self._latch = self._controls.latch_timed()
        self._gauges.latched(begin)
        if self.playback is None:
            return Turn(self.session, self._latch.input, self.inspect)
        self._latch = Latch(Input())  # a recorded tick answers nobody
        return self.playback.turn(self.session, self.inspect)

    def finish(self, frame: Frame, batch: int = 1, queue_ms: float = 0.0) -> Shown:
        """The turn was taken and showed ``frame``; batch: players who shared the step; queue_ms: see Shown."""
        self._gauges.stepped()
        session = self.session
        if frame.views:
            self.looks.came(session.moment, frame.views)
        if self.playback is not None:
            self.playback.took(session, frame)
            if self.playback.over:
                self.end_playback()
        elif isinstance(session.controller, Again) and (frame.over or frame.index >= len(session.controller.actions)):
            session.controller = HumanController()
        waits = self._wait_at_end and frame.over and self.playback is None
        if waits and isinstance(session.controller, HumanController | ReplayController):
            self.pause(True)
        return self.shown(self.frame if self.inspect else frame, self._latch, batch, queue_ms)

    def shown(
        self, frame: Frame | None = None, latch: Latch | None = None, batch: int = 0, queue_ms: float = 0.0
    ) -> Shown:
        """The present frame, with all that surrounds it."""
        session, gauges, latch = self.session, self._gauges, latch or Latch(Input())
        self.watch.hear(session)
        return Shown(
            frame=frame or self.frame,
            timeline=session.timeline,
            controller=session.controller.name if self.playback is None else "replay",
            start=session.start,
            seed=session.seed,
            horizon=session.horizon,
            settings=session.world.settings,
            slots=session.slots,
            paused=self.paused,
            rewinding=self.rewinding,
            speed=self.pacer.speed,
            real=self.real is True,
            grounded=self.real == "grounded",
            branch=self._branches.index,
            branches=self._branches.count,
            fps=gauges.fps,
            step_ms=gauges.step_ms.p50,
            step_p95_ms=gauges.step_ms.p95,
            latch_ms=gauges.latch_ms.p50,
            input_ms=float("nan") if latch.since is None else (self._clock() - latch.since) * 1000,
            input_at=latch.since,
            stamp=latch.stamp,
            queue_ms=queue_ms,
            batch=batch,
            late=not self.paused and gauges.late(1 / self.pacer.period),
            replaying=self.playback is not None,
            inspect=self.inspect,
            lockstep=self.real == "lockstep",
            against=session.against,
            alarms=self.watch.now,
            study=self.study,
            episode=session.episode,
        )

    # -- time

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self.restart()

    def halt(self) -> None:
        """Stop all that moves: something went wrong."""
        self.end_playback()
        self.rewinding = False
        self.pause(True)

    def set_speed(self, factor: float) -> None:
        """See ``Pacer.speed``."""
        self.pacer.speed = factor
        self._gauges.reset()

    def restart(self) -> None:
        """Time begins anew: what passed until now was not waited for."""
        self.pacer.restart()
        self._gauges.reset()
        self._controls.untimed()

    def step(self) -> Shown:
        """Pause, and play one tick."""
        self.pause(True)
        return self.tick()

    def rewind(self, hold: bool) -> None:
        self.rewinding = hold
        self.restart()

    def scrub(self, frames: int) -> None:
        """Pause, and move by ``frames`` in what is kept: back when negative."""
        self.pause(True)
        move = self.session.forward if frames > 0 else self.session.rewind
        move(abs(frames))

    def edit(self, name: str, changes: Sequence[Change]) -> None:
        """Pause, and change values of the view ``name``, see ``engine.edits``. Raises ReverieError: it cannot be."""
        self.pause(True)
        session, before = self.session, self.looks.own(self.session, self._quick)
        value = changed(editable(before, name), changes)
        try:
            session.edit(name, value)
        except ValueError as error:
            raise ReverieError(str(error)) from error
        now = {view.name: view for view in session.inside()}
        views = [now.pop(v.name, replace(v, value=value) if v.name == name else v) for v in before]
        self.looks.came(session.moment, (*views, *now.values()))

    def anchor(self) -> None:
        """Have the dreams of a lockstep begin again from reality; play goes on. Raises ReverieError: it is none."""
        self.session.anchor()

    # -- what is played

    def fork(self) -> int:
        """Go on in a copy, a new branch; returns its index."""
        return self._branches.fork()

    def to_branch(self, index: int) -> int:
        """Play branch ``index`` (modulo their number) of where one plays; returns it."""
        return self._branches.go(index)

    def to_real(self, on: Real, made: Session | None = None) -> Real:
        """Play the real game, or the dream again; each goes on where it was left. made: the session to play there."""
        self._branches.enter(on, lambda: made or self._make(on))
        return on

    def put_beside(self, session: Session) -> None:
        """Let this session be the lockstep's from now on, in place of all of its branches."""
        self._branches.put("lockstep", session)

    def _make(self, real: Real) -> Session:
        maker = self._makers[real]
        if maker is None:
            raise ReverieError("real game: got a world without one here, expected its game to be installed")
        return maker()

    def again(self) -> int:
        """Play the present episode's actions again from its start, then hand over; returns how many there are.

        Edits are not made again: ``play_back`` does that.
        """
        past, actions = self.session.moment.past, list[Action]()
        while past.action is not None and past.before is not None:
            if past.edit is None:
                actions.append(past.action)
            past = past.before
        if not actions:
            raise ReverieError("again: got an episode without a step, expected one to play again; play first")
        self.session.new_start(past.start, past.seed)
        self.session.controller = Again(tuple(reversed(actions)))
        self.rewinding = False
        self.pause(False)
        return len(actions)

    def play_back(self, history: History) -> None:
        """Play a recorded past through, in the dream or the real game it was recorded in. Raises ReverieError."""
        was = self.real
        self.to_real(real_of(history.world_hash))
        have = self.session.world_hash
        if have != history.world_hash:
            self._branches.real = was
            raise ReverieError(
                f"playback: got a replay of the world {history.world} ({history.world_hash[:12]}), expected one of "
                f"{self.session.world.spec.name} ({have[:12]}); open the world it was recorded in"
            )
        playback = Playback(history.ticks)
        self.end_playback()
        self.session.controller = HumanController()
        self.playback, self.rewinding = playback, False
        self.pause(False)

    def end_playback(self) -> None:
        """Stop playing a recorded past, if that is what goes on; where it is through, play is paused."""
        playback, self.playback = self.playback, None
        if playback is not None:
            self._summaries.append(playback.summary)
            self.paused = self.paused or playback.over

    def settle(self) -> None:
        """After a command: a playback that the player has left for another moment is over; so is what was pinned."""
        self.looks.settle(self.session)
        if self.playback is not None and self.playback.left(self.session):
            self.end_playback()

    def summaries(self) -> list[PlaybackSummary]:
        """What came of the playbacks that have ended since the last call."""
        taken, self._summaries = self._summaries, []
        return taken
