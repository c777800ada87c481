"""A Dreamer agent: the world model, and the actor and the critic that learn inside of it (spec section 8).

V3 learns everything in one joint update; V1, V2 and V3 of 2023 update model, actor and critic apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from models.nn.distributions import Policy, actor_dist
from models.nn.draws import Draws
from models.rssm.behaviour import Imagined, ImaginedLosses, SlowTarget, imagined_losses, replay_value_loss
from models.rssm.config import RssmConfig
from models.rssm.core import Observed, RssmState
from models.rssm.heads import actor_head, actor_kind, actor_unimix, critic_head, scalar_dist
from models.rssm.model import Batch, RssmModel
from models.rssm.returns import ReturnNorm

Arithmetic = Callable[[], AbstractContextManager[Any]]
Carry = Mapping[str, Tensor]


class Optimizers(Protocol):
    """What applies gradients: ``models.training.optimizers``. Groups: model, actor, critic; or all of them at once."""

    def step(self, loss: Tensor, group: str) -> dict[str, float]:
        """Differentiate a loss, update the group's parameters, forget all gradients; scalars to log."""
        ...


@dataclass(frozen=True)
class Trajectory:
    """Imagined states 0 .. H, the start at index 0: deter (N, H + 1, D), stoch (N, H + 1, S, K), action (N, H + 1, A).

    prior: its statistics at 1 .. H.
    """

    deter: Tensor
    stoch: Tensor
    action: Tensor
    prior: Tensor


@dataclass(frozen=True)
class Given:
    """Samples to take in place of drawn ones: post (B, T, S, K), stoch (N, H, S, K), action (N, H + 1, A)."""

    post: Tensor
    stoch: Tensor
    action: Tensor


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Inside, gradients pass through these modules but not into them."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


