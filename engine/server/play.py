"""One world as one player plays it: its session behind a seat at the device, its controls, what it keeps."""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.controls import Controls
from engine.seat import Seat
from engine.server.errors import ServerError
from engine.server.limits import Limits
from engine.server.memory import Budget, affordable_rewind_s, moment_bytes, ring_bytes
from engine.server.shelf import Shelved
from engine.session import Real, Session


class Play:
    """What changes as a whole when a player goes to another world.

    Building one takes as long as the world's first frame: never do it on the device thread. It reserves the memory of
    its ring. Raises ServerError: memory, bad_value (no such start).
    """

    def __init__(self, world: Shelved, start: int | None, seed: int, limits: Limits, budget: Budget) -> None:
        self.world, self.budget, self._limits = world, budget, limits
        self.branches, self._slots = 1, set[str]()
        self._real: dict[Real, Session] = {}
        try:
            self.ring_bytes = self._reserve("session", world.moment_bytes)
            session = self._open(world.moment_bytes, start, seed)
        except BaseException as error:
            self.close()
            if isinstance(error, ValueError):
                raise ServerError("bad_value", str(error)) from error
            raise
        self.controls = Controls()
        real, grounded = partial(self._given_real, True), partial(self._given_real, "grounded")
        self.seat = Seat(session, self.controls, real=real, grounded=grounded, wait_at_end=True)

    def reserve_branch(self) -> None:
        """Room for one more branch. Raises ServerError, memory."""
        if self.branches >= self._limits.branches:
            raise ServerError(
                "memory",
                f"fork: got {self.branches} branches already, expected at most {self._limits.branches}; "
                "go on in one of them, or open the world again",
            )
        self.budget.reserve(self.ring_bytes, "fork")
        self.branches += 1

    def release_branch(self) -> None:
        """The fork was not made after all."""
        self.budget.release(self.ring_bytes)
        self.branches -= 1

    def reserve_slot(self, slot: str) -> None:
        """Room for a saved moment, where the slot has none yet. Raises ServerError, memory."""
        if slot not in self._slots:
            self.budget.reserve(self.world.moment_bytes, "save")
            self._slots.add(slot)

    def prepare_real(self, start: int, seed: int, real: Real = True) -> None:
        """Open the real game, or the dream grounded in it, so that switching there takes no time.

        Raises ServerError: unsupported, memory; ReverieError where the world cannot be grounded.
        """
        if real in self._real:
            return
        if not self.world.real:
            raise ServerError("unsupported", f"real game: got {self.world.name}, expected a world whose game is here")
        each = moment_bytes(Session.open(self.world.loaded, real=real, rewind_s=0).moment)
        amount = self._reserve("real game", each)
        try:
            self._real[real] = self._open(each, start, seed, real=real)
        except BaseException:
            self.budget.release(amount)
            raise

    def close(self) -> None:
        """Give its memory back. The seat is the device's to remove."""
        self.budget.close()

    def forget(self) -> None:
        """Let go of the moments kept. On the device's thread, once the seat is removed."""
        for session in self.seat.sessions:
            session.forget()

    # -- inside

    def _reserve(self, what: str, bytes_each: int) -> int:
        fps = self.world.spec.fps
        amount = ring_bytes(affordable_rewind_s(self._limits, bytes_each, fps), fps, bytes_each)
        self.budget.reserve(amount, what)
        return amount

    def _open(self, bytes_each: int, start: int | None, seed: int, **options: Any) -> Session:
        rewind_s = affordable_rewind_s(self._limits, bytes_each, self.world.spec.fps)
        return Session.open(self.world.loaded, start=start or 0, seed=seed, rewind_s=rewind_s, **options)

    def _given_real(self, real: Real) -> Session:
        assert real in self._real, "the real game is prepared before it is asked for"
        return self._real[real]
