"""Schedules, scalings and samplers against the published code."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.diffusion.precondition import add_noise, conditioners
from models.diffusion.sampler import Denoise, SamplerConfig, evaluations, sample
from models.diffusion.schedule import karras_sigmas
from models.nn.pixels import quantise
from tests.goldens import Golden, assert_near, denoiser, golden, manifest

RUNS = [("atari", name) for name in ("euler3", "heun3", "heun1", "churn_euler5", "churn_heun4")]
RUNS += [("pad_attn", name) for name in ("euler3", "churn_heun4")] + [("odd_groups", "euler3")]


def config_of(name: str) -> SamplerConfig:
    values = dict(manifest()["sampler_configs"][name])
    values["steps"] = values.pop("num_steps_denoising")
    return SamplerConfig(**{key: math.inf if value == "inf" else value for key, value in values.items()})


def scripted_noise(numbers: Golden, name: str) -> tuple[Tensor, Callable[[], Tensor], list[Tensor]]:
    """The first draw, a source of the others, and the list it takes them from."""
    draws = [numbers[f"{name}_noise{i}"] for i in range(10) if f"{name}_noise{i}" in numbers]
    left = draws[1:]
    return draws[0], lambda: left.pop(0), left


def exact_denoise(network: str, frames: Tensor, actions: Tensor) -> Denoise:
    """The denoiser in float64. In float32 the order of a processor's sums can flip a level of the quantised estimate,
    which Heun's division by a small sigma blows up: that would test the processor, not the sampler."""
    model = denoiser(network).double().requires_grad_(False)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        c = model.conditioners(sigma.double())
        output = model.inner_model(c.c_in * x, c.c_noise, frames.double() / model.config.sigma_data, actions)
        return quantise(c.c_skip * x + c.c_out * output)

    return denoise


@pytest.mark.parametrize(("network", "name"), RUNS)
def test_trajectory(network: str, name: str) -> None:
    """Catches: initial noise scaled by sigma_max, the churned level given to the denoiser, a Heun correction on the
    last step, noise drawn where nothing is churned."""
    numbers, config = golden(f"{network}_sampler"), config_of(name)
    x, noise, left = scripted_noise(numbers, name)
    path = sample(exact_denoise(network, numbers["prev_obs"], numbers["prev_act"]), x, noise, config)
    assert len(path) == config.steps + 1
    assert not left, "expected every churn draw to be used"
    assert_near(torch.stack(path[1:], dim=1), numbers[f"{name}_trajectory"], what=name)


@pytest.mark.parametrize("name", manifest()["sampler_configs"])
def test_levels_and_evaluations(name: str) -> None:
    """Catches: other noise levels, and a count of network calls that the speed figures would be wrong by."""
    config, calls = config_of(name), []
    numbers = golden("atari_sampler")
    sigmas = karras_sigmas(config.steps, config.sigma_min, config.sigma_max, config.rho)
    assert_near(sigmas, numbers[f"{name}_sigmas"], 1e-6)
    x = torch.zeros(1, 3, 2, 2)
    sample(lambda x, sigma: calls.append(float(sigma)) or x, x, lambda: torch.zeros_like(x), config)
    assert len(calls) == evaluations(config)


@pytest.mark.parametrize("case", range(5))
def test_karras_levels(case: int) -> None:
    """Catches: the ramp in another precision than the published one (the first level is compared with s_tmax)."""
    numbers = golden("numerics")
    steps, low, high, rho = numbers[f"sigmas{case}_args"].tolist()
    want = numbers[f"sigmas{case}"]
    assert torch.allclose(karras_sigmas(int(steps), low, high, rho), want, rtol=1e-6, atol=0)


def test_first_level_is_the_published_float() -> None:
    """Catches: a first level of exactly 5, which an s_tmax of 4.9999999 would treat otherwise."""
    assert float(karras_sigmas(3, 2e-3, 5.0, 7)[0]) == pytest.approx(4.99999857, abs=2e-7)


@pytest.mark.parametrize("offset", [0.3, 0.1, 0.0])
def test_scalings(offset: float) -> None:
    """Catches: the offset noise left out of the effective level."""
    numbers = golden("numerics")
    c = conditioners(numbers["cond_sigma"], 0.5, offset)
    for name in ("c_in", "c_out", "c_skip", "c_noise"):
        assert_near(getattr(c, name).flatten(), numbers[f"cond_off{offset}_{name}"], 1e-6, name)


def test_offset_noise_is_not_scaled_by_the_level() -> None:
    """Catches: the offset multiplied by sigma, or drawn per pixel."""
    x, sigma = torch.zeros(2, 3, 2, 2), torch.tensor([10.0, 20.0])
    offset = torch.arange(6.0).reshape(2, 3, 1, 1)
    assert torch.equal(add_noise(x, sigma, offset, torch.zeros_like(x), 0.5), (0.5 * offset).expand_as(x))
    assert torch.equal(add_noise(x, sigma, 0 * offset, torch.ones_like(x), 0.5)[:, 0, 0, 0], sigma)


def test_perfect_denoiser_gives_its_frame() -> None:
    """Catches: a step that overshoots: whatever the sampler, a denoiser that knows the frame must end in it."""
    truth = torch.rand(2, 3, 4, 4)
    for order, churn in ((1, 0.0), (2, 0.0), (1, 30.0), (2, 30.0)):
        config = SamplerConfig(steps=6, order=order, s_churn=churn)
        path = sample(lambda x, sigma: truth, torch.randn(2, 3, 4, 4), lambda: torch.randn(2, 3, 4, 4), config)
        assert_near(path[-1], truth)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "got 0, expected at least 1"),
        ({"order": 3}, "got 3, expected 1"),
        ({"sigma_min": 6.0}, "sigma_min 6.0"),
        ({"sigma_min": 0.0}, "sigma_min 0.0"),
        ({"s_churn": -1.0}, "s_churn -1.0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, float], message: str) -> None:
    """Catches: NaN frames from settings that no schedule can have."""
    with pytest.raises(ValueError, match=message):
        SamplerConfig(**changes)
