"""A DIAMOND world played step by step against the published imagination environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.diamond.config import DiamondSettings
from models.diamond.world import DiamondState, DiamondWorld
from models.nn.pixels import to_bytes
from models.types import ActionSpec, Context, WorldSpec
from models.world import Rng, cat_states, split_state
from tests.goldens import assert_near, denoiser, golden, rew_end

SPEC = WorldSpec("golden", "diamond", 32, 32, ActionSpec(("NOOP", "FIRE", "RIGHT", "LEFT")), context=4, fps=15.0)


class ScriptedRng(Rng):
    """Gives out recorded draws, and keeps the probabilities it was asked to draw from."""

    def __init__(self, normals: Tensor, classes: Sequence[Tensor]) -> None:
        super().__init__([torch.Generator()] * len(normals))
        self.normals, self.classes = [normals], list(classes)
        self.asked: list[Tensor] = []

    def normal(self, *shape: int) -> Tensor:
        draw = self.normals.pop(0)
        assert draw.shape[1:] == shape
        return draw

    def categorical(self, probs: Tensor) -> Tensor:
        self.asked.append(probs)
        return self.classes.pop(0)


def golden_world(**changes: object) -> DiamondWorld:
    settings = DiamondSettings(precision="fp32").changed(changes)
    return DiamondWorld(SPEC, denoiser("atari").requires_grad_(False), rew_end().requires_grad_(False), settings)


def start(world: DiamondWorld, batch: int) -> DiamondState:
    """The state of one of the recorded batches of contexts."""
    numbers = golden("atari_world_model_env")
    context = Context(numbers.bytes("init_obs")[batch], numbers["init_act"][batch][:, :-1])
    return world.initial(context, Rng.seeded([0, 1]))


def test_initial_state_is_burned_in() -> None:
    """Catches: a recurrent state that starts from nothing, or ran over the wrong transitions of the context."""
    numbers, state = golden("atari_world_model_env"), start(golden_world(), 0)
    assert torch.equal(state.frames[:, -1], numbers.bytes("reset_obs"))
    assert_near(state.hidden, numbers["reset_hx"][0])
    assert_near(state.cell, numbers["reset_cx"][0])


def restart(world: DiamondWorld, state: DiamondState, dead: Tensor, pool: list[DiamondState]) -> DiamondState:
    """Dead rows go on from the next contexts, in the order in which the published environment takes them."""
    rows = split_state(state)
    for row in dead.nonzero().flatten().tolist():
        rows[row] = pool.pop(0)
    return cat_states(rows)


def published_pool(world: DiamondWorld) -> list[DiamondState]:
    """Single contexts in the order in which the published environment uses them up."""
    return [row for batch in range(6) for row in split_state(start(world, batch))]


def test_steps_of_the_published_environment() -> None:
    """Catches: the action written one slot off, rewards from the frame before, a reward class shifted by one, frames
    that are not rolled, an LSTM state that is not carried."""
    numbers, world = golden("atari_world_model_env"), golden_world()
    pool = published_pool(world)
    state = cat_states([pool.pop(0), pool.pop(0)])
    for t in range(len(numbers["actions"])):
        rng = ScriptedRng(numbers["noise"][t], [numbers["sample_rew_index"][t], numbers["sample_end"][t]])
        state, prediction = world.step(state, numbers["actions"][t], rng)
        for probs, name in zip(rng.asked, ("logits_rew", "logits_end"), strict=True):
            assert_near(probs, numbers[name][t].softmax(-1), 1e-4, f"step {t}, {name}")
        assert torch.equal(prediction.reward, numbers["rew"][t])
        assert torch.equal(prediction.terminated, numbers["end"][t].bool())
        want = to_bytes(numbers["next_obs"][t], nearest=True)
        level = (prediction.frame.int() - want.int()).abs()
        assert int(level.max()) <= 1, f"step {t}"
        # A level that rounding flips in the first denoising step spreads to neighbours in the next two.
        assert float((level > 0).float().mean()) <= 0.01, f"step {t}"
        assert torch.equal(state.frames[:, -1], prediction.frame)
        # Flipped levels would grow over the steps: go on from the published frame.
        state = replace(state, frames=torch.cat([state.frames[:, :-1], want[:, None]], dim=1))
        dead = (numbers["end"][t] + numbers["trunc"][t]).bool()
        state = restart(world, state, dead, pool)
        assert_near(state.hidden, numbers["hx"][t, 0], 1e-4, f"step {t}, hidden")
        assert_near(state.cell, numbers["cx"][t, 0], 1e-4, f"step {t}, cell")
        assert torch.equal(state.actions, numbers["act_buffer"][t][:, :-1]), f"step {t}"
    assert torch.equal(state.frames, to_bytes(numbers["obs_buffer_last"], nearest=True))


def test_likeliest_events_need_no_draws() -> None:
    """Catches: events sampled although the world was told to take the likeliest, or a draw that shifts later ones."""
    numbers, world = golden("atari_world_model_env"), golden_world(sample_events=False)
    rng = ScriptedRng(numbers["noise"][0], [])
    _, prediction = world.step(start(world, 0), numbers["actions"][0], rng)
    assert torch.equal(prediction.reward, numbers["logits_rew"][0].argmax(-1).float() - 1)
    assert torch.equal(prediction.terminated, numbers["logits_end"][0].argmax(-1).bool())


def test_warm_up_beyond_the_context_reaches_the_memory_only() -> None:
    """Catches: a longer start taken at its wrong end, or its earlier frames ignored by the recurrent part."""
    numbers, world = golden("atari_world_model_env"), golden_world()
    frames, actions = numbers.bytes("init_obs"), numbers["init_act"]
    long = Context(torch.cat([frames[1], frames[0]], dim=1), torch.cat([actions[1], actions[0][:, :-1]], dim=1))
    state, short = world.initial(long, Rng.seeded([0, 1])), start(world, 0)
    assert torch.equal(state.frames, short.frames)
    assert torch.equal(state.actions, short.actions)
    assert float((state.hidden - short.hidden).abs().max()) > 1e-3


def test_looking_inside_changes_nothing() -> None:
    """Catches: an inspector that draws randomness of its own, so that a replay with it open shows another dream."""
    world, action = golden_world(), torch.tensor([1, 2])
    plain, a = world.step(start(world, 0), action, Rng.seeded([3, 4]))
    looked, b = world.step(start(world, 0), action, Rng.seeded([3, 4]), inspect=True)
    assert torch.equal(a.frame, b.frame)
    assert torch.equal(plain.hidden, looked.hidden)
    assert not a.views
    strip, *_, hidden = b.views
    assert strip.value.shape == (2, world.settings.steps + 1, 3, 32, 32)
    assert torch.equal(strip.value[:, -1], b.frame)
    assert torch.equal(hidden.value, looked.hidden)


def test_wrong_context_is_refused() -> None:
    """Catches: frames of another resolution, or too few of them, reaching the network."""
    world = golden_world()
    with pytest.raises(ValueError, match=r"\(1, 4, 3, 16, 16\)"):
        world.initial(
            Context(torch.zeros(1, 4, 3, 16, 16, dtype=torch.uint8), torch.zeros(1, 3).long()), Rng.seeded([0])
        )
    with pytest.raises(ValueError, match="got 2 frames, expected at least 4"):
        world.initial(
            Context(torch.zeros(1, 2, 3, 32, 32, dtype=torch.uint8), torch.zeros(1, 1).long()), Rng.seeded([0])
        )
