"""The oracle against off-by-one errors: a game whose frames tell what they should be, from play to training batch.

Frame t shows t, the action that led to it, and the episode's length; reward t is action t minus 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.data.episode import Episode
from models.data.segments import Segments, SegmentSampler, cat_segments, read_segment
from models.data.store import EpisodeStore
from models.diamond.loss import rew_end_loss
from models.nn.pixels import to_float
from tests.goldens import assert_near
from tests.tiny_worlds import tiny_config


def assert_aligned(episode: Episode) -> None:
    steps = len(episode)
    count, led_by, length = (episode.frames[:, c, 0, 0].long() for c in range(3))
    assert count.tolist() == list(range(steps + 1)), "frame t is the t-th"
    assert torch.equal(led_by[1:], episode.actions), "the action at t leads to frame t + 1"
    assert torch.equal(episode.rewards, episode.actions.float() - 1), "reward t is action t's"
    assert bool(episode.terminated[-1]) == (steps == int(length[0])), "the last step ends it"


def test_stored_episodes(counting_store: Path) -> None:
    """Catches: collection that stores the frame before the action as the one after it, or drops the last frame."""
    for split in ("train", "heldout"):
        for file in EpisodeStore(counting_store).episodes(split):
            assert_aligned(file.read())


def draw(store: Path, steps: int, beyond_end: bool) -> Segments:
    episodes = EpisodeStore(store).episodes("train")
    sampler = SegmentSampler([len(e) for e in episodes], 200, steps, seed=4, beyond_end=beyond_end)
    return cat_segments([read_segment(episodes[i.episode], i.start, i.stop) for i in sampler.draw()])


@pytest.mark.parametrize("beyond_end", [False, True])
def test_training_batches(counting_store: Path, beyond_end: bool) -> None:
    """Catches: a batch whose actions, rewards or ends are shifted against its frames, padding that is not masked,
    frames of two episodes in one segment."""
    batch = draw(counting_store, 7, beyond_end)
    count, led_by, length = (batch.frames[:, :, c, 0, 0].long() for c in range(3))
    both = batch.mask[:, :-1] & batch.mask[:, 1:]
    assert torch.equal((count[:, 1:] - count[:, :-1])[both], torch.ones(int(both.sum()), dtype=torch.int64))
    assert torch.equal(led_by[:, 1:][both], batch.actions[:, :-1][both])
    assert torch.equal((length[:, 1:] == length[:, :-1])[both], torch.ones(int(both.sum()), dtype=torch.bool))
    assert torch.equal(batch.rewards[batch.mask], batch.actions[batch.mask].float() - 1)
    assert torch.equal(batch.terminated[batch.mask], (count == length - 1)[batch.mask])
    for part in (batch.actions, batch.rewards, batch.terminated, batch.truncated, batch.frames.flatten(2).sum(-1)):
        assert float(part[~batch.mask].abs().sum() if part.dtype != torch.bool else part[~batch.mask].sum()) == 0
    padded = ~batch.mask.all(dim=1)
    assert bool(padded.any()), "expected some padding among 200 segments"
    if not beyond_end:
        assert bool(batch.mask[:, -1].all()), "expected padding on the left only"


def test_final_frames(counting_store: Path) -> None:
    """Catches: the frame after a death taken from one step too early; the reward model would learn deaths from it."""
    batch = draw(counting_store, 7, beyond_end=True)
    ended = batch.terminated.any(dim=1)
    rows = batch.terminated[ended].long().argmax(dim=1)
    last = batch.frames[ended, rows, 0, 0, 0].long()
    assert torch.equal(batch.final_frames[ended, 0, 0, 0].long(), last + 1)
    assert bool(ended.any())


def test_reward_model_is_given_whole_transitions(counting_store: Path) -> None:
    """Catches: a transition whose next frame is not the one its action led to, the frame after a death included."""
    batch = draw(counting_store, 7, beyond_end=True)
    seen: list[torch.Tensor] = []

    def model(frames: torch.Tensor, actions: torch.Tensor, after: torch.Tensor, state: None) -> tuple:
        seen.extend((frames, actions, after))
        b, t = actions.shape
        return torch.zeros(b, t, 3), torch.zeros(b, t, 2), None

    values = (batch.actions, batch.rewards, batch.terminated, batch.mask, to_float(batch.final_frames))
    _, scalars = rew_end_loss(model, to_float(batch.frames), *values)  # type: ignore[arg-type]
    assert scalars["loss"] == pytest.approx(np.log(3) + np.log(2), rel=1e-5)
    frames, actions, after = seen
    real = batch.mask[:, :-1] & (batch.mask[:, 1:] | batch.terminated[:, :-1])
    step = torch.full((int(real.sum()),), 2 / 255)
    assert_near((after - frames)[:, :, 0, 0, 0][real], step)
    assert_near((after[:, :, 1, 0, 0][real] + 1) / 2 * 255, actions[real].float(), 1e-4)


def test_denoiser_predicts_the_frame_its_last_action_led_to(counting_store: Path) -> None:
    """Catches: a denoiser trained on the action after its target: one key press late for ever."""
    from models.diamond.denoiser import Denoiser
    from models.diamond.loss import denoiser_loss, draw_noise

    config = tiny_config()
    model, n = Denoiser(config.denoiser, config.num_actions), config.denoiser.context
    batch = draw(counting_store, n + 1, beyond_end=False)
    real = batch.mask.all(dim=1)
    frames, actions = to_float(batch.frames[real]), batch.actions[real]
    given: list[torch.Tensor] = []
    model.inner_model.register_forward_hook(lambda _m, args, _out: given.extend(args))
    noise = draw_noise(frames, 1, torch.Generator().manual_seed(0))
    denoiser_loss(model, config.loss, frames, actions, batch.mask[real], noise)
    _, _, context, acts = given
    newest = (context[:, -1, 0, 0, 0] * model.config.sigma_data + 1) / 2 * 255
    target = batch.frames[real][:, n]
    assert_near(newest + 1, target[:, 0, 0, 0].float(), 1e-4)
    assert torch.equal(acts[:, -1], target[:, 1, 0, 0].long())
