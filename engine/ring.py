"""The moments kept to go back to."""

from __future__ import annotations

from engine.moment import Frame, Mark, Moment, Timeline


class Ring:
    """The last ``capacity`` moments and where play stands among them."""

    def __init__(self, first: Moment, capacity: int) -> None:
        self._moments, self._cursor, self._capacity = [first], 0, capacity

    @property
    def now(self) -> Moment:
        return self._moments[self._cursor]

    @now.setter
    def now(self, moment: Moment) -> None:
        self._moments[self._cursor] = moment

    def append(self, moment: Moment) -> Moment:
        """Go on from here: what lay ahead is dropped, and what is too old."""
        del self._moments[self._cursor + 1 :]
        self._moments.append(moment)
        del self._moments[: -self._capacity]
        self._cursor = len(self._moments) - 1
        return moment

    def move(self, count: int) -> Moment:
        """Go ``count`` moments forward (back when negative), as far as there are any."""
        self._cursor = min(max(self._cursor + count, 0), len(self._moments) - 1)
        return self.now

    def recent(self, count: int) -> list[Frame]:
        """Up to ``count`` frames that lead up to now, oldest first; never across a load."""
        first = self._cursor
        while first and self._cursor - first + 1 < count and self._follows(first):
            first -= 1
        return [moment.frame for moment in self._moments[first : self._cursor + 1]]

    def timeline(self) -> Timeline:
        marks = [Mark(k, kind) for k, moment in enumerate(self._moments) if (kind := moment.frame.mark)]
        return Timeline(len(self._moments), self._cursor, tuple(marks))

    def copy(self) -> Ring:
        """Another ring of the same moments."""
        ring = Ring(self.now, self._capacity)
        ring._moments, ring._cursor = list(self._moments), self._cursor
        return ring

    def _follows(self, k: int) -> bool:
        return self._moments[k].past.before is self._moments[k - 1].past
