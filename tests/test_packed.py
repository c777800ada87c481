"""The twins that play on a processor against the networks they are made from, and rows against their batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.diamond.config import DiamondConfig, DiamondSettings, small
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.world import DiamondState, DiamondWorld
from models.nn import packed as packing
from models.nn.packed import packed
from models.types import ActionSpec, WorldSpec
from models.world import Rng, cat_states, split_state
from tests.goldens import DENOISERS, Golden, assert_near, denoiser, golden, rew_end
from tests.tiny_worlds import random_starts, randomise

ROWS = 6


def inputs_of(name: str) -> tuple[Golden, tuple[Tensor, ...]]:
    numbers = golden(f"{name}_denoiser_forward" if name == "atari" else f"{name}_forward")
    return numbers, tuple(numbers[key] for key in ("inner_noisy", "inner_c_noise", "obs", "act"))


def twin_of(name: str, dtype: torch.dtype = torch.float32) -> Denoiser:
    return packed(denoiser(name), dtype, "inner_model.cond_proj")


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("name", DENOISERS)
def test_denoiser_twin_matches_the_published_network(name: str, kernels: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: scales and shifts given to another norm than their own, the residual sum left out or counted twice, an
    activation in place over a tensor that is needed again; and all that where oneDNN's kernels are missing."""
    if not kernels:
        monkeypatch.setattr(packing, "can_pack", lambda dtype: False)
    numbers, inputs = inputs_of(name)
    with torch.no_grad():
        assert_near(twin_of(name).inner_model(*inputs), numbers["inner_out"], what=name)


def test_reward_and_termination_twin_matches_the_published_network() -> None:
    """Catches: gates of the recurrent layer in another order, its second bias dropped, a sequence that starts each
    step from zeros."""
    numbers, twin = golden("atari_rew_end"), packed(rew_end(), torch.float32, "act_emb")
    with torch.no_grad():
        rewards, ends, state = twin(numbers["obs"], numbers["act"], numbers["next_obs"], None)
        assert_near(rewards, numbers["logits_rew"])
        assert_near(ends, numbers["logits_end"])
        rewards, _, (hidden, cell) = twin(numbers["cont_obs"], numbers["cont_act"], numbers["cont_next_obs"], state)
    assert_near(rewards, numbers["cont_logits_rew"])
    assert_near(hidden, numbers["cont_hx"])
    assert_near(cell, numbers["cont_cx"])


def test_bfloat16_twin_is_near() -> None:
    """Catches: more lost than the rounding of feature maps, a condition rounded before it is projected among it."""
    numbers, inputs = inputs_of("atari")
    with torch.no_grad():
        got = twin_of("atari", torch.bfloat16).inner_model(*inputs).float()
    want = numbers["inner_out"]
    assert float((got - want).square().mean().sqrt() / want.square().mean().sqrt()) < 0.02


def test_a_network_may_be_trained_after_it_was_packed() -> None:
    """Catches: a twin that shares its weights' layout or its frozen state with the network it was made from."""
    model = denoiser("atari")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    twin = packed(model, torch.float32, "inner_model.cond_proj")
    _, inputs = inputs_of("atari")
    with torch.no_grad():
        twin.inner_model(*inputs)
    model.inner_model(*inputs).sum().backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.inner_model.conv_in.weight.grad is not None


def world_of(precision: str, steps: int = 2) -> DiamondWorld:
    """A network of the shipped worlds' shape with random weights: its largest maps are those whose norms PyTorch sums
    in parts that depend on the batch."""
    config: DiamondConfig = small(3)
    spec = WorldSpec("random", "diamond", 64, 64, ActionSpec(("NOOP", "UP", "DOWN")), config.denoiser.context, fps=15.0)
    parts = Denoiser(config.denoiser, 3), RewEndModel(config.rew_end, 3, 64, 64)
    for part in parts:
        randomise(part)
        for name, buffer in part.named_buffers():
            if name.endswith("running_var"):
                buffer.fill_(1.0)
        part.eval().requires_grad_(False)
    return DiamondWorld(spec, *parts, DiamondSettings(steps=steps, s_churn=1.0, precision=precision))


def begin(world: DiamondWorld) -> DiamondState:
    return world.initial(random_starts(world.spec, ROWS), Rng.seeded(range(ROWS)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_row_does_not_depend_on_its_batch(precision: str) -> None:
    """Catches: sums ordered by the size of the batch, after which a dream shared with other players drifts from the
    same dream alone, and a replay recorded among others shows something else."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        world = world_of(precision)
        state, action = begin(world), torch.arange(ROWS) % 3
        together = {rows: step_rows(world, state, action, rows) for rows in (2, 3, ROWS)}
        for row, alone in enumerate(split_state(state)):
            one, seen = world.step(alone, action[row : row + 1], Rng.seeded([row]))
            for rows, (many, frames) in together.items():
                if row >= rows:
                    continue
                what = f"row {row} of {rows}"
                assert torch.equal(frames[row], seen.frame[0]), what
                assert torch.equal(many.hidden[row], one.hidden[0]) and torch.equal(many.cell[row], one.cell[0]), what
    finally:
        torch.set_num_threads(threads)


def step_rows(world: DiamondWorld, state: DiamondState, action: Tensor, rows: int) -> tuple[DiamondState, Tensor]:
    """The state and frames after one step of the first rows, each with its own randomness."""
    after, seen = world.step(cat_states(split_state(state)[:rows]), action[:rows], Rng.seeded(range(rows)))
    return after, seen.frame


@pytest.mark.parametrize("order", [1, 2])
def test_twins_play_as_the_reference_does(order: int) -> None:
    """Catches: twins of one part swapped for those of another, or a sampler that asks for a level it did not name."""
    world = world_of("fp32").with_settings(order=order, steps=3)
    state, action = begin(world), torch.arange(ROWS) % 3
    _, got = world.step(state, action, Rng.seeded(range(ROWS)))
    _, want = world.as_reference().step(state, action, Rng.seeded(range(ROWS)))
    off = (got.frame.int() - want.frame.int()).abs()
    assert float((off > 0).float().mean()) < 0.02
    assert float((off > 1).float().mean()) < 0.002


def test_settings_share_the_twins() -> None:
    """Catches: networks packed anew with every change of a setting, a stall in the middle of play; and one arithmetic
    taken for another."""
    world = world_of("fp32")
    assert world.with_settings(steps=3).networks() is world.networks()
    assert world.with_settings(precision="bf16").networks() is not world.networks()
    assert world.as_reference().networks() == (world.denoiser, world.rew_end)
    assert replace(world.settings, steps=1) == world.with_settings(steps=1).settings
