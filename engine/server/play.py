"""One world as one player plays it: its session behind a seat at the device, its controls, what it keeps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
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
        self.branches, self._slots = 1, set[tuple[Real, str]]()
        self._real: dict[Real, Session] = {}
        self._beside = ("", "")  # of the lockstep: the other world, the episode
        self._frames = 0  # bytes of that episode
        self._each: dict[Real, int] = {False: world.moment_bytes}
        self._rings: dict[Real, list[int]] = {}  # bytes reserved for the branches of each way to play
        try:
            self._rings[False] = [self._reserve("session", world.moment_bytes)]
            session = self._open(world.moment_bytes, start, seed)
        except BaseException as error:
            self.close()
            if isinstance(error, ValueError):
                raise ServerError("bad_value", str(error)) from error
            raise
        self.controls = Controls()
        real, grounded, lockstep = (partial(self._given_real, way) for way in (True, "grounded", "lockstep"))
        self.seat = Seat(session, self.controls, real=real, grounded=grounded, lockstep=lockstep, wait_at_end=True)

    @property
    def ring_bytes(self) -> int:
        """What the ring of the dream takes when it is full."""
        return self._rings[False][0]

    def reserve_branch(self, real: Real = False) -> None:
        """Room for one more branch of the way to play ``real``. Raises ServerError, memory."""
        if self.branches >= self._limits.branches:
            raise ServerError(
                "memory",
                f"fork: got {self.branches} branches already, expected at most {self._limits.branches}; "
                "go on in one of them, or open the world again",
            )
        amount = self._rings[real][0]
        self.budget.reserve(amount, "fork")
        self._rings[real].append(amount)
        self.branches += 1

    def release_branch(self, real: Real = False) -> None:
        """The fork was not made after all."""
        self.budget.release(self._rings[real].pop())
        self.branches -= 1

    def reserve_slot(self, slot: str, real: Real = False) -> None:
        """Room for a saved moment, where the slot has none yet. Raises ServerError, memory."""
        if (real, slot) not in self._slots:
            self.budget.reserve(self._each[real], "save")
            self._slots.add((real, slot))

    def prepare_real(
        self,
        start: int,
        seed: int,
        real: Real = True,
        against: Shelved | None = None,
        episode: tuple[str, Path] | None = None,
    ) -> Session | None:
        """Open the real game, the dream grounded in it or both in lockstep, so that switching there takes no time.

        against: another world in the lockstep; episode: one in the real game's place, named. Gives the session that is
        to take the place of the lockstep there was, whose memory is freed. Raises ServerError: unsupported, memory;
        ReverieError where the world cannot be grounded, or they do not fit together.
        """
        names = (against.name if against is not None else "", episode[0] if episode is not None else "")
        if real in self._real and (real != "lockstep" or names == self._beside):
            return None
        if not self.world.real and against is None and episode is None:
            raise ServerError("unsupported", f"real game: got {self.world.name}, expected a world whose game is here")
        beside: dict[str, Any] = {} if against is None else {"against": against.loaded}
        beside |= {} if episode is None else {"episode": episode[1]}
        first = Session.open(self.world.loaded, real=real, rewind_s=0, **beside)
        each, frames = moment_bytes(first.moment), 0 if episode is None else first.world.lead.frames.nbytes  # type: ignore[attr-defined]
        amount = self._reserve("real game", each)
        try:
            self.budget.reserve(frames, "episode")
        except ServerError:
            self.budget.release(amount)
            raise
        try:
            session = self._open(each, start, seed, real=real, **beside)
        except BaseException:
            self.budget.release(amount + frames)
            raise
        if real == "lockstep":
            session.against, session.episode = names  # as they are called here
        known, old = real in self._real, self._rings.get(real, [])
        self.budget.release(sum(old))
        if real == "lockstep":
            self.budget.release(self._frames)
            self._beside, self._frames = names, frames
        self.branches -= max(0, len(old) - 1)
        self._real[real], self._each[real], self._rings[real] = session, each, [amount]
        return session if known else None

    def hash_of(self, real: Real) -> str:
        """The world hash of the session that was prepared last to be played there."""
        return self._real[real].world_hash

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
