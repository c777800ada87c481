"""The Dreamer family's optimisers against the published code's updates, step by step."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.training.checkpoint import load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint
from models.training.laprop import LaProp, TfAdam, agc_
from tests.dreamer_golden import Arrays, assert_close, dreamer

NAMES = ("a/kernel", "a/bias", "b/scale", "c/kernel")
CASES = ("official_warmup5", "nowarmup_lr1e-2", "noagc_eps1e-8", "wd")


def parameters(g: Arrays, names: tuple[str, ...] = NAMES) -> dict[str, nn.Parameter]:
    return {name: nn.Parameter(g[f"param0/{name}"]) for name in names}


def laprop(params: dict[str, nn.Parameter], hyper: dict[str, float]) -> LaProp:
    """The golden run's optimiser; kernels alone decay."""
    groups = [
        {"params": [p for n, p in params.items() if n.endswith("kernel")], "weight_decay": hyper.get("wd", 0.0)},
        {"params": [p for n, p in params.items() if not n.endswith("kernel")]},
    ]
    betas = (hyper["beta1"], hyper["beta2"])
    return LaProp(groups, hyper["lr"], betas, hyper["eps"], hyper["agc"], int(hyper["warmup"]))


def give(params: dict[str, nn.Parameter], grads: dict[str, Tensor]) -> None:
    for name, param in params.items():
        param.grad = grads[name].clone()


@pytest.mark.parametrize("case", CASES)
def test_laprop_against_golden(case: str) -> None:
    """Catches: momentum before the normalisation, clipping by rows or by all, the rate inside the momentum,
    a warm-up that is one step ahead, decay of biases."""
    g = dreamer("optim")
    params, hyper = parameters(g), g.json(f"{case}/hyper")
    optimizer = laprop(params, hyper)
    for step in range(len(g["grads/a/bias"])):
        before = {name: p.detach().clone() for name, p in params.items()}
        give(params, {name: g[f"grads/{name}"][step] for name in NAMES})
        optimizer.step()
        for name, param in params.items():
            want = g[f"{case}/updates/{name}"][step]
            size = hyper["lr"] * 1e-3
            assert_close(param.detach() - before[name], want, 1e-3, size + 2e-7)
            assert_close(param, g[f"{case}/params/{name}"][step], 1e-4, 1e-6)


def test_first_update_under_warmup_changes_nothing() -> None:
    """Catches: a warm-up from lr / warmup."""
    params = parameters(dreamer("optim"))
    optimizer = LaProp(params.values(), lr=1.0, warmup=5)
    give(params, {name: torch.ones_like(p) for name, p in params.items()})
    before = [p.detach().clone() for p in params.values()]
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, params.values(), strict=True))


def test_agc_against_golden() -> None:
    """Catches: a floor on the gradient's norm, a clip per row."""
    g = dreamer("optim")
    params = parameters(g)
    for step in range(len(g["grads/a/bias"])):
        give(params, {name: g[f"grads/{name}"][step] for name in NAMES})
        agc_(params.values(), 0.3)
        for name, param in params.items():
            assert param.grad is not None
            assert_close(param.grad, g[f"agc_only/{name}"][step], 1e-4, 1e-7)


def test_tf_adam_against_golden() -> None:
    """Catches: epsilon inside the bias correction, decay scaled by the rate, a clip per parameter."""
    g = dreamer("v2_tf_behavior").at("adam")
    params = parameters(g, ("a", "b"))
    lr, eps, clip, decay = g["hyper_lr_eps_clip_wd"].tolist()
    optimizer = TfAdam(params.values(), lr, eps=eps, clip=clip, weight_decay=decay)
    for step in range(len(g["grads/a"])):
        give(params, {name: g[f"grads/{name}"][step] for name in params})
        optimizer.step()
        for name, param in params.items():
            assert_close(param, g[f"params/{name}"][step], 1e-4, 2e-6)


@pytest.mark.parametrize("make", [LaProp, TfAdam])
def test_resumes_exactly(make: type[torch.optim.Optimizer], tmp_path: Path) -> None:
    """Catches: a count or a moment that is not in the checkpoint."""
    g = dreamer("optim")

    def run(params: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
        for step in range(first, last):
            give(params, {name: g[f"grads/{name}"][step] for name in NAMES})
            optimizer.step()

    params = parameters(g)
    optimizer = make(params.values(), lr=1e-2)
    run(params, optimizer, 0, 4)
    copies = {name: nn.Parameter(p.detach().clone()) for name, p in params.items()}
    other = make(copies.values(), lr=1e-2)
    write_checkpoint(tmp_path / "run", {"optimizer": optimizer_tensors(optimizer)}, {})
    load_optimizer(other, read_checkpoint(tmp_path / "run")[0]["optimizer"])
    run(params, optimizer, 4, 8)
    run(copies, other, 4, 8)
    assert all(torch.equal(a, b) for a, b in zip(params.values(), copies.values(), strict=True))


def test_parameters_without_gradient_stay() -> None:
    """Catches: a network that was not part of a loss and moves all the same, or whose count runs ahead."""
    used, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = LaProp([used, unused], lr=0.1)
    for _ in range(3):
        used.grad = torch.ones(3)
        optimizer.step()
    assert torch.equal(unused.detach(), torch.ones(3)) and not optimizer.state[unused]
    unused.grad = torch.ones(3)
    used.grad = None
    optimizer.step()
    assert float(unused.detach()[0]) == pytest.approx(0.9)


def test_tiny_and_no_gradients() -> None:
    """Catches: a division by zero, or an epsilon that swallows small gradients."""
    param = nn.Parameter(torch.ones(3))
    optimizer = LaProp([param], lr=0.1)
    param.grad = torch.tensor([0.0, 1e-12, -1e-6])
    optimizer.step()
    moved = (param.detach() - 1).tolist()
    assert moved[0] == 0.0
    assert moved[1:] == pytest.approx([-0.1, 0.1], rel=1e-4)


@pytest.mark.parametrize("bad", [{"lr": -1.0}, {"betas": (1.0, 0.9)}, {"eps": -math.inf}])
def test_bad_settings(bad: dict[str, float]) -> None:
    """Catches: a rate that silently climbs the loss."""
    for make in (LaProp, TfAdam):
        with pytest.raises(ValueError, match=r"optimizer: got lr .* expected"):
            make([nn.Parameter(torch.ones(1))], **bad)
