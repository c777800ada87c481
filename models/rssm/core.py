"""The recurrent state-space model: a deterministic recurrent state and a stochastic latent (PlaNet; Dreamer V1 to V3).

A state is deter (B, D) and stoch (B, S, K), float32: one-hot rows, or gaussian values with K = 1. ``stats`` are what a
distribution of stoch is made of: categorical logits (..., S, K), or gaussian (..., 2 S), means and then deviations.
Actions are float vectors (B, A); ``prev_action`` is the one that led to what is observed. Where a sample is drawn,
``given`` forces it, with the gradient it would have had.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.distributions import Normal, OneHot
from models.nn.draws import Draws
from models.rssm.cells import CELLS
from models.rssm.config import NetConfig
from models.rssm.layers import Linear, Mlp, cast

STD_FLOOR = 0.1
COLD = 1e-3
"""Temperatures below it are 0: log-probabilities divided by still smaller ones are no numbers any more."""


@dataclass(frozen=True)
class RssmState:
    """deter (B, D), stoch (B, S, K)."""

    deter: Tensor
    stoch: Tensor


@dataclass(frozen=True)
class Observed:
    """A sequence seen through the posterior: deter (B, T, D), stoch (B, T, S, K), posterior and prior stats."""

    deter: Tensor
    stoch: Tensor
    post: Tensor
    prior: Tensor

    def last(self) -> RssmState:
        return RssmState(self.deter[:, -1], self.stoch[:, -1])


class Rssm(nn.Module):
    """``actions``: width of an action vector. ``embed``: width of an encoder's token."""

    def __init__(self, net: NetConfig, actions: int, embed: int) -> None:
        super().__init__()
        self.net, self.actions, self.embed = net, actions, embed
        self.stats = net.flat if net.latent == "categorical" else 2 * net.stoch
        self.cell = CELLS[net.cell](net, actions)
        self.prior_mlp = Mlp(net.deter, net.hidden, net.prior_layers, net)
        self.prior_out = Linear(self.prior_mlp.size, self.stats, net.init)
        self.post_mlp = Mlp(net.deter + embed, net.hidden, net.post_layers, net)
        self.post_out = Linear(self.post_mlp.size, self.stats, net.init)
        self.start = nn.Parameter(torch.zeros(net.deter)) if net.initial == "learned" else None

    def initial(self, batch: int, device: torch.device | str | None = None) -> RssmState:
        """The state before anything was seen: zeros; or learned, tanh(w) and the mode of its prior (V3 of 2023)."""
        net = self.net
        if self.start is None:
            stoch = torch.zeros(batch, net.stoch, net.classes, device=device)
            return RssmState(torch.zeros(batch, net.deter, device=device), stoch)
        deter = self.start.float().tanh().expand(batch, -1)
        return RssmState(deter, self.sample(self.prior(deter), temperature=0.0))

    def dist(self, stats: Tensor) -> OneHot | Normal:
        if self.net.latent == "categorical":
            return OneHot(stats, self.net.unimix)
        return Normal(*stats.chunk(2, -1))

    def sample(self, stats: Tensor, draws: Draws | Tensor | None = None, temperature: float = 1.0) -> Tensor:
        """stoch (..., S, K). The temperature divides log-probabilities, multiplies deviations; below COLD: the mode."""
        dist = self.dist(stats)
        if temperature < COLD:
            mode = dist.mode()
            return dist.straight_through(mode) if isinstance(dist, OneHot) else mode.unsqueeze(-1)
        if draws is None:
            raise ValueError("rssm: got neither draws nor a given sample, expected one of them")
        if isinstance(dist, OneHot):
            return (dist if temperature == 1 else OneHot(dist.log_probs / temperature)).rsample(draws)
        return (dist if temperature == 1 else Normal(dist.mean, dist.std * temperature)).sample(draws).unsqueeze(-1)

    def force(self, stats: Tensor, given: Tensor) -> Tensor:
        """The sample ``given`` (..., S, K) as if it had been drawn."""
        dist = self.dist(stats)
        if isinstance(dist, OneHot):
            return dist.straight_through(given.float())
        noise = ((given.float().squeeze(-1) - dist.mean) / dist.std).detach()
        return dist.sample(noise).unsqueeze(-1)

    def prior(self, deter: Tensor) -> Tensor:
        """Stats of the latent as expected from deter (..., D) alone."""
        return self.to_stats(self.prior_out(self.prior_mlp(deter)))

    def to_stats(self, raw: Tensor) -> Tensor:
        raw = raw.float()
        if self.net.latent == "categorical":
            return raw.unflatten(-1, (self.net.stoch, self.net.classes))
        mean, std = raw.chunk(2, -1)
        std = F.softplus(std) if self.net.std == "softplus" else 2 * (std / 2).sigmoid()
        return torch.cat([mean, std + STD_FLOOR], -1)

    def feature(self, state: RssmState) -> Tensor:
        return self.feature_of(state.deter, state.stoch)

    def feature_of(self, deter: Tensor, stoch: Tensor) -> Tensor:
        """What heads see: (..., D + S K)."""
        return feature_of(self.net, deter, stoch)

    def img_step(
        self, state: RssmState, action: Tensor, draws: Draws | None = None, *, given: Tensor | None = None
    ) -> tuple[RssmState, Tensor]:
        """One step of imagination: the next state, its latent from the prior, and the prior's stats."""
        deter = self.cell(state.deter, state.stoch.flatten(1), action)
        prior = self.prior(deter)
        stoch = self.sample(prior, draws) if given is None else self.force(prior, given)
        return RssmState(deter, stoch), prior

    def obs_step(
        self,
        state: RssmState,
        prev_action: Tensor,
        token: Tensor,
        reset: Tensor,
        draws: Draws | None = None,
        *,
        given: Tensor | None = None,
    ) -> tuple[RssmState, Tensor, Tensor]:
        """One observed step: the next state, posterior and prior stats.

        token (B, E) of what is seen now; where reset (B,) the step begins from the initial state and no action.
        """
        keep = (~reset.bool()).unsqueeze(-1).to(torch.float32)
        begin = self.initial(reset.shape[0], reset.device)
        last = RssmState(begin.deter.lerp(state.deter, keep), begin.stoch.lerp(state.stoch, keep.unsqueeze(-1)))
        deter = self.cell(last.deter, last.stoch.flatten(1), prev_action * keep)
        post = self.to_stats(self.post_out(self.post_mlp(torch.cat([deter, token.float()], -1))))
        stoch = self.sample(post, draws) if given is None else self.force(post, given)
        return RssmState(deter, stoch), post, self.prior(deter)

    def observe(
        self,
        state: RssmState,
        tokens: Tensor,
        prev_actions: Tensor,
        reset: Tensor,
        draws: Draws | None = None,
        *,
        given: Tensor | None = None,
    ) -> Observed:
        """Many observed steps: tokens (B, T, E), prev_actions (B, T, A), reset (B, T), given (B, T, S, K).

        Equal to ``obs_step`` in a loop. What does not depend on the state is done for all steps at once: the actions'
        and the tokens' part of the first layers, the noise, the priors.
        """
        batch, steps = reset.shape
        keep = (~reset.bool()).unsqueeze(-1).to(torch.float32)
        actions = self.cell.inputs(prev_actions * keep).transpose(0, 1).unbind()
        first, *further = self.post_mlp.dense()
        weight_h, weight_e = first.linear.weight.split((self.net.deter, self.embed), 1)
        seen = F.linear(tokens, weight_e, first.linear.bias).transpose(0, 1).unbind()
        weight = cast(weight_h).t()
        noise = self.noise(batch, steps, draws) if given is None else given
        forced, begin, plan = given is not None, self.begin(batch, reset.device), self.cell.plan()
        deter, stoch = state.deter.float(), state.stoch.float().flatten(1)
        masks, now = keep.transpose(0, 1).unbind(), noise.transpose(0, 1).unbind()
        deters, stochs, posts = [], [], []
        for t in range(steps):
            if begin is None:
                deter, stoch = deter * masks[t], stoch * masks[t]
            else:
                deter, stoch = begin.deter.lerp(deter, masks[t]), begin.stoch.lerp(stoch, masks[t])
            deter = self.cell.step(plan, deter, stoch, actions[t])
            hidden = first.after(torch.addmm(seen[t], deter.to(weight.dtype), weight))
            for layer in further:
                hidden = layer(hidden)
            post = self.to_stats(self.post_out(hidden))
            sample = self.force(post, now[t]) if forced else self.sample(post, now[t])
            deters.append(deter)
            stochs.append(sample)
            posts.append(post)
            stoch = sample.flatten(1)
        deters_, posts_ = torch.stack(deters, 1), torch.stack(posts, 1)
        return Observed(deters_, torch.stack(stochs, 1), posts_, self.prior(deters_))

    def noise(self, batch: int, steps: int, draws: Draws | None) -> Tensor:
        if draws is None:
            raise ValueError("rssm: got neither draws nor given samples, expected one of them")
        make = draws.uniform if self.net.latent == "categorical" else draws.normal
        return make(batch, steps, self.net.stoch)

    def begin(self, batch: int, device: torch.device) -> RssmState | None:
        """The learned initial state with its latent flattened; None for zeros."""
        if self.start is None:
            return None
        state = self.initial(batch, device)
        return RssmState(state.deter, state.stoch.flatten(1))


def feature_of(net: NetConfig, deter: Tensor, stoch: Tensor) -> Tensor:
    """deter (..., D) and stoch (..., S, K) in the order of ``net.feature_order``: (..., D + S K)."""
    flat = stoch.flatten(-2)
    return torch.cat([deter, flat] if net.feature_order == "hz" else [flat, deter], -1)
