"""The scan of a report on worlds whose faults are known: the counting game, perfect and with one fault each."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.rssm.settings import RssmSettings
from models.study.clips import clip_of, signed_error
from models.study.foretold import Foretold, foretell, one_step, paid
from models.study.measures import bin_edges, confusion, drift, events, frame_measures, over_steps, reliability
from models.study.moments import APART, Moment, apart, lost_objects, stretches, worst_moments
from models.study.places import Effort, Survey, batches, contexts_of, survey
from models.study.pooled import Pooled, pooled
from models.study.scan import Found, Scan, Truth, find_objects, real_sightings, scan, scan_cost, truth_of
from models.training.one_step import predict_at
from models.training.probe import Sightings
from models.training.rollout import ROWS
from models.world import Rng
from tests.counting_oracle import Bright, CountingOracle, Endless, Flipped
from tests.oracle_worlds import quiet
from tests.stores import counting_episode
from tests.tiny_rssm import tiny_rssm_world
from tests.tiny_worlds import tiny_world

LEAST, EXACT = 2, 10 * math.log10(255**2 / 1e-4)
EFFORT = Effort(ends=40, events=40, beside=20, rest=40, dreams=6, steps=10)


@cache
def played() -> tuple[EpisodeFile, ...]:
    """Eight episodes of 20 to 60 steps."""
    store = EpisodeStore(Path(mkdtemp()))
    for k in range(8):
        store.add(10 * k + 9, counting_episode(k))
    return tuple(store.episodes("heldout"))


@cache
def looked() -> tuple[Survey, Truth]:
    places = survey(played(), LEAST, EFFORT, 0)
    return places, truth_of(played(), places)


def scanned(world: Any) -> Scan:
    places, truth = looked()
    return scan(world, played(), places, truth, 0, quiet)


def moments_of(world: Any, count: int = 20) -> tuple[Moment, ...]:
    places, truth = looked()
    return worst_moments(scanned(world), truth, places, paid(world, truth.rewards), None, count)


# -- pooled measures


def test_pooled_in_closed_form() -> None:
    """Catches: a mean of ratios in place of the ratio of sums, or a PSNR of another peak."""
    error = pooled(torch.tensor([4.0, 8.0, 0.0]), torch.tensor([2.0, 1.0, 1.0]), torch.tensor([0, 1, 1]), 3, "dB")
    assert error.top.tolist() == [4.0, 8.0, 0.0]
    assert error.value == pytest.approx(10 * math.log10(255**2 / 3.0))
    assert error.episodes == 2
    assert Pooled(torch.zeros(2).double(), torch.ones(2).double(), "dB").value == pytest.approx(EXACT)


def test_an_interval_is_over_episodes() -> None:
    """Catches: steps resampled in place of episodes, which makes every interval look far too sure."""
    alike = Pooled(torch.tensor([5.0, 10.0, 20.0]).double(), torch.tensor([10.0, 20.0, 40.0]).double(), "%")
    assert alike.interval() == pytest.approx((0.5, 0.5))
    apart_ = Pooled(torch.tensor([0.0, 10.0] * 3).double(), torch.full((6,), 10.0).double(), "%")
    low, high = apart_.interval() or (0, 0)
    assert low < 0.2 < 0.8 < high
    uneven = Pooled(torch.tensor([10.0, 0.0]).double(), torch.tensor([10.0, 90.0]).double(), "%")
    assert {round(float(x), 3) for x in uneven.resampled(0)} == {0.0, 0.1, 1.0}
    one = Pooled(torch.tensor([3.0, 0.0]).double(), torch.tensor([6.0, 0.0]).double(), "%")
    assert (one.value, one.interval()) == (0.5, None)
    none = Pooled(torch.zeros(2).double(), torch.zeros(2).double(), "%")
    assert (none.value, none.interval(), none.less(none)) == (None, None, None)


def test_differences_are_paired() -> None:
    """Catches: two worlds resampled apart, so that hard episodes hide a sure difference."""
    bottom = torch.full((6,), 10.0).double()
    hard = Pooled(torch.tensor([0.0, 2.0, 4.0, 6.0, 8.0, 9.0]).double(), bottom, "%")
    better = Pooled(hard.top + 0.5, bottom, "%")
    more, low, high = better.less(hard) or (0, 0, 0)
    assert (more, low, high) == pytest.approx((0.05, 0.05, 0.05))
    with pytest.raises(ValueError, match="got 6 episodes in dB, expected 6 in %"):
        better.less(replace(hard, unit="dB"))


# -- places


def test_places_stand_for_all_steps() -> None:
    """Catches: weights that do not add up to all steps, an episode that is never looked at, places without a past."""
    places, _ = looked()
    possible = sum(len(e) - c + 1 for e, c in zip(played(), places.contexts, strict=True))
    assert places.population == possible
    assert float(places.weights.sum()) == pytest.approx(possible)
    assert places.visited == places.episodes == len(played())
    for place in places.steps:
        assert places.contexts[place.episode] - 1 <= place.t < len(played()[place.episode])
    for place, steps in zip(places.starts, places.lasting.tolist(), strict=True):
        assert 1 <= steps <= EFFORT.steps
        assert place.t + steps <= len(played()[place.episode])
    assert {p.episode for p in places.starts} == set(range(len(played())))


def test_every_event_is_looked_at_where_there_is_room() -> None:
    """Catches: the rarest step of all, the end of a game, left to chance."""
    places = survey(played(), LEAST, replace(EFFORT, events=10_000), 0)
    assert int((places.kinds <= 1).sum()) == sum(places.happening[:2])
    ends = {(k, len(e) - 1) for k, e in enumerate(played())}
    assert ends <= {(p.episode, p.t) for p in places.steps}
    assert places.weights[places.kinds <= 1].unique().tolist() == [1.0]


def test_too_short_play_says_so() -> None:
    """Catches: an empty draw that ends in a division by zero."""
    with pytest.raises(ValueError, match=r"no held-out episode of 1000 steps.*longest has \d+"):
        survey(played(), 1000, EFFORT, 0)


def test_short_episodes_cut_the_warm_up() -> None:
    """Catches: episodes that are never looked at because the warm-up is longer than they are."""
    assert contexts_of([500, 32, 20, 9, 3], 4) == (16, 16, 10, 4, 4)
    places = survey(played(), 8, EFFORT, 0)
    groups = batches(places, places.steps)
    assert sorted(n for group in groups for n in group) == list(range(len(places.steps)))
    assert len(set(places.contexts)) > 1
    for group in groups:
        assert len({places.contexts[places.steps[n].episode] for n in group}) == 1
        assert len(group) <= ROWS


# -- what is foretold


def test_a_single_step_is_that_of_the_contract() -> None:
    """Catches: a study that measures another world than the one that is played."""
    places = survey(played(), 8, EFFORT, 0)
    for world in (tiny_world(), tiny_rssm_world()):
        ours = foretell(world, played(), places, 3)
        for n in (0, 17, len(places.steps) - 1):
            place = places.steps[n]
            theirs = predict_at(world, played(), [place], places.contexts[place.episode], 3 + n, quiet)
            assert ((ours.frames[n].int() - theirs.frames[0].int()).abs() <= 1).all()
            assert torch.allclose(ours.rewards[n], theirs.rewards[0])
            assert torch.equal(ours.ended[n], theirs.terminated[0])


def test_expected_rewards_are_not_rounded() -> None:
    """Catches: a reliability curve of whole numbers, which hides how sure a world is."""
    places = survey(played(), 4, EFFORT, 0)
    diamond = foretell(tiny_world(), played(), places, 0)
    assert ((diamond.expected - diamond.expected.round()).abs() > 1e-3).any()
    assert (diamond.expected.abs() <= 1).all()
    coarse = tiny_rssm_world().with_settings(reward_unit=1.0)
    rssm = foretell(coarse, played(), places, 0)
    assert ((rssm.expected - rssm.expected.round()).abs() > 1e-3).any()
    assert torch.equal(rssm.rewards, rssm.rewards.round())
    assert torch.equal(rssm.rewards, rssm.expected.round())
    assert coarse.settings == RssmSettings(reward_unit=1.0, precision="fp32")


def test_a_world_without_a_reward_unit_is_taken_at_its_word() -> None:
    """Catches: a family that knows no such setting and so cannot be reported on."""
    state = CountingOracle().initial(replace_context(played()[0]), Rng.seeded([0]))
    seen = one_step(CountingOracle(), state, torch.tensor([2]), Rng.seeded([0]))
    assert (seen.rewards.tolist(), seen.expected.tolist()) == ([1.0], [1.0])


def replace_context(episode: EpisodeFile) -> Any:
    from models.types import Context

    return Context(episode.slice("frames", 0, 3)[None], episode.slice("actions", 0, 2)[None])


# -- measures of known worlds


def test_a_perfect_world_is_perfect_and_has_no_moments() -> None:
    """Catches: any misalignment of frames, actions, rewards and ends by a step; moments where nothing is wrong."""
    places, truth = looked()
    found = scanned(CountingOracle())
    near = frame_measures(found.steps.frames, truth, places)
    assert near.psnr.value == pytest.approx(EXACT)
    assert near.moving_psnr.value is None  # no pixel changes by more than a few levels in a step
    assert near.ssim.value == pytest.approx(1.0)
    drifted = drift(found.dreams, truth, places)
    assert [p.value for p in drifted.psnr] == pytest.approx([EXACT] * EFFORT.steps)
    assert [p.value for p in drifted.moving_psnr[4:]] == pytest.approx([EXACT] * (EFFORT.steps - 4))
    kinds = events(found, truth, places).kinds
    assert set(kinds) == {"reward +", "reward -", "termination"}
    for kind in kinds.values():
        assert (kind.f1.value, kind.precision.value, kind.recall.value) == (1.0, 1.0, 1.0)
    assert moments_of(CountingOracle()) == ()


def test_a_flipped_reward_is_that_alone() -> None:
    """Catches: a reward with the wrong sign taken for a right one, or blamed on the frames or the ends."""
    places, truth = looked()
    found = events(scanned(Flipped()), truth, places)
    assert found.kinds["reward +"].f1.value == found.kinds["reward -"].f1.value == 0.0
    assert found.kinds["termination"].f1.value == 1.0
    assert found.rewards.counts.diagonal().tolist()[::2] == [0, 0]
    assert found.rewards.counts[0, 2] == found.kinds["reward -"].positives
    worst = moments_of(Flipped())
    assert {m.kind for m in worst} == {"reward wrong"}
    assert "the reward was +1, the world expected -1" in {m.why for m in worst}


def test_a_missed_end_is_that_alone() -> None:
    """Catches: a world that never ends called perfect, since ends are so rare."""
    places, truth = looked()
    found = events(scanned(Endless()), truth, places)
    assert found.kinds["termination"].recall.value == 0.0
    assert found.kinds["termination"].precision.value is None
    assert found.ends.counts[1].tolist() == [found.kinds["termination"].positives, 0]
    worst = moments_of(Endless())
    assert {m.kind for m in worst} == {"end wrong"}
    assert all(m.t == len(played()[m.episode]) for m in worst)


def test_a_wrong_picture_is_a_moving_error() -> None:
    """Catches: an error of the frame that no moment shows, or a moment laid upon the frame beside it."""
    worst = moments_of(Bright())
    assert {m.kind for m in worst} == {"moving error"}
    places, truth = looked()
    for m in worst:
        assert m.dreamed
        assert m.t == places.starts[m.row].t + m.step
        real = played()[m.episode].slice("frames", m.t, m.t + 1)[0]
        assert torch.equal(truth.dreamed[m.row, m.step], real)


def test_weights_stand_for_the_population() -> None:
    """Catches: events that are looked at more often counted as if they happened more often."""
    places, truth = looked()
    found = events(scanned(CountingOracle()), truth, places)
    assert float(found.rewards.weighted.sum()) == pytest.approx(places.population)
    assert int(found.rewards.counts.sum()) == len(places.steps)
    table = confusion(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), ("a", "b"), three())
    assert table.counts.tolist() == [[1, 1], [0, 1]]
    assert table.weighted.tolist() == [[1.0, 2.0], [0.0, 3.0]]


def three() -> Survey:
    """A survey of three single steps that stand for 1, 2 and 3 steps of three episodes."""
    places, _ = looked()
    steps = tuple(replace(p, episode=k) for k, p in enumerate(places.steps[:3]))
    return replace(places, steps=steps, weights=torch.tensor([1.0, 2.0, 3.0]).double(), episodes=3)


def test_reliability_in_closed_form() -> None:
    """Catches: bins that mix up what was expected with what was paid, or lose the largest."""
    expected, paid_ = torch.tensor([0.0, 0.1, 1.0]), torch.tensor([0.0, 1.0, 0.5])
    bins = reliability(expected, paid_, bin_edges(expected, 2), three())
    assert [b.count for b in bins] == [2, 1]
    assert bins[0].expected == pytest.approx((0.0 * 1 + 0.1 * 2) / 3)
    assert bins[0].paid == pytest.approx(2 / 3)
    assert (bins[1].expected, bins[1].paid) == pytest.approx((1.0, 0.5))


def test_a_dream_that_outlasts_its_episode_counts_no_more() -> None:
    """Catches: a repeated last frame measured as if it had happened."""
    places = survey(played(), LEAST, replace(EFFORT, steps=40), 0)
    truth = truth_of(played(), places)
    assert len(places.lasting.unique()) > 1
    by_step = drift(torch.zeros_like(truth.dreamed[:, 1:]), truth, places).psnr
    for step in (1, 20, 40):
        going = {p.episode for p, lasting in zip(places.starts, places.lasting, strict=True) if lasting >= step}
        assert by_step[step - 1].episodes == len(going)
    assert over_steps(by_step[:1] * 2, 2).value == pytest.approx(by_step[0].value)


# -- objects


class EyeFor:
    """Finds an object where the frame's first pixel is not zero, always at 5, 5."""

    names = ("ball",)

    def find(self, frames: Tensor) -> Sightings:
        present = frames[..., 0, 0, 0][..., None] > 0
        return Sightings(torch.full((*present.shape, 2), 5.0), present)


