"""Heads against the published ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.nn.distributions import TwoHot, UnitNormal, actor_dist, bernoulli_loss
from models.rssm.config import RssmConfig, SpaceConfig, v1, v2, v3_2023
from models.rssm.heads import Head, actor_head, actor_kind, cont_head, critic_head, reward_head, scalar_dist
from tests.dreamer_golden import Arrays, assert_close, dreamer
from tests.dreamer_nets import load_part, tiny_v3

SIZES: dict[str, Any] = {"deter": 8, "stoch": 1, "classes": 1, "units": 10, "bins": 15, "reward_layers": 2}
LAYERS: dict[str, Any] = {"cont_layers": 2, "actor_layers": 2, "critic_layers": 2}


def config_of(discrete: bool = True) -> RssmConfig:
    return tiny_v3(SpaceConfig(actions=4 if discrete else 3, discrete=discrete), **SIZES, **LAYERS)


def outputs(head: Head, part: str, arrays: Arrays, config: RssmConfig) -> Tensor:
    load_part(head, part, arrays.at("weights"), config)
    return head(dreamer("heads")["x"])


def test_reward_and_value_are_the_published_ones() -> None:
    """Catches: bins or targets in symlog space, where the published ones are exponentially spaced."""
    config, arrays = config_of(), dreamer("heads").at("twohot")
    for make, part in ((reward_head, "rew"), (critic_head, "val")):
        out = outputs(make(config), part, arrays, config)
        assert_close(out, arrays["logits"])
        dist = scalar_dist(config.net, out)
        assert_close(dist.loss(dreamer("heads")["scalar_target"]), arrays["loss"])
        assert_close(dist.mean(), arrays["pred"], rtol=1e-4)  # sums of bins up to 4.9e8


def test_continuation_is_the_published_one() -> None:
    """Catches: a flag of the end where the head says going on, or targets that are made hard."""
    config, arrays = config_of(), dreamer("heads").at("continue")
    out = outputs(cont_head(config), "con", arrays, config).squeeze(-1)
    assert_close(out, arrays["logit"])
    assert_close(out.sigmoid(), arrays["prob1"])
    assert_close(bernoulli_loss(out, dreamer("heads")["con_target"]), arrays["loss"])


def test_discrete_actor_is_the_published_one() -> None:
    """Catches: uniform noise mixed into the policy, which the published code leaves out."""
    config, arrays = config_of(), dreamer("heads").at("policy_disc")
    dist = actor_dist(actor_kind(config), outputs(actor_head(config), "pol", arrays, config))
    action = torch.nn.functional.one_hot(dreamer("heads")["action_disc"].long(), 4).float()
    assert_close(dist.log_prob(action), arrays["logp"])
    assert_close(dist.entropy(), arrays["entropy"])
    assert torch.equal(dist.mode().argmax(-1), arrays["mode"].long())


def test_continuous_actor_is_the_published_one() -> None:
    """Catches: deviations read from the means' layer."""
    config, arrays = config_of(discrete=False), dreamer("heads").at("policy_cont")
    dist = actor_dist(actor_kind(config), outputs(actor_head(config), "pol", arrays, config))
    assert_close(dist.mode(), arrays["mean"])
    assert_close(dist.std, arrays["stddev"])
    assert_close(dist.log_prob(dreamer("heads")["action_cont"]), arrays["logp"])
    assert_close(dist.entropy(), arrays["entropy"])


def test_v3_starts_with_zero_rewards_and_a_uniform_policy() -> None:
    """Catches: heads whose first predictions are wild: the scale of the last layer's start left at one."""
    config = tiny_v3(SpaceConfig(actions=4))
    x = torch.randn(5, config.net.feature)
    for make in (reward_head, critic_head):
        assert not scalar_dist(config.net, make(config)(x)).mean().any()
    actor, cont = actor_head(config)(x), cont_head(config)(x)
    assert 0 < float(actor.detach().abs().max()) < 0.1
    assert float(cont.detach().abs().max()) > 0.1


@pytest.mark.parametrize(("make", "kind"), [(v1, "tanh_normal"), (v2, "trunc_normal"), (v3_2023, "bounded_normal")])
def test_older_versions_have_their_own_outputs(make: Any, kind: str) -> None:
    """Catches: a version with another one's scalar or actor."""
    config = make(SpaceConfig(actions=3, discrete=False))
    config = replace(config, net=replace(config.net, deter=8, units=8, stoch=2, classes=1))
    x = torch.randn(5, config.net.feature)
    assert actor_kind(config) == kind
    assert actor_head(config)(x).shape == (5, 6)
    dist = scalar_dist(config.net, reward_head(config)(x))
    assert isinstance(dist, TwoHot if make is v3_2023 else UnitNormal)
    assert dist.mean().shape == (5,)
