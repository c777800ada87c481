"""The counting environment: an oracle for alignment, from environment to training batch."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from models.types import ActionSpec


class CountingEnv(gymnasium.Env[np.ndarray, np.int64]):
    """Frame t shows t in its first channel, the action that led to it in the second and the episode's length in the
    third.

    Reward t is the action taken at frame t minus 1, so that -1, 0 and 1 occur; the episode terminates after a length
    drawn from the seed, in [min_steps, max_steps].
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012
    game = "counting"
    action_names = ("NOOP", "RIGHT", "LEFT")
    actions = ActionSpec(action_names)
    fps = 15.0
    action_repeat = 1
    observes = "image"

    def __init__(self, size: int = 64, min_steps: int = 20, max_steps: int = 60) -> None:
        self.size, self.range = size, (min_steps, max_steps)
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.action_names))
        self.count = self.length = self.last = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.count = self.last = 0
        self.length = int(self.np_random.integers(self.range[0], self.range[1] + 1))
        return self.observation(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.count, self.last = self.count + 1, int(action)
        return self.observation(), float(action) - 1.0, self.count >= self.length, False, {}

    def observation(self) -> np.ndarray:
        frame = np.empty((self.size, self.size, 3), np.uint8)
        frame[:] = (self.count % 256, self.last, self.length)
        return frame

    def env_settings(self) -> dict[str, Any]:
        return {"env": "counting", "game": "counting", "size": self.size, "frame_skip": 1}

    def render(self) -> np.ndarray:
        """The picture as it stands, (size, size, 3) uint8."""
        return self.observation()

    def ram(self) -> np.ndarray:
        """No memory to speak of: 128 zeros."""
        return np.zeros(128, np.uint8)