def test_an_object_that_vanishes_is_a_moment() -> None:
    """Catches: an object lost that is overlooked, or noticed a step late, or where reality does not show it either."""
    places, truth = looked()
    count, steps = truth.there.shape[0], truth.there.shape[1] - 1
    labels = torch.tensor([5.0, 5.0, 1.0]).expand(count, steps + 1, 1, 3).clone()
    labels[1, :, :, 2] = 0
    seen = replace(truth, objects=labels, dreamed=torch.full_like(truth.dreamed, 9))
    dreams = torch.full((count, steps, 3, 16, 16), 9, dtype=torch.uint8)
    dreams[0, 4:8], dreams[1, 2:] = 0, 0
    eye: Any = EyeFor()
    found = find_objects(eye, seen, real_sightings(eye, seen), dreams)
    worst = lost_objects(found, places)
    assert [(m.row, m.step, m.severity) for m in worst] == [(0, 5, 4)]
    assert worst[0].t == places.starts[0].t + 5
    assert "the ball is missing from the dream for 4 steps" in worst[0].why


def test_runs_and_distances() -> None:
    """Catches: a run that touches the end of a dream and is not counted; clips of one and the same mishap."""
    assert stretches(torch.tensor([1, 1, 0, 1, 0, 0, 1], dtype=torch.bool)) == [(0, 2), (3, 1), (6, 1)]
    assert stretches(torch.zeros(3, dtype=torch.bool)) == []
    one = Moment("end wrong", 0, 100, 1, 0, False, 1.0, "")
    assert not apart(replace(one, t=100 + APART - 1), [one])
    assert apart(replace(one, t=100 + APART), [one])
    assert apart(replace(one, episode=1), [one])


