"""Between environment, replay and network: what is kept of a step, and how windows become a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rssm.config import RssmConfig
from models.rssm.model import Batch
from models.training.env_rows import Tick
from models.training.replay import Field, Windows


def replay_fields(config: RssmConfig) -> dict[str, Field]:
    """What is kept of every step; with stored latents also the state that the network had, in half precision."""
    space, net = config.space, config.net
    fields = {name: Field((size,), torch.float32) for name, size in space.vectors}
    if space.image:
        height, width, channels = space.image
        fields["image"] = Field((channels, height, width), torch.uint8)
    fields["action"] = Field((space.actions,), torch.float32)
    fields["reward"] = Field((), torch.float32)
    fields |= {name: Field((), torch.bool) for name in ("is_first", "is_last", "terminated")}
    if config.repval_stored:
        fields["deter"] = Field((net.deter,), torch.float16, rewritten=True)
        categorical = net.latent == "categorical"
        fields["stoch"] = Field((net.stoch,), torch.uint8 if categorical else torch.float16, rewritten=True)
    return fields


def keep_latents(config: RssmConfig, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """deter (..., D) and stoch (..., S, K) as the replay keeps them: a categorical one as its indices (..., S)."""
    stoch = latents["stoch"]
    return {
        "deter": latents["deter"],
        "stoch": stoch.argmax(-1) if config.net.latent == "categorical" else stoch.squeeze(-1),
    }


def keep_step(config: RssmConfig, tick: Tick, action: Tensor, latents: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One step of all rows: what was seen, and the action (B, A) chosen at it, zero where the episode is over."""
    step = {**tick.obs, "action": action * ~tick.is_last[:, None]}
    step |= {name: getattr(tick, name) for name in ("reward", "is_first", "is_last", "terminated")}
    if config.repval_stored:
        step |= {name: value.cpu() for name, value in keep_latents(config, latents).items()}
    return step


def to_batch(config: RssmConfig, windows: Windows) -> Batch:
    """Windows as the network trains on them.

    With stored latents a window's first step gives only the state and the action before the others.
    """
    data, skip = windows.data, int(config.repval_stored)
    rest = {name: value[:, skip:] for name, value in data.items()}
    names = [*(name for name, _ in config.space.vectors), *(["image"] if config.space.image else [])]
    deter, stoch, before = None, None, torch.zeros_like(data["action"][:, 0])
    if config.repval_stored:
        deter, before = data["deter"][:, 0].float(), data["action"][:, 0]
        first = data["stoch"][:, 0]
        stoch = first.float()[..., None] if first.is_floating_point() else F.one_hot(first.long(), config.net.classes)
        stoch = stoch.float()
    return Batch(
        obs={name: rest[name] for name in names},
        action=rest["action"],
        reward=rest["reward"],
        is_first=rest["is_first"],
        is_last=rest["is_last"],
        terminated=rest["terminated"],
        prev_action=before,
        deter=deter,
        stoch=stoch,
    )
