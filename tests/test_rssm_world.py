"""RSSM worlds as they play: burn-in, imagination, observation, looks inside, edits, settings, loading."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.checkpoint import Manifest, write_world_folder
from models.library import build_world
from models.nn.packed import can_pack
from models.nn.pixels import share_to_bytes
from models.rssm.settings import RssmSettings
from models.rssm.world import RssmPlayState, RssmWorld
from models.types import Context, Prediction, View
from models.world import Rng, state_tensors
from tests.tiny_rssm import DRIVE, tiny_model, tiny_rssm_config, tiny_rssm_world
from tests.tiny_worlds import random_starts

VERSIONS = ("v1", "v2", "v3_2023", "v3")


def begun(world: RssmWorld, rows: int = 2) -> tuple[RssmPlayState, Rng]:
    rng = Rng.seeded(range(rows))
    return world.initial(random_starts(world.spec, rows), rng), rng


def view(seen: Prediction | tuple[View, ...], name: str) -> Tensor:
    views = seen.views if isinstance(seen, Prediction) else seen
    return next(v.value for v in views if v.name == name)


def decoded(world: RssmWorld, deter: Tensor, stoch: Tensor) -> Tensor:
    return share_to_bytes(world.model.dec(deter[:, None], stoch[:, None])["image"][:, 0])


@pytest.mark.parametrize(("version", "actions"), [("v2", None), ("v3", None), ("v3", DRIVE)])
def test_a_step_goes_where_the_posterior_goes(version: str, actions: Any) -> None:
    """Catches: an action that reaches the recurrent state one step late or early, in burn-in or in play. What is
    recurrent knows nothing yet of the newest frame, so it is the same whether that frame is imagined or seen."""
    world = tiny_rssm_world(version, actions) if actions else tiny_rssm_world(version)
    starts = random_starts(world.spec, 2)
    shorter = Context(starts.frames[:, :-1], starts.actions[:, :-1])
    rng = Rng.seeded((3, 4))
    state = world.initial(shorter, rng)
    after, seen = world.step(state, starts.actions[:, -1], rng)
    whole = world.initial(starts, Rng.seeded((3, 4)))
    torch.testing.assert_close(after.deter, whole.deter)
    assert not torch.equal(after.deter, state.deter)
    other, _ = world.step(state, starts.actions[:, -2], rng)
    assert not torch.allclose(other.deter, whole.deter), "the action decides"
    assert int((seen.frame.int() - decoded(world, after.deter, after.stoch).int()).abs().max()) <= 1


@pytest.mark.parametrize("version", VERSIONS)
def test_observing_foretells_what_a_step_would(version: str) -> None:
    """Catches: an expectation that has already seen the frame it is compared with, a state that stays with the prior,
    a picture that is not the real one."""
    world = tiny_rssm_world(version)
    state, rng = begun(world)
    twin = rng.clone()
    action, frame = torch.tensor([1, 2]), random_starts(world.spec, 2, seed=9).frames[:, 0]
    dreamt, expected = world.step(state, action, rng)
    known, foretold = world.observe(state, action, frame, twin)
    for name in ("frame", "reward", "terminated"):
        assert torch.equal(getattr(expected, name), getattr(foretold, name)), name
    assert torch.equal(dreamt.deter, known.deter)
    assert torch.equal(world.frame(known), frame)
    posteriors = []
    for told in (frame, frame, 255 - frame):
        posteriors.append(view(world.observe(state, action, told, Rng.seeded((0, 1)), inspect=True)[1], "posterior"))
    assert torch.equal(posteriors[0], posteriors[1])
    assert not torch.allclose(posteriors[0], posteriors[2]), "the frame decides"
    with pytest.raises(ValueError, match="frame: got"):
        world.observe(state, action, frame[:1], rng)


def test_looks_at_reality_are_divergences() -> None:
    """Catches: a surprise that is of the wrong side or of unmixed probabilities, posterior and prior in each other's
    place."""
    world = tiny_rssm_world()
    state, rng = begun(world)
    frame = random_starts(world.spec, 2, seed=9).frames[:, 0]
    _, seen = world.observe(state, torch.tensor([1, 2]), frame, rng, inspect=True)
    post, prior = view(seen, "posterior"), view(seen, "prior")
    assert torch.allclose(prior.sum(-1), torch.ones(2, 4))
    kl = (post * (post / prior).log()).sum(-1)
    torch.testing.assert_close(view(seen, "kl"), kl, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(view(seen, "surprise"), kl.sum(-1), rtol=1e-4, atol=1e-5)
    told = view(seen, "told")
    assert torch.equal(told[:, 0], frame)
    assert torch.equal(told[:, 2], seen.frame)


@pytest.mark.parametrize("version", VERSIONS)
def test_looks_inside(version: str) -> None:
    """Catches: views of the state before the step, a look without a step that differs from the one with it."""
    world = tiny_rssm_world(version)
    state, rng = begun(world)
    after, seen = world.step(state, torch.tensor([1, 2]), rng, inspect=True)
    assert torch.equal(view(seen, "deter"), after.deter)
    stoch = after.stoch if world.model.config.net.latent == "categorical" else after.stoch.squeeze(-1)
    assert torch.equal(view(seen, "stoch"), stoch)
    assert view(seen, "samples").shape == (2, 4, 3, world.spec.height, world.spec.width)
    for mine, other in zip(seen.views, world.inside(after), strict=True):
        assert (mine.name, mine.kind, mine.editable) == (other.name, other.kind, other.editable)
        assert torch.allclose(mine.value.float(), other.value.float(), atol=1e-5), mine.name


def test_flipping_a_category_changes_the_picture() -> None:
    """Catches: an edit that shows the old picture, or is lost in the next step."""
    world = tiny_rssm_world()
    state, rng = begun(world)
    state, _ = world.step(state, torch.tensor([0, 0]), rng)
    flipped = state.stoch.clone()
    flipped[0, 2] = flipped[0, 2].roll(1)
    edited = world.edit(state, "stoch", flipped)
    assert torch.equal(edited.stoch, flipped)
    assert torch.equal(edited.deter, state.deter)
    assert not torch.equal(edited.image[0], state.image[0])
    assert torch.equal(edited.image[1], state.image[1]), "the other row stays"
    a, _ = world.step(state, torch.tensor([0, 0]), rng.clone())
    b, _ = world.step(edited, torch.tensor([0, 0]), rng)
    assert not torch.equal(a.deter[0], b.deter[0])
    assert torch.equal(a.deter[1], b.deter[1])


def test_edits_out_of_range() -> None:
    """Catches: a latent without any category, numbers that spread through the recurrent state for ever."""
    world = tiny_rssm_world()
    state, _ = begun(world)
    for name, value in (
        ("stoch", torch.zeros_like(state.stoch)),
        ("stoch", -state.stoch),
        ("deter", state.deter * torch.nan),
        ("prior", state.stoch),
    ):
        with pytest.raises(ValueError, match=name):
            world.edit(state, name, value)
    mix = torch.full_like(state.stoch, 3.0)
    assert torch.allclose(world.edit(state, "stoch", mix).stoch, torch.full_like(mix, 0.25))


@pytest.mark.parametrize("codec", ["stride5", "pool5"])
def test_play_is_the_network(codec: str) -> None:
    """Catches: rearranged kernels that compute something else than the networks that were trained."""
    config = tiny_rssm_config()
    config = replace(config, net=replace(config.net, codec=codec, depth=8))
    model = tiny_model(config).eval().requires_grad_(False)
    world = RssmWorld(tiny_rssm_world().spec, model, RssmSettings(precision="fp32"))
    state, rng = begun(world, 3)
    twin = rng.clone()
    action = torch.tensor([0, 1, 2])
    after, seen = world.step(state, action, rng)
    want, shown = world.as_reference().step(state, action, twin)
    torch.testing.assert_close(after.deter, want.deter)
    assert torch.equal(after.stoch, want.stoch)
    assert int((seen.frame.int() - shown.frame.int()).abs().max()) <= 1
    if can_pack(torch.bfloat16):
        coarse, rough = world.with_settings(precision="bf16").step(state, action, Rng.seeded(range(3)))
        exact, fine = world.step(state, action, Rng.seeded(range(3)))
        assert torch.equal(coarse.deter, exact.deter), "pictures alone may be coarse"
        assert float((rough.frame.float() - fine.frame.float()).abs().mean()) < 4


def test_temperature() -> None:
    """Catches: a slider without effect, a zero that still draws."""
    world = tiny_rssm_world()
    state, _ = begun(world)
    action = torch.tensor([1, 1])

    def distinct(temperature: float) -> int:
        warm = world.with_settings(temperature=temperature)
        drawn = [warm.step(state, action, Rng.seeded((s, s + 100)))[0].stoch for s in range(24)]
        return len({d.numpy().tobytes() for d in drawn})

    counts = [distinct(t) for t in (0.0, 0.3, 2.0)]
    assert counts[0] == 1
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("temperature", [1e-300, 1e-40, 1e-4, 1e-3])
def test_the_coldest_temperatures_are_still_numbers(temperature: float) -> None:
    """Catches: a temperature that only just is none, by which a dream becomes not-a-number for ever."""
    for version in ("v1", "v3"):
        world = tiny_rssm_world(version).with_settings(temperature=temperature)
        state, _ = begun(world)
        after, seen = world.step(state, torch.tensor([1, 1]), Rng.seeded((1, 2)))
        assert bool(after.stoch.isfinite().all()) and bool(seen.reward.isfinite().all())


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"reward_unit": 0.0},
        {"reward_unit": 1e-300},
        {"reward_unit": 1e300},
        {"precision": "fp8"},
    ],
)
def test_bad_settings(change: dict[str, Any]) -> None:
    """Catches: a temperature below zero, which would prefer the unlikely."""
    with pytest.raises(ValueError, match=next(iter(change))):
        tiny_rssm_world().with_settings(**change)


def test_a_discounted_continuation_does_not_end_games() -> None:
    """Catches: the discount inside the head taken for a chance of ending, which would cut every game short."""
    world = tiny_rssm_world()
    sure = torch.full((512,), world.model.config.behaviour.discount)
    rng = Rng.seeded(range(512))
    assert not bool(world.ended(sure, rng).any())
    drawing = world.with_settings(sample_events=True)
    assert not bool(drawing.ended(sure, rng).any())
    assert 150 < int(drawing.ended(sure / 2, rng).sum()) < 362
    assert bool(world.ended(sure * 0.4, rng).all())


def test_rewards_are_rounded() -> None:
    """Catches: small doubts paid out at every frame of a game whose rewards are whole."""
    world = tiny_rssm_world().with_settings(reward_unit=1.0)
    assert world.paid(torch.tensor([0.4, -0.2, 0.8, -1.3])).tolist() == [0, 0, 1, -1]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_world_folder(tmp_path: Path, version: str) -> None:
    """Catches: a world that cannot be built from what was written of it, or plays another game then."""
    world = tiny_rssm_world(version)
    world.model.load_state_dict({name: t.bfloat16().float() for name, t in world.weights().items()})
    config = world.model.config
    manifest = Manifest("rssm", config.to_dict(), asdict(world.settings), world.spec)
    starts = random_starts(world.spec, 2)
    folder = write_world_folder(tmp_path / "tiny", manifest, world.weights(), starts, {})
    built = build_world(folder, torch.device("cpu"))
    assert built.settings == world.settings
    mine, other = (w.initial(starts, Rng.seeded((1, 2))) for w in (world, built))
    for name, tensor in state_tensors(mine).items():
        assert torch.equal(tensor, getattr(other, name)), name


def test_loading_refuses_what_does_not_fit() -> None:
    """Catches: a network of other actions, sizes or weights played in silence."""
    world = tiny_rssm_world()
    config, weights, cpu = world.model.config.to_dict(), world.weights(), torch.device("cpu")

    def load(spec: Any = world.spec, config: Any = config, weights: Any = weights, settings: Any = {}) -> None:  # noqa: B006
        RssmWorld.load(spec, config, settings, weights, cpu)

    load()
    with pytest.raises(ValueError, match="config.space"):
        load(spec=replace(world.spec, height=32))
    with pytest.raises(ValueError, match="config.space"):
        load(spec=replace(world.spec, actions=DRIVE))
    with pytest.raises(ValueError, match="missing"):
        load(weights={name: t for name, t in weights.items() if not name.startswith("con.")})
    with pytest.raises(ValueError, match="unknown"):
        load(config={**config, "more": 1})
    with pytest.raises(ValueError, match="temperatur"):
        load(settings={"temperatur": 1.0})
