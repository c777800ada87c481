"""A lockstep played without anyone watching, and what there is to say of it in numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from engine.alarms import Alarms
from engine.controls import Input
from engine.errors import ReverieError
from engine.history import Action
from engine.lockstep import LockstepWorld
from engine.moment import Frame
from engine.readings import Reading, measure
from engine.session import Session

HORIZONS = (1, 5, 15, 50)
"""Steps from reality at which drift is told."""
CHECK_EVERY = 30
"""Steps between two checks of what the alarms look for beside play."""
Player = Callable[[Session], torch.Tensor]
"""Says what to do next, a batch of 1."""


@dataclass(frozen=True)
class Row:
    """One step. step: counted from 1; episode: from 0; index: since its start. readings: of each follower.

    copy: moving PSNR of the last real frame that the dreams knew, shown again (nan: nothing moved).
    """

    step: int
    episode: int
    index: int
    action: Action
    readings: tuple[Reading, ...]
    copy: float


@dataclass
class Run:
    """Steps of a session in lockstep, one after the other.

    session: in lockstep. anchor: steps after which the dreams begin again from reality, 0: never. player: makes who
    plays an episode; None: the session's controller does. rows, alarms (name to what it said first, and at which step)
    grow as it goes on. Raises ReverieError for a session that is not in lockstep.
    """

    session: Session
    anchor: int = 50
    player: Callable[[], Player] | None = None
    rows: list[Row] = field(default_factory=list)
    alarms: dict[str, tuple[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.session.world, LockstepWorld):
            raise ReverieError("lockstep: got a session that is none, expected one beside its real game")
        self.world: LockstepWorld = self.session.world
        self._known = self.world.sight(self.session.moment.state)
        self._watch = Alarms()

    def steps(self, count: int, inspect_last: bool = False) -> Iterator[Frame]:
        """Play ``count`` steps; new starts between them are not counted. inspect_last: the last frame has views."""
        episode, player = 0, self.player() if self.player else None
        for step in range(1, count + 1):
            if self.session.frame.over:
                self.session.new_start()
                self._know()
                episode, player = episode + 1, self.player() if self.player else None
            elif self.anchor and step > 1 and self.rows[-1].readings[0].since >= self.anchor:
                self.session.anchor()
                self._know()
            last = inspect_last and step == count
            if player is None:
                frame = self.session.tick(Input(), inspect=last)
            else:
                frame = self.session.step(player(self.session), "expert", inspect=last)
            self._note(step, episode, frame)
            yield frame

    def _know(self) -> None:
        self._known = self.world.sight(self.session.moment.state)

    def _note(self, step: int, episode: int, frame: Frame) -> None:
        state = self.session.moment.state
        copy = float(measure(state.window[:, -2], state.window[:, -1], self._known[:, None])[0, 0, 1])
        readings = tuple(self.world.readings(state))
        self.rows.append(Row(step, episode, frame.index, frame.action, readings, math.nan if copy < 0 else copy))
        self._watch.hear(self.session)
        if step % CHECK_EVERY == 0 and (check := self._watch.background(self.session)) is not None:
            for _ in check:
                pass
        for alarm in self._watch.now:
            self.alarms.setdefault(alarm.name, (alarm.text, step))


def drift(rows: Sequence[Row], follower: int = 0) -> dict[int, tuple[float, float, int]]:
    """By steps since a dream last knew reality: mean moving PSNR in dB, that of a copy, and of how many steps.

    Steps in which nothing moved are left out.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        reading = row.readings[follower]
        if reading.since and not math.isnan(reading.moving_psnr):
            found.setdefault(reading.since, []).append((reading.moving_psnr, row.copy))
    means: dict[int, tuple[float, float, int]] = {}
    for k, pairs in sorted(found.items()):
        own, copies = zip(*pairs, strict=True)
        means[k] = sum(own) / len(pairs), sum(copies) / len(pairs), len(pairs)
    return means


def apart(rows: Sequence[Row], thing: int, follower: int = 0) -> dict[int, tuple[float, float]]:
    """By steps since a dream last knew reality: mean pixels between an object and the dreamed one, share of lost ones.

    nan where reality, or the dream, never showed it.
    """
    found: dict[int, list[tuple[float, bool]]] = {}
    for row in rows:
        reading = row.readings[follower]
        if reading.since:
            found.setdefault(reading.since, []).append((reading.apart[thing], reading.lost[thing]))
    means = {}
    for k, pairs in sorted(found.items()):
        known = [pixels for pixels, _ in pairs if not math.isnan(pixels)]
        means[k] = (sum(known) / len(known) if known else math.nan, sum(lost for _, lost in pairs) / len(pairs))
    return means
