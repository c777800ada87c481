"""Named faults of a world, told from what was seen of it beside its real game. Pure: evidence in, faults out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FAULTS = (
    "frozen",
    "action ignored",
    "action late",
    "action early",
    "object lost",
    "reward sign",
    "reward missed",
    "reward invented",
    "end missed",
    "end invented",
)
"""All the names there are, the gravest first."""
ENOUGH, PLENTY = 4, 12
"""States or answers that must have been seen before anything is said of motion or actions, and where it is unclear."""
MOST = 0.75
SOME = 0.5
HARDLY = 0.1
"""Of what is paid, at the steps at which it is paid."""
UNKNOWN = 0.9
"""What counts as a reward while none was paid: how large they are is not known, but they are mostly signs. In a game
that charges a fee they are anything, and nothing counts."""
NOTHING = 0.1
"""Below this share of what reality's answer weighs, a dream's answer is none."""
CLEARER = 0.5
"""A world plays another alignment when its answers are nearer to that one's by this factor."""
SLACK, LONGER = 5, 2.0
"""What is gone is lost when it is gone for LONGER times what reality ever was without it, and SLACK steps more."""


@dataclass(frozen=True)
class Fault:
    """name: one of FAULTS. text: one plain sentence with the numbers. evidence: the numbers, as JSON values."""

    name: str
    text: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """How a world answered one action held from one state: the difference from doing nothing, beside reality's.

    All are squared sums over pixels and steps, in units of reality's own answer: ``size`` that of the dream's answer
    (0: none), ``told`` its distance from reality's (0: the same), ``late`` and ``early`` from what reality answers when
    every action comes a step later or sooner; nan where that could not be told apart. stood: nothing at all moved in
    the dream, whatever was done.
    """

    action: str
    size: float
    told: float
    late: float = math.nan
    early: float = math.nan
    stood: bool = False

    @property
    def none(self) -> bool:
        return self.size < NOTHING

    def nearer(self, other: float) -> bool:
        """Whether the answer is clearly nearer to another alignment's."""
        return other < CLEARER * self.told


@dataclass(frozen=True)
class Outcome:
    """One step from real frames: what was paid and whether the game ended, and what the world said.

    hangs: whether another action at that step would have been paid otherwise; such steps tell nothing of the rewards
    of a world that gets the actions wrong.
    """

    paid: float
    said: float
    ended: bool = False
    said_ended: bool = False
    hangs: bool = False


@dataclass(frozen=True)
class Absence:
    """For how many steps at a stretch something was gone: in each dream, and in reality at the longest."""

    name: str
    dreams: tuple[int, ...]
    real: int

    @property
    def bar(self) -> float:
        """The number of steps that only a fault explains."""
        return LONGER * self.real + SLACK

    @property
    def lost(self) -> int:
        """In how many dreams it was gone for longer than that."""
        return sum(gone > self.bar for gone in self.dreams)


@dataclass(frozen=True)
class Evidence:
    """What was seen of a world.

    stills: for states from which reality moves whatever is done, whether the dream stood still. answers: to actions.
    outcomes: of single steps. usual: the reward that says nothing. standing: for how long nothing moved. absences: of
    objects. rate: the share of all steps at which another reward than the usual one is paid.
    """

    stills: Sequence[bool] = ()
    answers: Sequence[Answer] = ()
    outcomes: Sequence[Outcome] = ()
    usual: float = 0.0
    standing: Absence = Absence("", (), 0)
    absences: Sequence[Absence] = ()
    rate: float = 1.0


def find_faults(evidence: Evidence) -> tuple[Fault, ...]:
    """The faults that the evidence shows, in the order of FAULTS.

    A frozen world is only that. One that gives no action an answer is not late, and neither its motion nor its objects
    in long dreams are judged: a ball may wait there for a serve that the world ignores. Where an action comes to
    nothing, late or early, only such rewards and ends are judged as no action could have changed.
    """
    if fault := frozen_at_once(evidence.stills):
        return (fault,)
    acting = action_faults(telling_answers(evidence))
    ignored = acting is not None and acting.evidence.get("whole", False)
    if not ignored and (fault := frozen_later(evidence.standing)):
        return (fault,)
    lost = [] if ignored else [fault for absence in evidence.absences if (fault := lost_object(absence))]
    judged = [o for o in evidence.outcomes if acting is None or not o.hangs]
    rewards = reward_faults(judged, evidence.usual, evidence.rate)
    found = [*([acting] if acting else []), *merged(lost), *rewards, *end_faults(judged)]
    return tuple(sorted(found, key=lambda fault: FAULTS.index(fault.name)))


def telling_answers(evidence: Evidence) -> list[Answer]:
    """The answers that tell something of actions.

    A dream in which nothing moves at all may be frozen as well: its answers count where it was seen to move by itself,
    or, in a game that never does so, once there are PLENTY.
    """
    frozen = any(evidence.stills) or (not evidence.stills and len(evidence.answers) < PLENTY)
    return [answer for answer in evidence.answers if not (answer.stood and frozen)]


def frozen_at_once(stills: Sequence[bool]) -> Fault | None:
    if len(stills) < ENOUGH or sum(stills) < MOST * len(stills):
        return None
    text = f"the dream stands still from {sum(stills)} of {len(stills)} states from which reality moves"
    return Fault("frozen", text, {"still": sum(stills), "states": len(stills)})


def frozen_later(standing: Absence) -> Fault | None:
    if not standing.lost or standing.lost < len(standing.dreams) / 4:
        return None
    longest = max(standing.dreams)
    text = f"the dream stands still for {longest} steps, reality never for more than {standing.real}"
    return Fault("frozen", text, {"steps": longest, "real": standing.real})


