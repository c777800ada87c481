"""Distributions of the Dreamer family against the published code's numbers, and against what must hold anyway."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.distributions import (
    Normal,
    OneHot,
    TanhNormal,
    TruncNormal,
    TwoHot,
    UnitNormal,
    actor_dist,
    bernoulli_loss,
    symexp,
    symexp_bins,
    symlog,
    symlog_bins,
    twohot,
)
from models.nn.draws import TorchDraws
from tests.dreamer_golden import Arrays, assert_close, dreamer

UNIMIX = (0.0, 0.01, 0.1)


def draws(seed: int = 0) -> TorchDraws:
    return TorchDraws(torch.Generator().manual_seed(seed))


def test_symlog_and_symexp() -> None:
    """Catches: a wrong branch for negative numbers, lost digits near zero, a wrong gradient."""
    g = dreamer("symlog")
    x, y = g["x"].requires_grad_(), g["y"].requires_grad_()
    symlog(x).sum().backward()
    symexp(y).sum().backward()
    assert_close(symlog(x), g["symlog_x"], 1e-6, 0)
    assert_close(symexp(y), g["symexp_y"], 1e-6, 0)
    assert_close(symexp(symlog(x)), g["roundtrip_x"], 1e-5, 0)
    moved = x != 0
    assert x.grad is not None and y.grad is not None
    assert_close(x.grad[moved], g["grad_symlog_x"][moved], 1e-6, 0)
    assert_close(y.grad[y != 0], g["grad_symexp_y"][y != 0], 1e-6, 0)


@pytest.mark.parametrize("n", [255, 40, 7])
def test_twohot_against_golden(n: int) -> None:
    """Catches: another bin spacing, symlog of the target, weights by the wrong distance, targets out of range."""
    g = dreamer("twohot").at(f"n{n}")
    assert_close(symexp_bins(n), g["bins"], 1e-5, 1e-6)
    logits = g["logits"].requires_grad_()
    head = TwoHot(logits)
    loss = head.loss(g["target"])
    loss.sum().backward()
    assert_close(loss, g["loss"])
    assert logits.grad is not None
    assert_close(logits.grad, g["grad_logits"])
    assert_close(head.mean() / g["pred"], torch.ones(24), 1e-3, 0)
    assert_close(twohot(g["target"], g["bins"]), g["twohot_weights"], 1e-4, 1e-6)


@pytest.mark.parametrize("n", [255, 40, 7])
def test_small_logits_predict_small_values(n: int) -> None:
    """Catches: bins that are not exactly antisymmetric, and sums in an order that loses everything."""
    g = dreamer("twohot").at(f"n{n}")
    logits = (g["logits"] * 0.1).requires_grad_()
    prediction = TwoHot(logits).mean()
    prediction.sum().backward()
    scale = float(g["bins"].max()) / n
    assert_close(prediction / scale, g["pred_small_logits"] / scale, 1e-3, 1e-5)
    assert float(TwoHot(torch.zeros(3, n)).mean().abs().max()) == 0.0


@pytest.mark.parametrize("kind", ["symexp", "symlog"])
def test_twohot_loss_is_least_where_the_mean_is_the_target(kind: str) -> None:
    """Catches: encoding and prediction in different spaces."""
    target = torch.tensor([-730.0, -1.3, 0.0, 0.2, 5.0, 1e6])
    bins = symexp_bins(255) if kind == "symexp" else symlog_bins(255)
    weights = twohot(target if kind == "symexp" else symlog(target), bins)
    assert_close(weights.sum(-1), torch.ones(6), 1e-6, 1e-6)
    assert_close(TwoHot(weights.log().clamp(min=-200), kind).mean(), target, 1e-3, 1e-3)


def test_twohot_of_2023() -> None:
    """Catches: the bins of the later version, and a prediction left in symlog space."""
    g = dreamer("v3_2023_jax").at("symlog_disc")
    head = TwoHot(g["logits"], "symlog")
    assert_close(symlog_bins(g["logits"].shape[-1]), g["bins"], 1e-5, 1e-5)
    assert_close(-head.loss(g["target"]), g["log_prob"])
    assert_close(head.mean(), g["mean"], 1e-3, 1e-4)


def test_bins_first_made_in_inference_mode_train() -> None:
    """Catches: cached constants that play in inference mode has made useless for training."""
    with torch.inference_mode():
        TwoHot(torch.zeros(1, 21)).mean()
    logits = torch.zeros(1, 21, requires_grad=True)
    (TwoHot(logits).mean() + TwoHot(logits).loss(torch.ones(1))).sum().backward()
    assert logits.grad is not None


@pytest.mark.parametrize("unimix", UNIMIX)
def test_categorical_against_golden(unimix: float) -> None:
    """Catches: unimix left out of any one of log-probability, entropy, divergence and straight-through gradient."""
    g = dreamer("categorical")
    want = g.at(f"unimix{unimix}")
    logits = g["logits"].requires_grad_()
    dist = OneHot(logits, unimix)
    assert_close(dist.log_probs, want["logprobs"])
    assert_close(dist.probs, want["probs"])
    assert_close(dist.log_prob(g["onehot"]), want["logp_onehot"])
    assert_close(dist.entropy(), want["entropy"])
    assert_close(dist.kl(OneHot(g["other_logits"], unimix)), want["kl_logits_other"])
    assert torch.equal(dist.mode().argmax(-1), want["mode_index"].long())
    through = dist.straight_through(g["onehot"])
    assert_close(through, want["straight_through_value"])
    (grad,) = torch.autograd.grad((through * g["cotangent"]).sum(), logits, retain_graph=True)
    assert_close(grad, want["straight_through_grad_logits"])
    (grad,) = torch.autograd.grad(dist.entropy().sum(), logits)
    assert_close(grad, want["grad_entropy"])


def test_onehot_samples_follow_the_probabilities() -> None:
    """Catches: an inverse CDF off by one class, and impossible classes drawn at the ends."""
    logits = torch.tensor([-math.inf, 0.0, 1.0, -math.inf, 2.0, -math.inf])
    dist = OneHot(logits)
    u = (torch.arange(20_000) + 0.5) / 20_000
    samples = OneHot(logits.expand(20_000, -1)).sample(u)
    assert_close(samples.mean(0), dist.probs, 0, 1e-4)
    assert torch.equal(samples.sum(-1), torch.ones(20_000))
    edge = OneHot(logits.expand(2, -1)).sample(torch.tensor([0.0, 1 - 2.0**-24])).argmax(-1)
    assert edge.tolist() == [1, 4]


def test_each_row_has_its_own_noise() -> None:
    """Catches: one noise number shared by a batch."""
    samples = OneHot(torch.zeros(64, 8, 16)).sample(draws())
    assert len({tuple(row.argmax(-1).tolist()) for row in samples}) == 64
    assert Normal(torch.zeros(64, 4), torch.ones(64, 4)).sample(draws()).unique().numel() == 256


@pytest.mark.parametrize("unimix", UNIMIX)
def test_asking_without_gradient_first_costs_no_gradient(unimix: float) -> None:
    """Catches: kept values that were computed while sampling or logging, and so teach nothing later."""
    logits = torch.randn(2, 5, generator=torch.Generator().manual_seed(0))
    grads = []
    for look in (False, True):
        leaf = logits.clone().requires_grad_()
        dist, head = OneHot(leaf, unimix), TwoHot(leaf)
        if look:
            with torch.no_grad():
                action = dist.sample(draws())
                assert not (dist.mode().requires_grad or action.requires_grad)
                dist.entropy(), head.loss(torch.ones(2))
        (dist.entropy() + head.loss(torch.ones(2)) + dist.kl(OneHot(-logits, unimix))).sum().backward()
        grads.append(leaf.grad)
    assert torch.equal(*grads)


def test_float32_under_autocast() -> None:
    """Catches: bins or divergences in a half precision that cannot hold them."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = torch.nn.functional.linear(torch.randn(4, 8), torch.randn(255, 8))
        assert logits.dtype == torch.bfloat16
        head, dist = TwoHot(logits), OneHot(logits, 0.01)
        values = (head.mean(), head.loss(torch.zeros(4)), dist.entropy(), dist.kl(OneHot(-logits, 0.01)))
        assert {value.dtype for value in values} == {torch.float32}
        assert bernoulli_loss(logits, torch.zeros_like(logits)).dtype == torch.float32


