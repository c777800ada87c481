"""Noise on what a dream remembers: a setting of both families that is nothing at 0."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor

from app.desktop.sliders import sliders_of
from engine.server.dials import dials_of
from engine.server.limits import Limits
from models.diamond.config import DiamondSettings
from models.diamond.world import DiamondState
from models.nn.pixels import to_float
from models.rssm.settings import RssmSettings
from models.rssm.world import RssmPlayState, RssmWorld
from models.world import Rng, split_state, state_tensors
from tests.tiny_rssm import tiny_rssm_world
from tests.tiny_worlds import random_starts, tiny_world

ACTION = torch.tensor([1, 2])
WORLDS = {"diamond": tiny_world, **{v: lambda v=v: tiny_rssm_world(v) for v in ("v1", "v3")}}


def begin(world: Any) -> Any:
    return world.initial(random_starts(world.spec, 2), Rng.seeded([0, 1]))


def equal(one: Any, other: Any) -> bool:
    return all(torch.equal(tensor, state_tensors(other)[name]) for name, tensor in state_tensors(one).items())


class Counting(Rng):
    """Notes the shapes of its draws."""

    def __init__(self, generators: list[torch.Generator]) -> None:
        super().__init__(generators)
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    def normal(self, *shape: int) -> Tensor:
        self.asked.append(("normal", shape))
        return super().normal(*shape)

    def uniform(self, *shape: int) -> Tensor:
        self.asked.append(("uniform", shape))
        return super().uniform(*shape)


@pytest.mark.parametrize("name", WORLDS)
def test_none_is_drawn_where_there_is_none(name: str) -> None:
    """Catches: a draw at noise 0, after which every recorded dream is another one; draws in another order."""
    world = WORLDS[name]()
    asked = []
    for noise in (0.0, 0.2):
        rng = Counting(Rng.seeded([3, 4]).generators)
        world.with_settings(context_noise=noise, sample_events=True).step(begin(world), ACTION, rng)
        asked.append(rng.asked)
    before, after = asked
    added = [draw for draw in after if draw not in before]
    state = begin(world)
    shape = state.frames.shape[1:] if isinstance(state, DiamondState) else state.deter.shape[1:]
    assert added == [("normal", tuple(shape))]
    assert [draw for draw in after if draw in before] == before


def test_diamond_is_given_noisy_frames_and_remembers_clean_ones() -> None:
    """Catches: noise on the first x in place of the past, of another deviation, or that is carried on in the state."""
    world = tiny_world()
    state = begin(world)
    actions = torch.cat([state.actions, ACTION[:, None]], dim=1)
    for noise in (0.0, 0.2):
        noisy = world.with_settings(context_noise=noise)
        path, course = noisy.next_frame(to_float(state.frames), actions, Rng.seeded([3, 4]), True)
        rng = Rng.seeded([3, 4])
        start, drawn = rng.normal(*state.frames.shape[2:]), rng.normal(*state.frames.shape[1:])
        assert course is not None
        assert torch.equal(path[0], start)
        assert torch.equal(course.context, to_float(state.frames) + noise * drawn if noise else to_float(state.frames))
        after, seen = noisy.step(state, ACTION, Rng.seeded([3, 4]))
        assert torch.equal(after.frames[:, :-1], state.frames[:, 1:])
        assert torch.equal(after.frames[:, -1], seen.frame)


def test_diamond_dreams_something_else_with_noise() -> None:
    """Catches: noise that is drawn and never reaches the network."""
    world, state = tiny_world(), begin(tiny_world())
    _, clean = world.step(state, ACTION, Rng.seeded([3, 4]))
    _, noisy = world.with_settings(context_noise=0.3).step(state, ACTION, Rng.seeded([3, 4]))
    assert not torch.equal(clean.frame, noisy.frame)


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("version", ["v1", "v3"])
def test_rssm_steps_from_a_noisy_memory(version: str, told: bool) -> None:
    """Catches: noise after the step in place of before it, on the latent, or of the whole batch's deviation."""
    world, noise = tiny_rssm_world(version), 0.3
    state = begin(world)
    frame = torch.full_like(state.image, 90)

    def step(world: RssmWorld, state: RssmPlayState, rng: Rng) -> tuple[RssmPlayState, Any]:
        return world.observe(state, ACTION, frame, rng) if told else world.step(state, ACTION, rng)

    after, seen = step(world.with_settings(context_noise=noise), state, Rng.seeded([3, 4]))
    rng = Rng.seeded([3, 4])
    drawn = rng.normal(state.deter.shape[-1])
    deviation = torch.stack([row.std(correction=0) for row in state.deter])
    moved = RssmPlayState(state.image, state.deter + noise * deviation[:, None] * drawn, state.stoch)
    want, clean = step(world, moved, rng)
    for name, tensor in state_tensors(after).items():
        assert torch.allclose(tensor.float(), state_tensors(want)[name].float(), atol=1e-5), name
    assert torch.allclose(seen.reward, clean.reward, atol=1e-3)


@pytest.mark.parametrize("name", WORLDS)
def test_a_row_has_its_own_noise(name: str) -> None:
    """Catches: noise shared by all who play in one batch."""
    world = WORLDS[name]().with_settings(context_noise=0.2)
    both, _ = world.step(begin(world), ACTION, Rng.seeded([3, 4]))
    for row, state in enumerate(split_state(begin(world))):
        alone, _ = world.step(state, ACTION[row : row + 1], Rng.seeded([3 + row]))
        mine, other = state_tensors(split_state(both)[row]), state_tensors(alone)
        for key, tensor in mine.items():
            assert torch.allclose(tensor.float(), other[key].float(), atol=1e-5), key


@pytest.mark.parametrize("name", WORLDS)
def test_back_to_none_is_as_if_there_had_never_been_any(name: str) -> None:
    """Catches: a setting that stays in the shared networks."""
    world = WORLDS[name]()
    want, _ = world.step(begin(world), ACTION, Rng.seeded([3, 4]))
    noisy = world.with_settings(context_noise=0.5)
    noisy.step(begin(noisy), ACTION, Rng.seeded([3, 4]))
    back, _ = noisy.with_settings(context_noise=0.0).step(begin(world), ACTION, Rng.seeded([3, 4]))
    assert equal(back, want)


@pytest.mark.parametrize("settings", [DiamondSettings(), RssmSettings()])
def test_faces_find_a_slider_with_bounds(settings: DiamondSettings | RssmSettings) -> None:
    """Catches: a setting that no face shows, bounds that the world itself does not take, a value that is no number."""
    (dial,) = [dial for dial in dials_of(settings, Limits()) if dial["name"] == "context_noise"]
    assert dial == {"name": "context_noise", "kind": "float", "value": 0.0, "low": 0.0, "high": 0.5}
    assert "context_noise" in [slider.name for slider in sliders_of(settings)]
    assert settings.changed({"context_noise": dial["high"]}).context_noise == 0.5
    for bad in (-0.1, 0.51, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"context_noise: got .*, expected 0 to 0.5"):
            settings.changed({"context_noise": bad})


def test_settings_of_a_world_written_before_are_taken() -> None:
    """Catches: a world folder without the setting that can no longer be opened."""
    for settings in (DiamondSettings(), RssmSettings()):
        old = {entry.name: getattr(settings, entry.name) for entry in fields(settings) if entry.name != "context_noise"}
        assert type(settings)().changed(old) == settings
