"""The one adapter over Gymnasium: several single environments as one, batch first, frames uint8 with channels first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import gymnasium
import numpy as np
import torch
from torch import Tensor

from models.envs.atari import AtariEnv
from models.envs.counting import CountingEnv


class GameEnv(Protocol):
    """A Gymnasium environment with (H, W, 3) uint8 observations, named actions and a memory to read."""

    game: str
    action_names: tuple[str, ...]

    def ram(self) -> np.ndarray: ...


@dataclass(frozen=True)
class EnvStep:
    """frames (B, 3, H, W) uint8 after the actions; rewards (B,) float32, raw; terminated, truncated (B,) bool."""

    frames: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


def make_env(game: str, size: int = 64) -> AtariEnv | CountingEnv:
    """An environment by game name: any of ale-py's games, or counting. Raises ValueError with the nearest names."""
    return CountingEnv(size) if game == "counting" else AtariEnv(game, size)


def channels_first(frame: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W). Raises ValueError for any other observation."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"observation: got {frame.shape} {frame.dtype}, expected (H, W, 3) uint8")
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))


class EnvBatch:
    """Environments stepped together. Nothing restarts by itself: ``reset_row`` does, with a seed of its own."""

    def __init__(self, envs: Sequence[gymnasium.Env]) -> None:
        if not envs:
            raise ValueError("EnvBatch: got no environments, expected at least one")
        self.envs = list(envs)

    def __len__(self) -> int:
        return len(self.envs)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """First frames (B, 3, H, W) uint8, one seed a row."""
        return torch.stack([self.reset_row(row, seed) for row, seed in enumerate(seeds)])

    def reset_row(self, row: int, seed: int) -> Tensor:
        """Start a new episode in one row: its first frame (3, H, W) uint8."""
        return channels_first(self.envs[row].reset(seed=seed)[0])

    def step(self, actions: Tensor) -> EnvStep:
        """actions (B,) int64."""
        if actions.shape != (len(self),):
            raise ValueError(f"actions: got shape {tuple(actions.shape)}, expected ({len(self)},)")
        results = [env.step(action) for env, action in zip(self.envs, actions.tolist(), strict=True)]
        frames, rewards, terminated, truncated, _ = zip(*results, strict=True)
        return EnvStep(
            torch.stack([channels_first(frame) for frame in frames]),
            torch.tensor(rewards, dtype=torch.float32),
            torch.tensor(terminated),
            torch.tensor(truncated),
        )