def test_the_worst_of_each_kind_take_turns() -> None:
    """Catches: a page of twenty moments of one kind while others go unseen."""
    places, truth = looked()
    right, wrong = scanned(CountingOracle()), scanned(Flipped())
    ends = ~truth.ended
    mixed = Scan(Foretold(right.steps.frames, wrong.steps.rewards, wrong.steps.expected, ends), right.dreams)
    found = Found(("ball",), *([torch.zeros(len(places.starts), EFFORT.steps, 1)] * 3), torch.zeros(0))
    worst = worst_moments(mixed, truth, places, truth.rewards, None, 4)
    assert [m.kind for m in worst] == ["end wrong", "reward wrong", "end wrong", "reward wrong"]
    assert all(apart(m, worst[:k]) for k, m in enumerate(worst))
    assert found.names == ("ball",)


# -- clips


def test_the_difference_has_a_sign() -> None:
    """Catches: brighter and darker mixed up, or a picture that is not grey where nothing differs."""
    real = torch.full((3, 1, 3), 100, dtype=torch.uint8)
    dream = real.clone()
    dream[:, 0, 1], dream[:, 0, 2] = 200, 0
    same, up, down = signed_error(dream, real)[:, 0].unbind(1)
    assert same.tolist() == [128, 128, 128]
    assert up[0] > 128 > up[2]
    assert down[2] > 128 > down[0]


