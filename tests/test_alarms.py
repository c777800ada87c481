"""Alarms while a dream is played beside its real game: the right one, no other, and none for a perfect dream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.alarms import NAMES, Alarm, Alarms
from engine.controllers import RandomController
from engine.controls import Input
from engine.ear import Ear, Memory
from engine.grounded import GroundedWorld
from engine.lockstep import LockstepWorld
from engine.session import Session
from models.study.faults import FAULTS, Answer, Outcome
from models.training.probe import Probe
from models.training.probe_cache import open_probe
from models.types import Context, Prediction, WorldSpec
from tests.broken_counting import (
    BROKEN_COUNTS,
    Counts,
    CountState,
    DeafCounts,
    FrozenCounts,
    LateCounts,
    MeanCounts,
    counting_game,
)
from tests.broken_worlds import BROKEN, Deaf, Early, Flipped, Frozen, Late, Loses, Perfect, Stops, witness
from tests.counting import CountingWorld, starts
from tests.tiny_rssm import grounded_pong
from tests.tiny_worlds import random_starts

EVERY = 4
"""Steps between two checks."""
STEPS = {Perfect: 150, Deaf: 60, Late: 60, Early: 60, Frozen: 80, Stops: 90, Loses: 80, Flipped: 120}
PROBE = Path(__file__).parents[1] / "assets" / "worlds" / "pong" / "probe.safetensors"


@cache
def probe() -> Probe:
    return open_probe(PROBE)


def nothing(spec: WorldSpec) -> Context:
    """A start that tells nothing: a real game begins by itself."""
    frames = torch.zeros(1, spec.context, 3, spec.height, spec.width, dtype=torch.uint8)
    return Context(frames, spec.actions.noops(spec.context - 1)[None])


def lockstep(lead: Any, *dreams: Any, seed: int = 0, sticky: float = 0.75, probe: Probe | None = None) -> Session:
    world = LockstepWorld(lead, dreams, probe=probe)
    session = Session(world, nothing(world.spec), world_hash="lockstep", seed=seed)
    session.controller = RandomController(sticky)
    return session


def listen(session: Session, alarms: Alarms, steps: int, every: int = EVERY) -> set[str]:
    """Play on, and check now and then: the names of all alarms that were ever on."""
    heard = set()
    alarms.hear(session)
    for step in range(steps):
        session.tick(Input())
        alarms.hear(session)
        if step % every == 0 and (check := alarms.background(session)) is not None:
            for _ in check:
                pass
        heard |= {alarm.name for alarm in alarms.now}
    return heard


@pytest.mark.parametrize("kind", STEPS, ids=lambda kind: kind.__name__)
def test_pong(kind: type[Perfect]) -> None:
    """Catches: an alarm that stays silent, or one that cries about a consequence first."""
    real = witness("pong")
    assert listen(lockstep(real, kind(real), probe=probe()), Alarms(), STEPS[kind]) == set(BROKEN[kind])


@pytest.mark.parametrize(
    ("game", "seed", "sticky"), [("breakout", 1, 0.75), ("breakout", 2, 0.0), ("freeway", 3, 0.75)]
)
def test_a_perfect_dream_raises_nothing_in_other_games(game: str, seed: int, sticky: float) -> None:
    """Catches: alarms tuned to Pong; a ball that waits for a serve, called frozen or lost."""
    real = witness(game)
    assert listen(lockstep(real, Perfect(real), seed=seed, sticky=sticky), Alarms(), 120) == set()


@pytest.mark.parametrize("kind", BROKEN_COUNTS, ids=lambda kind: kind.__name__)
def test_a_game_without_stored_states(kind: type[Counts]) -> None:
    """Catches: alarms that are silent where the real game cannot be branched; ends that are lost at a new start."""
    heard = listen(lockstep(counting_game(), kind()), Alarms(), 150)
    if kind in (DeafCounts, LateCounts):
        # Its action cannot be tried, and all that is seen and paid hangs on it.
        assert heard <= {"reward missed", "reward invented", "reward sign", "surprised"}
    elif kind is FrozenCounts:
        assert heard <= {"frozen", "reward missed", "end missed"}
    else:
        assert heard == set(BROKEN_COUNTS[kind])


def test_a_rewind_takes_back_what_was_heard_ahead() -> None:
    """Catches: an alarm about a future that is no more; a check that ends after the rewind and speaks of it."""
    real = witness("pong")
    session, alarms = lockstep(real, Deaf(real), probe=probe()), Alarms()
    listen(session, alarms, 60)
    (alarm,) = alarms.now
    assert alarm.name == "action ignored"
    assert 0 < alarm.since < 60
    late = None
    while late is None:
        session.tick(Input())
        alarms.hear(session)
        late = alarms.background(session)
    session.rewind(60)
    alarms.hear(session)
    assert alarms.now == ()
    for _ in late:
        pass
    assert alarms.now == ()
    listen(session, alarms, 60)
    assert [a.name for a in alarms.now] == ["action ignored"]


def test_an_anchor_brings_back_what_was_lost() -> None:
    """Catches: an alarm that outlives its cause."""
    real = witness("pong")
    session, alarms = lockstep(real, Loses(real), probe=probe()), Alarms()
    assert listen(session, alarms, 80) == {"object lost"}
    session.anchor()
    alarms.hear(session)
    assert alarms.now == ()


@dataclass(frozen=True)
class Mood:
    mean: bool = True


class Moody(Counts):
    """Pays nothing while it is mean."""

    def __init__(self, settings: Mood = Mood()) -> None:
        super().__init__()
        self.settings = settings  # type: ignore[assignment]

    def with_settings(self, **changes: Any) -> Counts:
        return Moody(Mood(**changes))

    def told(self, state: CountState, seen: Prediction) -> Prediction:
        return replace(seen, reward=seen.reward * (not self.settings.mean))  # type: ignore[attr-defined]


def test_other_settings_are_another_world() -> None:
    """Catches: what was heard under a bad setting told of the world after it was set right."""
    session, alarms = lockstep(counting_game(), Moody()), Alarms()
    assert listen(session, alarms, 120) == {"reward missed"}
    session.settings(mean=False)
    assert [alarm.name for alarm in alarms.now] == ["reward missed"], "until the next step"
    assert listen(session, alarms, 60) == set()


def test_two_dreams_are_told_apart() -> None:
    """Catches: the faults of one world laid at the other's door."""
    real = witness("breakout")
    session, alarms = lockstep(real, Perfect(real), Deaf(real)), Alarms()
    listen(session, alarms, 60)
    (alarm,) = alarms.now
    assert alarm.name == "action ignored"
    assert alarm.text.startswith("deaf: ")


