"""Distributions of the Dreamer networks: latents, actions, scalar predictions, continue flags.

All maths is float32, whatever the dtype of the inputs and under autocast too. A noise argument is either the numbers
themselves or a source of them. Distributions of actions share ``sample(noise)``, ``rsample(noise)`` (with gradient),
``log_prob(action)``, ``entropy()`` and ``mode()``; actions are (..., A), log-probabilities and entropies (...).
"""

from __future__ import annotations

import math
from functools import cache, cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.draws import Draws
from models.nn.scalars import (
    LOG_2PI,
    TwoHot,
    UnitNormal,
    neighbours,
    symexp,
    symexp_bins,
    symlog,
    symlog_bins,
    twohot,
)

__all__ = [
    "BoundedNormal",
    "Normal",
    "OneHot",
    "Policy",
    "TanhNormal",
    "TruncNormal",
    "TwoHot",
    "UnitNormal",
    "actor_dist",
    "bernoulli_loss",
    "neighbours",
    "symexp",
    "symexp_bins",
    "symlog",
    "symlog_bins",
    "twohot",
]

NEAR_ONE = 1 - 2.0**-24
EDGE = 1e-6
START_STD = 5.0


class OneHot:
    """A categorical over the last axis of logits (..., K), its values one-hot vectors.

    unimix: share of a uniform distribution mixed into the probabilities; everything below uses the mixed ones.
    """

    def __init__(self, logits: Tensor, unimix: float = 0.0) -> None:
        self.logits = logits.float()
        self.unimix = unimix

    @cached_property
    def probs(self) -> Tensor:
        """(..., K) float32."""
        with torch.enable_grad():  # kept for later, so with its gradient whoever asks first
            probs = F.softmax(self.logits, -1)
            return (1 - self.unimix) * probs + self.unimix / probs.shape[-1] if self.unimix else probs

    @cached_property
    def log_probs(self) -> Tensor:
        """(..., K) float32."""
        with torch.enable_grad():
            return self.probs.log() if self.unimix else F.log_softmax(self.logits, -1)

    def detach(self) -> OneHot:
        """The same distribution, cut off from the gradient."""
        other = OneHot(self.logits.detach(), self.unimix)
        other.log_probs, other.probs = self.log_probs.detach(), self.probs.detach()
        return other

    def sample(self, noise: Tensor | Draws) -> Tensor:
        """One-hot (..., K) by the inverse of the cumulative distribution at uniform numbers (...); no gradient."""
        uniform = noise if isinstance(noise, Tensor) else noise.uniform(*self.logits.shape[:-1])
        ends = self.probs.detach().cumsum(-1)
        reached = ends <= uniform.unsqueeze(-1) * ends[..., -1:]
        index = reached.sum(-1, keepdim=True).clamp(max=ends.shape[-1] - 1)
        return torch.zeros_like(ends).scatter_(-1, index, 1.0)

    def straight_through(self, onehot: Tensor) -> Tensor:
        """The same values with the gradient of the probabilities."""
        return onehot + (self.probs - self.probs.detach())

    def rsample(self, noise: Tensor | Draws) -> Tensor:
        """A sample with the straight-through gradient."""
        return self.straight_through(self.sample(noise))

    def log_prob(self, onehot: Tensor) -> Tensor:
        """(...) of one-hot values (..., K)."""
        return (onehot * self.log_probs).sum(-1)

    def entropy(self) -> Tensor:
        return -(self.probs * self.log_probs).sum(-1)

    def mode(self) -> Tensor:
        """The most probable value, one-hot; without gradient."""
        index = self.logits.argmax(-1, keepdim=True)
        return torch.zeros_like(self.logits).scatter_(-1, index, 1.0)

    def kl(self, other: OneHot) -> Tensor:
        """(...) KL(this || other), summed over the classes."""
        return (self.probs * (self.log_probs - other.log_probs)).sum(-1)


class Normal:
    """Independent normals: mean and std (..., n). Densities, entropies and divergences are summed over n."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.mean = mean.float()
        self.std = std.float()

    def detach(self) -> Normal:
        """The same distribution, cut off from the gradient."""
        return Normal(self.mean.detach(), self.std.detach())

    def sample(self, noise: Tensor | Draws) -> Tensor:
        """(..., n) from standard normal numbers of that shape, reparameterised."""
        normal = noise if isinstance(noise, Tensor) else noise.normal(*self.mean.shape)
        return self.mean + self.std * normal

    rsample = sample

    def log_prob(self, value: Tensor) -> Tensor:
        scaled = (value - self.mean) / self.std
        return (-0.5 * scaled.square() - self.std.log() - 0.5 * LOG_2PI).sum(-1)

    def entropy(self) -> Tensor:
        return (self.std.log() + 0.5 * (1 + LOG_2PI)).sum(-1)

    def mode(self) -> Tensor:
        return self.mean

    def kl(self, other: Normal) -> Tensor:
        """(...) KL(this || other)."""
        ratio = (self.std / other.std).square()
        gap = ((self.mean - other.mean) / other.std).square()
        return 0.5 * (ratio + gap - 1 - ratio.log()).sum(-1)


def bernoulli_loss(logit: Tensor, target: Tensor) -> Tensor:
    """(...) cross-entropy of a flag; targets may be soft, in [0, 1]."""
    return F.binary_cross_entropy_with_logits(logit.float(), target.detach().float(), reduction="none")


@cache
def hermite(points: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights that integrate against the standard normal density."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(points)
    return tuple(nodes.tolist()), tuple((weights / weights.sum()).tolist())


class BoundedNormal(Normal):
    """V3: mean tanh(raw), std 0.9 sigmoid(raw + 2) + 0.1. Samples are not clipped."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__(mean.float().tanh(), 0.9 * (std.float() + 2).sigmoid() + 0.1)


