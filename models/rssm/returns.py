"""Lambda-returns, the weights of imagined steps, and the normaliser of returns. All float32, batch first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PERCENTILES = (0.05, 0.95)


def backward_sum(one_step: Tensor, decay: Tensor, end: Tensor) -> Tensor:
    """x_t = one_step_t + decay_t x_{t+1} over (N, n), with x_n = end (N,)."""
    out: list[Tensor] = []
    for step, factor in zip(reversed(one_step.unbind(1)), reversed(decay.unbind(1)), strict=True):
        end = step + factor * end
        out.append(end)
    return torch.stack(out[::-1], 1)


def lambda_return_v3(reward: Tensor, cont: Tensor, value: Tensor, lam: float) -> Tensor:
    """Returns (N, H) of imagined states 0 .. H-1; reward, cont and value are (N, H + 1) (spec section 8).

    Reward and continuation are those of the state arrived at. ``cont`` already holds the discount.
    """
    live, boot = cont[:, 1:], value[:, 1:]
    return backward_sum(reward[:, 1:] + live * (1 - lam) * boot, live * lam, value[:, -1])


def replay_return(
    reward: Tensor, last: Tensor, terminated: Tensor, boot: Tensor, discount: float, lam: float
) -> Tensor:
    """Returns (B, T - 1) along real sequences; all inputs are (B, T), the flags bool (spec section 8).

    boot: an estimate of every state's return, taken over in full where the sequence is cut (``last``).
    """
    live = (1 - terminated[:, 1:].float()) * discount
    onward = (1 - last[:, 1:].float()) * lam
    return backward_sum(reward[:, 1:] + live * (1 - onward) * boot[:, 1:], live * onward, boot[:, -1])


def lambda_return_v12(reward: Tensor, cont: Tensor, value: Tensor, bootstrap: Tensor, lam: float) -> Tensor:
    """Returns (N, n) where reward, continuation and value (N, n) of a step belong to the same state (V1, V2).

    bootstrap (N,): the value of the state after the last.
    """
    following = torch.cat([value[:, 1:], bootstrap[:, None]], 1)
    return backward_sum(reward + cont * (1 - lam) * following, cont * lam, bootstrap)


def weights_v3(cont: Tensor) -> Tensor:
    """(N, n) probability, discounted, that a state still counts: the product of ``cont`` up to and with it."""
    return cont.detach().cumprod(1)


def weights_v12(cont: Tensor) -> Tensor:
    """(N, n) the same without the state's own: the first state weighs one."""
    return torch.cat([torch.ones_like(cont[:, :1]), cont[:, :-1]], 1).detach().cumprod(1)


class ReturnNorm(nn.Module):
    """Running 5th and 95th percentile of returns; their distance, at least 1, divides advantages (spec section 8).

    Both start at zero and are not corrected for it, so the scale stays 1 until returns have spread.
    """

    lo: Tensor
    hi: Tensor

    def __init__(self, rate: float = 0.01) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("lo", torch.zeros(()))
        self.register_buffer("hi", torch.zeros(()))

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        """Take a batch of returns of any shape into account."""
        flat = returns.detach().float().flatten()
        low, high = torch.quantile(flat, torch.tensor(PERCENTILES, device=flat.device)).unbind()
        self.lo.lerp_(low, self.rate)
        self.hi.lerp_(high, self.rate)

    def scale(self) -> Tensor:
        """What advantages are divided by; a scalar of at least 1, without gradient."""
        return (self.hi - self.lo).clamp(min=1.0).clone()

    def forward(self, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Update, then the offset and the scale."""
        self.update(returns)
        return self.lo.clone(), self.scale()
