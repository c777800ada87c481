"""Exponential moving average of weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class Ema:
    """A shadow of a model: each update moves it by 1 - decay, with a warm-up so that early steps count less.

    The effective decay at update k is min(decay, (1 + k) / (10 + k)).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"EMA decay: got {decay}, expected 0 <= decay < 1")
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        shadows: list[Tensor] = list(self.model.parameters())
        values: list[Tensor] = list(model.parameters())
        torch._foreach_lerp_(shadows, values, 1 - decay)
        for shadow, value in zip(self.model.buffers(), model.buffers(), strict=True):
            shadow.copy_(value)

    def state(self) -> dict[str, Tensor]:
        return self.model.state_dict()
