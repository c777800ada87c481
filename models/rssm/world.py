"""An RSSM world behind the WorldModel contract: Dreamer V1 to V3, played and looked into."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.nn.precision import DTYPES, arithmetic, resolve
from models.nn.weights import load_weights, place
from models.nn.workers import release_workers
from models.rssm.actions import to_vector
from models.rssm.config import RssmConfig
from models.rssm.core import RssmState
from models.rssm.heads import scalar_dist
from models.rssm.model import RssmModel
from models.rssm.play import FastNet, PlayNet
from models.rssm.settings import RssmSettings
from models.rssm.views import edited, fixed_noise, reality_views, state_views
from models.types import Context, Prediction, View, WorldSpec
from models.world import Rng, check_frame

SAMPLES = 4
"""Decoded samples of the prior in a look inside."""


@dataclass(frozen=True)
class RssmPlayState:
    """What an RSSM dream remembers.

    image (B, 3, H, W) uint8: what was seen last; deter (B, D) and stoch (B, S, K) float32.
    """

    image: Tensor
    deter: Tensor
    stoch: Tensor

    @property
    def latent(self) -> RssmState:
        return RssmState(self.deter, self.stoch)


class RowDraws:
    """Noise of which every row's part comes from the row's own generator."""

    def __init__(self, rng: Rng, device: torch.device) -> None:
        self.rng, self.device = rng, device

    def uniform(self, *shape: int) -> Tensor:
        return self.rng.check(shape[0]).uniform(*shape[1:]).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        return self.rng.check(shape[0]).normal(*shape[1:]).to(self.device)


Nets = dict[torch.dtype | None, PlayNet]
"""The networks as they play on a processor, by the arithmetic of their pictures; None: as they are elsewhere."""


class RssmWorld:
    """The world model, played one step at a time: by its prior, or, told what really happened, by its posterior.

    On a processor its networks play rearranged (``models.rssm.play``), so their weights must not change once they have
    played; ``reference`` has them play as they are there too.
    """

    def __init__(
        self,
        spec: WorldSpec,
        model: RssmModel,
        settings: RssmSettings = RssmSettings(),
        *,
        reference: bool = False,
        nets: Nets | None = None,
    ) -> None:
        self.spec, self.settings, self.model, self.reference = spec, settings, model, reference
        self.nets: Nets = {} if nets is None else nets
        self.device = next(model.parameters()).device
        self.packs = self.device.type == "cpu" and not reference
        self.arithmetic = nullcontext if self.packs else arithmetic(settings.precision, self.device)

    @classmethod
    def load(
        cls,
        spec: WorldSpec,
        config: dict[str, Any],
        settings: dict[str, Any],
        weights: dict[str, Tensor],
        device: torch.device,
    ) -> RssmWorld:
        """Build from a world folder's values. Raises ValueError on whatever does not fit."""
        shape = RssmConfig.from_dict(config)
        space = shape.space
        got = (space.image, space.vectors, space.actions, space.discrete)
        want = ((spec.height, spec.width, 3), (), spec.actions.size, spec.actions.kind == "discrete")
        if got != want:
            raise ValueError(f"config.space: got {space}, expected the size and actions of {spec}, and no vectors")
        model = RssmModel(shape)
        load_weights(model, weights, "model")
        place(model, device)
        return cls(spec, model.eval().requires_grad_(False), RssmSettings().changed(settings))

    def weights(self) -> dict[str, Tensor]:
        """All tensors by name."""
        return dict(self.model.state_dict())

    def with_settings(self, **changes: Any) -> RssmWorld:
        settings = self.settings.changed(changes)
        return RssmWorld(self.spec, self.model, settings, reference=self.reference, nets=self.nets)

    def as_reference(self) -> RssmWorld:
        """This world played by the networks as they were trained, for comparison."""
        return RssmWorld(self.spec, self.model, self.settings, reference=True)

    @property
    def net(self) -> PlayNet:
        """The networks as they play."""
        dtype = DTYPES[resolve(self.settings.precision, self.device)] if self.packs else None
        if dtype not in self.nets:
            self.nets[dtype] = PlayNet(self.model) if dtype is None else FastNet(self.model, dtype)
        return self.nets[dtype]

    @torch.no_grad()
    def initial(self, context: Context, rng: Rng) -> RssmPlayState:
        """Burn in: the posterior over all frames of the context, from the state before anything was seen.

        Draws of a row: one latent's noise for every frame, at once.
        """
        context.check(self.spec)
        batch, length = context.frames.shape[:2]
        frames = context.frames.to(self.device)
        taken = to_vector(self.spec.actions, context.actions.to(self.device))
        prev_actions = torch.cat([taken.new_zeros(batch, 1, taken.shape[-1]), taken], dim=1)
        reset = torch.zeros(batch, length, dtype=torch.bool, device=self.device)
        reset[:, 0] = True
        rssm, draws = self.model.rssm, RowDraws(rng, self.device)
        begin, tokens = rssm.initial(batch, self.device), self.model.enc({"image": frames})
        last = rssm.observe(begin, tokens, prev_actions, reset, draws).last()
        release_workers()  # whoever starts a dream is seldom the thread that goes on with it
        return self.remember(frames[:, -1], last)

    @torch.no_grad()
    def step(
        self, state: RssmPlayState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[RssmPlayState, Prediction]:
        """One step of the prior.

        Draws of a row: where there is any context noise that, the latent's noise, with ``sample_events`` the end.
        """
        after, prior, seen = self.imagine(state, action, rng)
        reached = self.remember(seen.frame, after)
        if not inspect:
            return reached, seen
        return reached, Prediction(seen.frame, seen.reward, seen.terminated, self.looks(after, prior))

    @torch.no_grad()
    def observe(
        self, state: RssmPlayState, action: Tensor, frame: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[RssmPlayState, Prediction]:
        """One step of the posterior, which knows that ``action`` led to ``frame``.

        The prediction is exactly what ``step`` would have shown; the state's own picture is the real frame. Draws of a
        row: those of ``step``, then the posterior latent's noise.
        """
        check_frame(frame, self.spec, len(state.image))
        after, prior, expected = self.imagine(state, action, rng)
        rssm, frame = self.model.rssm, frame.to(self.device)
        token = self.model.enc({"image": frame[:, None]})[:, 0]
        post = rssm.to_stats(rssm.post_out(rssm.post_mlp(torch.cat([after.deter, token], -1))))
        known = RssmState(after.deter, rssm.sample(post, RowDraws(rng, self.device)))
        reached = self.remember(frame, known)
        if not inspect:
            return reached, expected
        strip = torch.stack([frame, self.picture(known), expected.frame], dim=1)
        views = (
            *self.looks(known, prior),
            *reality_views(rssm, post, prior),
            View("told", "film_strip", strip, ("real", "posterior", "prior")),
        )
        return reached, Prediction(expected.frame, expected.reward, expected.terminated, views)

    def frame(self, state: RssmPlayState) -> Tensor:
        return state.image

    def latent(self, state: RssmPlayState) -> Tensor:
        """Where a state is in the space of latents: (B, D) float32, what the recurrent state says of all that was.

        Without the sampled latent, which is a draw and says less about whether real play ever comes here.
        """
        return state.deter.float()

    @torch.no_grad()
    def inside(self, state: RssmPlayState) -> tuple[View, ...]:
        """The views of a state as it stands, without a step."""
        return self.looks(state.latent, self.model.rssm.prior(state.deter))

    @torch.no_grad()
    def edit(self, state: RssmPlayState, name: str, value: Tensor) -> RssmPlayState:
        """stoch or deter set by hand; the picture is decoded anew."""
        latent = edited(self.model.rssm, state.latent, name, value)
        return RssmPlayState(self.picture(latent), latent.deter.clone(), latent.stoch.clone())

    # -- inside

    def imagine(self, state: RssmPlayState, action: Tensor, rng: Rng) -> tuple[RssmState, Tensor, Prediction]:
        """The next state by the prior, the prior's stats, and what it shows."""
        rng.check(len(state.image))
        self.spec.actions.check(action, len(state.image))
        rssm, draws = self.model.rssm, RowDraws(rng, self.device)
        latent = state.latent
        if self.settings.context_noise > 0:
            loud = self.settings.context_noise * state.deter.std(-1, correction=0, keepdim=True)
            latent = RssmState(state.deter + loud * draws.normal(*state.deter.shape), state.stoch)
        deter = self.net.recur(latent, to_vector(self.spec.actions, action.to(self.device)))
        prior = rssm.prior(deter)
        after = RssmState(deter, rssm.sample(prior, draws, self.settings.temperature))
        feature = rssm.feature(after)
        reward = scalar_dist(self.model.config.net, self.model.rew(feature)).mean()
        going_on = self.model.con(feature).squeeze(-1).sigmoid()
        return after, prior, Prediction(self.picture(after), self.paid(reward), self.ended(going_on, rng))

    def picture(self, state: RssmState) -> Tensor:
        """(B, 3, H, W) uint8."""
        with self.arithmetic():
            return self.net.picture(state)

    def paid(self, reward: Tensor) -> Tensor:
        unit = self.settings.reward_unit
        return (reward.float().cpu() / unit).round() * unit

    def ended(self, going_on: Tensor, rng: Rng) -> Tensor:
        """(B,) bool from the probability that the game goes on, of which the head may have learned a discounted one."""
        loss, behaviour = self.model.config.loss, self.model.config.behaviour
        chance = going_on.cpu() / behaviour.discount if loss.cont_discounted else going_on.cpu()
        return chance <= rng.uniform() if self.settings.sample_events else chance < 0.5

    def remember(self, image: Tensor, state: RssmState) -> RssmPlayState:
        return RssmPlayState(image.clone(), state.deter.float().contiguous(), state.stoch.float().contiguous())

    def looks(self, state: RssmState, prior: Tensor) -> tuple[View, ...]:
        rssm, batch = self.model.rssm, len(state.deter)
        noise = fixed_noise(rssm, SAMPLES, self.device).repeat(batch, 1)
        others = rssm.sample(prior.repeat_interleave(SAMPLES, 0), noise, self.settings.temperature)
        strip = self.picture(RssmState(state.deter.repeat_interleave(SAMPLES, 0), others))
        labels = tuple(f"sample {k + 1}" for k in range(SAMPLES))
        samples = View("samples", "film_strip", strip.unflatten(0, (batch, SAMPLES)), labels)
        return (*state_views(rssm, state, prior), samples)