@pytest.mark.parametrize("world", [Bright(), Flipped()])
def test_a_clip_shows_its_moment(world: Any) -> None:
    """Catches: a clip that cannot be read, is a frame off, or leaves out a world."""
    _, truth = looked()
    scans = [scanned(world), scanned(CountingOracle())]
    moment = moments_of(world)[0]
    clip = clip_of(moment, scans, ("wrong", "right"), truth, played())
    assert clip.panes == ("real", "wrong", "error", "right", "error")
    moving, still = Image.open(io.BytesIO(clip.moving)), Image.open(io.BytesIO(clip.still))
    assert moving.n_frames == clip.frames > 1  # type: ignore[attr-defined]
    assert moving.size == still.size == (clip.width, clip.height) == (5 * 16 + 4 * 2, 16 + 5)
    shown = torch.from_numpy(np.asarray(still.convert("RGB")).copy())[:16]
    real = played()[moment.episode].slice("frames", moment.t, moment.t + 1)[0].permute(1, 2, 0)
    assert torch.equal(shown[:, :16], real)
    assert torch.equal(shown[:, 54:70], real)


def test_the_cost_is_what_is_ticked() -> None:
    """Catches: a progress bar that ends at half its length, or runs past it."""
    places, truth = looked()
    heard: list[int] = []
    scan(CountingOracle(), played(), places, truth, 0, heard.append)
    assert sum(heard) == scan_cost(places)
