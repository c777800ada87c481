"""Tiny RSSM worlds with random weights, one of every version."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.grounded import GroundedWorld
from models.envs.real_world import RealWorld
from models.rssm.actions import space_of
from models.rssm.config import RssmConfig, v1, v2, v3, v3_2023
from models.rssm.model import RssmModel
from models.rssm.settings import RssmSettings
from models.rssm.world import RssmWorld
from models.types import ActionSpec, WorldSpec
from tests.tiny_worlds import randomise

DISCRETE = ActionSpec(("NOOP", "RIGHT", "LEFT"))
DRIVE = ActionSpec(("steer", "gas", "brake"), "continuous", (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0))
MAKES = {"v1": v1, "v2": v2, "v3_2023": v3_2023, "v3": v3}
SMALL = {"stoch": 4, "deter": 16, "hidden": 8, "units": 8, "depth": 4}
"""Widths of a network that takes a step in a millisecond."""


def tiny_rssm_config(version: str = "v3", actions: ActionSpec = DISCRETE) -> RssmConfig:
    """A version's configuration, tiny; images are 16 x 16, or 64 x 64 where its codec knows no other."""
    config = MAKES[version](space_of(actions, (64, 64, 3)))
    small = {**SMALL, "blocks": 2} if version == "v3" else dict(SMALL)
    if config.net.latent == "categorical":
        small["classes"] = 4
    if version == "v3":
        small["codec"] = "stride5"
    size = 64 if config.net.codec == "valid4" else 16
    space = replace(config.space, image=(size, size, 3))
    return replace(config, space=space, net=replace(config.net, **small))


def tiny_model(config: RssmConfig, seed: int = 0) -> RssmModel:
    """Random everywhere; its rewards stay near zero, as those of games do."""
    model = RssmModel(config)
    randomise(model, seed)
    bias = model.rew.out[0].bias
    if len(bias) > 1:
        bins = torch.arange(len(bias)) - len(bias) // 2
        bias.data = -(bins.float() / 2).square()
    return model


def tiny_rssm_world(
    version: str = "v3", actions: ActionSpec = DISCRETE, seed: int = 0, size: int | None = None
) -> RssmWorld:
    config = tiny_rssm_config(version, actions)
    if size is not None:
        config = replace(config, space=replace(config.space, image=(size, size, 3)))
    height, width, _ = config.space.image
    spec = WorldSpec(f"tiny {version}", "rssm", height, width, actions, context=3, fps=15.0)
    model = tiny_model(config, seed).eval().requires_grad_(False)
    return RssmWorld(spec, model, RssmSettings(precision="fp32"))


def grounded_pong() -> GroundedWorld:
    """A tiny world that is told what the real Pong does."""
    real = RealWorld("pong")
    return GroundedWorld(tiny_rssm_world("v3", real.spec.actions, size=real.spec.height), real)
