"""Looks inside a DIAMOND world: each against the same numbers got in another way, and all without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.diamond.config import DenoiserConfig, DiamondSettings, RewEndConfig
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.views import estimate_labels
from models.diamond.world import DiamondState, DiamondWorld
from models.diffusion.sampler import levels, sample
from models.nn.blocks import SelfAttention2d
from models.nn.looks import Looks, coloured
from models.nn.pixels import to_bytes, to_float
from models.nn.unet import UNet
from models.types import ActionSpec, View, WorldSpec
from models.world import Rng, split_state, state_tensors
from tests.tiny_worlds import ACTIONS, random_starts, randomise

SIZE = 24
"""Not a multiple of what three levels of patch 4 would like: maps are padded."""
DENOISER = DenoiserConfig(cond=16, channels=(8, 16, 16), depths=(1, 2, 1), attn_depths=(0, 1, 0), patch=4)
REW_END = RewEndConfig(lstm_dim=16, cond=16, depths=(1, 1), channels=(8, 8), attn_depths=(0, 0), patch=8)
ACTION = torch.tensor([1, 2])


def world_of(reference: bool = False, **settings: object) -> DiamondWorld:
    """A world with attention in the middle and at level 2."""
    spec = WorldSpec("tiny", "diamond", SIZE, SIZE, ActionSpec(ACTIONS), DENOISER.context, fps=15.0)
    parts = Denoiser(DENOISER, len(ACTIONS)), RewEndModel(REW_END, len(ACTIONS), SIZE, SIZE)
    for part in parts:
        randomise(part)
        part.eval().requires_grad_(False)
    return DiamondWorld(spec, *parts, DiamondSettings(precision="fp32").changed(settings), reference=reference)


def start(world: DiamondWorld) -> DiamondState:
    return world.initial(random_starts(world.spec, 2), Rng.seeded([0, 1]))


def views_of(world: DiamondWorld) -> dict[str, View]:
    """By name, of a step with the seeds 3 and 4."""
    _, seen = world.step(start(world), ACTION, Rng.seeded([3, 4]), inspect=True)
    assert len({view.name for view in seen.views}) == len(seen.views)
    return {view.name: view for view in seen.views}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("reference", [True, False])
def test_a_look_leaves_no_trace(reference: bool, precision: str, order: int) -> None:
    """Catches: frames, events, memory or draws that are others while the inspector is open, in any bit."""
    world = world_of(reference, precision=precision, order=order, s_churn=1.0, context_noise=0.1)
    begin = start(world)
    plain_rng, looked_rng = Rng.seeded([3, 4]), Rng.seeded([3, 4])
    plain, a = world.step(begin, ACTION, plain_rng)
    looked, b = world.step(begin, ACTION, looked_rng, inspect=True)
    for name, tensor in state_tensors(plain).items():
        assert torch.equal(tensor, state_tensors(looked)[name]), name
    assert torch.equal(a.frame, b.frame) and torch.equal(a.reward, b.reward) and torch.equal(a.terminated, b.terminated)
    assert torch.equal(plain_rng.state(), looked_rng.state())
    assert not a.views
    assert [v.name for v in b.views] == [
        *("denoising", "estimate", "context", "U-Net", "features", "attention", "attention down 2", "attention up 2"),
        "hidden",
    ]
    assert [v.name for v in b.views if v.editable] == ["hidden"]


@pytest.mark.parametrize("order", [1, 2])
def test_estimates_are_those_of_the_denoiser(order: int) -> None:
    """Catches: the estimate of another call or level, x shown in its place, a label of the level before."""
    world = world_of(True, order=order, steps=3)
    views, state = views_of(world), start(world)
    noise = Rng.seeded([3, 4]).normal(3, SIZE, SIZE)
    context, actions = to_float(state.frames), torch.cat([state.actions, ACTION[:, None]], dim=1)
    calls: list[tuple[float, Tensor]] = []

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        calls.append((float(sigma), world.denoiser.denoise(x, sigma, context, actions)))
        return calls[-1][1]

    path = sample(denoise, noise, lambda: noise, world.settings)
    for view, pictures in ((views["denoising"], path), (views["estimate"], [estimate for _, estimate in calls])):
        want = torch.stack([to_bytes(x, nearest=True) for x in pictures], dim=1)
        assert int((view.value.int() - want.int()).abs().max()) <= 1, view.name
    sigmas = [float(label.split()[1]) for label in views["estimate"].labels]
    assert sigmas == pytest.approx([sigma for sigma, _ in calls], rel=0.01)
    assert [float(label.split()[1]) for label in views["denoising"].labels[:-1]] == pytest.approx(
        levels(world.settings)[:-1].tolist(), rel=0.01
    )
    assert torch.equal(views["context"].value, state.frames)
    assert views["context"].labels[0] == "4 before" and views["context"].labels[-1] == "1 before"


def test_what_looks_ahead_is_called_so() -> None:
    """Catches: Heun's two calls of one level that cannot be told apart."""
    labels = ("sigma 5", "sigma 1", "sigma 0.1", "sigma 0")
    settings = DiamondSettings(steps=3)
    assert estimate_labels(settings, labels) == labels[:3]
    want = ("sigma 5", "sigma 1 ahead", "sigma 1", "sigma 0.1 ahead", "sigma 0.1")
    assert estimate_labels(replace(settings, order=2), labels) == want