def mlp(weights: Arrays, x: Tensor, hidden: int, name: str) -> Tensor:
    for i in range(hidden):
        x = F.elu(x @ weights[f"{name}{i}/kernel"] + weights[f"{name}{i}/bias"])
    return x


def test_scalars_and_flags_of_v1() -> None:
    """Catches: a likelihood without its constant, a mean over dimensions in place of a sum."""
    g = dreamer("v1_tf").at("head_normal")
    assert_close(UnitNormal(g["mean"]).log_prob(g["target"]), g["log_prob"])
    assert_close(UnitNormal(g["mean"]).loss(g["target"]), -g["log_prob"])
    g = dreamer("v1_tf").at("head_binary")
    assert_close(-bernoulli_loss(g["mean"].logit(), g["target"]), g["log_prob"], 1e-3, 1e-4)
    g = dreamer("heads")
    assert_close(
        bernoulli_loss(g["continue/logit"].reshape(g["con_target"].shape), g["con_target"]), g["continue/loss"]
    )


def test_tanh_normal_of_v1() -> None:
    """Catches: a wrong scale of mean or std, the tanh's slope left out of the density."""
    g = dreamer("v1_tf").at("actor_tanh_normal")
    weights = g.at("weights")
    raw = mlp(weights, g["x"], 4, "h") @ weights["hout/kernel"] + weights["hout/bias"]
    dist = actor_dist("tanh_normal", raw)
    assert isinstance(dist, TanhNormal)
    assert_close(dist.base.mean, g["pre_tanh_mean"])
    assert_close(dist.base.std, g["pre_tanh_std"])
    assert_close(dist.log_prob(g["action"]), g["log_prob"], 1e-3, 1e-3)


