"""Actor and critic losses against the published code's numbers, element by element and in their gradients."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.distributions import Normal, OneHot, Policy, TruncNormal, TwoHot, UnitNormal, actor_dist
from models.rssm.behaviour import Imagined, SlowTarget, imagined_losses, losses_v2, replay_value_loss
from models.rssm.config import BehaviourConfig
from models.rssm.returns import ReturnNorm
from tests.dreamer_golden import Arrays, assert_close, dreamer

V3 = BehaviourConfig("v3")
ENTROPY = 2e-3
"""V2's scale in the golden runs."""


def norm_at(lo: Tensor, hi: Tensor) -> ReturnNorm:
    norm = ReturnNorm()
    norm.lo.copy_(lo)
    norm.hi.copy_(hi)
    return norm


@pytest.mark.parametrize("scale", [0, 400])
@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("kind", ["disc", "cont"])
def test_v3_against_golden(kind: str, target: int, scale: int) -> None:
    """Catches: the start weighed one, an advantage before the normaliser's update, a slow critic's distribution as a
    target, entropies without weight, log-probabilities of clipped actions."""
    g = dreamer("actor_critic").at("imag")
    want = g.at(f"{kind}/slowtar{target}/retscale{scale}")
    logits = g["value_logits"].requires_grad_()
    slow = TwoHot(g["slow_value_logits"]).mean()
    critic = TwoHot(logits)
    if kind == "disc":
        inputs = {"logits": g["policy_logits"].requires_grad_()}
        policy: Policy = OneHot(inputs["logits"])
        action = F.one_hot(g["action_disc"].long(), 4).float()
    else:
        inputs = {name: g[f"policy_{name}"].requires_grad_() for name in ("mean", "std")}
        policy = Normal(inputs["mean"], inputs["std"])
        action = g["action_cont"]
    value = slow if target else critic.mean()
    norm = norm_at(want["retnorm_lo_before"], want["retnorm_hi_before"])
    losses = imagined_losses(V3, Imagined(policy, action, g["rew"], g["con"], value, critic, slow), norm)
    assert_close(losses.ret, want["ret"], 1e-3, 1e-4)
    assert_close(losses.actor, want["policy_loss"], 1e-3, 1e-4)
    assert_close(losses.critic, want["value_loss"], 1e-3, 1e-4)
    assert_close(norm.lo, want["retnorm_lo_after"], 1e-3, 1e-4)
    assert_close(norm.hi, want["retnorm_hi_after"], 1e-3, 1e-4)
    assert_close(losses.metrics["advantage"], want["metric_adv"], 1e-3, 1e-4)
    (losses.actor.mean() + losses.critic.mean()).backward()
    assert_close(grad_of(logits), want["grad_value_logits"], 1e-3, 1e-5)
    for name, leaf in inputs.items():
        assert_close(grad_of(leaf), want[f"grad_policy_{name}"], 1e-3, 1e-4)


