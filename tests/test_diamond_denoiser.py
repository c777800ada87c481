"""The denoiser against the published code: raw network, preconditioned output and quantised estimate."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.diamond.config import DenoiserConfig
from models.diamond.denoiser import Denoiser
from models.nn.pixels import quantise, to_bytes, to_float
from tests.goldens import DENOISERS, assert_levels, assert_near, denoiser, golden


@pytest.mark.parametrize("name", DENOISERS)
def test_raw_network(name: str) -> None:
    """Catches: frames or actions stacked in another order, padding that is cropped too late, norms of other widths."""
    numbers = golden(f"{name}_denoiser_forward" if name == "atari" else f"{name}_forward")
    inputs = (numbers[key] for key in ("inner_noisy", "inner_c_noise", "obs", "act"))
    assert_near(denoiser(name).inner_model(*inputs), numbers["inner_out"], what=name)


@pytest.mark.parametrize("levels", ["vec", "scalar"])
@pytest.mark.parametrize("name", DENOISERS)
def test_preconditioned_output(name: str, levels: str) -> None:
    """Catches: scalings computed from sigma without the offset noise, unscaled context frames, a rounding quantiser,
    one level for all rows where each has its own."""
    numbers = golden(f"{name}_denoiser_forward" if name == "atari" else f"{name}_forward")
    model, x, sigma = denoiser(name), numbers["x"], numbers[f"sigma_{levels}"]
    c = model.conditioners(sigma)
    output = model.model_output(x, c, numbers["obs"], numbers["act"])
    assert_near(output, numbers[f"model_output_{levels}"], what="F")
    assert_near(c.c_skip * x + c.c_out * output, numbers[f"prequant_{levels}"], what="D")
    assert_levels(model.denoise(x, sigma, numbers["obs"], numbers["act"]), numbers[f"denoised_{levels}"])


@pytest.mark.parametrize("name", DENOISERS)
def test_a_context_given_once(name: str) -> None:
    """Catches: the condition of one level used at another, or a context that was scaled or cut into patches twice."""
    numbers = golden(f"{name}_denoiser_forward" if name == "atari" else f"{name}_forward")
    model, x, context = denoiser(name), numbers["x"], (numbers["obs"], numbers["act"])
    levels = torch.tensor([5.0, 0.7, 0.002])
    denoise = model.given(*context, levels)
    for sigma in levels.flip(0):
        assert_levels(denoise(x, sigma), model.denoise(x, sigma, *context))


def test_activations_on_the_way() -> None:
    """Catches: two errors that cancel in the output of a small network."""
    numbers, inner = golden("atari_denoiser_forward"), denoiser("atari").inner_model
    seen: dict[str, Tensor] = {}
    hooks = {"fourier": inner.noise_emb, "actemb": inner.act_emb, "cond": inner.cond_proj, "unet": inner.unet}
    for key, module in hooks.items():
        module.register_forward_hook(lambda _m, _i, out, key=key: seen.update({key: out}))
    inner.unet.mid_blocks.register_forward_hook(lambda _m, _i, out: seen.update(mid=out[0]))
    inner(*(numbers[key] for key in ("inner_noisy", "inner_c_noise", "obs", "act")))
    for key in ("fourier", "actemb", "cond", "mid"):
        assert_near(seen[key], numbers[f"act_{key}"], what=key)
    assert_near(seen["unet"][:1], numbers["act_unet"], what="unet")


@pytest.mark.parametrize("size", [(8, 12), (20, 28)])
def test_patches_keep_the_frame_in_place(size: tuple[int, int]) -> None:
    """Catches: pixels of a patch put back in another order than they were taken out, which only a patched network
    shows: with an identity in the middle the noisy frame must come back pixel by pixel."""
    model = Denoiser(DenoiserConfig(context=1, cond=8, depths=(1,), channels=(12,), attn_depths=(0,), patch=2), 3)
    inner, noisy = model.inner_model, torch.rand(2, 3, *size)
    inner.unet = torch.nn.Identity()
    inner.unet.forward = lambda x, cond, looks: x  # type: ignore[method-assign]
    inner.conv_in = torch.nn.Identity()
    inner.norm_out = torch.nn.Identity()
    inner.conv_out = torch.nn.Conv2d(24, 12, 1, bias=False)
    inner.conv_out.weight.data = torch.eye(24)[12:, :, None, None]
    out = inner(noisy, torch.zeros(2), torch.rand(2, 1, 3, *size), torch.zeros(2, 1, dtype=torch.int64))
    assert_near(out, torch.nn.functional.silu(noisy))


def test_quantiser() -> None:
    """Catches: rounding where the published code truncates, and clamping left out."""
    numbers = golden("numerics")
    assert torch.equal(quantise(numbers["quant_in"]), numbers["quant_out"])
    levels = numbers["episode_level_in"]
    assert torch.equal(to_bytes(to_float(levels)), numbers["episode_byte_saved"])


def test_nearest_returns_every_byte() -> None:
    """Catches: dark pixels sinking by one level with every step of a dream."""
    levels = torch.arange(256).to(torch.uint8)
    assert torch.equal(to_bytes(to_float(levels), nearest=True), levels)
