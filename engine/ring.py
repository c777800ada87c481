"""The moments kept to go back to."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence

from engine.moment import Mark, MarkKind, Moment, Timeline, marks_of

MISMATCHES: tuple[MarkKind, ...] = ("reward_mismatch", "end_mismatch")
"""Marks of what a dream in lockstep gets wrong."""


class Ring:
    """The last ``capacity`` moments and where play stands among them."""

    def __init__(self, first: Moment, capacity: int) -> None:
        self._moments, self._cursor, self._capacity = [first], 0, capacity
        self._dropped = 0
        # Each mark with its moment's number, counted from the first moment ever: the timeline is asked for every tick.
        self._marks: list[tuple[int, MarkKind]] = []
        self._mark_frame()

    @property
    def now(self) -> Moment:
        return self._moments[self._cursor]

    @now.setter
    def now(self, moment: Moment) -> None:
        self._moments[self._cursor] = moment

    @property
    def moments(self) -> Sequence[Moment]:
        """All that is kept, oldest first, also what lies ahead."""
        return tuple(self._moments)

    def append(self, moment: Moment) -> Moment:
        """Go on from here: what lay ahead is dropped, and what is too old."""
        self._unmark_ahead()
        del self._moments[self._cursor + 1 :]
        self._moments.append(moment)
        surplus = max(0, len(self._moments) - self._capacity)
        del self._moments[:surplus]
        self._dropped += surplus
        while self._marks and self._marks[0][0] < self._dropped:
            del self._marks[0]
        self._cursor = len(self._moments) - 1
        self._mark_frame()
        return moment

    def move(self, count: int) -> Moment:
        """Go ``count`` moments forward (back when negative), as far as there are any."""
        self._cursor = min(max(self._cursor + count, 0), len(self._moments) - 1)
        return self.now

    def mark(self, kind: MarkKind) -> None:
        """Put a mark on where play stands; once of a kind."""
        mark = (self._dropped + self._cursor, kind)
        if mark not in self._marks:
            insort(self._marks, mark, key=lambda mark: mark[0])

    def recent(self, count: int) -> list[Moment]:
        """Up to ``count`` moments that lead up to now, oldest first; never across a load."""
        first = self._cursor
        while first and self._cursor - first + 1 < count and self._follows(first):
            first -= 1
        return self._moments[first : self._cursor + 1]

    def timeline(self) -> Timeline:
        marks = tuple(Mark(number - self._dropped, kind) for number, kind in self._marks)
        return Timeline(len(self._moments), self._cursor, marks)

    def copy(self) -> Ring:
        """Another ring of the same moments."""
        ring = Ring(self.now, self._capacity)
        ring._moments, ring._cursor = list(self._moments), self._cursor
        ring._marks, ring._dropped = list(self._marks), self._dropped
        return ring

    def _mark_frame(self) -> None:
        """Mark what the frame shows; what goes on being wrong from the step before is marked where it began only."""
        k = self._cursor
        going_on = marks_of(self._moments[k - 1]) if k and self._follows(k) else ()
        kinds = [kind for kind in marks_of(self.now) if kind not in MISMATCHES or kind not in going_on]
        self._marks += [(self._dropped + k, kind) for kind in kinds]

    def _unmark_ahead(self) -> None:
        while self._marks and self._marks[-1][0] > self._dropped + self._cursor:
            del self._marks[-1]

    def _follows(self, k: int) -> bool:
        return self._moments[k].past.before is self._moments[k - 1].past
