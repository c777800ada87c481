"""Names of faults from evidence that was made by hand."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest

from models.study.faults import FAULTS, Absence, Answer, Evidence, Outcome, find_faults
from models.study.watched import rate_of

GOOD = Answer("UP", 1.0, 0.0, 1.0, 1.0)
NONE = Answer("UP", 0.0, 1.0, 0.5, 1.5)
LATE = Answer("UP", 0.8, 1.0, 0.0, 1.5)
EARLY = Answer("UP", 1.1, 1.0, 1.5, 0.0)
STOOD = replace(NONE, stood=True)
RIGHT = [Outcome(1.0, 1.0), Outcome(-1.0, -1.0), *[Outcome(0.0, 0.0)] * 20, Outcome(0.0, 0.0, True, True)]


def names(evidence: Evidence) -> list[str]:
    return [fault.name for fault in find_faults(evidence)]


def test_nothing_and_perfection_are_no_fault() -> None:
    """Catches: a fault out of no evidence, or out of a perfect world's."""
    assert names(Evidence()) == []
    whole = Evidence([False] * 8, [GOOD] * 8, RIGHT, 0.0, Absence("", (5, 3), 5), [Absence("ball", (16, 9), 16)])
    assert names(whole) == []


@pytest.mark.parametrize(
    ("answers", "want"),
    [
        ([NONE] * 8, ["action ignored"]),
        ([LATE] * 8, ["action late"]),
        ([EARLY] * 8, ["action early"]),
        ([NONE] * 3, []),
        ([GOOD] * 5 + [LATE] * 3, []),
        ([replace(LATE, late=math.nan)] * 8, []),
        ([replace(GOOD, size=0.4, told=0.3, late=0.25)] * 8, []),
    ],
)
def test_what_is_wrong_with_actions(answers: list[Answer], want: list[str]) -> None:
    """Catches: few or undecided answers taken for a fault; a weak answer, near to every alignment, called late."""
    assert names(Evidence(answers=answers)) == want


def test_one_action_that_is_ignored_is_named() -> None:
    """Catches: an action that is dead while the others live goes unseen, or all of them are blamed."""
    answers = [GOOD] * 20 + [replace(NONE, action="FIRE")] * 4
    (fault,) = find_faults(Evidence(answers=answers))
    assert (fault.name, fault.evidence["actions"], fault.evidence["whole"]) == ("action ignored", ["FIRE"], False)
    assert "FIRE" in fault.text and "UP" not in fault.text


def test_a_frozen_world_is_only_that() -> None:
    """Catches: a list of consequences instead of the cause."""
    wrong = [Outcome(1.0, 0.0)] * 5
    gone = [Absence("ball", (90, 90), 10)]
    assert names(Evidence([True] * 6, [STOOD] * 6, wrong, absences=gone)) == ["frozen"]
    assert names(Evidence([False] * 6, [GOOD] * 6, wrong, 0.0, Absence("", (90,), 10), gone)) == ["frozen"]
    assert names(Evidence([True] * 2, [STOOD] * 6)) == [], "it is too early to say which of the two it is"
    assert names(Evidence([False] * 6, [STOOD] * 6)) == ["action ignored"], "it moves, but not where only actions do"
    assert names(Evidence([], [STOOD] * 6)) == [], "in a game that stands still by itself it takes longer"
    assert names(Evidence([], [STOOD] * 12)) == ["action ignored"]


def test_a_world_that_ignores_actions_may_wait_for_a_serve() -> None:
    """Catches: a standstill or an absence that follows from ignored actions, named beside them."""
    gone = [Absence("ball", (90, 90), 10)]
    assert names(Evidence([False] * 6, [NONE] * 6, RIGHT, 0.0, Absence("", (90,), 10), gone)) == ["action ignored"]


def test_objects_are_lost_when_reality_never_lacks_them_for_so_long() -> None:
    """Catches: a ball between two rallies that counts as lost; one dream of many that decides; several told apart."""
    assert names(Evidence(absences=[Absence("ball", (37, 3), 16)])) == []
    assert names(Evidence(absences=[Absence("ball", (38, 3), 16)])) == ["object lost"]
    assert names(Evidence(absences=[Absence("ball", (38, 3, 3, 3, 3), 16)])) == []
    both = [Absence("ball", (38,), 16), Absence("own paddle", (9,), 0)]
    (fault,) = find_faults(Evidence(absences=both))
    assert fault.evidence["objects"] == ["ball", "own paddle"]