class Agent(RssmModel):
    """World model, actor, critic, the critic's slow copy and the normaliser of returns."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__(config)
        self.pol = actor_head(config)
        self.val = critic_head(config)
        self.slowval = deepcopy(self.val).requires_grad_(False)
        self.retnorm = ReturnNorm(config.behaviour.norm_rate)
        self.target = SlowTarget()
        self.kind = actor_kind(config)
        self.unimix = actor_unimix(config)

    def policy(self, feature: Tensor) -> Policy:
        """The distribution of actions at features (..., F)."""
        return actor_dist(self.kind, self.pol(feature), self.unimix)

    def initial(self, batch: int) -> dict[str, Tensor]:
        """The memory of who acts, before anything was seen: deter (B, D), stoch (B, S, K), action (B, A)."""
        device = next(self.parameters()).device
        with torch.no_grad():
            state = self.rssm.initial(batch, device)
        action = torch.zeros(batch, self.config.space.actions, device=device)
        return {"deter": state.deter.clone(), "stoch": state.stoch.clone(), "action": action}

    @torch.no_grad()
    def act(
        self, carry: Carry, obs: Mapping[str, Tensor], reset: Tensor, draws: Draws, *, sample: bool = True
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """See observations (B, ...) and choose actions (B, A), one-hot or about [-1, 1]; where reset, memory is new.

        Returns the memory after, the actions, and the latents deter and stoch that go into the replay.
        """
        tokens = self.enc({name: value[:, None] for name, value in obs.items()})[:, 0]
        before = RssmState(carry["deter"], carry["stoch"])
        state, _, _ = self.rssm.obs_step(before, carry["action"], tokens, reset, draws)
        dist = self.policy(self.rssm.feature(state))
        action = dist.sample(draws) if sample else dist.mode()
        latents = {"deter": state.deter, "stoch": state.stoch}
        return {**latents, "action": action}, action, latents

    def imagine(self, start: RssmState, draws: Draws, given: Given | None = None) -> Trajectory:
        """Act on in the model for the configured horizon; gradients flow through actions and states where enabled."""
        state, horizon = start, self.config.behaviour.horizon
        deters, stochs, actions, priors = [start.deter], [start.stoch], [], []
        for step in range(horizon + 1):
            if given is None:
                action = self.policy(self.rssm.feature(state).detach()).rsample(draws)
            else:
                action = given.action[:, step]
            actions.append(action)
            if step == horizon:
                break
            forced = None if given is None else given.stoch[:, step]
            state, prior = self.rssm.img_step(state, action, draws, given=forced)
            deters.append(state.deter)
            stochs.append(state.stoch)
            priors.append(prior)
        return Trajectory(*(torch.stack(part, 1) for part in (deters, stochs, actions, priors)))

    def starts(self, batch: Batch, seen: Observed) -> tuple[RssmState, Tensor]:
        """The last ``imag_last`` posterior states of each sequence, detached, as (N, ...), and 1 where they go on."""
        last = min(self.config.behaviour.imag_last or seen.deter.shape[1], seen.deter.shape[1])
        deter, stoch = (x[:, -last:].detach().flatten(0, 1) for x in (seen.deter, seen.stoch))
        return RssmState(deter, stoch), 1 - batch.terminated[:, -last:].float().flatten()

    def behave(
        self, start: RssmState, going: Tensor, draws: Draws, given: Given | None = None
    ) -> tuple[ImaginedLosses, Trajectory]:
        """Imagine on from real states (N, ...); losses of actor and critic whose gradients reach those two alone."""
        dynamics = self.config.behaviour.actor_grad == "dynamics"
        world = (self.enc, self.rssm, self.dec, self.rew, self.con)
        with frozen(*world), torch.set_grad_enabled(dynamics):
            trajectory = self.imagine(start, draws, given)
            feature = self.rssm.feature_of(trajectory.deter, trajectory.stoch)
            with frozen(self.val):
                predicted = self.predict(feature)
        critic = scalar_dist(self.config.net, self.val(feature.detach()))
        slow = None
        if self.config.behaviour.slow_reg and self.config.behaviour.version.startswith("v3"):
            with torch.no_grad():
                slow = scalar_dist(self.config.net, self.slowval(feature)).mean()
        value = predicted["value"] if self.config.behaviour.version == "v2" or dynamics else critic.mean().detach()
        seen = Imagined(
            policy=self.policy(feature.detach()),
            action=trajectory.action,
            reward=predicted["reward"],
            cont=predicted["cont"],
            value=value,
            critic=critic,
            slow_value=slow,
            start_cont=going,
        )
        return imagined_losses(self.config.behaviour, seen, self.retnorm), trajectory

    def predict(self, feature: Tensor) -> dict[str, Tensor]:
        """reward, cont (a probability) and the value that targets are made of, at features (N, H + 1, F)."""
        net, behaviour = self.config.net, self.config.behaviour
        out = {
            "reward": scalar_dist(net, self.rew(feature)).mean(),
            "cont": self.con(feature).float().squeeze(-1).sigmoid(),
        }
        if behaviour.version == "v2":
            out["value"] = scalar_dist(net, self.slowval(feature)).mean()
        elif behaviour.actor_grad == "dynamics":
            out["value"] = scalar_dist(net, self.val(feature)).mean()
        return out

    def joint_losses(
        self, batch: Batch, draws: Draws, given: Given | None = None
    ) -> tuple[dict[str, Tensor], Observed, ImaginedLosses, Trajectory]:
        """V3: all losses by name, unscaled, from one look at a batch."""
        seen, _ = self.observe(batch, draws, None if given is None else given.post)
        losses = self.losses(batch, seen)
        start, going = self.starts(batch, seen)
        behaviour, trajectory = self.behave(start, going, draws, given)
        rows = len(batch.reward)
        losses["policy"] = behaviour.actor.unflatten(0, (rows, -1))
        losses["val"] = behaviour.critic.unflatten(0, (rows, -1))
        if self.config.behaviour.replay_value:
            boot = behaviour.ret[:, 0].unflatten(0, (rows, -1))
            last = boot.shape[1]
            feature = self.rssm.feature_of(seen.deter[:, -last:], seen.stoch[:, -last:])
            with torch.no_grad():
                slow = scalar_dist(self.config.net, self.slowval(feature)).mean()
            losses["repval"] = replay_value_loss(
                self.config.behaviour,
                critic=scalar_dist(self.config.net, self.val(feature)),
                slow_value=slow,
                boot=boot,
                reward=batch.reward[:, -last:],
                last=batch.is_last[:, -last:],
                terminated=batch.terminated[:, -last:],
            )
        return losses, seen, behaviour, trajectory

    def scales(self) -> dict[str, float]:
        return super().scales() | {"policy": 1.0, "val": 1.0, "repval": self.config.behaviour.replay_value}

    def train_step(
        self,
        batch: Batch,
        draws: Draws,
        optimizer: Optimizers,
        arithmetic: Arithmetic = nullcontext,
        given: Given | None = None,
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """One update of everything; scalars to log, and the latents deter (B, T, D) and stoch that the replay keeps."""
        if self.config.behaviour.version == "v3":
            with arithmetic():
                losses, seen, behaviour, _ = self.joint_losses(batch, draws, given)
                total = self.total(losses)
            scalars = optimizer.step(total, "all") | {"loss": float(total.detach())}
        else:
            losses, seen, behaviour, scalars = self.step_apart(batch, draws, optimizer, arithmetic, given)
        rules = self.config.behaviour
        if rules.slow_reg:
            self.target.update(self.val, self.slowval, rules.slow_rate, rules.slow_every)
        scalars |= {name: float(value.detach().mean()) for name, value in losses.items()}
        scalars |= {name: float(value) for name, value in behaviour.metrics.items()}
        return scalars, {"deter": seen.deter.detach(), "stoch": seen.stoch.detach()}

    def step_apart(
        self, batch: Batch, draws: Draws, optimizer: Optimizers, arithmetic: Arithmetic, given: Given | None
    ) -> tuple[dict[str, Tensor], Observed, ImaginedLosses, dict[str, float]]:
        """Model, actor and critic one after the other. V1 takes all three losses before it changes anything."""
        together = self.config.behaviour.version == "v1"
        with arithmetic():
            seen, _ = self.observe(batch, draws, None if given is None else given.post)
            losses = self.losses(batch, seen)
            total = self.total(losses)
        start, going = self.starts(batch, seen)
        if together:
            with arithmetic():
                behaviour, _ = self.behave(start, going, draws, given)
            scalars = optimizer.step(
                torch.stack([total, behaviour.actor.mean(), behaviour.critic.mean()]).sum(), "each"
            )
        else:
            scalars = optimizer.step(total, "model")
            with arithmetic():
                behaviour, _ = self.behave(start, going, draws, given)
                actor, critic = behaviour.actor.mean(), behaviour.critic.mean()
            scalars |= optimizer.step(actor, "actor") | optimizer.step(critic, "critic")
        parts = {"policy": behaviour.actor, "val": behaviour.critic}
        return losses | parts, seen, behaviour, scalars | {"loss": float(total.detach())}
