"""Divergence losses of the RSSM against the published code's numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.rssm.config import LossConfig
from models.rssm.kl import kl_losses
from tests.dreamer_golden import assert_close, dreamer

SETTINGS = {"balance0.8_free0_avg": (0.8, 0.0), "balance0.8_free1_avg": (0.8, 1.0)}


@pytest.mark.parametrize("version", ["v3", "v3_2023"])
def test_split_against_golden(version: str) -> None:
    """Catches: a divergence of unmixed probabilities, a clip after the mean, gradients on the wrong side."""
    g = dreamer("kl")
    post, prior = g["post_logits"].requires_grad_(), g["prior_logits"].requires_grad_()
    losses = kl_losses(LossConfig(), post, prior, "categorical", float(g["unimix"]))
    assert_close(losses["value"], g["kl_unclipped"])
    assert_close(losses["dyn"], g["dyn"])
    assert_close(losses["rep"], g["rep"])
    dyn, rep = g[f"{version}/scales_dyn_rep"]
    total = dyn * losses["dyn"].mean() + rep * losses["rep"].mean()
    assert_close(total, g[f"{version}/loss_mean"])
    grads = torch.autograd.grad(total, (post, prior))
    assert_close(grads[0], g[f"{version}/grad_post_logits"], 1e-3, 1e-6)
    assert_close(grads[1], g[f"{version}/grad_prior_logits"], 1e-3, 1e-6)


def test_each_side_has_its_own_loss_and_none_below_the_clip() -> None:
    """Catches: dyn reaching the posterior, rep reaching the prior, a clipped step that still pulls."""
    g = dreamer("kl")
    post, prior = g["post_logits"].requires_grad_(), g["prior_logits"].requires_grad_()
    losses = kl_losses(LossConfig(), post, prior, "categorical", 0.01)
    below = losses["value"] < 1.0
    assert bool(below.any()) and not bool(below.all())
    for name, taught, left in (("dyn", prior, post), ("rep", post, prior)):
        grads = torch.autograd.grad(losses[name].sum(), (taught, left), retain_graph=True, allow_unused=True)
        assert grads[0] is not None and grads[1] is None
        assert float(grads[0][below].abs().max()) == 0.0
        assert bool((grads[0][~below].abs().sum((-1, -2)) > 0).all())


@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.parametrize("case", ["disc_nonorm", "disc_layernorm"])
def test_balanced_discrete_against_golden(case: str, setting: str) -> None:
    """Catches: V2's balance the wrong way round, or its clip before the mean."""
    g = dreamer("v2_tf_rssm").at(case)
    (balance, free), want = SETTINGS[setting], g.at(f"kl/{setting}")
    post, prior = g["observe/post_logit"].requires_grad_(), g["observe/prior_logit"].requires_grad_()
    config = LossConfig("balanced", free=free, balance=balance)
    losses = kl_losses(config, post, prior, "categorical", 0.0)
    assert_close(losses["kl"], want["loss"])
    assert_close(losses["value"], want["value"])
    grads = torch.autograd.grad(losses["kl"], (post, prior))
    assert_close(grads[0], want["grad_post_logit"], 1e-3, 1e-6)
    assert_close(grads[1], want["grad_prior_logit"], 1e-3, 1e-6)


@pytest.mark.parametrize("setting", list(SETTINGS))
@pytest.mark.parametrize("case", ["cont_sigmoid2", "cont_softplus"])
def test_balanced_gaussian_against_golden(case: str, setting: str) -> None:
    """Catches: the two statistics of a gaussian latent mixed up."""
    arrays = dreamer("v2_tf_rssm").at(case).tensors()
    post, prior = (gaussian(arrays, f"observe/{side}").requires_grad_() for side in ("post", "prior"))
    (balance, free), kl = SETTINGS[setting], f"kl/{setting}"
    losses = kl_losses(LossConfig("balanced", free=free, balance=balance), post, prior, "gaussian", 0.0)
    assert_close(losses["kl"], arrays[f"{kl}/loss"])
    assert_close(losses["value"], arrays[f"{kl}/value"])
    grads = torch.autograd.grad(losses["kl"], (post, prior))
    assert_close(grads[0], gaussian(arrays, f"{kl}/grad_post"), 1e-3, 1e-5)
    assert_close(grads[1], gaussian(arrays, f"{kl}/grad_prior"), 1e-3, 1e-5)


def gaussian(arrays: dict[str, Tensor], name: str) -> Tensor:
    return torch.cat([arrays[f"{name}_mean"], arrays[f"{name}_std"]], -1)


@pytest.mark.parametrize("free", [0.0, 1.0, 3.0, 50.0])
def test_mean_of_v1_against_golden(free: float) -> None:
    """Catches: V1's free nats taken per step, and a divergence in the other direction."""
    g = dreamer("v1_tf")
    arrays = g.tensors()
    post, prior = (gaussian(arrays, f"rssm/observe/{side}").requires_grad_() for side in ("post", "prior"))
    losses = kl_losses(LossConfig("mean", free=free), post, prior, "gaussian", 0.0)
    assert_close(losses["value"], g["kl/per_step"])
    assert_close(losses["kl"], g[f"kl/loss_free_nats_{free}"])
    grads = torch.autograd.grad(losses["kl"], (post, prior))
    pulls = float(losses["value"].mean()) > free
    assert all((float(grad.abs().max()) > 0) == pulls for grad in grads)