def grad_of(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad


def test_replayed_values_against_golden() -> None:
    """Catches: values learned across the end of an episode, a discount applied twice or not at all."""
    g = dreamer("actor_critic").at("replay")
    logits = g["value_logits"].requires_grad_()
    slow = TwoHot(g["slow_value_logits"]).mean()
    loss = replay_value_loss(
        V3,
        critic=TwoHot(logits),
        slow_value=slow,
        boot=g["boot"],
        reward=g["rew"],
        last=g["last"],
        terminated=g["term"],
    )
    assert_close(loss, g["repval_loss"], 1e-3, 1e-4)
    loss.mean().backward()
    assert_close(grad_of(logits), g["grad_value_logits_of_mean"], 1e-3, 1e-5)


class Elu(nn.Module):
    """V2's head with the golden weights: two hidden layers, one or two outputs."""

    def __init__(self, weights: Arrays) -> None:
        super().__init__()
        self.names = weights.names()
        self.weights = nn.ParameterList([nn.Parameter(weights[name]) for name in self.names])

    def layer(self, name: str, x: Tensor) -> Tensor:
        at = dict(zip(self.names, self.weights, strict=True))
        return x @ at[f"{name}/kernel"] + at[f"{name}/bias"]

    def forward(self, x: Tensor) -> Tensor:
        for i in range(2):
            x = F.elu(self.layer(f"dense{i}", x))
        outputs = [self.layer(f"out/{name}", x) for name in ("out", "std") if f"out/{name}/kernel" in self.names]
        return torch.cat(outputs, -1)


def v2_case(case: str) -> SimpleNamespace:
    """Networks and imagined states of a golden run; the run's steps come first, here the batch does."""
    g = dreamer("v2_tf_behavior").at(case)
    actor, critic, slow = (Elu(g.at(f"{name}/weights")) for name in ("actor", "critic", "target_critic"))
    seq = {name: g[f"seq/{name}"].transpose(0, 1) for name in ("feat", "action", "reward", "discount", "weight")}
    kind = "trunc_normal" if case.endswith("cont") else "onehot"
    policy = actor_dist(kind, actor(seq["feat"]))
    taken = torch.cat([seq["action"][:, 1:], torch.zeros_like(seq["action"][:, :1])], 1)
    critic_dist = UnitNormal(critic(seq["feat"]).squeeze(-1))
    value = slow(seq["feat"]).squeeze(-1).detach()
    seen = Imagined(policy, taken, seq["reward"], seq["discount"], value, critic_dist)
    return SimpleNamespace(g=g, actor=actor, critic=critic, seen=seen, weight=seq["weight"])


@pytest.mark.parametrize(("case", "mix"), [("reinforce_disc", 0.0), ("dynamics_cont", 1.0), ("both_disc", 0.1)])
def test_v2_against_golden(case: str, mix: float) -> None:
    """Catches: the return of the state itself in place of the next one's, a baseline of the online critic,
    an action of the step before, weights off by one."""
    run: Any = v2_case(case)
    config = BehaviourConfig("v2", entropy=ENTROPY, slow_reg=0.0)
    losses = losses_v2(config, run.seen, mix)
    assert_close(losses.ret.T, run.g["target"])
    assert_close(losses.weight, run.weight[:, :-1])
    assert_close(losses.actor.mean(), run.g["actor_loss"])
    assert_close(losses.critic.mean(), run.g["critic_loss"])
    assert_close(losses.metrics["entropy"], run.g["actor_ent_mean"])
    losses.critic.mean().backward()
    assert_grads(run.critic, run.g.at("grad_critic"))
    if f"{case}/grad_actor/dense0/kernel" in dreamer("v2_tf_behavior"):
        losses.actor.mean().backward()
        assert_grads(run.actor, run.g.at("grad_actor"))


def assert_grads(network: Elu, want: Arrays) -> None:
    for name, param in zip(network.names, network.weights, strict=True):
        assert_close(grad_of(param), want[name], 1e-3, 1e-5)


def some_states(n: int = 3, horizon: int = 5, actions: int = 4) -> Imagined:
    """Random predictions, all with gradient."""
    generator = torch.Generator().manual_seed(3)

    def leaf(*shape: int) -> Tensor:
        return torch.rand(n, horizon + 1, *shape, generator=generator).requires_grad_()

    action = F.one_hot(torch.randint(0, actions, (n, horizon + 1), generator=generator), actions).float()
    slow = leaf().detach()
    return Imagined(OneHot(leaf(actions)), action, leaf(), leaf(), leaf(), TwoHot(leaf(41)), slow)


def test_v2_replaces_the_continuation_of_the_start() -> None:
    """Catches: a start that ended its episode and still teaches."""
    seen = some_states()
    ended = replace(seen, start_cont=torch.tensor([0.0, 1.0, 1.0]))
    config = BehaviourConfig("v2", discount=0.9)
    losses = imagined_losses(config, ended, ReturnNorm())
    assert_close(losses.weight[:, :2], torch.tensor([[1.0, 0.0], [1.0, 0.9], [1.0, 0.9]]))
    assert not bool(losses.actor[0, 1:].any())


def test_v1_by_hand() -> None:
    """Catches: the start among V1's states, V3's arrival rewards, a bonus for entropy."""
    seen = replace(some_states(), critic=UnitNormal(torch.zeros(3, 6)))
    config = BehaviourConfig("v1", lam=0.9, actor_grad="dynamics")
    losses = imagined_losses(config, seen, ReturnNorm())
    reward, cont, value = (x[0].tolist() for x in (seen.reward, seen.cont, seen.value))
    following, returns = value[5], []
    for t in (4, 3, 2, 1):
        following = reward[t] + cont[t] * (0.1 * value[t + 1] + 0.9 * following)
        returns.insert(0, following)
    assert_close(losses.ret[0], torch.tensor(returns))
    weight = torch.tensor([1.0, cont[1], cont[1] * cont[2], cont[1] * cont[2] * cont[3]])
    assert_close(losses.weight[0], weight)
    assert_close(losses.actor[0], -weight * losses.ret[0])
    constant = 0.5 * torch.log(torch.tensor(2 * torch.pi))
    assert_close(losses.critic[0], weight * (0.5 * losses.ret[0] ** 2 + constant))


def test_v3_of_2023_by_hand() -> None:
    """Catches: soft continuation, a missing discount, a predicted flag of the start."""
    start = torch.tensor([1.0, 0.0, 1.0])
    seen = replace(some_states(), start_cont=start)
    config = BehaviourConfig("v3_2023", discount=0.9, lam=0.8)
    losses = imagined_losses(config, seen, ReturnNorm())
    for row in range(3):
        hard = [float(start[row]), *(float(c > 0.5) for c in seen.cont[row, 1:])]
        reward, value = seen.reward[row].tolist(), seen.value[row].tolist()
        following, returns, weights, weight = value[5], [], [], 1 / 0.9
        for t in (4, 3, 2, 1, 0):
            following = reward[t + 1] + 0.9 * hard[t + 1] * (0.2 * value[t + 1] + 0.8 * following)
            returns.insert(0, following)
        for t in range(5):
            weight *= 0.9 * hard[t]
            weights.append(weight)
        assert_close(losses.ret[row], torch.tensor(returns))
        assert_close(losses.weight[row], torch.tensor(weights))
    gain = seen.policy.log_prob(seen.action)[:, :5] * (losses.ret - seen.value[:, :5])
    assert_close(losses.actor, -losses.weight * (gain + 3e-4 * seen.policy.entropy()[:, :5]))


@pytest.mark.parametrize("version", ["v3", "v3_2023", "v2"])
def test_reinforce_teaches_the_policy_alone(version: str) -> None:
    """Catches: the actor's loss reaching rewards, values or the critic's logits."""
    seen = some_states()
    losses = imagined_losses(BehaviourConfig(version), seen, ReturnNorm())
    critic = seen.critic.logits if isinstance(seen.critic, TwoHot) else None
    assert critic is not None
    leaves = (seen.reward, seen.cont, seen.value, critic)
    grads = torch.autograd.grad(losses.actor.sum(), leaves, retain_graph=True, allow_unused=True)
    assert grads == (None, None, None, None)
    grads = torch.autograd.grad(losses.critic.sum(), leaves, allow_unused=True)
    assert grads[:3] == (None, None, None) and grads[3] is not None


@pytest.mark.parametrize("version", ["v1", "v2", "v3_2023"])
def test_dynamics_gradients_reach_what_was_imagined(version: str) -> None:
    """Catches: returns cut off from the actions that led to them."""
    seen = replace(some_states(), cont=torch.full((3, 6), 0.9))
    config = BehaviourConfig(version, actor_grad="dynamics")
    losses = imagined_losses(config, seen, ReturnNorm())
    grads = torch.autograd.grad(losses.actor.sum(), (seen.reward, seen.value))
    assert all(float(grad.abs().sum()) > 0 for grad in grads)
    assert float(grads[0][:, 2:-1].max()) < 0


def test_trunc_normal_policies_are_supported() -> None:
    """Catches: an entropy or density of another shape than the returns'."""
    seen = replace(some_states(), policy=TruncNormal(torch.zeros(3, 6, 2), torch.zeros(3, 6, 2)))
    seen = replace(seen, action=torch.zeros(3, 6, 2))
    assert imagined_losses(V3, seen, ReturnNorm()).actor.shape == (3, 5)


def test_shapes_are_checked() -> None:
    """Catches: values of H states that would be broadcast into nonsense."""
    seen = some_states()
    with pytest.raises(ValueError, match=r"imagined value: got shape \(3, 5\), expected \(3, 6\)"):
        replace(seen, value=seen.value[:, :-1])


@pytest.mark.parametrize(("rate", "every"), [(0.02, 1), (1.0, 3), (0.1, 2)])
def test_slow_copy_against_golden(rate: float, every: int) -> None:
    """Catches: a copy that waits for its first period, a rate the wrong way round, a count lost in a checkpoint."""
    g = dreamer("slow_value").at(f"rate{rate:g}_every{every}")
    source, slow, target = nn.Linear(3, 4, bias=False), nn.Linear(3, 4, bias=False), SlowTarget()
    with torch.no_grad():
        slow.weight.copy_(g["slow_init"])
    for step in range(len(g["source"])):
        with torch.no_grad():
            source.weight.copy_(g["source"][step])
        target.update(source, slow, rate, every)
        assert_close(slow.weight, g["slow"][step], 1e-5, 1e-6)
        saved, target = target.state_dict(), SlowTarget()
        target.load_state_dict(saved)
