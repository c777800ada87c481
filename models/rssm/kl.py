"""Divergence between what the RSSM believes after an observation (post) and before it (prior)."""

from __future__ import annotations

from torch import Tensor

from models.nn.distributions import Normal, OneHot
from models.rssm.config import Latent, LossConfig

Beliefs = OneHot | Normal


def beliefs(stats: Tensor, latent: Latent, unimix: float) -> Beliefs:
    """The distribution of one step's latents: logits (..., S, K), or (..., 2 S) mean and std of a gaussian one."""
    if latent == "categorical":
        return OneHot(stats, unimix)
    return Normal(*stats.chunk(2, -1))


def divergence(first: Beliefs, second: Beliefs) -> Tensor:
    """(B, T) KL(first || second), summed over the latents."""
    if isinstance(first, OneHot) and isinstance(second, OneHot):
        return first.kl(second).sum(-1)
    if isinstance(first, Normal) and isinstance(second, Normal):
        return first.kl(second)
    raise TypeError(f"divergence: got {type(first).__name__} and {type(second).__name__}, expected two of one kind")


def kl_losses(loss: LossConfig, post: Tensor, prior: Tensor, latent: Latent, unimix: float) -> dict[str, Tensor]:
    """The divergence losses, unscaled, by name.

    post, prior: categorical logits (B, T, S, K), or gaussian mean and std (B, T, 2 S). Returns, by ``loss.kl``:

    - "split" (V3, spec section 3): dyn (B, T) teaches the prior and rep (B, T) the posterior. Both are clipped from
      below at every step, where a clipped step has no gradient.
    - "balanced" (V2, section 13.2): kl, a scalar: ``balance`` parts for the prior, the rest for the posterior, each
      clipped after the mean over the batch.
    - "mean" (V1, section 13.1): kl, a scalar: the batch's mean, clipped, with gradient to both.

    And value (B, T): the divergence itself, without gradient.
    """
    q, p = beliefs(post, latent, unimix), beliefs(prior, latent, unimix)
    if loss.kl == "mean":
        value = divergence(q, p)
        return {"kl": value.mean().clamp(min=loss.free), "value": value.detach()}
    dyn, rep = divergence(q.detach(), p), divergence(q, p.detach())
    if loss.kl == "balanced":
        parts = dyn.mean().clamp(min=loss.free), rep.mean().clamp(min=loss.free)
        return {"kl": loss.balance * parts[0] + (1 - loss.balance) * parts[1], "value": dyn.detach()}
    return {"dyn": dyn.clamp(min=loss.free), "rep": rep.clamp(min=loss.free), "value": dyn.detach()}
