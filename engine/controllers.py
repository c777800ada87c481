"""Who plays: a person, chance, a trained agent, a recorded list of actions. A controller keeps nothing; its memory is
the carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor

from engine.controls import Input, action_for
from engine.errors import ReverieError
from engine.history import Action
from models.types import ActionSpec, WorldSpec
from models.world import Rng

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

STICKY = 0.75
"""How likely chance keeps to its last action: without it, it would only tremble."""
Carry = Mapping[str, Tensor]
"""A controller's memory as named tensors; part of every moment, thus of rewind, fork and save."""


@dataclass(frozen=True)
class Seen:
    """What a controller may look at: the frame shown last, its index since the start, the world's state.

    image (H, W, 3) uint8; state: the family's state of batch 1, for controllers that read features.
    """

    spec: WorldSpec
    index: int
    image: np.ndarray
    state: Any


class Controller(Protocol):
    """State in, state out: the carry goes in and comes out, the rng is the session's own for its controller."""

    @property
    def name(self) -> str: ...

    def initial(self, spec: WorldSpec) -> Carry:
        """The carry at a new start."""
        ...

    def act(self, carry: Carry, seen: Seen, input: Input, rng: Rng) -> tuple[Carry, Tensor]:
        """The next carry and the action, a batch of 1 as ``spec.actions`` encodes it. Never changes ``carry``."""
        ...


@dataclass(frozen=True)
class HumanController:
    """The buttons held."""

    name: str = "human"

    def initial(self, spec: WorldSpec) -> Carry:
        return {}

    def act(self, carry: Carry, seen: Seen, input: Input, rng: Rng) -> tuple[Carry, Tensor]:
        return carry, action_for(seen.spec.actions, input)


@dataclass(frozen=True)
class RandomController:
    """Uniform random actions; with probability ``sticky`` the last action is taken again."""

    sticky: float = 0.0
    name: str = "random"

    def __post_init__(self) -> None:
        if not 0.0 <= self.sticky < 1.0:
            raise ValueError(f"sticky: got {self.sticky}, expected a probability in [0, 1)")

    def initial(self, spec: WorldSpec) -> Carry:
        return {"last": spec.actions.noops(1), "begun": torch.zeros(1, dtype=torch.bool)}

    def act(self, carry: Carry, seen: Seen, input: Input, rng: Rng) -> tuple[Carry, Tensor]:
        again = bool(rng.uniform() < self.sticky) and bool(carry["begun"])
        action = carry["last"] if again else random_action(seen.spec.actions, rng)
        return {"last": action, "begun": torch.ones(1, dtype=torch.bool)}, action


@dataclass(frozen=True)
class ReplayController:
    """A list of actions, one a frame since the start, from the first again at every new start; no-ops after its end."""

    actions: Sequence[Action]
    name: str = "replay"

    def initial(self, spec: WorldSpec) -> Carry:
        return {}

    def act(self, carry: Carry, seen: Seen, input: Input, rng: Rng) -> tuple[Carry, Tensor]:
        spec = seen.spec.actions
        if seen.index >= len(self.actions):
            return carry, spec.noops(1)
        return carry, spec.check(torch.tensor([self.actions[seen.index]], dtype=spec.dtype), 1)


class Policy(Protocol):
    """What an agent plays by, see ``models.policies``: it sees frames, never a world or an environment."""

    def check(self, spec: WorldSpec) -> Policy:
        """Return self if it can play in such a world, else raise ValueError."""
        ...

    def initial(self, batch: int) -> Carry: ...

    def act(self, carry: Carry, obs: Tensor, rng: Rng) -> tuple[Carry, Tensor]:
        """The memory after, and the actions, for frames (B, 3, H, W) uint8."""
        ...


@dataclass(frozen=True)
class AgentController:
    """A trained policy that sees the frames shown, nothing else; in the dream and in the real game alike."""

    policy: Policy
    name: str = "agent"

    def initial(self, spec: WorldSpec) -> Carry:
        return self.policy.check(spec).initial(1)

    def act(self, carry: Carry, seen: Seen, input: Input, rng: Rng) -> tuple[Carry, Tensor]:
        obs = torch.from_numpy(seen.image).permute(2, 0, 1)[None]
        return self.policy.act(carry, obs, rng)


def agent_for(loaded: LoadedWorld) -> AgentController | None:
    """The agent that ships with a world, None where there is none. It reads a file: ask once a world.

    Raises ReverieError: a damaged policy, or one that does not fit the world.
    """
    if loaded.folder is None:
        return None
    from models.policies.disk import POLICY, read_policy

    path = loaded.folder.path / POLICY
    if not path.exists():
        return None
    try:
        return AgentController(read_policy(path).policy.check(loaded.world.spec))
    except ValueError as error:
        raise ReverieError(f"{path}: {error}" if str(path) not in str(error) else str(error)) from error


def controller_for(name: str, loaded: LoadedWorld) -> Controller:
    """Who plays in a world, by name: human, random (chance that keeps to an action for a while) or agent.

    Raises ReverieError: another name, a world without an agent, a damaged agent.
    """
    if name == "human":
        return HumanController()
    if name == "random":
        return RandomController(sticky=STICKY)
    agent = agent_for(loaded) if name == "agent" else None
    if agent is None:
        wanted = (
            f"human or random: {loaded.world.spec.name} has no agent" if name == "agent" else "human, random or agent"
        )
        raise ReverieError(f"controller: got {name!r}, expected {wanted}")
    return agent


def random_action(spec: ActionSpec, rng: Rng) -> Tensor:
    """One uniform action, a batch of 1; a button is up or down, an axis anywhere within its bounds."""
    if spec.kind == "discrete":
        return rng.integers(spec.size)
    draw = torch.stack([rng.uniform() for _ in range(spec.size)], dim=1)
    low, high = torch.tensor(spec.low), torch.tensor(spec.high)
    button = (low == 0) & (high == 1) if spec.kind == "buttons" else torch.zeros(spec.size, dtype=torch.bool)
    return torch.where(button, (draw >= 0.5).float(), (low + draw * (high - low)).clamp(low, high))
