"""The recurrent state-space model: V3 against the published numbers, and the scan against its single steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.draws import TorchDraws
from models.rssm.config import NetConfig, RssmConfig, SpaceConfig, v1, v2, v3, v3_2023
from models.rssm.core import Observed, Rssm, RssmState
from models.rssm.kl import kl_losses
from models.rssm.official import official_names
from tests.dreamer_golden import Arrays, assert_close, dreamer
from tests.dreamer_nets import load_part, tiny_v3

KINDS = ("disc", "cont")


def golden(kind: str) -> tuple[Rssm, RssmConfig, Arrays]:
    arrays = dreamer("rssm").at(kind)
    values = arrays.json("config")
    actions = arrays["core/action_vector"].shape[-1]
    sizes = {key: values[key] for key in ("deter", "hidden", "stoch", "classes", "blocks", "unimix")}
    config = tiny_v3(SpaceConfig(actions=actions, discrete=kind == "disc"), **sizes)
    rssm = Rssm(config.net, actions, arrays["in/tokens"].shape[-1])
    load_part(rssm, "rssm", arrays.at("weights"), config)
    return rssm, config, arrays


def vectors(actions: Tensor, size: int) -> Tensor:
    return actions if actions.is_floating_point() else F.one_hot(actions.long(), size).float()


def observe(kind: str) -> tuple[Rssm, RssmConfig, Arrays, Observed]:
    rssm, config, arrays = golden(kind)
    state = RssmState(arrays["in/deter0"], arrays["in/stoch0"])
    actions, given = vectors(arrays["in/action"], rssm.actions), arrays["observe/stoch_sample"]
    seen = rssm.observe(state, arrays["in/tokens"], actions, arrays["in/reset"], given=given)
    return rssm, config, arrays, seen


@pytest.mark.parametrize("kind", KINDS)
def test_core_step_is_the_published_one(kind: str) -> None:
    """Catches: gates in another order, blocks that do not see the shared inputs, continuous actions beyond one."""
    rssm, _, arrays = golden(kind)
    deter = rssm.cell(arrays["in/deter0"], arrays["in/stoch0"].flatten(1), arrays["core/action_vector"])
    assert_close(deter, arrays["core/deter1"])
    assert_close(rssm.prior(deter), arrays["core/prior_logits1"])


@pytest.mark.parametrize("kind", KINDS)
def test_observe_is_the_published_one(kind: str) -> None:
    """Catches: a reset in mid-sequence that leaves state or action in place, or an action off by one step."""
    *_, arrays, seen = observe(kind)
    assert bool(arrays["in/reset"][:, 1:].any())
    assert_close(seen.deter, arrays["observe/deter"])
    assert_close(seen.post, arrays["observe/post_logits"])
    assert_close(seen.prior, arrays["observe/prior_logits"])
    assert_close(seen.stoch, arrays["observe/stoch_sample"])


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_the_published_ones(kind: str) -> None:
    """Catches: straight-through gradients to the logits instead of the mixed probabilities, or a cut recurrence."""
    rssm, config, arrays, seen = observe(kind)
    losses = kl_losses(config.loss, seen.post, seen.prior, "categorical", config.net.unimix)
    assert_close(losses["dyn"], arrays["observe/dyn"])
    (losses["dyn"].mean() + 0.1 * losses["rep"].mean()).backward()
    for ours, theirs in official_names(config, ("rssm",)).items():
        want = arrays[f"grads/{theirs.removeprefix('dyn/')}"]
        got = rssm.get_parameter(ours.removeprefix("rssm.")).grad
        assert got is not None
        assert_close(got, want.t() if ours.endswith(".weight") else want, 1e-3, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_imagination_is_the_published_one(kind: str) -> None:
    """Catches: imagination that uses the posterior, or takes its sample from the step before."""
    rssm, _, arrays = golden(kind)
    state = RssmState(arrays["in/deter0"], arrays["in/stoch0"])
    actions = vectors(arrays["imagine/action"], rssm.actions)
    for t in range(actions.shape[1]):
        state, prior = rssm.img_step(state, actions[:, t], given=arrays["imagine/stoch_sample"][:, t])
        assert_close(state.deter, arrays["imagine/deter"][:, t])
        assert_close(prior, arrays["imagine/prior_logits"][:, t])


SMALL: dict[str, Any] = {"deter": 16, "hidden": 6, "units": 8, "stoch": 3, "depth": 2}
SPACE = SpaceConfig(actions=2, discrete=False)
NETS: dict[str, NetConfig] = {
    "v1": replace(v1(SPACE).net, **SMALL),
    "v2": replace(v2(SPACE).net, **SMALL, classes=4),
    "v2_gaussian": replace(v2(SPACE, "crafter").net, **SMALL, classes=1, latent="gaussian"),
    "v3_2023": replace(v3_2023(SPACE).net, **SMALL, classes=4),
    "v3": replace(v3(SPACE).net, **SMALL, classes=4, blocks=4),
    "v3_deeper": replace(v3(SPACE).net, **SMALL, classes=4, blocks=2, dyn_layers=2, post_layers=2),
}


def random_rssm(net: NetConfig) -> Rssm:
    torch.manual_seed(0)
    rssm = Rssm(net, 2, 5)
    with torch.no_grad():
        for parameter in rssm.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return rssm


class Forced:
    """Draws that give the rows of one sequence of noise, step by step."""

    def __init__(self, noise: Tensor) -> None:
        self.noise, self.at = noise, 0

    def uniform(self, *shape: int) -> Tensor:
        self.at += 1
        return self.noise[:, self.at - 1].reshape(shape)

    normal = uniform


@pytest.mark.parametrize("name", NETS)
def test_scan_equals_single_steps(name: str) -> None:
    """Catches: a part hoisted out of the recurrence that depends on the state, in values or in gradients."""
    net = NETS[name]
    rssm = random_rssm(net)
    generator = torch.Generator().manual_seed(1)
    batch, steps = 3, 5
    tokens = torch.randn(batch, steps, 5, generator=generator, requires_grad=True)
    actions = 2 * torch.randn(batch, steps, 2, generator=generator)
    reset = torch.zeros(batch, steps, dtype=torch.bool)
    reset[0, 0] = reset[1, 2] = reset[2, 4] = True
    state = RssmState(torch.randn(batch, net.deter, generator=generator), torch.rand(batch, net.stoch, net.classes))
    make = TorchDraws(torch.Generator().manual_seed(2))
    noise = (make.uniform if net.latent == "categorical" else make.normal)(batch, steps, net.stoch)

    seen = rssm.observe(state, tokens, actions, reset, TorchDraws(torch.Generator().manual_seed(2)))
    draws, now, rows = Forced(noise), state, []
    for t in range(steps):
        now, post, prior = rssm.obs_step(now, actions[:, t], tokens[:, t], reset[:, t], draws)
        rows.append((now.deter, now.stoch, post, prior))
    alone = Observed(*(torch.stack(part, 1) for part in zip(*rows, strict=True)))

    mixes = {key: torch.randn(value.shape, generator=generator) for key, value in vars(seen).items()}
    wanted = [*rssm.parameters(), tokens]
    grads = []
    for one in (seen, alone):
        total = torch.stack([(mixes[key] * value).sum() for key, value in vars(one).items()]).sum()
        grads.append(torch.autograd.grad(total, wanted))
    for key, value in vars(alone).items():
        assert_close(getattr(seen, key), value, 1e-4, 1e-5)
    for got, want in zip(*grads, strict=True):
        assert_close(got, want, 1e-3, 1e-4)


@pytest.mark.parametrize("name", NETS)
def test_forced_samples_are_the_drawn_ones(name: str) -> None:
    """Catches: forcing a sample that changes values or gradients compared with drawing it."""
    rssm = random_rssm(NETS[name])
    state = rssm.initial(4)
    action = torch.randn(4, 2)
    drawn, _ = rssm.img_step(state, action, TorchDraws(torch.Generator().manual_seed(0)))
    forced, _ = rssm.img_step(state, action, given=drawn.stoch.detach())
    assert_close(forced.stoch, drawn.stoch)
    mix = torch.randn_like(drawn.stoch)
    parameters = list(rssm.prior_out.parameters())
    pair = [torch.autograd.grad((one.stoch * mix).sum(), parameters, retain_graph=True) for one in (forced, drawn)]
    for got, want in zip(*pair, strict=True):
        assert_close(got, want, 1e-4, 1e-5)


def test_temperature_narrows_the_latent() -> None:
    """Catches: a temperature that divides before the uniform share is mixed in, or noise at temperature zero."""
    rssm = random_rssm(NETS["v3"])
    stats = 2 * torch.randn(1, 3, 4)
    draws = TorchDraws(torch.Generator().manual_seed(0))
    mode = F.one_hot(stats.argmax(-1), 4).float()
    assert torch.equal(rssm.sample(stats, temperature=0.0).round(), mode)
    shares = [rssm.sample(stats.expand(4000, -1, -1), draws, t).mean(0) for t in (0.3, 1.0, 3.0)]
    assert bool((shares[0] * mode[0]).sum() > (shares[1] * mode[0]).sum() > (shares[2] * mode[0]).sum())
    mixed = 0.99 * stats[0].softmax(-1) + 0.01 / 4
    assert_close(shares[2], (mixed.log() / 3).softmax(-1), 0, 0.05)
    gaussian = random_rssm(NETS["v1"])
    flat = torch.tensor([[1.0, 2.0, 3.0, 0.5, 0.5, 0.5]]).expand(4000, -1)
    values = gaussian.sample(flat, draws, 2.0).squeeze(-1)
    assert_close(values.std(0), torch.ones(3), 0, 0.06)
    assert_close(gaussian.sample(flat[:1], temperature=0.0), torch.tensor([[[1.0], [2.0], [3.0]]]))


def test_sampling_needs_noise() -> None:
    """Catches: a silent fall-back to the global random numbers."""
    rssm = random_rssm(NETS["v3"])
    with pytest.raises(ValueError, match="neither draws nor a given sample"):
        rssm.img_step(rssm.initial(1), torch.zeros(1, 2))


@pytest.mark.parametrize("name", NETS)
def test_scan_under_autocast(name: str) -> None:
    """Catches: a recurrent state, logits or samples that come out in bfloat16, or a scan that mixes types."""
    rssm = random_rssm(NETS[name])
    inputs = torch.randn(2, 4, 5), torch.randn(2, 4, 2), torch.zeros(2, 4, dtype=torch.bool)
    draws = TorchDraws(torch.Generator().manual_seed(0))
    exact = rssm.observe(rssm.initial(2), *inputs, draws)
    with torch.autocast("cpu", torch.bfloat16):
        seen = rssm.observe(rssm.initial(2), *inputs, given=exact.stoch.detach())
        step, prior = rssm.img_step(seen.last(), inputs[1][:, 0], given=exact.stoch[:, 0].detach())
        rssm.obs_step(seen.last(), inputs[1][:, 0], inputs[0][:, 0], inputs[2][:, 0], given=exact.stoch[:, 0].detach())
    assert {value.dtype for value in [*vars(seen).values(), step.deter, prior]} == {torch.float32}
    assert_close(seen.deter, exact.deter, 0.1, 0.1)
    (seen.post.square().sum() + seen.prior.square().sum()).backward()