def action_faults(answers: Sequence[Answer]) -> Fault | None:
    """What is wrong with the actions: at most one thing."""
    if len(answers) < ENOUGH:
        return None
    none = [answer for answer in answers if answer.none]
    numbers = {"answers": len(answers), "none": len(none)}
    if len(none) >= MOST * len(answers):
        text = f"the dream does not answer the action: {len(none)} of {len(answers)} times nothing came of it"
        return Fault("action ignored", f"{text} where reality answers", {**numbers, "whole": True})
    heard = [answer for answer in answers if not answer.none]
    for name, key in (("action late", "late"), ("action early", "early")):
        telling = [answer for answer in heard if not math.isnan(getattr(answer, key))]
        off = [answer for answer in telling if answer.nearer(getattr(answer, key))]
        if len(telling) >= ENOUGH and len(off) >= MOST * len(telling):
            word = "late" if key == "late" else "early"
            text = f"the dream answers the action one step too {word}: {len(off)} of {len(telling)} times"
            return Fault(name, text, {**numbers, "off": len(off), "telling": len(telling)})
    deaf = deaf_to(answers)
    if deaf:
        text = f"the dream does not answer {', '.join(deaf)}, which reality answers"
        return Fault("action ignored", text, {**numbers, "whole": False, "actions": deaf})
    return None


def deaf_to(answers: Sequence[Answer]) -> list[str]:
    """The actions that come to nothing where others do not."""
    names = list(dict.fromkeys(answer.action for answer in answers))
    of = {name: [answer.none for answer in answers if answer.action == name] for name in names}
    return [name for name, none in of.items() if len(none) >= ENOUGH and sum(none) >= MOST * len(none)]


def lost_object(absence: Absence) -> Fault | None:
    if not absence.lost or absence.lost < len(absence.dreams) / 4:
        return None
    longest = max(absence.dreams)
    text = f"the dream is without the {absence.name} for {longest} steps, reality never for more than {absence.real}"
    return Fault("object lost", text, {"objects": [absence.name], "steps": longest, "real": absence.real})


def merged(lost: Sequence[Fault]) -> list[Fault]:
    """One fault for all lost objects."""
    if len(lost) < 2:
        return list(lost)
    objects = [name for fault in lost for name in fault.evidence["objects"]]
    return [Fault("object lost", "; ".join(fault.text for fault in lost), {**lost[0].evidence, "objects": objects})]


FEW, SEVERAL = 2, 5
"""Rewards that have to be missed: in a game that pays seldom, and in one with a fee, whose rewards are often chance."""


def reward_faults(outcomes: Sequence[Outcome], usual: float, rate: float = 1.0) -> list[Fault]:
    """All rewards are counted from the usual one.

    One is missed where less than half of it is foretold. That alone is no fault in a world that spreads its expectation
    over the steps at which a reward may come: it must foretell hardly anything of what is paid, and less than half of
    what it would by saying the mean reward at every step.
    """
    paid = [(o.paid - usual, o.said - usual) for o in outcomes if not close(o.paid, usual)]
    rest = [o.said - usual for o in outcomes if close(o.paid, usual)]
    missed = sum(abs(said) < abs(real) / 2 for real, said in paid)
    foretold = sum(said * math.copysign(1, real) for real, said in paid) / (sum(abs(real) for real, _ in paid) or 1.0)
    sizes = sorted(abs(real) for real, _ in paid)
    least = sizes[len(sizes) // 2] / 2 if sizes else UNKNOWN if usual == 0 else math.inf
    invented = sum(abs(said) >= least for said in rest)
    numbers = {"rewards": len(paid), "missed": missed, "invented": invented, "others": len(rest)}
    faults = [fault] if (fault := flipped_rewards(paid)) else []
    if (
        missed >= (FEW if usual == 0 else SEVERAL)
        and missed > SOME * len(paid)
        and foretold < min(HARDLY, rate / 2)
        and not faults
    ):
        text = f"the dream misses {missed} of {len(paid)} rewards, and foretells {max(foretold, 0):.0%} of what is paid"
        faults.append(Fault("reward missed", text, {**numbers, "foretold": foretold}))
    if invented >= 3 and invented > SOME * (min(len(paid), len(rest)) or len(rest)):
        text = f"the dream pays in {invented} of {len(rest)} steps in which reality does not"
        faults.append(Fault("reward invented", text, numbers))
    return faults


def flipped_rewards(paid: Sequence[tuple[float, float]]) -> Fault | None:
    """Rewards paid and said that are of opposite signs, where they are at least half of all."""
    flipped = sum(real * said < 0 and abs(said) >= abs(real) / 2 for real, said in paid)
    if flipped < 2 or flipped < SOME * len(paid):
        return None
    text = f"the dream pays the opposite of reality's reward {flipped} of {len(paid)} times"
    return Fault("reward sign", text, {"rewards": len(paid), "flipped": flipped})


def close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-6)


def end_faults(outcomes: Sequence[Outcome]) -> list[Fault]:
    ends = [o.said_ended for o in outcomes if o.ended]
    others = [o.said_ended for o in outcomes if not o.ended]
    missed, invented = len(ends) - sum(ends), sum(others)
    numbers = {"ends": len(ends), "missed": missed, "invented": invented, "others": len(others)}
    faults = []
    if missed and missed >= MOST * len(ends):
        faults.append(Fault("end missed", f"the dream goes on at {missed} of {len(ends)} ends of the game", numbers))
    if invented >= 2 and invented > SOME * len(ends):
        text = f"the dream ends at {invented} of {len(others)} steps at which the game goes on"
        faults.append(Fault("end invented", text, numbers))
    return faults
