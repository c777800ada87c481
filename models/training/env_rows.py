"""Real environments side by side for training online: an ended row restarts by itself, all can be resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.envs.vector_batch import Rows
from models.rssm.actions import from_vector, space_of
from models.rssm.config import SpaceConfig

VECTOR = "vector"
"""Name of the observed float vector of environments that show no picture."""
FLAGS = ("reward", "is_first", "is_last", "terminated")


@dataclass(frozen=True)
class Tick:
    """What all rows show now; reward and flags arrived with the observation.

    obs: image (B, 3, H, W) uint8 or vector (B, n) float32. reward (B,) float32. is_first, is_last, terminated (B,)
    bool. ended: return and steps of the episodes whose last observation this is.
    """

    obs: dict[str, Tensor]
    reward: Tensor
    is_first: Tensor
    is_last: Tensor
    terminated: Tensor
    ended: tuple[tuple[float, int], ...] = ()


def env_settings(envs: Rows) -> dict[str, Any]:
    """What the environments are, as JSON values: their own settings, actions, pace, and what they show."""
    spec = envs.actions
    return {
        **envs.settings,
        "actions": list(spec.names),
        "action_kind": spec.kind,
        "action_low": list(spec.low),
        "action_high": list(spec.high),
        "fps": envs.fps,
        "action_repeat": envs.action_repeat,
        "observes": envs.observes,
    }


def env_space(envs: Rows) -> SpaceConfig:
    """What an agent of such environments sees and does."""
    if envs.observes == "image":
        channels, height, width = envs.obs_shape
        return space_of(envs.actions, image=(height, width, channels))
    return space_of(envs.actions, vectors=((VECTOR, envs.obs_shape[0]),))


class EnvRows:
    """Environments of one game as a stream of ticks.

    A row that showed its episode's last observation shows the first one of the next episode a tick later, with reward
    0, whatever the action. ``seed_of(episode)`` gives the seeds of the episodes of all rows, numbered together.
    """

    def __init__(self, envs: Rows, seed_of: Callable[[int], int]) -> None:
        self.envs, self.seed_of = envs, seed_of
        self.spec, self.space = envs.actions, env_space(envs)
        self.name = "image" if envs.observes == "image" else VECTOR
        self.begin()

    def __len__(self) -> int:
        return len(self.envs)

    def begin(self) -> None:
        """New episodes everywhere, numbered from 0."""
        self.episodes, count = 0, len(self)
        self.seeds, self.returns = [0] * count, [0.0] * count
        self.actions: list[list[Tensor]] = [[] for _ in range(count)]
        """What was done since the episode began, a row each."""
        obs = self.envs.reset([self.next_seed(row) for row in range(count)])
        no, yes = torch.zeros(count, dtype=torch.bool), torch.ones(count, dtype=torch.bool)
        self.tick = Tick({self.name: obs}, torch.zeros(count), yes, no, no.clone())

    def next_seed(self, row: int) -> int:
        """The seed of the episode that begins in a row now."""
        self.seeds[row] = self.seed_of(self.episodes)
        self.episodes += 1
        self.actions[row], self.returns[row] = [], 0.0
        return self.seeds[row]

    def step(self, actions: Tensor) -> Tick:
        """actions (B, A) float32 as the agent gives them; rows that ended restart instead."""
        chosen = from_vector(self.spec, actions.detach().cpu())
        first = self.tick.is_last
        restart = {row: self.next_seed(row) for row in first.nonzero()[:, 0].tolist()}
        out = self.envs.step(chosen, restart)
        rewards = out.rewards.tolist()
        for row, taken in enumerate(chosen.unbind()):
            if row not in restart:
                self.actions[row].append(taken)
                self.returns[row] += rewards[row]
        last = out.terminated | out.truncated
        ended = [(self.returns[row], len(self.actions[row])) for row in last.nonzero()[:, 0].tolist()]
        self.tick = Tick({self.name: out.frames}, out.rewards, first, last, out.terminated, tuple(ended))
        return self.tick

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What ``restore`` needs: the episodes under way as their seeds and the actions so far."""
        none = torch.zeros(0, *self.spec.shape, dtype=self.spec.dtype)
        tensors = {f"actions{row}": torch.stack(taken) if taken else none for row, taken in enumerate(self.actions)}
        tensors |= {name: getattr(self.tick, name) for name in FLAGS} | {"obs": self.tick.obs[self.name]}
        return tensors, {"episodes": self.episodes, "seeds": self.seeds, "returns": self.returns}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> int:
        """Play every row's episode again up to where it was.

        Returns how many rows came out otherwise (the real environment is not the same at every run): new episodes begin
        in those.
        """
        self.episodes, self.seeds, self.returns = info["episodes"], list(info["seeds"]), list(info["returns"])
        self.actions = [list(tensors[f"actions{row}"].unbind()) for row in range(len(self))]
        obs, flags = tensors["obs"].clone(), {name: tensors[name].clone() for name in FLAGS}
        lost = [row for row in range(len(self)) if not flags["is_last"][row] and not self.replay(row, obs[row])]
        for row in lost:
            obs[row] = self.envs.reset_row(row, self.next_seed(row))
            flags["reward"][row], flags["is_first"][row], flags["terminated"][row] = 0, True, False
        self.tick = Tick({self.name: obs}, flags["reward"], flags["is_first"], flags["is_last"], flags["terminated"])
        return len(lost)

    def replay(self, row: int, shown: Tensor) -> bool:
        """Play a row's actions again; says whether it shows what it showed."""
        obs = self.envs.reset_row(row, self.seeds[row])
        for taken in self.actions[row]:
            out = self.envs.step_row(row, taken)
            if bool(out.terminated | out.truncated):
                return False
            obs = out.frames[0]
        return torch.equal(obs, shown)

    def close(self) -> None:
        self.envs.close()
