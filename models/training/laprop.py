"""Optimisers of the Dreamer family: LaProp with adaptive clipping (V3), Adam as TensorFlow computes it (V1, V2).

Both keep only tensors of their own per parameter (step, exp_avg, exp_avg_sq), so a checkpoint resumes them exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

FLOOR = 1e-3
"""Adaptive clipping takes no parameter's norm for smaller than this."""


@torch.no_grad()
def agc_(parameters: Iterable[Tensor], clip: float = 0.3, floor: float = FLOOR) -> None:
    """Scale each gradient in place to a norm of at most clip * max(floor, norm of its parameter), tensor by tensor."""
    params = [p for p in parameters if p.grad is not None]
    if clip and params:
        clip_grads([p.grad for p in params if p.grad is not None], params, clip, floor)


def clip_grads(grads: list[Tensor], params: list[Tensor], clip: float, floor: float = FLOOR) -> None:
    bound = clip * torch.stack(torch._foreach_norm(params)).clamp(min=floor)
    factor = 1 / (torch.stack(torch._foreach_norm(grads)) / bound).clamp(min=1.0)
    torch._foreach_mul_(grads, list(factor.unbind()))


class MomentOptimizer(torch.optim.Optimizer):
    """What both share: groups of parameters at the same step with their two moments."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient; gradients may be changed in place."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self.before()
        for group in self.param_groups:
            for count, params in self.by_step(group["params"]).items():
                self.update(params, count, group)
        return loss

    def before(self) -> None:
        """Runs once before the groups are updated."""

    def update(self, params: list[Tensor], count: int, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def by_step(self, params: list[Tensor]) -> dict[int, list[Tensor]]:
        """Parameters with a gradient by the number of this update (from 1), their state made and advanced."""
        steps: dict[int, list[Tensor]] = {}
        for param in params:
            if param.grad is None:
                continue
            state = self.state[param]
            if not state:
                state["step"] = torch.zeros(())
                state["exp_avg"] = torch.zeros_like(param, memory_format=torch.preserve_format)
                state["exp_avg_sq"] = torch.zeros_like(param, memory_format=torch.preserve_format)
            state["step"] += 1
            steps.setdefault(int(state["step"]), []).append(param)
        return steps

    def moments(self, params: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Gradients, first and second moments."""
        grads = [p.grad for p in params if p.grad is not None]
        return grads, [self.state[p]["exp_avg"] for p in params], [self.state[p]["exp_avg_sq"] for p in params]


class LaProp(MomentOptimizer):
    """LaProp with adaptive gradient clipping (spec section 9).

    A gradient is clipped, divided by the root of its second moment, and only then averaged: other than with Adam, the
    momentum is of normalised gradients. Update n, from 0, has the rate lr n / warmup until ``warmup``: the first one
    changes nothing. Decay is added to the update before the rate. agc 0 switches clipping off.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 4e-5,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-20,
        agc: float = 0.3,
        warmup: int = 0,
        weight_decay: float = 0.0,
    ) -> None:
        check(lr, betas, eps)
        defaults = {"lr": lr, "betas": betas, "eps": eps, "agc": agc, "warmup": warmup, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    def update(self, params: list[Tensor], count: int, group: dict[str, Any]) -> None:
        (beta1, beta2), decay = group["betas"], group["weight_decay"]
        grads, mean, square = self.moments(params)
        if group["agc"]:
            clip_grads(grads, params, group["agc"])
        torch._foreach_mul_(square, beta2)
        torch._foreach_addcmul_(square, grads, grads, 1 - beta2)
        size = torch._foreach_div(square, 1 - beta2**count)
        torch._foreach_sqrt_(size)
        torch._foreach_add_(size, group["eps"])
        torch._foreach_lerp_(mean, torch._foreach_div(grads, size), 1 - beta1)
        rate = group["lr"] * (min(1.0, (count - 1) / group["warmup"]) if group["warmup"] else 1.0)
        if decay:
            torch._foreach_mul_(params, 1 - rate * decay)
        torch._foreach_add_(params, mean, alpha=-rate / (1 - beta1**count))


class TfAdam(MomentOptimizer):
    """Adam with epsilon outside of the bias correction, as TensorFlow has it (spec section 13).

    clip: global norm that the gradients of all groups together are scaled down to; 0 for none. weight_decay: share by
    which every parameter shrinks before its update, whatever the rate.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-7,
        weight_decay: float = 0.0,
        clip: float = 0.0,
    ) -> None:
        check(lr, betas, eps)
        self.clip = clip
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def before(self) -> None:
        if self.clip:
            params = [p for group in self.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(params, self.clip)

    def update(self, params: list[Tensor], count: int, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        grads, mean, square = self.moments(params)
        torch._foreach_lerp_(mean, grads, 1 - beta1)
        torch._foreach_mul_(square, beta2)
        torch._foreach_addcmul_(square, grads, grads, 1 - beta2)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["weight_decay"])
        size = torch._foreach_sqrt(square)
        torch._foreach_add_(size, group["eps"])
        rate = group["lr"] * math.sqrt(1 - beta2**count) / (1 - beta1**count)
        torch._foreach_addcdiv_(params, mean, size, -rate)


def check(lr: float, betas: tuple[float, float], eps: float) -> None:
    if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"optimizer: got lr {lr}, betas {betas}, eps {eps}, expected lr, eps >= 0 and betas in [0, 1)")