@contextmanager
def hooked(modules: dict[str, nn.Module], take: Callable[[str, tuple, object], None]) -> Iterator[None]:
    """Every call of some modules is handed to ``take`` with its name."""
    handles = [
        module.register_forward_hook(lambda _, inputs, out, name=name: take(name, inputs, out))
        for name, module in modules.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def test_levels_of_the_net_are_those_of_the_last_call() -> None:
    """Catches: an earlier call's maps, a level under another's name, maps with their padding."""
    world = world_of(True)
    unet = world.denoiser.inner_model.unet
    modules = {f"down {k + 1}": block for k, block in enumerate(unet.d_blocks)}
    modules |= {"middle": unet.mid_blocks} | {f"up {3 - k}": block for k, block in enumerate(unet.u_blocks)}
    seen: dict[str, Tensor] = {}
    with hooked(modules, lambda name, _, out: seen.update({name: out[0]})):  # type: ignore[index]
        views = views_of(world)
    strip, features = views["U-Net"], views["features"]
    assert strip.value.shape == (2, 7, 3, SIZE, SIZE) and strip.value.dtype == torch.uint8
    sizes = dict(label.rsplit(" ", 1) for label in strip.labels)
    assert sizes == {
        "down 1": "6x6",
        "down 2": "3x3",
        "down 3": "2x2",
        "middle": "2x2",
        "up 3": "2x2",
        "up 2": "3x3",
        "up 1": "6x6",
    }
    for k, (name, size) in enumerate(sizes.items()):
        side = int(size[0])
        assert seen[name].shape[-1] == {6: 8, 3: 4, 2: 2}[side], "the test has no padding"
        want = coloured(seen[name][..., :side, :side])
        assert torch.equal(strip.value[:, k, :, :: SIZE // side, :: SIZE // side], want), name
    channels = [int(label.split()[1]) for label in features.labels]
    assert channels == list(range(16)) and torch.equal(features.value, seen["middle"])


def test_heads_look_where_their_products_are_large() -> None:
    """Catches: keys and queries changed over, the mean over places looked at, heads or blocks in another order."""
    world = world_of(True)
    inner = world.denoiser.inner_model
    layers = {name: module for name, module in inner.named_modules() if isinstance(module, SelfAttention2d)}
    projections = {name: module.qkv_proj for name, module in layers.items()}
    seen: dict[str, Tensor] = {}
    with hooked(projections, lambda name, _, out: seen.update({name: out})):  # type: ignore[dict-item]
        views = views_of(world)
    stages = {"mid_blocks": "attention", "d_blocks.1": "attention down 2", "u_blocks.1": "attention up 2"}
    for stage, name in stages.items():
        found = []
        for layer, qkv in seen.items():
            if stage not in layer:
                continue
            batch, wide, height, width = qkv.shape
            heads = layers[layer].heads
            q, k, _ = qkv.reshape(batch, 3, heads, wide // 3 // heads, height * width).unbind(1)
            scores = torch.einsum("bhdi,bhdj->bhij", q, k) / (wide // 3 // heads) ** 0.5
            looked = scores.exp() / scores.exp().sum(-1, keepdim=True)
            found.append((looked.sum(2) / (height * width)).reshape(batch, heads, height, width))
        want = torch.cat(found, 1)
        view = views[name]
        assert torch.allclose(view.value, want[..., : view.value.shape[-2], : view.value.shape[-1]], atol=1e-5), name
        assert len(view.labels) == want.shape[1] and view.labels[0] == "block 1 head 1"
        if name == "attention":
            assert torch.allclose(view.value.sum((-1, -2)), torch.ones(2, want.shape[1]), atol=1e-5)
    assert views["attention"].value.shape == (2, 4, 2, 2) and views["attention up 2"].value.shape == (2, 5, 3, 3)


@pytest.mark.parametrize("reference", [True, False])
def test_looks_of_both_networks_agree(reference: bool) -> None:
    """Catches: a twin that notes another place of its blocks, or maps that it overwrites afterwards."""
    views, others = views_of(world_of(reference)), views_of(world_of(True))
    assert views.keys() == others.keys()
    for name, view in views.items():
        assert view.labels == others[name].labels
        if view.value.dtype == torch.uint8:
            near = (view.value.int() - others[name].value.int()).abs() <= 2
            assert float(near.float().mean()) > 0.98, name
        else:
            assert torch.allclose(view.value, others[name].value, atol=1e-3), name


def test_a_row_looks_the_same_alone() -> None:
    """Catches: colours, or any number, of one player's look that depend on who else plays."""
    world = world_of()
    _, both = world.step(start(world), ACTION, Rng.seeded([3, 4]), inspect=True)
    for row, state in enumerate(split_state(start(world))):
        _, alone = world.step(state, ACTION[row : row + 1], Rng.seeded([3 + row]), inspect=True)
        for view, other in zip(both.views, alone.views, strict=True):
            if view.value.dtype == torch.uint8:
                assert torch.equal(view.value[row], other.value[0]), view.name
            else:
                assert torch.allclose(view.value[row], other.value[0], atol=1e-6), view.name


def test_notes_are_of_one_call() -> None:
    """Catches: attention of the call before that is left over, or counted for the level after."""
    net = UNet(16, [1, 1], [8, 8], [1, 0])
    randomise(net)
    looks, cond = Looks(), torch.zeros(1, 16)
    for _ in range(2):
        looks.begin()
        net(torch.randn(1, 8, 5, 7, generator=torch.Generator().manual_seed(0)), cond, looks)
    assert {name: tuple(maps.shape) for name, maps in looks.maps.items()} == {
        "down 1": (1, 8, 5, 7),
        "down 2": (1, 8, 3, 4),
        "middle": (1, 8, 3, 4),
        "up 2": (1, 8, 3, 4),
        "up 1": (1, 8, 5, 7),
    }
    assert {name: len(found) for name, found in looks.attention.items()} == {"down 1": 1, "middle": 2, "up 1": 2}
    assert looks.attention["down 1"][0].shape == (1, 1, 5, 7)


def maps_of(seed: int, channels: int = 12, spectrum: float = 0.5) -> Tensor:
    """Feature maps (1, C, 6, 6) with variances that fall from component to component."""
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
    parts = torch.randn(36, channels, generator=generator) * spectrum ** torch.arange(channels)
    return (parts @ turn).T.reshape(1, channels, 6, 6)


def test_colours_change_no_faster_than_features() -> None:
    """Catches: components that change their signs or places from frame to frame: a picture that flickers."""
    generator = torch.Generator().manual_seed(7)
    for seed in range(40):
        for spectrum in (0.3, 0.7, 0.97):
            maps = maps_of(seed, spectrum=spectrum)
            moved = maps + 1e-4 * torch.randn(maps.shape, generator=generator)
            change = (coloured(moved).int() - coloured(maps).int()).abs()
            assert int(change.max()) <= 12, f"seed {seed}, spectrum {spectrum}"


def test_colours_are_of_what_differs_within_a_picture() -> None:
    """Catches: a bright map that is white all over, a loud one that is cut off, numbers that are none for a map
    without any difference or of few channels; a picture transposed."""
    maps = maps_of(0)
    first = coloured(maps)
    assert int((coloured(5 * maps + 3).int() - first.int()).abs().max()) <= 1
    assert first.float().std((-1, -2)).min() > 30
    flat = coloured(torch.full((2, 12, 4, 6), 0.3))
    assert flat.shape == (2, 3, 4, 6) and int((flat.int() - 128).abs().max()) <= 1
    for channels in (1, 2, 3, 4):
        assert coloured(maps_of(1, channels)).float().std() > 10
    step = torch.zeros(1, 8, 4, 6)
    step[..., 4:] = torch.randn(8, generator=torch.Generator().manual_seed(0))[:, None, None]
    light = coloured(step)[0].int()
    assert bool((light[..., :4] == light[..., :1, :1]).all()) and bool((light[..., 4:] == light[..., -1:, -1:]).all())
    assert int((light[:, 0, 0] - light[:, 0, 5]).abs().max()) > 60
