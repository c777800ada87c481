"""Alarms of a lockstep: what is wrong with a dream, told while it is played beside its real game."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.ear import Ear, Stamp
from engine.lockstep import LockstepWorld
from engine.lockstep_checks import ask, can_branch, judge, path_to, stands, startle
from engine.moment import Moment
from models.study.faults import FAULTS, close
from models.study.watched import LONG, rate_of, usual_of
from models.types import Context

if TYPE_CHECKING:
    from engine.history import Past
    from engine.session import Session

NAMES = (*FAULTS, "surprised", "off the map")
"""All names of alarms, the gravest first."""
EVERY = 5
"""Steps between two checks at least: the same moment again would tell nothing new."""
TURNS = ("ask", "ask", "here", "surprise")
"""Kinds of checks, one after the other."""
FIRST = 8
"""Checks that are of the first kind to begin with: it tells most."""
WAITING = 4
"""Events that wait to be judged, at most."""
TELL_EVERY = 15
"""Steps for which an alarm keeps its text."""
MAP_EVERY = 3
"""Steps between two looks at the map."""
Checking = Generator[None, None, None]


@dataclass(frozen=True)
class Alarm:
    """name: one of NAMES. text: one plain sentence. since: index of the frame at which it was raised."""

    name: str
    text: str
    since: int


@dataclass(frozen=True, eq=False)
class Event:
    """A step that should be judged: which follower, the moments before and after it, what was known of reality.

    kind: "ended" or "paid", or "said" where the dream alone says so.
    """

    part: int
    kind: str
    before: Moment
    after: Moment
    known: Context
    stamp: Stamp


class Alarms:
    """Listens to a session beside its real game. Reads no clock; silent in any other session.

    Rewards and ends are judged by dreaming the step again from real frames, and actions by trying them from a real
    moment in the dream and in the real game: a dream that merely went another way raises nothing. What was heard ahead
    of the present moment, after a rewind, is forgotten; all is when the world's settings change.
    """

    def __init__(self) -> None:
        self._ears: tuple[Ear, ...] = ()
        self._events: list[Event] = []
        self._rewards: Counter[float] = Counter()
        self._past: Past | None = None
        self._jumps, self._turn, self._action = 0, 0, 0
        self._checked: int | None = None
        self._judged = False
        self._now: tuple[Alarm, ...] = ()
        self._told: dict[str, int] = {}

    @property
    def now(self) -> tuple[Alarm, ...]:
        """The alarms that are on, the gravest first."""
        return self._now

    def hear(self, session: Session) -> None:
        """Take note of a session's present moment; called after every tick."""
        world, past = _heard(session), session.moment.past
        if world is None or past is self._past:
            return
        if self._past is None or past.settings != self._past.settings:
            self._begin(world)
        follows = self._past is not None and past.before is self._past
        if follows and past.action is not None and past.edit is None:
            self._listen(session, world)
        else:
            if not follows:
                self._forget(_stamp(session.moment))
            for ear in self._ears:
                ear.begin(anew=past.edit is None or not follows)
            self._checked = None
        self._past = past
        self._tell(session, world)

    def background(self, session: Session) -> Checking | None:
        """The check that is due now, in slices; None where there is none. It is heard at its end."""
        world, moment = _heard(session), session.moment
        if world is None or moment.past is not self._past:
            return None
        index = moment.frame.index
        due = not moment.frame.over and (self._checked is None or index - self._checked >= EVERY)
        if self._events and not (due and self._judged):
            self._judged = True
            return self._judging(session, world, self._events.pop(0))
        if not due:
            return None
        self._checked, self._judged = index, False
        self._action += 1
        standing = next((k for k, ear in enumerate(self._ears) if ear.puzzling), None)
        if standing is not None:
            return self._standing(session, world, standing)
        kind = TURNS[self._turn % len(TURNS)] if self._turn >= FIRST else "ask"
        self._turn += 1
        if kind == "surprise" or not can_branch(world.lead):
            return self._startling(session, world)
        return self._asking(session, world, here=kind == "here")

    # -- what is heard

    def _listen(self, session: Session, world: LockstepWorld) -> None:
        """A step was made."""
        trail = session.trail(2)
        if len(trail) < 2:
            return
        before, moment = trail
        old, new = before.state, moment.state
        readings = world.readings(new)
        self._rewards[round(readings[0].reward_real, 6)] += 1
        for k, (ear, reading) in enumerate(zip(self._ears, readings, strict=True)):
            ear.step(new.window[0, -2:], _pair(old.shown[0, k], new.shown[0, k]), new.places[0][[0, k + 1]])
            paid = not close(reading.reward_real, self._usual)
            if paid or reading.ended_real or reading.reward_wrong or reading.end_wrong:
                kind = "ended" if reading.ended_real else "paid" if paid else "said"
                self._wait(Event(k, kind, before, moment, path_to(session, back=1), _stamp(moment)))
        if moment.frame.index % MAP_EVERY == 0:
            self._look(session, world)

    def _wait(self, event: Event) -> None:
        """Let an event wait to be judged; where there is no room, the oldest of the commonest kind goes."""
        self._events.append(event)
        if len(self._events) > WAITING:
            kinds = Counter(event.kind for event in self._events)
            self._events.remove(max(self._events, key=lambda event: kinds[event.kind]))

    def _look(self, session: Session, world: LockstepWorld) -> None:
        """Where the first dream is on the map, where there is one."""
        atlas, latent = session.tools.atlas, getattr(world.followers[0], "latent", None)
        if atlas is not None and latent is not None:
            self._ears[0].place(float(atlas.drift(latent(world.parts(session.moment.state)[1]))[0]))

    @property
    def _usual(self) -> float:
        """The reward that says nothing."""
        return usual_of(self._rewards)

    def _begin(self, world: LockstepWorld) -> None:
        """Nothing is known yet of a world, or of one under other settings."""
        self._jumps, self._turn = self._jumps + 1, 0
        self._events.clear()
        self._ears = tuple(Ear(len(world.objects)) for _ in world.followers)

    def _forget(self, now: Stamp) -> None:
        self._jumps += 1
        self._events.clear()
        for ear in self._ears:
            ear.forget(now)

    def _tell(self, session: Session, world: LockstepWorld) -> None:
        index, was, told = session.frame.index, {alarm.name: alarm for alarm in self._now}, dict[str, Alarm]()
        usual = self._usual if self._rewards.total() >= LONG else None
        for k, ear in enumerate(self._ears):
            who = f"{world.names[k + 1]}: " if len(self._ears) > 1 else ""
            for name, text in ear.faults(usual, world.objects, can_branch(world.lead), rate_of(self._rewards)):
                old = was.get(name)
                if old is not None and 0 <= index - self._told[name] < TELL_EVERY:
                    told.setdefault(name, old)
                    continue
                self._told[name] = index
                text = f"{told[name].text}; {who}{text}" if name in told else who + text
                told[name] = Alarm(name, text, index if old is None else min(index, old.since))
        self._now = tuple(sorted(told.values(), key=lambda alarm: NAMES.index(alarm.name)))

    # -- checks

    def _judging(self, session: Session, world: LockstepWorld, event: Event) -> Checking:
        jumps = self._jumps
        outcome = yield from judge(world, event.part, event.before, event.known, event.after)
        if jumps == self._jumps:
            self._ears[event.part].outcomes.add(event.stamp, outcome)
            self._tell(session, world)

    def _asking(self, session: Session, world: LockstepWorld, here: bool) -> Checking:
        jumps, stamp = self._jumps, _stamp(session.moment)
        trials = yield from ask(world, session.moment, path_to(session), self._action, here)
        if jumps != self._jumps:
            return
        for ear in self._ears:
            ear.asked += 1
        for ear, trial in zip(self._ears, trials or (), strict=False):
            for outcome in trial.outcomes:
                ear.outcomes.add(stamp, outcome)
            if not here and trial.still is not None:
                ear.stills.add(stamp, trial.still)
            if here and trial.stood:
                continue  # why it stands still is asked for by itself
            for answer in trial.answers:
                (ear.here if here else ear.answers).add(stamp, answer)
        self._tell(session, world)

    def _standing(self, session: Session, world: LockstepWorld, part: int) -> Checking:
        jumps, ear = self._jumps, self._ears[part]
        still = yield from stands(world, part, session.moment, self._action)
        if jumps == self._jumps and ear.standing:
            ear.confirmed = ear.confirmed + 1 if still else 0
            self._tell(session, world)

    def _startling(self, session: Session, world: LockstepWorld) -> Checking:
        moment, jumps = session.moment, self._jumps
        if len(session.trail(2)) < 2 or moment.past.edit is not None:
            return
        known, state = path_to(session, back=1), moment.state
        for part, ear in enumerate(self._ears):
            startled = yield from startle(world, part, known, state.taken[:, -1], state.window[0, -1])
            if startled is not None and jumps == self._jumps:
                ear.startled.add(_stamp(moment), startled)
        if jumps == self._jumps:
            self._tell(session, world)


def _heard(session: Session) -> LockstepWorld | None:
    """The session's world where it is a dream that goes on beside its real game."""
    world = session.world
    return world if isinstance(world, LockstepWorld) and not world.told and not world.dreamed else None


def _stamp(moment: Moment) -> Stamp:
    return moment.past.start, moment.past.seed, moment.frame.index


def _pair(before: Tensor, after: Tensor) -> Tensor:
    return torch.stack([before, after])
