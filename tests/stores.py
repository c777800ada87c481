"""Small stores of episodes for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.envs.adapter import EnvBatch
from models.envs.counting import CountingEnv


def counting_meta(size: int, seed: int = 0) -> dict[str, Any]:
    """What `reverie collect counting` writes into an episode."""
    names = list(CountingEnv.action_names)
    env = {"env": "counting", "game": "counting", "size": size, "frame_skip": 1}
    return {**env, "seed": seed, "policy": "random", "actions": names, "objects": []}


def counting_episode(seed: int, size: int = 16, steps: int | None = None) -> Episode:
    """An episode of the counting game under random actions, to its end or cut after ``steps``."""
    batch, random = EnvBatch([CountingEnv(size)]), np.random.default_rng(seed)
    frames, actions, rewards = [batch.reset([seed])], [], []
    ended = False
    while not ended and len(actions) != steps:
        actions.append(int(random.integers(3)))
        after = batch.step(torch.tensor(actions[-1:]))
        frames.append(after.frames)
        rewards.append(after.rewards)
        ended = bool(after.terminated)
    return episode_of(torch.cat(frames), torch.tensor(actions), torch.cat(rewards), ended, counting_meta(size, seed))


def episode_of(frames: Tensor, actions: Tensor, rewards: Tensor, ended: bool, meta: dict[str, Any]) -> Episode:
    """An episode without object labels, terminated or truncated at its last step."""
    ends = torch.zeros(2, len(actions), dtype=torch.bool)
    ends[0 if ended else 1, -1] = True
    objects = torch.zeros(len(frames), 0, 3)
    return Episode(frames, actions, rewards, ends[0], ends[1], objects, meta)


def fill_counting_store(folder: Path, episodes: int, size: int = 16) -> Path:
    store = EpisodeStore(folder)
    for number in range(episodes):
        store.add(number, counting_episode(number, size))
    store.write_index()
    return folder
