"""Looks inside an RSSM: its latents, what was expected of them, and what reality made of that."""

from __future__ import annotations

import torch
from torch import Tensor

from models.nn.distributions import Normal, OneHot
from models.rssm.core import Rssm, RssmState
from models.types import View

STOCH, DETER = "stoch", "deter"
EDITABLE = (STOCH, DETER)


def latent(name: str, value: Tensor, editable: bool = False) -> View:
    """(B, S, K) as a grid of rows, or of single numbers (K = 1) as a vector (B, S)."""
    if value.shape[-1] == 1:
        return View(name, "vector", value.squeeze(-1), editable=editable)
    return View(name, "one_hot_grid", value, editable=editable)


def expectation(rssm: Rssm, stats: Tensor) -> Tensor:
    """(B, S, K) probabilities, or means of a gaussian latent (B, S, 1)."""
    dist = rssm.dist(stats)
    return dist.probs if isinstance(dist, OneHot) else dist.mean.unsqueeze(-1)


def state_views(rssm: Rssm, state: RssmState, prior: Tensor) -> tuple[View, ...]:
    """What a state holds, and the prior (stats) from which its latent was drawn."""
    views = [latent(STOCH, state.stoch, editable=True), latent("prior", expectation(rssm, prior))]
    if rssm.net.latent == "gaussian":
        views.append(View("prior deviation", "vector", prior.chunk(2, -1)[1]))
    return (*views, View(DETER, "vector", state.deter, editable=True))


def divergence(rssm: Rssm, post: Tensor, prior: Tensor) -> Tensor:
    """KL(posterior || prior) of every latent, (B, S) nats."""
    if rssm.net.latent == "categorical":
        p, q = OneHot(post, rssm.net.unimix), OneHot(prior, rssm.net.unimix)
        return (p.probs * (p.log_probs - q.log_probs)).sum(-1)
    mine, other = (Normal(*(part.unsqueeze(-1) for part in stats.chunk(2, -1))) for stats in (post, prior))
    return mine.kl(other)


def reality_views(rssm: Rssm, post: Tensor, prior: Tensor) -> tuple[View, ...]:
    """What an observed frame changed: the posterior, how far it is from the prior in every latent and in all (nats)."""
    kl = divergence(rssm, post, prior)
    return (
        latent("posterior", expectation(rssm, post)),
        View("kl", "vector", kl),
        View("surprise", "scalar", kl.sum(-1)),
    )


def edited(rssm: Rssm, state: RssmState, name: str, value: Tensor) -> RssmState:
    """The state with its view ``name`` set; rows of categorical latents are scaled to a sum of 1.

    Raises ValueError: another view, another shape, numbers that are not finite, a category's row without weight.
    """
    if name not in EDITABLE:
        raise ValueError(f"edit: got view {name!r}, expected one of {EDITABLE}")
    old = state.deter if name == DETER else state.stoch
    categorical = rssm.net.latent == "categorical"
    want = tuple(old.shape) if name == DETER or categorical else tuple(old.shape[:-1])
    if tuple(value.shape) != want or not bool(value.isfinite().all()):
        raise ValueError(f"edit {name}: got shape {tuple(value.shape)}, expected finite numbers of shape {want}")
    value = value.to(old).clone()
    if name == DETER:
        return RssmState(value, state.stoch)
    if not categorical:
        return RssmState(state.deter, value.unsqueeze(-1))
    weight = value.sum(-1, keepdim=True)
    if bool((value < 0).any()) or bool((weight <= 0).any()):
        raise ValueError(f"edit {name}: got negative weights or a row without any, expected one category or a mix")
    return RssmState(state.deter, value / weight)


def fixed_noise(rssm: Rssm, count: int, device: torch.device) -> Tensor:
    """(count, S), the same at every call: what is drawn with it changes only as the distribution does."""
    generator = torch.Generator().manual_seed(0)
    make = torch.rand if rssm.net.latent == "categorical" else torch.randn
    return make(count, rssm.net.stoch, generator=generator).to(device)
