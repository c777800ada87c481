"""Schedules, averaging and weight decay in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models.training.ema import Ema
from models.training.loop import TrainConfig
from models.training.optim import adamw, lr_factor, parameter_groups


def test_schedules_in_closed_form() -> None:
    """Catches: a warm-up that is off by one, a cosine that does not end where it should, or that restarts on
    resume."""
    assert [lr_factor(0.5, step, 4, "constant") for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert lr_factor(0.0, 0, 0, "constant") == 1
    for progress, want in ((0.0, 1.0), (0.5, 0.51), (1.0, 0.02), (2.0, 0.02)):
        assert lr_factor(progress, 100, 4, "cosine") == pytest.approx(want)
    assert lr_factor(0.25, 2, 4, "cosine") == pytest.approx(0.5 * (0.02 + 0.98 * (1 + math.cos(math.pi / 4)) / 2))


def test_average_in_closed_form() -> None:
    """Catches: an average that leans the wrong way, or forgets its warm-up. Held at one value v from a start s it is v
    + (s - v) times the product of the decays min(0.99, (1 + k) / (10 + k))."""
    model = nn.Linear(2, 2)
    ema = Ema(model, 0.99)
    start = model.weight.detach().clone()
    with torch.no_grad():
        model.weight.fill_(3.0)
    for _ in range(50):
        ema.update(model)
    left = math.prod(min(0.99, (1 + k) / (10 + k)) for k in range(50))
    assert torch.allclose(ema.state()["weight"], 3 + (start - 3) * left, atol=1e-5)
    assert not any(p.requires_grad for p in ema.model.parameters())


def test_no_average_is_the_model_itself() -> None:
    """Catches: rounding between a model and its average where there should be none."""
    model = nn.Linear(2, 2)
    ema = Ema(model, 0.0)
    with torch.no_grad():
        model.weight.normal_()
    ema.update(model)
    assert torch.equal(ema.state()["weight"], model.weight)
    with pytest.raises(ValueError, match="got 1.0, expected 0 <= decay < 1"):
        Ema(model, 1.0)


def test_decay_shrinks_the_first_group_only() -> None:
    """Catches: weight decay on biases, norms or embeddings. Without gradients AdamW only multiplies by 1 - lr *
    decay."""
    model = nn.Sequential(nn.Embedding(2, 4), nn.Linear(4, 4), nn.GroupNorm(1, 4))
    assert parameter_groups(model) == (["1.weight"], ["0.weight", "1.bias", "2.bias", "2.weight"])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = adamw(model, lr=0.1, weight_decay=0.5)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for key, p in model.named_parameters():
        assert torch.allclose(p, before[key] * (0.95 if key == "1.weight" else 1.0)), key


@pytest.mark.parametrize("changes", [{"steps": 0}, {"batch": 0}, {"accumulate": 0}, {"lr": 0.0}, {"clip": -1.0}])
def test_impossible_trainings_are_refused(changes: dict[str, float]) -> None:
    """Catches: a training of no steps that reports success."""
    with pytest.raises(ValueError, match="expected positive"):
        TrainConfig(**{"steps": 6} | changes)  # type: ignore[arg-type]
