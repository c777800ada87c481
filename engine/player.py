"""What is played and how, without threads: the sessions side by side, pause, rewind, speed, and the measures."""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.controllers import HumanController
from engine.controls import Controls
from engine.errors import ReverieError
from engine.metrics import Meter, Rate
from engine.moment import Frame
from engine.pacer import Pacer
from engine.session import Session
from engine.shown import Shown


class Player:
    """Turns due times into ticks of the session in play, and the result into what a face shows.

    All of it happens on one thread, the runner's. real: makes the real game's session when first asked for.
    rewind_step: frames a tick while rewind is held. wait_at_end: pause where a person's episode ends, instead of going
    on to the next start.
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
        self._controls, self._clock, self._make_real, self._rewind_step = controls, clock, real, rewind_step
        self._wait_at_end = wait_at_end
        self._branches, self._branch = [session], 0
        self._real_session: Session | None = None
        self.real = self.paused = self.rewinding = self.inspect = False
        self.pacer = Pacer(session.world.spec.fps, clock)
        self._rate, self._step_ms, self._latch_ms = Rate(clock=clock), Meter(), Meter()

    @property
    def session(self) -> Session:
        """The session in play."""
        return self._real_session if self.real and self._real_session else self._branches[self._branch]

    @property
    def moving(self) -> bool:
        """Whether ticks are due at all."""
        return self.rewinding or not self.paused

    def advance(self) -> Shown:
        """What a due time brings: a tick, or a step back while rewind is held."""
        self.pacer.advance()
        if self.rewinding:
            self.session.rewind(self._rewind_step)
            return self.shown()
        return self.tick()

    def tick(self) -> Shown:
        """One tick: input is latched at the last moment before it."""
        begin = self._clock()
        input, input_at = self._controls.latch_timed()
        latched = self._clock()
        frame = self.session.tick(input, self.inspect)
        end = self._clock()
        self._latch_ms.add((latched - begin) * 1000)
        self._step_ms.add((end - latched) * 1000)
        self._rate.tick()
        if self._wait_at_end and frame.over and isinstance(self.session.controller, HumanController):
            self.pause(True)
        return self.shown(frame, input_at)

    def shown(self, frame: Frame | None = None, input_at: float | None = None) -> Shown:
        """The present frame, with all that surrounds it."""
        session = self.session
        return Shown(
            frame=frame or session.frame,
            timeline=session.timeline,
            controller=session.controller.name,
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
            fps=self._rate.hz,
            step_ms=self._step_ms.p50,
            step_p95_ms=self._step_ms.p95,
            latch_ms=self._latch_ms.p50,
            input_ms=float("nan") if input_at is None else (self._clock() - input_at) * 1000,
            input_at=input_at,
        )

    def pause(self, paused: bool) -> None:
        self.paused = paused
        self._rate.reset()

    def step(self) -> Shown:
        """Pause, and play one tick."""
        self.pause(True)
        return self.tick()

    def rewind(self, hold: bool) -> None:
        self.rewinding = hold
        self._rate.reset()

    def scrub(self, frames: int) -> None:
        """Pause, and move by ``frames`` in what is kept: back when negative."""
        self.pause(True)
        move = self.session.forward if frames > 0 else self.session.rewind
        move(abs(frames))

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

    def to_real(self, on: bool) -> bool:
        """Play the real game, or the dream again; each goes on where it was left."""
        if on and self._real_session is None:
            if self._make_real is None:
                raise ReverieError("real game: got a world without one here, expected its game to be installed")
            self._real_session = self._make_real()
        self.real = on
        return on
