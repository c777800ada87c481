"""Crafter (arXiv 2109.06780): gather, build and survive in a small random world seen from above."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import crafter
import gymnasium
import numpy as np
from crafter import engine

from models.types import ActionSpec

LEAST = 18
"""Pixels below which the game cannot draw its nine tiles."""
FPS = 5.0
"""The game has no clock of its own; this is a pace to play it at."""
NAMES = {"move_left": "left", "move_right": "right", "move_up": "up", "move_down": "down", "do": "fire"}
"""Names that the default keys press; the other actions keep theirs."""


class Ordered(dict):
    """A set that remembers the order of its items. Python's own order of objects changes from run to run, and Crafter
    draws creatures from it."""

    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        del self[item]


class OrderedWorld(engine.World):
    """Crafter's world, the same for the same seed."""

    def reset(self, seed: int | None = None) -> None:
        super().reset(seed)
        self._chunks: Any = defaultdict(Ordered)


class CrafterEnv(gymnasium.Env[np.ndarray, np.int64]):
    """Observations (size, size, 3) uint8 RGB; rewards the game's own: 1 for each first achievement, 0.1 a unit of
    health. Death terminates, 10 000 steps truncate. A seed fixes the whole episode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012
    render_mode = "rgb_array"
    game = "crafter"
    fps = FPS
    action_repeat = 1
    observes = "image"

    def __init__(self, size: int = 64) -> None:
        if size < LEAST:
            raise ValueError(f"size: got {size}, expected at least {LEAST} pixels for crafter")
        self.size = size
        self.env = crafter.Env(size=(size, size), seed=0)
        self.env._world.__class__ = OrderedWorld
        self.action_names = tuple(NAMES.get(name, name).upper() for name in self.env.action_names)
        self.actions = ActionSpec(self.action_names)
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.seen = np.zeros((size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.action_names))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.env._seed, self.env._episode = (int(self.np_random.integers(2**31)) if seed is None else seed), 0
        self.seen = np.asarray(self.env.reset(), np.uint8)
        return self.seen, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not 0 <= int(action) < len(self.action_names):
            raise ValueError(f"action: got {action}, expected 0 .. {len(self.action_names) - 1} ({self.action_names})")
        frame, reward, done, info = self.env.step(int(action))
        dead = info["discount"] == 0
        achieved = {f"achievement_{name}": count for name, count in info["achievements"].items()}
        self.seen = np.asarray(frame, np.uint8)
        return self.seen, float(reward), bool(done and dead), bool(done and not dead), achieved

    def render(self) -> np.ndarray:
        """The last picture, (size, size, 3) uint8. Drawing anew would change the game: night's noise is its own."""
        return self.seen.copy()

    def env_settings(self) -> dict[str, Any]:
        return {"env": "crafter", "game": self.game, "size": self.size, "frame_skip": 1, "fps": FPS}
