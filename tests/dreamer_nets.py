"""Small Dreamer networks that carry published weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from models.rssm.config import RssmConfig, SpaceConfig, v3
from models.rssm.official import load_official_v3
from tests.dreamer_golden import Arrays


def images(x: Tensor) -> Tensor:
    """(..., H, W, C) to (..., C, H, W)."""
    return x.movedim(-1, -3)


def tiny_v3(space: SpaceConfig, **net: Any) -> RssmConfig:
    config = v3(space, "size1m")
    return replace(config, net=replace(config.net, **net))


def load_part(module: nn.Module, part: str, weights: Arrays, config: RssmConfig) -> None:
    """Published V3 weights, named without their part, into one part of the agent; strict."""
    theirs = {"rssm": "dyn"}.get(part, part)
    state = load_official_v3({f"{theirs}/{name}": a for name, a in weights.arrays.items()}, config, (part,))
    module.load_state_dict({name.removeprefix(f"{part}."): tensor for name, tensor in state.items()})


def copy_linear(module: nn.Module, weights: Arrays, name: str) -> None:
    """A published dense kernel (in, out), and its bias where it has one; strict."""
    state = {"weight": weights[f"{name}/kernel"].t()}
    if f"{name}/bias" in weights:
        state["bias"] = weights[f"{name}/bias"]
    module.load_state_dict(state)


def copy_norm(module: nn.Module, weights: Arrays, name: str) -> None:
    """A published layer norm's scale and offset, under either generation's names, into either of ours."""
    pick = ("gamma", "beta") if f"{name}/gamma" in weights else ("scale", "bias")
    values = [weights[f"{name}/{key}"] for key in pick]
    module.load_state_dict(dict(zip(module.state_dict(), values, strict=True)))


def copy_conv(module: nn.Module, weights: Arrays, name: str, flip: bool = False) -> None:
    """A published kernel (h, w, in, out), or (h, w, out, in) of a transposed convolution, mirrored where ``flip``."""
    kernel = weights[f"{name}/kernel"].permute(3, 2, 0, 1)
    state = {"weight": kernel.flip(-1, -2) if flip else kernel}
    if f"{name}/bias" in weights:
        state["bias"] = weights[f"{name}/bias"]
    module.load_state_dict(state)