def test_a_moment_is_heard_once_and_checked_once() -> None:
    """Catches: pause in front of one frame, and the same answer counted a hundred times."""
    real = witness("pong")
    session, alarms = lockstep(real, Deaf(real)), Alarms()
    alarms.hear(session)
    session.tick(Input())
    for _ in range(20):
        alarms.hear(session)
        for _ in alarms.background(session) or ():
            pass
    assert alarms.now == ()


def test_an_alarm_keeps_its_text_for_a_while() -> None:
    """Catches: a text that changes at every frame, which nobody can read and a reader of screens reads aloud."""
    real = witness("pong")
    session, alarms = lockstep(real, Loses(real), probe=probe()), Alarms()
    listen(session, alarms, 60)
    texts = []
    for _ in range(30):
        session.tick(Input())
        alarms.hear(session)
        texts += [alarm.text for alarm in alarms.now]
    assert len(texts) == 30
    assert len(set(texts)) <= 3


def test_silence_where_there_is_no_reality() -> None:
    """Catches: a dream measured against another dream as if it were real; an alarm in a grounded session."""
    world = CountingWorld()
    two = LockstepWorld(world, [CountingWorld()])
    grounded = grounded_pong()
    assert isinstance(grounded, GroundedWorld)
    for session in (
        Session(world, starts(), world_hash="a"),
        Session(two, starts(), world_hash="b"),
        Session(grounded, random_starts(grounded.spec, 1), world_hash="c"),
    ):
        alarms = Alarms()
        assert listen(session, alarms, 10, every=1) == set()
        assert alarms.background(session) is None


def test_without_moments_to_go_back_to() -> None:
    """Catches: a session that keeps nothing, whose step before cannot be looked at."""
    world = LockstepWorld(counting_game(), [MeanCounts()])
    session = Session(world, nothing(world.spec), world_hash="lockstep", rewind_s=0)
    assert listen(session, Alarms(), 10, every=1) == set()


