"""Losses of actor and critic on imagined states, and of the critic on real ones, for every version.

Pure functions over what the networks predicted. N sequences were imagined from real states, each of H + 1 states: the
start at index 0, then H successors. The spec's sections 8 (V3) and 13 (V1, V2) hold the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.distributions import Policy, TwoHot, UnitNormal
from models.rssm.config import BehaviourConfig
from models.rssm.returns import (
    ReturnNorm,
    lambda_return_v3,
    lambda_return_v12,
    replay_return,
    weights_v3,
    weights_v12,
)

Critic = TwoHot | UnitNormal


@dataclass(frozen=True)
class Imagined:
    """What was predicted on imagined states 0 .. H; all (N, H + 1), float32.

    policy: distribution over the actions of every state, with gradient to the actor only. action (N, H + 1, A): taken
    there; the last one is not used. reward, cont: predicted at the state itself, cont a probability as the head gives
    it. value: what targets are made of: the critic's own mean (V1, V3), the target critic's (V2). critic: its
    distribution, with gradient to the critic. slow_value: the slow critic's mean, for V3's regulariser. start_cont
    (N,): 1 where the start did not end its episode; V2 and V3 of 2023 take it in place of the prediction.

    With ``actor_grad`` "dynamics", reward, cont and value carry the gradient to the actions; with "reinforce" none.
    """

    policy: Policy
    action: Tensor
    reward: Tensor
    cont: Tensor
    value: Tensor
    critic: Critic
    slow_value: Tensor | None = None
    start_cont: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("cont", "value"):
            if getattr(self, name).shape != self.reward.shape:
                got, expected = tuple(getattr(self, name).shape), tuple(self.reward.shape)
                raise ValueError(f"imagined {name}: got shape {got}, expected {expected} as the reward's")


@dataclass(frozen=True)
class ImaginedLosses:
    """Losses per state, to be averaged: actor and critic (N, n), n = H, or H - 1 where the version drops a state.

    ret (N, n): the returns of the first n states (V1: of the first n successors). weight (N, n): that of the critic's
    loss, without gradient. metrics: scalars without gradient.
    """

    actor: Tensor
    critic: Tensor
    ret: Tensor
    weight: Tensor
    metrics: dict[str, Tensor]


def imagined_losses(config: BehaviourConfig, seen: Imagined, norm: ReturnNorm) -> ImaginedLosses:
    """Losses of the configured version. V3's normaliser of returns is updated, then used; V1 and V2 have none."""
    if config.version == "v1":
        return losses_v1(config, seen)
    if config.version == "v2":
        return losses_v2(config, seen)
    return losses_v3(config, seen, norm)


def losses_v3(config: BehaviourConfig, seen: Imagined, norm: ReturnNorm) -> ImaginedLosses:
    """V3, and V3 of 2023.

    Now ``cont`` holds the discount and the start's is predicted too. In 2023 the head was taken at its word (0 or 1),
    the start's flag was the true one, and the discount was multiplied in.
    """
    cont, weight = seen.cont, weights_v3(seen.cont)[:, :-1]
    if config.version == "v3_2023":
        hard = start_known((cont > 0.5).float(), seen.start_cont)
        cont = hard * config.discount
        weight = weights_v3(cont)[:, :-1] / config.discount
    ret = lambda_return_v3(seen.reward, cont, seen.value, config.lam)
    norm.update(ret)
    advantage = (ret - seen.value[:, :-1]) / norm.scale()
    entropy = seen.policy.entropy()[:, :-1]
    gain = policy_gain(config, seen, advantage)
    critic = critic_loss(seen.critic, ret, 0)
    if config.slow_reg and seen.slow_value is not None:
        critic = critic + config.slow_reg * seen.critic.loss(seen.slow_value)[:, :-1]
    metrics = summary(advantage, ret, weight, entropy) | {"return_scale": norm.scale()}
    return ImaginedLosses(-weight * (gain + config.entropy * entropy), weight * critic, ret, weight, metrics)


