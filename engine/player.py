"""What is played and how, without threads: the sessions side by side, pause, rewind, speed, and the measures."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from engine.batcher import Turn, kind_of, take_turns
from engine.controllers import HumanController, ReplayController
from engine.controls import Controls, Input, Latch
from engine.errors import ReverieError
from engine.gauges import Gauges
from engine.history import Action, History
from engine.moment import Frame
from engine.pacer import Pacer
from engine.playback import Playback, PlaybackSummary
from engine.session import REAL_PREFIX, Session
from engine.shown import Shown


@dataclass(frozen=True)
class Again(ReplayController):
    """An episode's actions once more; the player hands over to the person at their end."""


class Player:
    """Turns due times into ticks of the session in play, and the result into what a face shows.

    All of it happens on one thread, the device's. real: makes the real game's session when first asked for.
    rewind_step: frames a tick while rewind is held. wait_at_end: pause where a person's episode ends, instead of going
    on to the next start. A tick is ``begin``, the turn wherever it is taken, and ``finish``; ``tick`` is all of it.
    """

    def __init__(
        self,
        session: Session,
        controls: Controls,
        real: Callable[[], Session] | None = None,
        rewind_step: int = 2,
        wait_at_end: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._controls, self._clock, self._rewind_step, self.make_real = controls, clock, rewind_step, real
        self._wait_at_end = wait_at_end
        self._branches, self._branch = [session], 0
        self._real_session: Session | None = None
        self.real = self.paused = self.rewinding = self.inspect = False
        self.playback: Playback | None = None
        self._summaries: list[PlaybackSummary] = []
        self._latch = Latch(Input())
        self.pacer, self._gauges = Pacer(session.world.spec.fps, clock), Gauges(clock)

    @property
    def session(self) -> Session:
        """The session in play."""
        return self._real_session if self.real and self._real_session else self._branches[self._branch]

    @property
    def sessions(self) -> tuple[Session, ...]:
        """The branches, and the real game's session once there is one."""
        return (*self._branches, self._real_session) if self._real_session else tuple(self._branches)

    @property
    def has_real(self) -> bool:
        """Whether the real game's session has been made."""
        return self._real_session is not None

    @property
    def moving(self) -> bool:
        """Whether ticks are due at all."""
        return self.rewinding or not self.paused

    @property
    def kind(self) -> Hashable:
        """Players of equal kinds can share a step."""
        return kind_of(self.session, self.inspect)

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
        if self.playback is not None:
            self.playback.took(session, frame)
            if self.playback.over:
                self.end_playback()
        elif isinstance(session.controller, Again) and (frame.over or frame.index >= len(session.controller.actions)):
            session.controller = HumanController()
        waits = self._wait_at_end and frame.over and self.playback is None
        if waits and isinstance(session.controller, HumanController):
            self.pause(True)
        return self.shown(frame, self._latch, batch, queue_ms)

    def shown(
        self, frame: Frame | None = None, latch: Latch | None = None, batch: int = 0, queue_ms: float = 0.0
    ) -> Shown:
        """The present frame, with all that surrounds it."""
        session, gauges, latch = self.session, self._gauges, latch or Latch(Input())
        return Shown(
            frame=frame or session.frame,
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
            real=self.real,
            branch=self._branch,
            branches=len(self._branches),
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

    # -- what is played

    def fork(self) -> int:
        """Go on in a copy, a new branch; returns its index."""
        if self.real:
            raise ReverieError("fork: got the real game, expected a dream; switch back to the dream first")
        self._branches.append(self.session.fork())
        self._branch = len(self._branches) - 1
        return self._branch

    def to_branch(self, index: int) -> int:
        """Play branch ``index`` (modulo their number); returns it."""
        self._branch, self.real = index % len(self._branches), False
        return self._branch

    def to_real(self, on: bool, made: Session | None = None) -> bool:
        """Play the real game, or the dream again; each goes on where it was left. made: the real game's session."""
        self._real_session = made or self._real_session
        if on and self._real_session is None:
            if self.make_real is None:
                raise ReverieError("real game: got a world without one here, expected its game to be installed")
            self._real_session = self.make_real()
        self.real = on
        return on

    def again(self) -> int:
        """Play the present episode's actions again from its start, then hand over; returns how many there are."""
        past, actions = self.session.moment.past, list[Action]()
        while past.action is not None and past.before is not None:
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
        self.to_real(history.world_hash.startswith(REAL_PREFIX))
        have = self.session.world_hash
        if have != history.world_hash:
            self.real = was
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
        """After a command: a playback that the player has left for another moment is over."""
        if self.playback is not None and self.playback.left(self.session):
            self.end_playback()

    def summaries(self) -> list[PlaybackSummary]:
        """What came of the playbacks that have ended since the last call."""
        taken, self._summaries = self._summaries, []
        return taken
