"""AdamW with DIAMOND's decay groups, and learning-rate schedules."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

DECAYED = (nn.Linear, nn.Conv2d, nn.LSTM, nn.LSTMCell)


def parameter_groups(model: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the decayed parameters (weights of linear, convolutional and LSTM layers) and of all others, sorted."""
    decay: set[str] = set()
    rest: set[str] = set()
    for prefix, module in model.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            full = f"{prefix}.{name}" if prefix else name
            (decay if isinstance(module, DECAYED) and name.startswith("weight") else rest).add(full)
    return sorted(decay), sorted(rest)


def adamw(model: nn.Module, lr: float, weight_decay: float, eps: float = 1e-8) -> torch.optim.AdamW:
    """Group 0 decays, group 1 does not; betas 0.9 and 0.999."""
    parameters = dict(model.named_parameters())
    decay, rest = parameter_groups(model)
    groups = [
        {"params": [parameters[name] for name in decay], "weight_decay": weight_decay},
        {"params": [parameters[name] for name in rest], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.999), eps=eps)


def lr_factor(progress: float, step: int, warmup: int, schedule: Literal["constant", "cosine"]) -> float:
    """Factor on the learning rate at 0-based update ``step``; progress in [0, 1] of the whole training.

    Linear warm-up step / warmup (so the first update has 0), times a half cosine down to 0.02 where asked for.
    """
    warm = min(1.0, step / warmup) if warmup else 1.0
    if schedule == "constant":
        return warm
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress)))))