def test_names() -> None:
    """Catches: a face that looks for a name that is never given."""
    assert NAMES[: len(FAULTS)] == FAULTS
    assert Alarm("frozen", "it stands", 3).since == 3


def test_memory_forgets_what_is_ahead_alone() -> None:
    """Catches: a rewind in this episode that forgets the one before."""
    memory = Memory[str](4)
    for stamp, what in (((0, 1, 9), "before"), ((1, 2, 3), "past"), ((1, 2, 8), "ahead")):
        memory.add(stamp, what)
    memory.forget((1, 2, 5))
    assert memory.all == ["before", "past"]
    for k in range(5):
        memory.add((1, 2, 6 + k), str(k))
    assert memory.all == ["1", "2", "3", "4"]


def test_one_mistaken_sighting_brings_nothing_back() -> None:
    """Catches: an object that is lost for good, but taken for found by a single frame in which the probe errs."""
    ear, still = Ear(1), torch.zeros(2, 3, 4, 4, dtype=torch.uint8)

    def step(seen: bool) -> int:
        ear.step(still, still, torch.tensor([[[1.0, 1.0, 1.0]], [[1.0, 1.0, float(seen)]]]))
        return ear.gone[0]

    assert [step(False) for _ in range(5)] == [0, 1, 2, 3, 4], "a frame later than it was seen last"
    assert [step(True), step(False), step(False)] == [5, 6, 7]
    assert [step(True), step(True), step(False)] == [8, 0, 0], "seen in two of three it is back"
    assert ear.real_gone[0].longest == 0


def test_off_the_map_and_surprised_by_hand() -> None:
    """Catches: one far look that cries; a surprise that is named beside a standstill."""
    ear = Ear(0)
    for _ in range(4):
        ear.place(3.0)
    assert ear.faults(0.0, (), tried=False) == []
    ear.place(3.0)
    assert [name for name, _ in ear.faults(0.0, (), tried=False)] == ["off the map"]
    ear.place(0.5)
    assert ear.faults(0.0, (), tried=False) == []
    for k in range(4):
        ear.startled.add((0, 0, k), k != 1)
    assert [name for name, _ in ear.faults(0.0, (), tried=False)] == ["surprised"]
    for k in range(4):
        ear.stills.add((0, 0, k), True)
    assert [name for name, _ in ear.faults(0.0, (), tried=False)] == ["frozen"]


def test_one_end_that_was_missed_is_no_alarm() -> None:
    """Catches: a world that foretells three ends of four, named at the first one that it does not."""
    ear = Ear(0)
    ear.outcomes.add((0, 0, 5), Outcome(0.0, 0.0, True, False))
    assert ear.faults(0.0, (), tried=False) == []
    ear.outcomes.add((0, 1, 5), Outcome(0.0, 0.0, True, False))
    assert [name for name, _ in ear.faults(0.0, (), tried=False)] == ["end missed"]


def test_nothing_is_said_before_actions_were_tried() -> None:
    """Catches: the rewards of a world named that, a second later, turns out to ignore the action."""
    ear = Ear(0)
    for k in range(4):
        ear.outcomes.add((0, 0, k), Outcome(1.0, 0.0))
    assert ear.faults(0.0, (), tried=True) == []
    assert [name for name, _ in ear.faults(0.0, (), tried=False)] == ["reward missed"]
    assert ear.faults(None, (), tried=False) == [], "nor of rewards before one knows what is usual"
    for k in range(4):
        ear.answers.add((0, 0, k), Answer("UP", 1.0, 0.0))
    assert [name for name, _ in ear.faults(0.0, (), tried=True)] == ["reward missed"]


def test_a_dream_that_has_gone_deaf_where_it_stands() -> None:
    """Catches: a dream that answers from real frames but no more from its own; one at a wall that is called deaf."""
    for names, want in ((["UP", "DOWN", "FIRE"] * 2, ["action ignored"]), (["UP", "DOWN"] * 3, [])):
        ear = Ear(0)
        for k in range(4):
            ear.answers.add((0, 0, k), Answer("UP", 1.0, 0.0))
        for k, name in enumerate(names):
            ear.here.add((0, 0, k), Answer(name, 0.0, 1.0))
        assert [name for name, _ in ear.faults(0.0, (), tried=True)] == want