@pytest.mark.parametrize(
    ("outcomes", "want"),
    [
        ([Outcome(1.0, -1.0)] * 2, ["reward sign"]),
        ([Outcome(1.0, -0.6), Outcome(-1.0, 0.7)], ["reward sign"]),
        ([Outcome(1.0, -1.0), Outcome(1.0, 1.0), Outcome(1.0, 1.0)], []),
        ([Outcome(1.0, 0.0)] * 2, ["reward missed"]),
        ([Outcome(1.0, 0.0), Outcome(1.0, 0.5)], []),
        ([Outcome(3.0, 0.6)] * 5, []),
        ([Outcome(3.0, 0.1)] * 5, ["reward missed"]),
        ([Outcome(0.0, 1.0)] * 9 + [Outcome(0.0, 0.0)] * 3, ["reward invented"]),
        ([Outcome(0.0, 0.7)] * 9, []),
        ([Outcome(0.0, 1.0)] * 3 + [Outcome(0.0, 0.0)] * 9 + [Outcome(1.0, 1.0)] * 3, ["reward invented"]),
        ([Outcome(0.0, 0.2)] * 30 + [Outcome(1.0, 0.8)] * 3, []),
        ([Outcome(0.0, 1.0)] * 3 + [Outcome(0.0, 0.0)] * 9 + [Outcome(1.0, 1.0)] * 9, []),
        ([Outcome(0.0, 0.0, True, False)], ["end missed"]),
        ([Outcome(0.0, 0.0, True, True), Outcome(0.0, 0.0, True, False)], []),
        ([Outcome(0.0, 0.0, False, True)] * 2, ["end invented"]),
        ([Outcome(0.0, 0.0, False, True)], []),
    ],
)
def test_rewards_and_ends(outcomes: list[Outcome], want: list[str]) -> None:
    """Catches: an expected reward, which is never whole, taken for a miss or an invention; a flip counted as both."""
    assert names(Evidence(outcomes=outcomes)) == want


def test_two_rewards_of_chance_are_too_few_to_be_missed() -> None:
    """Catches: "reward missed" in a game with a fee after the first two tiles that nobody could have foreseen."""
    costs = [Outcome(-0.1, -0.1)] * 90
    assert names(Evidence(outcomes=[*costs, *[Outcome(3.1, -0.1)] * 4], usual=-0.1)) == []
    assert names(Evidence(outcomes=[*costs, *[Outcome(3.1, -0.1)] * 5], usual=-0.1)) == ["reward missed"]
    assert names(Evidence(outcomes=[*[Outcome(0.0, 0.0)] * 90, *[Outcome(1.0, 0.0)] * 2])) == ["reward missed"]


def test_rewards_are_held_against_the_usual_one() -> None:
    """Catches: in a game that charges a little at every step, each of them counts as an event."""
    costs = [Outcome(-0.1, -0.05), Outcome(-0.1, -0.2)] * 10
    assert names(Evidence(outcomes=[*costs, *[Outcome(3.1, 2.5)] * 3], usual=-0.1)) == []
    flipped = [Outcome(-0.1, 0.1)] * 10 + [Outcome(3.1, -3.1)] * 3
    assert names(Evidence(outcomes=flipped, usual=-0.1)) == ["reward sign"]


def test_an_expected_reward_is_no_missed_one() -> None:
    """Catches: a world that foretells the mean reward at every step, where no one could know the step, said to miss it.

    Every twenty-fifth step pays 3, and the world says 0.12 each time; one that says a third of that does miss it.
    """
    for said, want in ((0.12, []), (0.04, ["reward missed"])):
        steps = [Outcome(0.0, said)] * 24 + [Outcome(3.0, said)] * 4
        assert names(Evidence(outcomes=steps, rate=1 / 25)) == want
        assert rate_of(Counter({0.0: 96, 3.0: 4})) == pytest.approx(1 / 25)


def test_before_a_reward_was_paid_a_game_with_a_fee_tells_nothing() -> None:
    """Catches: a car that stands still, and a world that expects a third of a tile of 3.1 all the while, said to invent
    rewards of unknown size."""
    waiting = [Outcome(-0.2, 0.82)] * 30
    assert names(Evidence(outcomes=waiting, usual=-0.2)) == []
    assert names(Evidence(outcomes=[*waiting, Outcome(2.9, 2.5)], usual=-0.2)) == []
    assert names(Evidence(outcomes=[*[Outcome(-0.2, 2.9)] * 30, Outcome(2.9, 2.5)], usual=-0.2)) == ["reward invented"]


def test_half_of_the_ends_foretold_is_no_fault() -> None:
    """Catches: an alarm that goes on and off at every other end of a game, in a world that draws its ends by chance."""
    ends = [Outcome(0.0, 0.0, True, k % 2 == 0) for k in range(9)]
    assert names(Evidence(outcomes=ends + [Outcome(0.0, 0.0, True, False)] * 2)) == []
    assert names(Evidence(outcomes=[Outcome(0.0, 0.0, True, k % 4 == 0) for k in range(8)])) == ["end missed"]


def test_rewards_that_hang_on_the_action_are_not_blamed_twice() -> None:
    """Catches: a world that takes the wrong action, called wrong about the rewards of that action too."""
    hanging = [Outcome(1.0, 0.0, hangs=True)] * 6
    assert names(Evidence(answers=[LATE] * 8, outcomes=hanging)) == ["action late"]
    assert names(Evidence(answers=[GOOD] * 8, outcomes=hanging)) == ["reward missed"]
    free = [Outcome(1.0, 0.0)] * 6
    assert names(Evidence(answers=[LATE] * 8, outcomes=free)) == ["action late", "reward missed"]


def test_faults_come_in_their_order_with_their_numbers() -> None:
    """Catches: a face that sorts by chance; a text without the numbers."""
    outcomes = [Outcome(1.0, -1.0)] * 4 + [Outcome(0.0, 0.0, True, False)]
    faults = find_faults(Evidence(answers=[EARLY] * 5, outcomes=outcomes, absences=[Absence("ball", (99,), 9)]))
    assert [f.name for f in faults] == ["action early", "object lost", "reward sign", "end missed"]
    assert all(f.name in FAULTS and any(c.isdigit() for c in f.text) for f in faults)
