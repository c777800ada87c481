"""Every session of one player: the ways to play, each with branches of its own, and which of them is in play."""

from __future__ import annotations

from collections.abc import Callable

from engine.session import Real, Session


class Branches:
    """Begins with a dream. real: where the player plays at present."""

    def __init__(self, session: Session) -> None:
        self.real: Real = False
        self._sessions: dict[Real, list[Session]] = {False: [session]}
        self._index: dict[Real, int] = {False: 0}

    def __contains__(self, real: Real) -> bool:
        """Whether there is a session to play there yet."""
        return real in self._sessions

    @property
    def session(self) -> Session:
        """The one in play."""
        return self._sessions[self.real][self.index]

    @property
    def index(self) -> int:
        """Which branch of the way to play it is."""
        return self._index[self.real]

    @property
    def count(self) -> int:
        """How many branches that way to play has."""
        return len(self._sessions[self.real])

    @property
    def all(self) -> tuple[Session, ...]:
        """The branches of all ways to play that there are yet."""
        return tuple(session for sessions in self._sessions.values() for session in sessions)

    def fork(self) -> int:
        """Go on in a copy, a new branch; returns its index."""
        self._sessions[self.real].append(self.session.fork())
        return self.go(self.count - 1)

    def go(self, index: int) -> int:
        """Play branch ``index`` (modulo their number); returns it."""
        self._index[self.real] = index % self.count
        return self.index

    def enter(self, real: Real, make: Callable[[], Session]) -> None:
        """Play there; ``make`` gives the session where there is none yet."""
        if real not in self:
            self.put(real, make())
        self.real = real

    def put(self, real: Real, session: Session) -> None:
        """Let this session be the one to play there, in place of all branches."""
        self._sessions[real], self._index[real] = [session], 0
