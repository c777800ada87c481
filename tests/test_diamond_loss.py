"""Losses, gradients and a trace of the optimiser against the published code."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.diamond.config import LossConfig
from models.diamond.denoiser import Denoiser
from models.diamond.loss import StepNoise, denoiser_loss, draw_noise, sigma_of
from models.training.loop import Loop, TrainConfig
from models.training.optim import parameter_groups
from tests.goldens import DENOISERS, Golden, assert_levels, assert_near, denoiser, golden, manifest


def noise_of(numbers: Golden) -> list[StepNoise]:
    steps = sum(f"sigma_normal{i}" in numbers for i in range(8))
    keys = ("sigma_normal", "offset_normal", "pixel_normal")
    return [StepNoise(*(numbers[f"{key}{i}"] for key in keys)) for i in range(steps)]


def assert_gradients(model: nn.Module, numbers: Golden) -> None:
    """Norms of all gradients within 2e-3, some whole gradients within 1e-4 of their greatest value."""
    gradients = {name: p.grad for name, p in model.named_parameters()}
    for name, norm in zip(numbers.names("param_names"), numbers["param_grad_norms"].tolist(), strict=True):
        assert float(gradients[name].norm()) == pytest.approx(norm, rel=2e-3, abs=1e-6), name
    for key in [key for key in numbers.arrays if key.startswith("grad:")]:
        want, got = numbers[key], gradients[key.removeprefix("grad:")]
        assert float((got - want).abs().max()) <= 1e-4 * float(want.abs().max()) + 1e-7, key


@pytest.mark.parametrize("name", DENOISERS)
def test_denoiser_loss_and_gradients(name: str) -> None:
    """Catches: the model's own frame not fed back (or fed back with a gradient), padding counted, a mean over steps
    that is a sum, levels from another distribution."""
    numbers = golden("atari_denoiser_loss" if name == "atari" else f"{name}_loss")
    model, noise = denoiser(name), noise_of(numbers)
    for i, draws in enumerate(noise):
        assert_near(sigma_of(draws.sigma, LossConfig()), numbers[f"sigma{i}"], what=f"sigma {i}")
    loss, scalars = denoiser_loss(model, LossConfig(), numbers["obs"], numbers["act"], numbers["mask_padding"], noise)
    loss.backward()
    assert scalars["loss"] == pytest.approx(float(numbers["loss"]), rel=1e-5)
    assert_gradients(model, numbers)


def test_each_step_sees_the_published_frames() -> None:
    """Catches: a fed-back frame that is off by some levels, which the loss alone hardly shows."""
    numbers, model = golden("atari_denoiser_loss"), denoiser("atari")
    contexts: list[Tensor] = []
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        contexts.append(args[2])
        outputs.append(out)

    model.inner_model.register_forward_hook(keep)
    denoiser_loss(model, LossConfig(), numbers["obs"], numbers["act"], numbers["mask_padding"], noise_of(numbers))
    for i in range(2):
        assert_near(outputs[i], numbers[f"model_output{i}"], 1e-4, f"F {i}")
    assert_levels(contexts[1][:, -1] * model.config.sigma_data, numbers["denoised0"])


def test_given_frames_stay_as_they_are() -> None:
    """Catches: a loss that writes its predictions into the caller's batch."""
    numbers, model = golden("atari_denoiser_loss"), denoiser("atari")
    frames = numbers["obs"].clone()
    denoiser_loss(model, LossConfig(), frames, numbers["act"], numbers["mask_padding"], noise_of(numbers))
    assert torch.equal(frames, numbers["obs"])


def test_all_padding_is_an_error_not_a_nan() -> None:
    """Catches: a batch without a real target training on NaN, as the published code would."""
    numbers, model = golden("atari_denoiser_loss"), denoiser("atari")
    nothing = torch.zeros_like(numbers["mask_padding"])
    with pytest.raises(ValueError, match="all padding"):
        denoiser_loss(model, LossConfig(), numbers["obs"], numbers["act"], nothing, noise_of(numbers))


