"""An agent of the RSSM family at play: what it saw folded into a recurrent state, and actions from its actor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.nn.config import strict
from models.nn.distributions import actor_dist
from models.nn.weights import load_weights
from models.rssm.actions import from_vector
from models.rssm.codec import Encoder
from models.rssm.config import RssmConfig
from models.rssm.core import Rssm, RssmState
from models.rssm.heads import Head, actor_head, actor_kind, actor_unimix
from models.rssm.world import RowDraws
from models.types import ActionSpec, WorldSpec
from models.world import Rng

KIND = "dreamer"


class ActorNet(nn.Module):
    """The parts of an agent that playing needs: encoder, recurrent model, actor. Parts that are given are shared."""

    def __init__(
        self, config: RssmConfig, enc: Encoder | None = None, rssm: Rssm | None = None, pol: Head | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.enc = enc or Encoder(config)
        self.rssm = rssm or Rssm(config.net, config.space.actions, self.enc.size)
        self.pol = pol or actor_head(config)

    def forward(
        self,
        carry: Mapping[str, Tensor],
        obs: Mapping[str, Tensor],
        reset: Tensor,
        draws: RowDraws,
        *,
        sample: bool = True,
    ) -> dict[str, Tensor]:
        """The next carry: deter (B, D), stoch (B, S, K), and the chosen action (B, A) as a vector.

        obs: image (B, C, H, W) uint8 and vectors (B, n) float32, by name. reset (B,) bool: nothing was seen before.
        """
        token = self.enc({name: value[:, None] for name, value in obs.items()})[:, 0]
        state = RssmState(carry["deter"], carry["stoch"])
        state, _, _ = self.rssm.obs_step(state, carry["action"], token, reset, draws)
        outputs = self.pol(self.rssm.feature(state))
        dist = actor_dist(actor_kind(self.config), outputs, actor_unimix(self.config))
        action = dist.sample(draws) if sample else dist.mode()
        return {"deter": state.deter, "stoch": state.stoch, "action": action}


def terms(spec: ActionSpec) -> tuple[Any, ...]:
    """What two games must share so that an action means the same in both."""
    return spec.kind, spec.names, spec.low, spec.high


class DreamerPolicy:
    """Plays by an agent that was trained in its own dreams; its memory is the carry.

    mode: take the actor's most likely action. By default actions are drawn, as in training and in the published
    evaluations; the latent is drawn either way.
    """

    kind = KIND

    def __init__(self, network: ActorNet, actions: ActionSpec, mode: bool = False) -> None:
        space = network.config.space
        if (space.actions, space.discrete) != (actions.size, actions.kind == "discrete"):
            raise ValueError(
                f"policy: got {actions.size} {actions.kind} actions, expected {space.actions}, "
                f"{'discrete' if space.discrete else 'continuous'}"
            )
        self.network, self.actions, self.mode = network, actions, mode
        self.config: RssmConfig = network.config

    @property
    def observes(self) -> str:
        return "image" if self.config.space.image else "vector"

    def header(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values; ``load`` takes it back."""
        spec = self.actions
        actions = {"names": spec.names, "kind": spec.kind, "low": spec.low, "high": spec.high, "noop": spec.noop}
        return {"network": self.config.to_dict(), "actions": actions}

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    @classmethod
    def load(cls, header: Mapping[str, Any], weights: dict[str, Tensor], where: str) -> DreamerPolicy:
        """Raises ValueError on a header or weights that do not fit."""
        if set(header) != {"network", "actions"}:
            raise ValueError(f"policy config: got keys {sorted(header)}, expected network and actions")
        network = ActorNet(RssmConfig.from_dict(header["network"]))
        load_weights(network, weights, where)
        return cls(network.eval().requires_grad_(False), strict(ActionSpec, header["actions"], "policy actions"))

    def check(self, spec: WorldSpec) -> DreamerPolicy:
        """Return self if it can play in such a world, else raise ValueError (got, expected)."""
        got = (spec.height, spec.width, 3), *terms(spec.actions)
        own = self.config.space.image, *terms(self.actions)
        if got != own:
            raise ValueError(f"policy: got the world {spec.name} with {got}, expected one with {own}")
        return self

    def initial(self, batch: int) -> dict[str, Tensor]:
        """The memory before the first frame; ``begun`` (B,) bool says that there was one."""
        net, space = self.config.net, self.config.space
        return {
            "deter": torch.zeros(batch, net.deter),
            "stoch": torch.zeros(batch, net.stoch, net.classes),
            "action": torch.zeros(batch, space.actions),
            "begun": torch.zeros(batch, dtype=torch.bool),
        }

    def act(self, carry: Mapping[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
        """The memory after, and actions in the game's terms, for frames (B, 3, H, W) uint8 or vectors (B, n).

        Changes no argument. Every row draws from its own generator.
        """
        device = next(self.network.parameters()).device
        name = "image" if self.config.space.image else self.config.space.vectors[0][0]
        draws = RowDraws(rng.check(len(obs)), device)
        before = {key: carry[key].to(device) for key in ("deter", "stoch", "action")}
        reset = ~carry["begun"].to(device)
        with torch.no_grad():
            after = self.network(before, {name: obs.to(device)}, reset, draws, sample=not self.mode)
        kept = {key: value.cpu() for key, value in after.items()}
        kept["begun"] = torch.ones(len(obs), dtype=torch.bool)
        return kept, from_vector(self.actions, kept["action"])
