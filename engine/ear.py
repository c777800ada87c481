"""What was heard of one dream beside its real game, and the faults that follow from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from torch import Tensor

from models.study.faults import ENOUGH, Absence, Answer, Evidence, Outcome, find_faults
from models.training.measures import moved_pixels

T = TypeVar("T")
Stamp = tuple[int, int, int]
"""When something was heard: the episode's start and seed, and the frame's index."""
STANDING, WITHOUT = 24, 30
"""Steps that a dream must stand still, or be without an object, to be noticed at all."""
CONFIRMED = 2
"""Trials after which a dream that stands still is taken to do so whatever is done."""
UNANSWERED = 24
"""Trials after which one goes on without an answer of reality's."""
DEAF, DEAF_TO = 6, 3
"""Answers that a dream must have failed to give where it stands now, and to how many actions."""
STARTLED = 3
"""Of the last four looks."""
FAR, FAR_FOR = 1.4, 5
"""Drift on the map (1: the 95th percentile of real play), and at how many looks in a row.

Held-out real play reached 1.24 at most on the maps that ship."""


class Memory(Generic[T]):
    """The last things of a kind, each with its time."""

    def __init__(self, room: int) -> None:
        self._kept: deque[tuple[Stamp, T]] = deque(maxlen=room)

    def add(self, when: Stamp, what: T) -> None:
        self._kept.append((when, what))

    def forget(self, now: Stamp) -> None:
        """Forget what lies ahead of ``now`` in its episode."""
        kept = [(when, what) for when, what in self._kept if when[:2] != now[:2] or when[2] <= now[2]]
        self._kept = deque(kept, maxlen=self._kept.maxlen)

    def clear(self) -> None:
        self._kept.clear()

    @property
    def all(self) -> list[T]:
        return [what for _, what in self._kept]


class Run:
    """For how many steps something has been so, and was at the longest."""

    def __init__(self) -> None:
        self.now = self.longest = 0

    def add(self, so: bool) -> None:
        self.now = self.now + 1 if so else 0
        self.longest = max(self.longest, self.now)


class Sight:
    """Whether a thing is there, by what a probe saw in the last three frames: a single one may be mistaken."""

    def __init__(self) -> None:
        self._seen: deque[bool] = deque((True, True, True), maxlen=3)

    def add(self, seen: bool) -> bool:
        self._seen.append(seen)
        return sum(self._seen) >= 2


class Ear:
    """Listens to one dream."""

    def __init__(self, objects: int) -> None:
        self.stills, self.answers, self.here = Memory[bool](16), Memory[Answer](24), Memory[Answer](DEAF)
        self.outcomes, self.startled = Memory[Outcome](48), Memory[bool](4)
        self.asked, self.stood, self.confirmed, self.far = 0, 0, 0, 0
        self.drift = 0.0
        self.real_stood = Run()
        self.gone, self.real_gone = [0] * objects, [Run() for _ in range(objects)]
        self.sights = [(Sight(), Sight()) for _ in range(objects)]

    @property
    def puzzling(self) -> bool:
        """Whether it stands still, and it is not known yet whether it does whatever is done."""
        return self.standing and self.confirmed < CONFIRMED

    @property
    def standing(self) -> bool:
        """Whether the dream has stood still for so long that one should ask why."""
        return self.stood >= STANDING

    def step(self, real: Tensor, dream: Tensor, places: Tensor) -> None:
        """A step: frames before and after it (2, 3, H, W) uint8; places (2, K, 3) in the real frame and the dream's."""
        real_moved, moved = (bool(moved_pixels(pair[0], pair[1]).any()) for pair in (real, dream))
        self.real_stood.add(not real_moved)
        self.stood = 0 if moved else self.stood + real_moved
        if moved:
            self.confirmed = 0
        for k, (there, dreamed) in enumerate(zip(places[0, :, 2].tolist(), places[1, :, 2].tolist(), strict=True)):
            if k < len(self.gone):
                real_sight, sight = self.sights[k]
                self.real_gone[k].add(not real_sight.add(bool(there)))
                self.gone[k] = 0 if sight.add(bool(dreamed)) else self.gone[k] + 1

    def place(self, drift: float) -> None:
        """How far from real play the dream is on the map."""
        self.drift = drift
        self.far = self.far + 1 if drift > FAR else 0

    def begin(self, anew: bool) -> None:
        """The dream was changed, or ``anew``: another episode or moment began."""
        self.stood = self.confirmed = self.far = 0
        self.gone = [0] * len(self.gone)
        self.sights = [(real if not anew else Sight(), Sight()) for real, _ in self.sights]
        self.here.clear()
        if anew:
            for run in (self.real_stood, *self.real_gone):
                run.now = 0

    def forget(self, now: Stamp) -> None:
        """Forget what lies ahead of a moment that was gone back to."""
        for memory in (self.stills, self.answers, self.here, self.outcomes, self.startled):
            memory.forget(now)

    def faults(
        self, usual: float | None, objects: Sequence[str], tried: bool, rate: float = 1.0
    ) -> list[tuple[str, str]]:
        """Names and texts of what is wrong.

        usual: the reward that says nothing; while it is not known, nothing is said of rewards. tried: actions can be,
        and nothing at all is said before they were. rate: the share of steps at which another reward was paid.
        """
        answers = self.answers.all
        moving = sum(not answer.stood for answer in answers)
        if tried and max(moving, len(self.stills.all)) < ENOUGH and self.asked < UNANSWERED:
            return []
        standing = Absence("", (), 0)
        if self.standing and self.confirmed >= CONFIRMED:
            standing = Absence("", (self.stood,), self.real_stood.longest)
        absences = [
            Absence(name, (gone,), run.longest)
            for name, gone, run in zip(objects, self.gone, self.real_gone, strict=True)
            if gone >= WITHOUT and not self.standing
        ]
        outcomes = self.outcomes.all
        if usual is None:
            outcomes = [replace(outcome, paid=0.0, said=0.0) for outcome in outcomes]
        found = find_faults(Evidence(self.stills.all, answers, outcomes, usual or 0.0, standing, absences, rate))
        # A world that draws its ends by chance misses one now and then.
        found = tuple(fault for fault in found if fault.name != "end missed" or fault.evidence["missed"] > 1)
        told = [(fault.name, fault.text) for fault in found]
        names = {name for name, _ in told}
        if "frozen" in names:
            return told
        here = self.here.all
        deaf = len(here) == DEAF and all(a.none for a in here) and len({a.action for a in here}) >= DEAF_TO
        if deaf and "action ignored" not in names:
            text = f"the dream as it stands does not answer the action: {DEAF} of {DEAF} times nothing came of it"
            told.append(("action ignored", text))
        if sum(self.startled.all) >= STARTLED:
            text = f"{sum(self.startled.all)} of the last {len(self.startled.all)} real frames that were looked at were"
            told.append(("surprised", f"{text} further from what the dream foretold than the frame before"))
        if self.far >= FAR_FOR:
            text = f"the dream is {self.drift:.1f} times as far from real play as 95 of 100 real states are"
            told.append(("off the map", text))
        return told