def test_trunc_normal_of_v2() -> None:
    """Catches: a density that is not renormalised, a wrong mean or entropy of the cut normal."""
    g = dreamer("v2_tf_nets").at("mlp_trunc_normal")
    dist = TruncNormal(g["loc"].atanh(), 2 * ((g["scale"] - 0.1) / 2).logit())
    assert_close(dist.loc, g["loc"])
    assert_close(dist.std, g["scale"])
    assert_close(dist.log_prob(g["target"]), g["log_prob"], 1e-3, 1e-4)
    assert_close(dist.entropy(), g["entropy"], 1e-3, 1e-4)
    assert_close(dist.mean, g["mean"], 1e-3, 1e-4)
    assert_close(dist.mode(), g["mode"])


def test_bounded_normal_of_v3() -> None:
    """Catches: clipped actions in the density, entropies averaged over components."""
    g = dreamer("heads").at("policy_cont")
    mean, std = g["mean"].atanh(), ((g["stddev"] - 0.1) / 0.9).logit() - 2
    dist = actor_dist("bounded_normal", torch.cat([mean, std], -1))
    assert_close(dist.log_prob(dreamer("heads")["action_cont"]), g["logp"], 1e-3, 1e-4)
    assert_close(dist.entropy(), g["entropy"], 1e-3, 1e-4)


def test_discrete_policies() -> None:
    """Catches: a policy that mixes a uniform distribution in where none is asked for."""
    g = dreamer("heads").at("policy_disc")
    dist = actor_dist("onehot", g["logits"])
    onehot = F.one_hot(dreamer("heads")["action_disc"].long(), g["logits"].shape[-1]).float()
    assert_close(dist.log_prob(onehot), g["logp"])
    assert_close(dist.entropy(), g["entropy"])
    assert torch.equal(dist.mode().argmax(-1), g["mode"].long())


@pytest.mark.parametrize("kind", ["tanh_normal", "trunc_normal", "bounded_normal"])
def test_densities_agree_with_samples(kind: str) -> None:
    """Catches: densities that do not integrate to one, and samples, entropies or modes of another distribution."""
    outputs = torch.tensor([[0.4, -0.3, -1.5, -4.5]])
    if kind != "tanh_normal":
        outputs = torch.tensor([[0.4, -0.3, -1.5, 0.5]])
    dist = actor_dist(kind, outputs)
    samples = actor_dist(kind, outputs.expand(100_000, -1)).sample(draws())
    assert_close(-dist.log_prob(samples).mean(), dist.entropy()[0], 0.02, 0.02)
    mode = dist.log_prob(dist.mode())
    assert bool((dist.log_prob(samples) <= mode + 0.01).all())
    if kind != "bounded_normal":
        assert float(samples.abs().max()) <= 1
        grid = torch.linspace(-1, 1, 20_001)[1:-1]
        one = actor_dist(kind, outputs[:, [0, 3]])
        assert_close(one.log_prob(grid[:, None]).exp().mean() * 2, torch.tensor(1.0), 0.01, 0.01)


@pytest.mark.parametrize("kind", ["tanh_normal", "trunc_normal", "bounded_normal"])
def test_samples_are_reparameterised(kind: str) -> None:
    """Catches: a sample that passes no gradient to mean or std, as dynamics backpropagation needs."""
    outputs = torch.zeros(1, 2)
    noise = torch.tensor([[0.3]])

    def sample(raw: Tensor) -> Tensor:
        return actor_dist(kind, raw).rsample(noise)

    raw = outputs.requires_grad_()
    (grad,) = torch.autograd.grad(sample(raw).sum(), raw)
    for i in range(2):
        step = torch.zeros(1, 2)
        step[0, i] = 1e-2
        slope = (sample(outputs + step) - sample(outputs - step)) / 2e-2
        assert_close(grad[0, i], slope[0, 0], 0.02, 1e-3)
        assert float(slope.detach().abs()) > 1e-3


def test_straight_through_is_shared_by_discrete_policies() -> None:
    """Catches: discrete actions that stop the gradient of a policy trained through the dynamics."""
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    action = actor_dist("onehot", logits).rsample(draws())
    (action * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert torch.equal(action.detach().round(), action.detach().round().clamp(0, 1))
    assert logits.grad is not None and float(logits.grad.abs().sum()) > 0


def test_normal_divergence() -> None:
    """Catches: the divergence with its two sides swapped."""
    first = Normal(torch.tensor([0.3, -1.0]), torch.tensor([0.5, 2.0]))
    second = Normal(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.7]))
    want = torch.distributions.kl_divergence(
        torch.distributions.Normal(first.mean, first.std), torch.distributions.Normal(second.mean, second.std)
    ).sum()
    assert_close(first.kl(second), want)


def test_unknown_policy_is_named() -> None:
    """Catches: an error that leaves one guessing."""
    with pytest.raises(ValueError, match="got kind 'beta' with 2 outputs, expected onehot or one of"):
        actor_dist("beta", torch.zeros(1, 2))
    with pytest.raises(ValueError, match="got kind 'trunc_normal' with 3 outputs"):
        actor_dist("trunc_normal", torch.zeros(1, 3))
