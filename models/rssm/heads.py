"""Heads over the state's feature: reward, continuation, critic, actor (spec section 6)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from models.nn.distributions import TwoHot, UnitNormal
from models.rssm.config import Actor, NetConfig, RssmConfig
from models.rssm.layers import Linear, Mlp

Use = Literal["reward", "cont", "critic", "actor"]


def outscale(net: NetConfig, use: Use) -> float:
    """Of the last layer at the start: V3 predicts zero rewards and values, and acts nearly uniformly."""
    if net.init == "glorot" or use == "cont":
        return 1.0
    if use == "actor":
        return 0.01 if net.init == "trunc_in" else 1.0
    return 0.0


class Head(nn.Module):
    """An MLP and its output layers, whose outputs are concatenated: feature (..., F) to (..., sum of outs), float32."""

    def __init__(self, net: NetConfig, layers: int, outs: tuple[int, ...], scale: float) -> None:
        super().__init__()
        self.mlp = Mlp(net.feature, net.units, layers, net)
        self.out = nn.ModuleList([Linear(self.mlp.size, size, net.init, scale) for size in outs])

    def forward(self, feature: Tensor) -> Tensor:
        hidden = self.mlp(feature)
        parts = [layer(hidden) for layer in self.out]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, -1)).float()


def scalar_size(net: NetConfig) -> int:
    return 1 if net.scalar == "normal" else net.bins


def reward_head(config: RssmConfig) -> Head:
    """Outputs for ``scalar_dist``."""
    net = config.net
    return Head(net, net.reward_layers, (scalar_size(net),), outscale(net, "reward"))


def cont_head(config: RssmConfig) -> Head:
    """(..., 1): the logit of going on."""
    net = config.net
    return Head(net, net.cont_layers, (1,), outscale(net, "cont"))


def critic_head(config: RssmConfig) -> Head:
    """Outputs for ``scalar_dist``."""
    net = config.net
    return Head(net, net.critic_layers, (scalar_size(net),), outscale(net, "critic"))


def actor_head(config: RssmConfig) -> Head:
    """(..., A) logits, or (..., 2 A): raw means and raw deviations, from a layer each."""
    net, space = config.net, config.space
    outs = (space.actions,) if space.discrete else (space.actions, space.actions)
    return Head(net, net.actor_layers, outs, outscale(net, "actor"))


def actor_kind(config: RssmConfig) -> Actor:
    """The kind of distribution that the actor's outputs are, for ``actor_dist``."""
    return "onehot" if config.space.discrete else config.net.actor_continuous


def actor_unimix(config: RssmConfig) -> float:
    """The uniform share of a discrete actor: V3 of 2023 mixes, the others do not."""
    return config.net.unimix if config.behaviour.version == "v3_2023" else 0.0


def scalar_dist(net: NetConfig, out: Tensor) -> TwoHot | UnitNormal:
    """A reward or value (...) from a head's outputs (..., n): it has ``mean()`` and ``loss(target)``."""
    if net.scalar == "normal":
        return UnitNormal(out.squeeze(-1))
    return TwoHot(out, "symexp" if net.scalar == "symexp_twohot" else "symlog")