def losses_v2(config: BehaviourConfig, seen: Imagined, mix: float | None = None) -> ImaginedLosses:
    """V2: targets of a hard-copied critic, the actor judged by the return one state later.

    mix: share of the gradient through the dynamics, the rest is REINFORCE; None: all of the configured one.
    """
    cont = seen.cont if seen.start_cont is None else start_known(seen.cont, seen.start_cont * config.discount)
    weight = weights_v12(cont)[:, :-1]
    ret = lambda_return_v12(seen.reward[:, :-1], cont[:, :-1], seen.value[:, :-1], seen.value[:, -1], config.lam)
    later, share = ret[:, 1:], float(config.actor_grad == "dynamics") if mix is None else mix
    advantage = (later - seen.value[:, :-2]).detach()
    gain = share * later if share else torch.zeros_like(advantage)
    if share < 1:
        gain = gain + (1 - share) * seen.policy.log_prob(seen.action.detach())[:, :-2] * advantage
    entropy = seen.policy.entropy()[:, :-2]
    actor = -weight[:, :-1] * (gain + config.entropy * entropy)
    metrics = summary(advantage, ret, weight, entropy)
    return ImaginedLosses(actor, weight * critic_loss(seen.critic, ret, 0), ret, weight, metrics)


def losses_v1(config: BehaviourConfig, seen: Imagined) -> ImaginedLosses:
    """V1: the start is left out; the actor climbs the returns of the first H - 1 successors through the dynamics."""
    reward, cont, value = seen.reward[:, 1:], seen.cont[:, 1:], seen.value[:, 1:]
    ret = lambda_return_v12(reward[:, :-1], cont[:, :-1], value[:, :-1], value[:, -1], config.lam)
    weight = weights_v12(cont)[:, :-1]
    metrics = summary(ret - value[:, :-1], ret, weight, None)
    return ImaginedLosses(-weight * ret, weight * critic_loss(seen.critic, ret, 1), ret, weight, metrics)


def start_known(cont: Tensor, start: Tensor | None) -> Tensor:
    """Continuation with that of the start replaced."""
    return cont if start is None else torch.cat([start.to(cont)[:, None], cont[:, 1:]], 1)


def policy_gain(config: BehaviourConfig, seen: Imagined, advantage: Tensor) -> Tensor:
    """What the actor maximises at each state, entropy aside: the advantage itself, or log-probability times it."""
    if config.actor_grad == "dynamics":
        return advantage
    return seen.policy.log_prob(seen.action.detach())[:, :-1] * advantage.detach()


def critic_loss(critic: Critic, ret: Tensor, first: int) -> Tensor:
    """The critic's loss at states first .. first + n - 1 for returns (N, n)."""
    padded = F.pad(ret.detach(), (first, 1))
    return critic.loss(padded)[:, first:-1]


def replay_value_loss(
    config: BehaviourConfig,
    *,
    critic: Critic,
    slow_value: Tensor,
    boot: Tensor,
    reward: Tensor,
    last: Tensor,
    terminated: Tensor,
) -> Tensor:
    """V3's value loss on real sequences (B, T - 1), with gradient through the critic to the world model.

    All inputs are (B, T): boot the return imagined from each real state, slow_value the slow critic's mean, last and
    terminated bool.
    """
    ret = replay_return(reward, last, terminated, boot.detach(), config.discount, config.lam)
    loss = critic.loss(F.pad(ret, (0, 1))) + config.slow_reg * critic.loss(slow_value)
    return ((~last).float() * loss)[:, :-1]


@torch.no_grad()
def summary(advantage: Tensor, ret: Tensor, weight: Tensor, entropy: Tensor | None) -> dict[str, Tensor]:
    """Scalars that tell how learning goes."""
    out = {
        "advantage": advantage.mean(),
        "advantage_std": advantage.std(correction=0),
        "advantage_size": advantage.abs().mean(),
        "return": ret.mean(),
        "weight": weight.mean(),
    }
    return {**out, "entropy": entropy.mean()} if entropy is not None else out


class SlowTarget(nn.Module):
    """Counts updates of a slow copy of a network, so that copying every so often goes on where it was saved."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, source: nn.Module, slow: nn.Module, rate: float, every: int = 1) -> None:
        """Move the copy's parameters by ``rate`` towards the source's, at every ``every``-th call from the first."""
        due = every == 1 or int(self.count) % every == 0
        self.count += 1
        if due:
            torch._foreach_lerp_(list(slow.parameters()), list(source.parameters()), rate)
