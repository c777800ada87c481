"""The evaluation, with the real game as a perfect dream and with dreams that are wrong in known ways."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.training import one_step, rollout
from models.training.branches import FIRST_SEED, Branches, groups, hits, measure_actions, real_branches, taken_for
from models.training.drift import OpenLoop, measure_drift, measure_objects, open_loop
from models.training.free_dream import Follower, action_effects, longest_gaps, measure_free_dreams
from models.training.measures import decibels
from models.training.one_step import NEIGHBOURS, Stratum, even_rows, event_measures, events, measure_steps, strata
from models.training.probe import Probe, Sightings
from models.training.rollout import Place, after, all_places, context_at, dream_on
from models.types import ActionSpec, Context, Prediction, WorldSpec
from tests.counting import CountingWorld, starts
from tests.oracle_worlds import STEPS, Deaf, Late, Oracle, Still, key, played, quiet, real
from tests.stores import fill_counting_store

CONTEXT = 6
PERFECT = decibels(0.0)


@cache
def branches() -> Branches:
    return real_branches(real(), 5, CONTEXT, seed=0)


@pytest.fixture(scope="module")
def heldout(tmp_path_factory: pytest.TempPathFactory) -> list[EpisodeFile]:
    store = EpisodeStore(tmp_path_factory.mktemp("pong"))
    store.add(9, played().episode)
    return store.episodes("heldout")


def dreamer(kind: type[Oracle]) -> Any:
    known = played().known(CONTEXT)
    for n in range(len(branches().futures)):
        state = branches().states
        known[key(branches().context.frames[n])] = type(state)(state.emulator[n : n + 1], state.screen[n : n + 1])
    return kind(real(), known)


def test_alignment_of_contexts_and_futures(tmp_path: Path) -> None:
    """Bug: off by one: the action that led to a frame is fed as the one taken at it."""
    episodes = EpisodeStore(fill_counting_store(tmp_path, 10)).episodes("heldout")
    context = context_at(episodes, [Place(0, 7), Place(0, 5)], 4)
    counts, led = context.frames[..., 0, 0, 0], context.frames[..., 1, 0, 0]
    assert counts.tolist() == [[4, 5, 6, 7], [2, 3, 4, 5]]
    assert context.actions.tolist() == led[:, 1:].tolist()
    frames = after(episodes, [Place(0, 7)], "frames", 3)
    assert frames[0, :, 0, 0, 0].tolist() == [8, 9, 10]
    assert after(episodes, [Place(0, 7)], "actions", 3).tolist() == frames[..., 1, 0, 0].tolist()
    assert after(episodes, [Place(0, 7)], "rewards", 3).tolist() == (frames[..., 1, 0, 0].float() - 1).tolist()


def test_places_reach_the_last_step_and_no_further() -> None:
    """Bug: the last step, where every game ends, is never looked at."""
    assert all_places([5], 3, 1) == [Place(0, 2), Place(0, 3), Place(0, 4)]
    assert all_places([5, 2], 3, 3) == [Place(0, 2)]
    assert all_places([2], 3, 1) == []


def test_rows_do_not_depend_on_their_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: other random numbers when the batch size changes."""
    world, context = CountingWorld(), starts(5)
    actions = torch.arange(15).reshape(5, 3) % 8
    whole = dream_on(world, context, actions, seed=4)
    monkeypatch.setattr(rollout, "ROWS", 2)
    parts = dream_on(world, context, actions, seed=4)
    assert torch.equal(whole.frames, parts.frames)
    assert torch.equal(whole.rewards, parts.rewards)
    assert not torch.equal(whole.frames, dream_on(world, context, actions, seed=5).frames)


def test_branches_are_of_the_real_game() -> None:
    """Bug: futures of another state, contexts off by one, or games that training may have seen."""
    got = branches()
    assert got.context.frames.shape == (5, CONTEXT, 3, 64, 64)
    assert got.futures.shape == (5, 6, 8, 3, 64, 64)
    assert torch.equal(real().frame(got.states), got.context.frames[:, -1])
    names = real().spec.actions.names
    for n in range(5):
        group = groups(got.futures[n])
        assert group[names.index("RIGHT")] == group[names.index("RIGHTFIRE")]
        assert group[names.index("RIGHT")] != group[names.index("LEFT")]
    assert all(seed > FIRST_SEED for seed in got.seeds)


def test_games_that_were_stored_are_not_played_again() -> None:
    """Bug: states from a game that training has seen."""
    first = real_branches(real(), 1, CONTEXT, 0, hold=2).seeds
    assert real_branches(real(), 1, CONTEXT, 0, taken=frozenset(first), hold=2).seeds[0] not in first


