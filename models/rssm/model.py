"""The RSSM world model: encoder, recurrent model, decoder, heads of reward and continuation, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from models.nn.distributions import bernoulli_loss
from models.nn.draws import Draws
from models.rssm.codec import Decoder, Encoder
from models.rssm.config import RssmConfig
from models.rssm.core import Observed, Rssm, RssmState
from models.rssm.heads import cont_head, reward_head, scalar_dist
from models.rssm.kl import kl_losses
from models.rssm.recon import recon_losses

MEAN_EDGE = 0.02
"""How near to black and white the decoder's mean picture comes: a logit further out would hardly move."""


@dataclass(frozen=True)
class Batch:
    """Sequences of real play, as the networks see them.

    obs: image (B, T, C, H, W) uint8 and vectors (B, T, n) float32, by name. action (B, T, A) float32, one-hot or in
    [-1, 1], taken at step t. reward (B, T) float32 and terminated (B, T) bool arrived with the observation of step t.
    is_first: the first observation of an episode; is_last: its last one, terminated or cut off. prev_action (B, A): the
    one before the first step. deter (B, D), stoch (B, S, K): the state before the first step, None for the initial one.
    """

    obs: Mapping[str, Tensor]
    action: Tensor
    reward: Tensor
    is_first: Tensor
    is_last: Tensor
    terminated: Tensor
    prev_action: Tensor
    deter: Tensor | None = None
    stoch: Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.reward.shape)
        for name in ("action", "is_first", "is_last", "terminated"):
            got = tuple(getattr(self, name).shape[:2])
            if got != shape:
                raise ValueError(f"batch.{name}: got {got} as first dimensions, expected {shape} as the rewards have")

    @property
    def prev_actions(self) -> Tensor:
        """The action that led to each step, (B, T, A)."""
        return torch.cat([self.prev_action[:, None], self.action[:, :-1]], dim=1)

    def to(self, device: torch.device) -> Batch:
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, obs={name: value.to(device) for name, value in self.obs.items()}, **moved)


class RssmModel(nn.Module):
    """The world model of every version; ``models.rssm.agent.Agent`` adds who acts in it."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        self.config = config
        self.enc = Encoder(config)
        self.rssm = Rssm(config.net, config.space.actions, self.enc.size)
        self.dec = Decoder(config)
        self.rew = reward_head(config)
        self.con = cont_head(config)

    @torch.no_grad()
    def set_mean(self, mean: Tensor) -> None:
        """Tell a ``centred`` codec the mean picture of the data, (C, H, W) in [0, 1]; no other has use for it."""
        encoder, decoder = self.enc.image, self.dec.image
        if encoder is not None and encoder.mean is not None:
            encoder.mean.copy_(mean)
            decoder.offset.copy_(mean.clamp(MEAN_EDGE, 1 - MEAN_EDGE).logit())  # type: ignore[union-attr, operator]

    def observe(self, batch: Batch, draws: Draws, given: Tensor | None = None) -> tuple[Observed, Tensor]:
        """The posterior over whole sequences, and the encoder's tokens (B, T, E).

        given: samples (B, T, S, K) to take in place of drawn ones.
        """
        tokens = self.enc(batch.obs)
        state = self.rssm.initial(len(batch.reward), batch.reward.device)
        if batch.deter is not None and batch.stoch is not None:
            state = RssmState(batch.deter.float(), batch.stoch.float())
        return self.rssm.observe(state, tokens, batch.prev_actions, batch.is_first, draws, given=given), tokens

    def losses(self, batch: Batch, seen: Observed) -> dict[str, Tensor]:
        """Unscaled losses by name: one for each decoded key, rew, con, and the divergences of ``kl_losses``.

        (B, T) each, V1's and V2's ``kl`` a scalar.
        """
        config, feature = self.config, self.rssm.feature_of(seen.deter, seen.stoch)
        predicted = self.dec(seen.deter, seen.stoch)
        losses = dict(recon_losses(config, predicted, batch.obs))
        losses["rew"] = scalar_dist(config.net, self.rew(feature)).loss(batch.reward)
        losses["con"] = bernoulli_loss(self.con(feature).float().squeeze(-1), self.continue_target(batch.terminated))
        return losses | kl_losses(config.loss, seen.post, seen.prior, config.net.latent, config.net.unimix)

    def continue_target(self, terminated: Tensor) -> Tensor:
        """(B, T): 1 where the game goes on, times the discount where the head carries it."""
        target = (~terminated).float()
        return target * self.config.behaviour.discount if self.config.loss.cont_discounted else target

    def scales(self) -> dict[str, float]:
        """What each loss counts in the sum; whatever is not named is a decoded key and counts 1."""
        loss = self.config.loss
        return {
            "rew": loss.reward_scale,
            "con": loss.cont_scale,
            "dyn": loss.dyn,
            "rep": loss.rep,
            "kl": loss.scale,
            "value": 0.0,
        }

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The scalar to minimise: every loss's mean, scaled."""
        scales = self.scales()
        return torch.stack([scales.get(name, 1.0) * value.mean() for name, value in losses.items()]).sum()

    def loss(self, batch: Batch, draws: Draws) -> tuple[Tensor, Observed, dict[str, float]]:
        """The world model's loss alone, the states found on the way, and means to log."""
        seen, _ = self.observe(batch, draws)
        losses = self.losses(batch, seen)
        return self.total(losses), seen, {name: float(value.detach().mean()) for name, value in losses.items()}
