"""The model of reward and termination against the published code."""

from __future__ import annotations

import pytest
import torch

from models.diamond.config import RewEndConfig
from models.diamond.loss import rew_end_loss
from models.diamond.rew_end import RewEndModel
from tests.goldens import assert_near, golden, rew_end
from tests.test_diamond_loss import assert_gradients


def test_logits_and_state() -> None:
    """Catches: frames stacked in another order, features flattened otherwise, LSTM outputs of another layout."""
    numbers, model = golden("atari_rew_end"), rew_end()
    rewards, ends, state = model(numbers["obs"], numbers["act"], numbers["next_obs"], None)
    assert_near(rewards, numbers["logits_rew"])
    assert_near(ends, numbers["logits_end"])
    assert_near(state[0], numbers["hx"])
    assert_near(state[1], numbers["cx"])


def test_one_more_step_from_the_state() -> None:
    """Catches: a state that is dropped or swapped, so that play would forget what training remembered."""
    numbers, model = golden("atari_rew_end"), rew_end()
    before = (numbers["hx"], numbers["cx"])
    rewards, ends, state = model(numbers["cont_obs"], numbers["cont_act"], numbers["cont_next_obs"], before)
    assert_near(rewards, numbers["cont_logits_rew"])
    assert_near(ends, numbers["cont_logits_end"])
    assert_near(state[0], numbers["cont_hx"])
    assert_near(state[1], numbers["cont_cx"])


def test_step_by_step_equals_the_sequence() -> None:
    """Catches: play (one transition a call) and training (a sequence a call) seeing different models."""
    numbers, model = golden("atari_rew_end"), rew_end()
    whole, _, last = model(numbers["obs"], numbers["act"], numbers["next_obs"], None)
    state, rows = None, []
    for t in range(numbers["act"].shape[1]):
        cut = slice(t, t + 1)
        rewards, _, state = model(numbers["obs"][:, cut], numbers["act"][:, cut], numbers["next_obs"][:, cut], state)
        rows.append(rewards)
    assert_near(torch.cat(rows, dim=1), whole)
    assert_near(state[0], last[0])


def test_loss_and_gradients() -> None:
    """Catches: the frame after a death left grey, a truncation repaired as if it were a death, padding counted, a
    reward's size instead of its sign, class weights."""
    numbers, model = golden("atari_rew_end"), rew_end()
    finals = torch.zeros(5, 3, 32, 32)
    finals[[1, 2, 4]] = numbers["loss_final_observation_1_2_4"]
    frames = numbers["loss_obs"].clone()
    loss, scalars = rew_end_loss(
        model,
        frames,
        numbers["loss_act"],
        numbers["loss_rew"],
        numbers["loss_end"].bool(),
        numbers["loss_mask_padding"],
        finals,
    )
    loss.backward()
    assert torch.equal(frames, numbers["loss_obs"]), "the caller's batch was written into"
    assert scalars["loss"] == pytest.approx(float(numbers["loss_total"]), rel=1e-5)
    assert scalars["loss_reward"] == pytest.approx(float(numbers["loss_loss_rew"]), rel=1e-5)
    assert scalars["loss_end"] == pytest.approx(float(numbers["loss_loss_end"]), rel=1e-5)
    assert_gradients(model, numbers)


def test_lstm_starts_as_published() -> None:
    """Catches: a forget gate that starts closed, so that early training remembers nothing."""
    lstm = RewEndModel(RewEndConfig(8, 4, (1,), (4,), (0,)), 3, 8, 8).lstm
    assert torch.equal(lstm.bias_ih_l0.chunk(4)[1], torch.ones(8))
    assert float((lstm.bias_hh_l0.abs().sum() + lstm.bias_ih_l0.sum()).detach()) == 8.0
    assert_near(lstm.weight_hh_l0.T @ lstm.weight_hh_l0, torch.eye(8))


@pytest.mark.parametrize("size", [32, 36, 44])
def test_any_frame_size_of_whole_patches(size: int) -> None:
    """Catches: an LSTM sized for halves rounded down where strided convolutions round up, which would end a training
    on data of another resolution with PyTorch's error about matrix shapes."""
    model = RewEndModel(RewEndConfig(8, 4, (1, 1, 1), (4, 4, 4), (0, 0, 0), patch=4), 3, size, size + 4)
    frames = torch.rand(2, 3, 3, size, size + 4)
    assert model(frames, torch.zeros(2, 3, dtype=torch.int64), frames, None)[0].shape == (2, 3, 3)
