"""Scalars over long ranges: symlog, and predictions as a softmax over fixed bins (two-hot).

All maths is float32, whatever the dtype of the inputs and under autocast too.
"""

from __future__ import annotations

import math
from functools import cache, cached_property
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)
LIMIT = 20.0
"""Bins of scalar predictions reach this far in symlog space."""


def symlog(x: Tensor) -> Tensor:
    """sign(x) ln(1 + |x|)."""
    return x.sign() * x.abs().log1p()


def symexp(x: Tensor) -> Tensor:
    """The inverse of ``symlog``: sign(x) (exp(|x|) - 1)."""
    return x.sign() * x.abs().expm1()


def symexp_bins(n: int, device: torch.device | str | None = None) -> Tensor:
    """(n,) bins in raw space, exponentially spaced and exactly antisymmetric; even n has zero twice."""
    half = symexp(torch.linspace(-LIMIT, 0, (n + 1) // 2, device=device))
    return torch.cat([half, -half.flip(0)[n % 2 :]])


def symlog_bins(n: int, device: torch.device | str | None = None) -> Tensor:
    """(n,) uniform bins in symlog space."""
    return torch.linspace(-LIMIT, LIMIT, n, device=device)


@cache
def bins_of(kind: Literal["symexp", "symlog"], n: int, device: torch.device) -> Tensor:
    """The bins of a kind, made once per device; ordinary tensors even when first asked for in inference mode."""
    with torch.inference_mode(False), torch.no_grad():
        return symexp_bins(n, device) if kind == "symexp" else symlog_bins(n, device)


def neighbours(target: Tensor, bins: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of every target: the bins below and above (indices, int64) and the weight of the one below.

    Weights are linear between the two bins; a target beyond the ends sits on the end bin.
    """
    target = target.float().contiguous()
    count = torch.searchsorted(bins, target, right=True)
    below, above = (count - 1).clamp(min=0), count.clamp(max=len(bins) - 1)
    to_below, to_above = (bins[below] - target).abs(), (bins[above] - target).abs()
    beyond = below == above
    to_below, to_above = to_below.masked_fill(beyond, 1.0), to_above.masked_fill(beyond, 1.0)
    return below, above, to_above / (to_below + to_above)


def twohot(target: Tensor, bins: Tensor) -> Tensor:
    """(...) to (..., n): weights on the two bins around every target, which sum to one."""
    below, above, weight = neighbours(target, bins)
    out = torch.zeros(*target.shape, len(bins), device=target.device)
    out.scatter_add_(-1, below.unsqueeze(-1), weight.unsqueeze(-1))
    return out.scatter_add_(-1, above.unsqueeze(-1), (1 - weight).unsqueeze(-1))


class TwoHot:
    """A scalar as a softmax over fixed bins (spec section 1).

    logits (..., n). kind "symexp": bins in raw space (V3); "symlog": uniform bins in symlog space (V3 of 2023).
    Targets and predictions are raw values (...).
    """

    def __init__(self, logits: Tensor, kind: Literal["symexp", "symlog"] = "symexp") -> None:
        self.logits = logits.float()
        self.kind = kind
        self.bins = bins_of(kind, logits.shape[-1], logits.device)

    @cached_property
    def log_probs(self) -> Tensor:
        with torch.enable_grad():  # kept for later, so with its gradient whoever asks first
            return F.log_softmax(self.logits, -1)

    def mean(self) -> Tensor:
        """(...) expected value. Opposite bins are summed in pairs, so zero logits give exactly zero."""
        products = F.softmax(self.logits, -1) * self.bins
        n = products.shape[-1]
        low, high = products[..., : n // 2], products[..., (n + 1) // 2 :]
        total = (low.flip(-1) + high).sum(-1)
        if n % 2:
            total = products[..., n // 2] + total
        return symexp(total) if self.kind == "symlog" else total

    def loss(self, target: Tensor) -> Tensor:
        """(...) cross-entropy to the two-hot of the raw target, which gets no gradient."""
        target = target.detach().float()
        below, above, weight = neighbours(symlog(target) if self.kind == "symlog" else target, self.bins)
        log_probs = self.log_probs.gather(-1, torch.stack([below, above], -1))
        return -(weight * log_probs[..., 0] + (1 - weight) * log_probs[..., 1])


class UnitNormal:
    """A scalar predicted as the mean (...) of a normal with standard deviation 1 (V1, V2)."""

    def __init__(self, mean: Tensor) -> None:
        self.value = mean.float()

    def mean(self) -> Tensor:
        return self.value

    def log_prob(self, target: Tensor) -> Tensor:
        return -0.5 * (target.float() - self.value).square() - 0.5 * LOG_2PI

    def loss(self, target: Tensor) -> Tensor:
        """(...) negative log-likelihood of the raw target, which gets no gradient."""
        return -self.log_prob(target.detach())