class TanhNormal:
    """V1: tanh of a normal with mean 5 tanh(raw / 5) and std softplus(raw + ln(e^5 - 1)) + 1e-4."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        shift = math.log(math.expm1(START_STD))
        self.base = Normal(5 * (mean.float() / 5).tanh(), F.softplus(std.float() + shift) + 1e-4)

    def sample(self, noise: Tensor | Draws) -> Tensor:
        """(..., A) in [-1, 1] from standard normal numbers, reparameterised."""
        return self.base.sample(noise).tanh()

    rsample = sample

    def log_prob(self, action: Tensor) -> Tensor:
        before = action.float().clamp(-NEAR_ONE, NEAR_ONE).atanh()
        return self.base.log_prob(before) - log_slope(before).sum(-1)

    def entropy(self) -> Tensor:
        """By quadrature: the normal's entropy and the expected log of tanh's slope."""
        nodes, weights = (torch.tensor(values, device=self.base.mean.device) for values in hermite(32))
        points = self.base.mean.unsqueeze(-1) + self.base.std.unsqueeze(-1) * nodes
        return self.base.entropy() + (log_slope(points) * weights).sum((-1, -2))

    def mode(self) -> Tensor:
        """Of every component the densest of 101 evenly spaced quantiles: with a wide normal the mode is no mean."""
        levels = (torch.arange(101, device=self.base.mean.device) + 0.5) / 101
        z = torch.special.ndtri(levels)
        points = self.base.mean.unsqueeze(-1) + self.base.std.unsqueeze(-1) * z
        best = (-0.5 * z.square() - log_slope(points)).argmax(-1, keepdim=True)
        return points.gather(-1, best).squeeze(-1).tanh()


def log_slope(x: Tensor) -> Tensor:
    """ln(1 - tanh(x)^2), without the loss of digits for large x."""
    return 2 * (math.log(2) - x - F.softplus(-2 * x))


class TruncNormal:
    """V2: a normal cut to [-1, 1] with mean tanh(raw) and std 2 sigmoid(raw / 2) + 0.1."""

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        self.loc = mean.float().tanh()
        self.std = 2 * (std.float() / 2).sigmoid() + 0.1
        self.low, self.high = (-1 - self.loc) / self.std, (1 - self.loc) / self.std
        self.below = torch.special.ndtr(self.low)
        self.mass = torch.special.ndtr(self.high) - self.below

    @property
    def mean(self) -> Tensor:
        return self.loc + self.std * (density(self.low) - density(self.high)) / self.mass

    def sample(self, noise: Tensor | Draws) -> Tensor:
        """(..., A) from uniform numbers, reparameterised; kept 1e-6 off the ends without touching the gradient."""
        uniform = noise if isinstance(noise, Tensor) else noise.uniform(*self.loc.shape)
        level = (self.below + uniform * self.mass).clamp(EDGE, 1 - EDGE)
        action = self.loc + self.std * torch.special.ndtri(level)
        return action + (action.clamp(-1 + EDGE, 1 - EDGE) - action).detach()

    rsample = sample

    def log_prob(self, action: Tensor) -> Tensor:
        """(...); minus infinity outside of [-1, 1]."""
        scaled = (action.float() - self.loc) / self.std
        inside = -0.5 * scaled.square() - 0.5 * LOG_2PI - self.std.log() - self.mass.log()
        return inside.masked_fill(action.abs() > 1, -math.inf).sum(-1)

    def entropy(self) -> Tensor:
        edges = (self.low * density(self.low) - self.high * density(self.high)) / (2 * self.mass)
        return (0.5 * (1 + LOG_2PI) + self.std.log() + self.mass.log() + edges).sum(-1)

    def mode(self) -> Tensor:
        return self.loc


def density(x: Tensor) -> Tensor:
    """Of the standard normal."""
    return (-0.5 * x.square() - 0.5 * LOG_2PI).exp()


Policy = OneHot | BoundedNormal | TanhNormal | TruncNormal
CONTINUOUS: dict[str, type[BoundedNormal | TanhNormal | TruncNormal]] = {
    "tanh_normal": TanhNormal,
    "trunc_normal": TruncNormal,
    "bounded_normal": BoundedNormal,
}


def actor_dist(kind: str, outputs: Tensor, unimix: float = 0.0) -> Policy:
    """The distribution that a policy head's raw outputs stand for.

    outputs: (..., A) logits for "onehot", otherwise (..., 2 A): raw means, then raw standard deviations.
    """
    if kind == "onehot":
        return OneHot(outputs, unimix)
    if kind not in CONTINUOUS or outputs.shape[-1] % 2:
        raise ValueError(
            f"policy: got kind {kind!r} with {outputs.shape[-1]} outputs, expected onehot or one of "
            f"{tuple(CONTINUOUS)}, "
            "with a mean and a standard deviation per component where it is continuous"
        )
    mean, std = outputs.chunk(2, -1)
    return CONTINUOUS[kind](mean, std)
