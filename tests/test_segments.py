"""Segments and their sampling against the published data loader, and what ours adds to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.episode import EpisodeFile
from models.data.segments import WEIGHTS, SegmentSampler, cat_segments, find_events, read_segment
from models.data.store import EpisodeStore
from models.nn.pixels import to_float
from tests.goldens import assert_near, golden
from tests.stores import counting_episode, episode_of

SEED = 20241520
DRAWS = {"denoiser": (6, WEIGHTS, False), "rewend": (8, WEIGHTS, True), "noweights": (4, None, False)}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[EpisodeFile]:
    """The nine golden episodes, each with a white frame after its last step."""
    numbers, store = golden("data"), EpisodeStore(tmp_path_factory.mktemp("golden"))
    files = []
    for i in range(len(numbers["lengths"])):
        frames = torch.cat([numbers[f"ep{i}_obs_u8"], torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)])
        ended = bool(numbers[f"ep{i}_end"][-1])
        episode = episode_of(frames, numbers[f"ep{i}_act"], numbers[f"ep{i}_rew"], ended, {})
        files.append(EpisodeFile(store.add(i, episode)))
    return files


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_the_published_ones(name: str) -> None:
    """Catches: blocks cut otherwise, a weight per step instead of per episode, an offset that is off by one."""
    numbers = golden("data")
    steps, weights, beyond = DRAWS[name]
    want = numbers[f"sampler_{name}"].tolist()
    lengths = numbers["lengths"].tolist()
    sampler = SegmentSampler(lengths, len(want), steps, seed=SEED, weights=weights, beyond_end=beyond)
    assert [[i.episode, i.start, i.stop] for i in sampler.draw()] == want


@pytest.mark.parametrize("j", range(6))
def test_segments_are_the_published_ones(episodes: list[EpisodeFile], j: int) -> None:
    """Catches: padding on the wrong side, a mask that is off by one, rows of a neighbouring episode."""
    numbers = golden("data")
    number, start, stop = numbers["segment_ids"][j].tolist()
    got = read_segment(episodes[number], start, stop)
    mask = numbers[f"seg{j}_mask"]
    assert torch.equal(got.mask[0], mask)
    assert_near(to_float(got.frames[0])[mask], numbers[f"seg{j}_obs"][mask])
    assert int(got.frames[0][~mask].sum()) == 0
    assert torch.equal(got.actions[0], numbers[f"seg{j}_act"])
    assert torch.equal(got.rewards[0], numbers[f"seg{j}_rew"])
    assert torch.equal(got.terminated[0], numbers[f"seg{j}_end"].bool())
    at_end = stop >= len(episodes[number])
    assert int(got.final_frames[0].min()) == (255 if at_end else 0), "the frame after the last step, where it is inside"


def test_batches_are_stacked(episodes: list[EpisodeFile]) -> None:
    """Catches: rows of a batch in another order than they were drawn."""
    parts = [read_segment(episodes[i], 0, 4) for i in (1, 3, 6)]
    batch = cat_segments(parts)
    for row, single in enumerate(parts):
        assert torch.equal(batch.frames[row], single.frames[0])
        assert torch.equal(batch.final_frames[row], single.final_frames[0])


def test_segment_outside_is_refused(episodes: list[EpisodeFile]) -> None:
    """Catches: a segment of nothing but padding."""
    for start, stop in ((-5, 0), (3, 6)):
        with pytest.raises(ValueError, match="expected an overlap"):
            read_segment(episodes[0], start, stop)


@pytest.mark.parametrize("beyond", [False, True])
def test_sampler_goes_on_from_its_stored_state(beyond: bool) -> None:
    """Catches: a resumed training that sees other batches than one that was never stopped."""
    import json

    sampler = SegmentSampler([30, 7, 100], 5, 6, seed=1, beyond_end=beyond)
    sampler.draw()
    stored = json.loads(json.dumps(sampler.state()))
    want = [sampler.draw() for _ in range(3)]
    other = SegmentSampler([30, 7, 100], 5, 6, seed=2, beyond_end=beyond)
    other.restore(stored)
    assert [other.draw() for _ in range(3)] == want


def test_every_step_is_drawn_alike() -> None:
    """Catches: short episodes, or the steps near an end, that are hardly ever seen: without weights the step inside is
    even, so the share of an episode is its share of steps (5 standard deviations of 4,000 draws)."""
    lengths = [10, 30, 60]
    sampler = SegmentSampler(lengths, 4000, 5, seed=0, beyond_end=True)
    counts = Counter(i.episode for i in sampler.draw())
    for number, length in enumerate(lengths):
        share = length / 100
        assert abs(counts[number] / 4000 - share) < 5 * np.sqrt(share * (1 - share) / 4000)


def test_segments_touch_their_episode() -> None:
    """Catches: a draw that the reader refuses, once in many thousand batches."""
    for beyond in (False, True):
        sampler = SegmentSampler([1, 2, 9], 3000, 6, seed=3, beyond_end=beyond)
        for i in sampler.draw():
            length = (1, 2, 9)[i.episode]
            assert max(0, i.start) < min(length, i.stop)
            assert i.stop - i.start == 6
            assert beyond or i.stop <= length


def test_rare_events_are_drawn_more_often(tmp_path: Path) -> None:
    """Catches: an event that is outside of the segment drawn for it, or rows of events that crowd out the others."""
    store = EpisodeStore(tmp_path)
    frames, rewards = torch.zeros(101, 3, 4, 4, dtype=torch.uint8), torch.zeros(100)
    rewards[40], rewards[70] = -2.0, 3.0
    store.add(0, episode_of(frames, torch.zeros(100, dtype=torch.int64), rewards, True, {}))
    store.add(1, counting_episode(0, steps=3))
    files = store.episodes("train")
    events = find_events(files[:1])
    assert events == [[(0, 40)], [(0, 70)], [(0, 99)]]
    for beyond in (False, True):
        sampler = SegmentSampler([100, 3], 30, 8, seed=0, beyond_end=beyond, events=events, event_share=0.5)
        seen: Counter[int] = Counter()
        for _ in range(20):
            for row in sampler.draw()[:15]:
                inside = [step for step in (40, 70, 99) if row.episode == 0 and row.start <= step < row.stop]
                assert inside, "expected a row of events to hold one"
                seen.update(inside)
        assert min(seen.values()) > 60, "expected all kinds alike"


def test_segments_of_continuous_actions(tmp_path: Path) -> None:
    """Catches: steering cut down to its first component, or padded in another place than the frames."""
    actions = torch.arange(15.0).reshape(5, 3)
    frames = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 4, 4).contiguous()
    episode = episode_of(frames, actions, torch.zeros(5), True, {})
    got = read_segment(EpisodeFile(EpisodeStore(tmp_path).add(0, episode)), -2, 4)
    assert got.actions.dtype == torch.float32
    assert torch.equal(got.actions[0, 2:], actions[:4])
    assert int(got.actions[0, :2].count_nonzero()) == 0
    assert cat_segments([got, got]).actions.shape == (2, 6, 3)