def test_perfect_world_obeys_every_action() -> None:
    """Bug: a perfect dream is not counted as such, for instance because identical branches compete."""
    found = measure_actions(dreamer(Oracle), branches(), seed=0)
    assert found["accuracy"] == found["first_response"]["accuracy"] == 1.0
    assert found["trials"] == 5 * 6
    assert found["by_action"]["LEFT"] == [5, 5]
    assert found["confusion"] == (5 * torch.eye(6, dtype=torch.int64)).tolist()
    assert found["chance"] == pytest.approx(1 / 3, abs=0.1)


def test_world_that_ignores_actions_is_at_chance() -> None:
    """Bug: likeness of the background counts as obedience."""
    found = measure_actions(dreamer(Deaf), branches(), seed=0)
    assert found["accuracy"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["by_action"]["LEFT"] == found["by_action"]["RIGHT"] == [0, 5]
    assert found["by_action"]["NOOP"] == [5, 5]
    rest = [5, 0, 0, 0, 0, 0]
    assert found["confusion"] == [rest, [0, 5, 0, 0, 0, 0], rest, rest, rest, rest], "whatever is done, nothing is done"


def test_world_that_acts_one_step_late_is_noticed() -> None:
    """Bug: held actions hide that the dream takes the action before."""
    found = measure_actions(dreamer(Late), branches(), seed=0)
    assert found["accuracy"] < 0.6
    assert found["first_response"]["accuracy"] < 0.6


def test_hits_among_identical_branches_and_ties() -> None:
    """Bug: a dream equally far from two futures counts as right for both."""
    real_ones = torch.tensor([0, 10, 10, 20], dtype=torch.uint8)[:, None, None, None, None].expand(4, 1, 3, 2, 2)
    dreams = torch.tensor([5, 9, 11, 12], dtype=torch.uint8)[:, None, None, None, None].expand(4, 1, 3, 2, 2)
    assert groups(real_ones) == [0, 1, 1, 3]
    assert hits(dreams, real_ones) == [False, True, True, False]
    assert taken_for(dreams, real_ones) == [1, 1, 2, 1], "as many hits on the diagonal as there are"


def test_perfect_world_drifts_nowhere(heldout: list[EpisodeFile]) -> None:
    """Bug: reality and dream are compared one frame apart."""
    found = measure_drift(open_loop(dreamer(Oracle), heldout, CONTEXT, 4, 0, quiet), 0)
    assert found["segments"] == 4
    assert [at["psnr"] for at in found["steps"].values()] == [PERFECT] * 4
    assert found["steps"]["50"]["copy_psnr"] < 40


@pytest.mark.parametrize("kind", [Late, Deaf])
def test_worlds_with_wrong_actions_drift(kind: type[Oracle], heldout: list[EpisodeFile]) -> None:
    """Bug: an action off by one goes unnoticed in open loop."""
    found = measure_drift(open_loop(dreamer(kind), heldout, CONTEXT, 4, 0, quiet), 0)
    assert found["steps"]["15"]["moving_psnr"] < 40


def test_world_that_stands_still_is_its_baseline(heldout: list[EpisodeFile]) -> None:
    """Bug: the baseline is computed over other frames or other pixels than the world's number."""
    for at in measure_drift(open_loop(dreamer(Still), heldout, CONTEXT, 4, 0, quiet), 0)["steps"].values():
        assert at["psnr"] == at["copy_psnr"]
        assert at["moving_psnr"] == at["copy_moving_psnr"]
    steps, found = measure_steps(dreamer(Still), heldout, CONTEXT, 4, 0, quiet)
    assert (steps["psnr"], steps["ssim"]) == (steps["copy_psnr"], steps["copy_ssim"])
    assert steps["moving_psnr"] == steps["copy_moving_psnr"]
    assert found["kinds"]["reward -1"]["recall"] == 0.0
    assert found["kinds"]["reward -1"]["precision"] is None


def test_perfect_world_foresees_frames_and_rewards(heldout: list[EpisodeFile]) -> None:
    """Bug: the reward of a transition is compared with that of the one before or after."""
    steps, found = measure_steps(dreamer(Oracle), heldout, CONTEXT, 4, 0, quiet)
    assert steps["psnr"] == steps["moving_psnr"] == PERFECT
    assert steps["ssim"] == pytest.approx(1.0)
    lost = found["kinds"]["reward -1"]
    assert lost["positives"] == int((played().episode.rewards < 0).sum()) > 0
    assert (lost["precision"], lost["recall"], lost["f1"]) == (1.0, 1.0, 1.0)
    assert "termination" not in found["kinds"]


def test_a_reward_one_step_off_is_a_miss_and_a_false_one(
    heldout: list[EpisodeFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: events are forgiven for coming a step late."""
    monkeypatch.setattr(one_step, "truth_at", shifted(one_step.truth_at))
    lost = measure_steps(dreamer(Oracle), heldout, CONTEXT, 64, 0, quiet)[1]["kinds"]["reward -1"]
    assert lost["recall"] == 0.0
    assert lost["f1"] == 0.0


def shifted(truth_at: Any) -> Any:
    """The truth with rewards of the transition before."""

    def later(episodes: Any, places: list[Place]) -> Any:
        right = truth_at(episodes, places)
        signs = after(episodes, [Place(p.episode, p.t - 1) for p in places], "rewards", 1)[:, 0].sign()
        return one_step.Truth(right.last, right.frames, signs, right.terminated)

    return later


def test_event_measures_by_hand() -> None:
    """Bug: weights ignored, so that rare events that were looked for on purpose make precision look high."""
    said = torch.tensor([True, True, True, False, False])
    truth = torch.tensor([True, False, False, True, False])
    found = event_measures(said, truth, torch.tensor([1.0, 2.0, 5.0, 1.0, 9.0]))
    assert (found["precision"], found["recall"]) == (1 / 8, 1 / 2)
    assert found["f1"] == pytest.approx(2 * (1 / 8) * (1 / 2) / (1 / 8 + 1 / 2))
    nothing = event_measures(torch.zeros(3).bool(), torch.zeros(3).bool(), torch.ones(3))
    assert (nothing["precision"], nothing["recall"], nothing["f1"]) == (None, None, None)


def test_strata_cover_every_step_once(heldout: list[EpisodeFile]) -> None:
    """Bug: steps near an event counted twice, or events that are never drawn."""
    kinds = strata(heldout, CONTEXT, 1000, 0)
    places = [place for kind in kinds for place in kind.places]
    assert sorted(places, key=lambda p: p.t) == all_places([STEPS], CONTEXT, 1)
    happened = events(heldout[0]).nonzero()[:, 0]
    assert [p.t for p in kinds[0].places] == [t for t in happened.tolist() if t >= CONTEXT - 1]
    for place in kinds[1].places:
        assert 0 < (happened - place.t).abs().min() <= NEIGHBOURS
    assert sum(kind.population for kind in kinds) == len(places)


def test_even_rows_keep_the_true_shares() -> None:
    """Bug: PSNR is measured mostly where points are scored, since those steps were drawn more often."""
    kinds = [Stratum([Place(0, i) for i in range(n)], population) for n, population in ((10, 10), (20, 40), (50, 500))]
    rows = even_rows(kinds, 0)
    counts = [int(((rows >= a) & (rows < b)).sum()) for a, b in ((0, 10), (10, 30), (30, 80))]
    assert counts == [1, 4, 50]
    assert len(set(rows.tolist())) == len(rows)


class MarkProbe(Probe):
    """Reads the place and presence of "dot" off the first pixels, and of "own", which is always there."""

    def __init__(self) -> None:
        super().__init__(("own", "dot"), 16, 16)

    def find(self, frames: torch.Tensor) -> Sightings:
        mark = frames[..., :, 0, 0].float()
        places = torch.stack([torch.zeros_like(mark[..., :2]), mark[..., :2]], dim=-2)
        there = mark[..., 2] > 0
        return Sightings(places, torch.stack([torch.ones_like(there), there], dim=-1))


def marked(place: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    """Frames (..., 3, 16, 16) whose first pixel says where the dot is; the dot itself is drawn."""
    frames = torch.zeros(*place.shape[:-1], 3, 16, 16, dtype=torch.uint8)
    frames[..., :2, 0, 0] = place.to(torch.uint8)
    frames[..., 2, 0, 0] = there.to(torch.uint8) * 255
    for index in np.ndindex(*place.shape[:-1]):
        y, x = (int(v) for v in place[index])
        if there[index]:
            frames[(*index, slice(None), y, x)] = 255
    return frames


def test_object_drift_by_hand() -> None:
    """Bug: a dreamed object that is not found counts as right, or frames count in which reality hides it."""
    real_place = torch.tensor([[5.0, 5.0]] * 5).expand(1, 5, 2)
    shown = torch.tensor([[True, True, True, False, True]])
    dream_place = torch.tensor([[[5.0, 7.0], [5.0, 9.0], [5.0, 5.0], [5.0, 5.0]]])
    dream_there = torch.tensor([[True, True, False, True]])
    truth = marked(real_place, shown)
    labels = torch.zeros(1, 5, 2, 3)
    labels[:, :, 1, :2], labels[:, :, 1, 2] = real_place, shown.float()
    open_frames = OpenLoop(truth[:, 0], marked(dream_place, dream_there), truth[:, 1:], labels)
    behind = torch.zeros(3, 16, 16, dtype=torch.uint8)
    dot = measure_objects(open_frames, MarkProbe(), behind, "own", 0)["by_object"]["dot"]
    assert (dot["frames"], dot["share"], dot["not_found"]) == (3, pytest.approx(2 / 3), 0)
    assert dot["by_step"] == [1.0, 0.0, None, 1.0]
    assert (dot["share_in_sight"], dot["frames_in_sight"], dot["probe_share"]) == (0.5, 2, 1.0)
    lost = OpenLoop(truth[:, 0], marked(dream_place, ~dream_there), truth[:, 1:], labels)
    dot = measure_objects(lost, MarkProbe(), behind, "own", 0)["by_object"]["dot"]
    assert (dot["share"], dot["not_found"], dot["median_error"]) == (0.0, 3, None)


def test_longest_gaps() -> None:
    """Bug: a gap at the end, where something is gone for good, is not counted."""
    present = torch.tensor([[1, 0, 0, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    assert longest_gaps(present) == [2, 3, 0]


class Vanishing(Still):
    """Shows the dot until a step, each row its own."""

    def __init__(self, until: list[int]) -> None:
        self.until = until
        self.spec = WorldSpec("made up", "test", 16, 16, ActionSpec(("NOOP", "UP", "DOWN")), 1, 10.0)

    def initial(self, context: Context, rng: Any) -> Any:
        return branches().states.__class__(
            torch.zeros(len(self.until), 1).byte(), torch.zeros(len(self.until), 1).byte()
        )

    def step(self, state: Any, action: torch.Tensor, rng: Any, *, inspect: bool = False) -> tuple[Any, Prediction]:
        count = state.emulator[:, 0].int() + 1
        there = (count <= torch.tensor(self.until)) | (count % 10 < 7)
        there &= count <= torch.tensor(self.until)[: len(count)] + 7
        frames = marked(torch.full((len(count), 2), 5.0), there)
        after_state = type(state)((state.emulator + 1), state.screen)
        return after_state, Prediction(frames, torch.zeros(len(count)), torch.zeros(len(count)).bool())


def test_what_vanishes_from_a_dream_is_noticed() -> None:
    """Bug: a mean share hides that in one dream the ball is gone for good."""
    start = marked(torch.full((3, 1, 2), 5.0), torch.ones(3, 1).bool())
    empty = Vanishing([99] * 3).initial(Context(start, torch.zeros(3, 0).long()), None)
    begun = Branches(
        Context(start, torch.zeros(3, 0).long()),
        torch.zeros(3, 3, 1, 3, 16, 16).byte(),
        empty,
        (1,),
        torch.arange(3),
        ("a", "b", "c"),
    )
    player = (torch.tensor([[0.0, 0.0], [-2.0, 0.0], [2.0, 0.0]]), 0, 1)
    found = measure_free_dreams(
        Vanishing([99, 20, 99]), Vanishing([99] * 3), begun, MarkProbe(), player, 0, quiet, steps=60
    )
    assert found["by_object"]["dot"]["vanished"] == 1
    assert found["by_object"]["dot"]["longest_gap"] > 30
    assert found["by_object"]["dot"]["real_longest_gap"] == 0
    assert found["by_object"]["own"]["vanished"] == 0


def test_follower_goes_where_the_target_is(tmp_path: Path) -> None:
    """Bug: up and down exchanged: the player of free dreams runs away from the ball."""
    store = EpisodeStore(tmp_path)
    store.add(0, played().episode)
    effects = action_effects(store.episodes("train"), 0, 6)
    names = real().spec.actions.names
    assert effects[names.index("RIGHT"), 0] < -1
    assert effects[names.index("LEFT"), 0] > 1
    assert effects[:, 1].abs().max() < 1e-3
    player = Follower(effects, 0, 2, 2, seed=0)
    places = torch.tensor([[[30.0, 56.0], [0.0, 0.0], [10.0, 20.0]], [[30.0, 56.0], [0.0, 0.0], [50.0, 20.0]]])
    taken = player.act(Sightings(places, torch.ones(2, 3).bool())).tolist()
    assert [names[a].removesuffix("FIRE") for a in taken] == ["RIGHT", "LEFT"]
    rest = player.act(Sightings(places, torch.tensor([[True, True, False]] * 2))).tolist()
    assert {names[a] for a in rest} <= {"NOOP", "FIRE"}