def test_motion_weight_counts_moving_pixels_more() -> None:
    """Catches: an extra weight on the wrong pixels: (loss(w) - loss(0)) / w is the error summed over moving pixels
    only, so it does not depend on w, and it is nothing where nothing moves."""
    numbers, model = golden("atari_denoiser_loss"), denoiser("atari")
    still = numbers["obs"][:, :1].expand_as(numbers["obs"]).clone()
    mask, noise = torch.ones_like(numbers["mask_padding"]), noise_of(numbers)[:1]

    def loss(frames: Tensor, weight: float) -> float:
        config = LossConfig(motion_weight=weight)
        return denoiser_loss(model, config, frames, numbers["act"], mask, noise)[1]["loss"]

    assert loss(still, 4.0) == pytest.approx(loss(still, 0.0))
    extra = loss(numbers["obs"], 1.0) - loss(numbers["obs"], 0.0)
    assert extra > 0
    assert (loss(numbers["obs"], 3.0) - loss(numbers["obs"], 0.0)) / 3 == pytest.approx(extra, rel=1e-3)


def test_noise_is_drawn_in_the_published_order() -> None:
    """Catches: draws of one step in another order, which would make a seed mean another training."""
    frames = torch.zeros(2, 6, 3, 4, 4)
    generator = torch.Generator().manual_seed(5)
    want = [[torch.randn(s, generator=generator) for s in ((2,), (2, 3, 1, 1), (2, 3, 4, 4))] for _ in range(2)]
    got = draw_noise(frames, 2, torch.Generator().manual_seed(5))
    for draws, (sigma, offset, pixels) in zip(got, want, strict=True):
        assert torch.equal(draws.sigma, sigma)
        assert torch.equal(draws.offset, offset)
        assert torch.equal(draws.pixels, pixels)


def test_decay_groups() -> None:
    """Catches: decay on biases, embeddings or norms, and an order in which an optimiser's stored state would not
    fit."""
    numbers = golden("atari_train_trace")
    decay, rest = parameter_groups(denoiser("atari"))
    assert decay == numbers.names("decay_names")
    assert rest == numbers.names("no_decay_names")


class TraceTask:
    """The batches and noises of the published run, in order."""

    name = "trace"

    def __init__(self, model: Denoiser, numbers: Golden) -> None:
        self.model, self.numbers = model, numbers
        self.losses: list[float] = []

    def batch(self) -> int:
        return len(self.losses)

    def loss(self, batch: int, progress: float) -> tuple[Tensor, dict[str, float]]:
        obs, act = self.numbers[f"obs{batch}"], self.numbers[f"act{batch}"]
        normals = [self.numbers[f"normal{6 * batch + i}"] for i in range(6)]
        noise = [StepNoise(*normals[:3]), StepNoise(*normals[3:])]
        mask = torch.ones(act.shape, dtype=torch.bool)
        loss, scalars = denoiser_loss(self.model, LossConfig(), obs, act, mask, noise)
        self.losses.append(loss.item())
        return loss, scalars

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        return {}, None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        raise AssertionError("nothing to restore")


def test_optimiser_trace(tmp_path: Path) -> None:
    """Catches, in the training loop: averaged instead of summed micro-batches, clipping before accumulation, decay on
    the wrong group, warm-up that is off by one update."""
    numbers, values = golden("atari_train_trace"), manifest()["train_trace"]
    keys = {"steps": "steps", "accumulate": "grad_acc_steps", "lr": "lr", "weight_decay": "weight_decay"}
    keys |= {"warmup": "warmup", "clip": "max_grad_norm"}
    config = TrainConfig(**{ours: values[theirs] for ours, theirs in keys.items()})
    task = TraceTask(denoiser("atari"), numbers)
    loop = Loop(task, config, tmp_path, autocast=nullcontext)
    scalars = [loop.update() for _ in range(config.steps)]
    assert [row["lr"] for row in scalars] == pytest.approx(numbers["lr_logged"].tolist())
    assert task.losses == pytest.approx(numbers["loss"].tolist(), rel=1e-3)
    norms = numbers["grad_norm_before_clip"].tolist()
    assert [row["grad_norm"] for row in scalars] == pytest.approx(norms, rel=2e-3)
    finals = dict(task.model.named_parameters())
    for name, norm in zip(numbers.names("param_names"), numbers["final_param_norms"].tolist(), strict=True):
        assert float(finals[name].detach().double().norm()) == pytest.approx(norm, rel=1e-3, abs=1e-5), name
    for key in [key for key in numbers.arrays if key.startswith("final:")]:
        assert_near(finals[key.removeprefix("final:")], numbers[key], 1e-3, key)
