"""The one thread that runs models, for all who play on a device."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from engine.batcher import MAX_BATCH, Turn, take_turns
from engine.chores import Chores
from engine.metrics import Share
from engine.outlet import Reply
from engine.seat import Seat

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

JOIN_S = 0.010
"""At most this much ahead of its due time a tick joins a step that others need now."""
LOADED = 0.8
"""From this busy share on a tick joins that would be due before the step has ended: it would have to wait for it."""
PULL = 0.02
"""By at most this share of a period ticks of one speed come nearer to each other every time they share a step."""
COMMANDS_S = 0.010
"""Commands run for about this long between two steps."""


class Device:
    """Plays any number of seats on one thread, paced, each at its own speed.

    Ticks that are due together and are of the same kind share a step of up to ``max_batch`` rows (1: everyone alone),
    those due longest first; some due a moment later join. Between two steps run the commands, each seat in turn, and
    work handed in by ``call`` and ``job``. While nothing is due the thread sleeps. A seat that fails is paused and
    told, the others go on; should the thread itself fail, all seats are answered as ``runner``. All methods may be
    called from any thread.
    """

    def __init__(self, max_batch: int = MAX_BATCH, clock: Callable[[], float] = time.perf_counter) -> None:
        if max_batch < 1:
            raise ValueError(f"max_batch: got {max_batch}, expected at least 1")
        self.max_batch, self._clock = max_batch, clock
        self._lock = threading.Lock()
        self._seats: tuple[Seat, ...] = ()
        self._new: list[Seat] = []
        self._awake = threading.Event()
        self._chores = Chores(self._awake.set, clock)
        self._closing = False
        self._next = 0
        self._step_s = 0.0
        self._busy = Share(clock=clock)
        self._thread = threading.Thread(target=self._run, name="reverie-device", daemon=True)

    # -- life

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """End after the step that is going on; commands, calls and jobs that are left fail. May be called twice."""
        self._closing = True
        self._awake.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._chores.end(RuntimeError("the device was closed"))
        for seat in self._seats:
            seat.detach()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    # -- what goes on

    @property
    def players(self) -> int:
        """How many seats there are."""
        return len(self._seats)

    @property
    def active(self) -> int:
        """How many of them get ticks at present."""
        return sum(seat.due is not None for seat in self._seats)

    @property
    def busy_share(self) -> float:
        """The share of the last seconds spent in steps, 0 to 1."""
        return self._busy.value

    # -- what to do

    def add(self, seat: Seat) -> None:
        """Play a seat from now on; its present frame is shown at once. Raises RuntimeError: the device is closed."""
        with self._lock:
            if self._closing:
                raise RuntimeError("device: got a seat after its end, expected one before close")
            self._seats = (*self._seats, seat)
            self._new.append(seat)
        seat.attach(self._awake.set, self.job)
        self._awake.set()

    def remove(self, seat: Seat) -> None:
        """Play a seat no more; waits for nothing. Its commands are answered with an error from now on."""
        with self._lock:
            self._seats = tuple(other for other in self._seats if other is not seat)
            self._new = [other for other in self._new if other is not seat]
        seat.detach()

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Run ``function`` on the thread between two steps."""
        return self._chores.call(function)

    def job(self, slices: Generator[Any, None, Result]) -> Future[Result]:
        """Do long work on the thread, a ``next`` at a time: while nobody is due, and now and then in any case.

        The result is what the generator returns. Cancelling the future closes the generator.
        """
        return self._chores.job(slices)

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                self._awake.clear()
                self._welcome()
                self._serve()
                if not self._closing:
                    self._go_on()
        except Exception as error:
            logger.exception("the device's thread has ended")
            self._closing = True
            self._chores.end(error)
            for seat in self._seats:
                seat.answer(Reply("runner", error=error))

    def _welcome(self) -> None:
        with self._lock:
            seats, self._new = self._new, []
        for seat in seats:
            seat.begin_to_play()

    def _serve(self) -> None:
        """Run calls and commands, each seat in turn, until there are none or they have had their time."""
        end, more = self._clock() + COMMANDS_S, True
        while more and not self._closing:
            more, seats = self._chores.run_call(), self._seats
            first = self._next
            for k in range(first, first + len(seats)):
                seat = seats[k % len(seats)]
                if seat.waiting:
                    seat.serve()
                    more, self._next = True, k % len(seats) + 1
                    if self._clock() > end:
                        return
            if self._clock() > end:
                return

    def _go_on(self) -> None:
        """Make the step that is due longest, or do a slice of long work, or sleep until there is something to do."""
        seats = self._seats
        due = sorted((at, k) for k, seat in enumerate(seats) if (at := seat.due) is not None)
        now = self._clock()
        wait = max(0.0, due[0][0] - now) if due else None
        if self._chores.slice_fits(wait):
            self._chores.run_slice()
        elif wait == 0.0:
            self._step([(at, seats[k]) for at, k in due], now)
        elif not self._chores.called and not any(seat.waiting for seat in seats):
            del seats  # whoever leaves meanwhile is not kept
            self._awake.wait(wait)

    def _step(self, seats: list[tuple[float, Seat]], now: float) -> None:
        """Take the turns of the first seat and of those who can share its step."""
        first = seats[0][1]
        try:
            turns = self._begin(self._joined(seats, now))
        except Exception as error:
            first.fail(error)
            return
        if not turns:
            return
        begin = self._clock()
        results = take_turns([turn for _, _, turn in turns], self.max_batch)
        end = self._clock()
        self._step_s = end - begin
        self._busy.add(begin, end)
        # A new start is made without a step.
        rows = sum(isinstance(result, Exception) or result.index > 0 for result in results)
        for (due, seat, _), result in zip(turns, results, strict=True):
            try:
                if isinstance(result, Exception):
                    raise result
                seat.finish(result, rows if result.index else 0, max(0.0, begin - due) * 1000)
            except Exception as error:
                seat.fail(error)

    def _joined(self, seats: list[tuple[float, Seat]], now: float) -> list[tuple[float, Seat]]:
        """The first seat, and of the others in order of their due times those of its kind that are due soon enough."""
        ahead = self._step_s if self.busy_share > LOADED else min(self._step_s / 4, JOIN_S)
        kind = seats[0][1].kind
        joined = ((due, seat) for due, seat in seats if due <= now + ahead and seat.kind == kind)
        return [seat for seat, _ in zip(joined, range(self.max_batch), strict=False)]

    def _begin(self, seats: list[tuple[float, Seat]]) -> list[tuple[float, Seat, Turn]]:
        """Their turns, input latched now; without those that need none, and those that fail."""
        turns, period = [], seats[0][1].period
        for due, seat in seats:
            try:
                turn = seat.begin(PULL if seat.period == period else 0.0)
            except Exception as error:
                seat.fail(error)
                continue
            if turn is not None:
                turns.append((due, seat, turn))
        return turns
