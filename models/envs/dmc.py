"""The DeepMind Control Suite: bodies moved by torques, seen as vectors or as pictures."""

from __future__ import annotations

import os
import sys
from typing import Any

import gymnasium
import numpy as np

if sys.platform == "linux" and "DISPLAY" not in os.environ:
    os.environ.setdefault("MUJOCO_GL", "egl")

from dm_control import suite

from models.types import ActionSpec

VISION = "_vision"
CAMERAS = {"quadruped": 2}
"""Cameras other than the first, as the published experiments have them."""


def task_of(name: str) -> tuple[str, str]:
    """Domain and task of a name such as walker_walk or ball_in_cup_catch. Raises ValueError for an unknown one."""
    for domain, task in suite.ALL_TASKS:
        if name == f"{domain}_{task}" or (domain == "ball_in_cup" and name == f"cup_{task}"):
            return domain, task
    some = ", ".join(f"dmc_{domain}_{task}" for domain, task in suite.BENCHMARKING[:6])
    raise ValueError(
        f"game: got dmc_{name}, expected a task of the suite such as {some}, ... (and _vision for pictures)"
    )


def repeat_of(game: str) -> tuple[str, int]:
    """The name before an @, and the number after it: for how many control steps an action is held, 1 without.

    Raises ValueError for anything but a number from 1 to 100.
    """
    name, at, repeat = game.partition("@")
    if at and not (repeat.isdecimal() and 1 <= int(repeat) <= 100):
        raise ValueError(f"game: got {game!r}, expected a number from 1 to 100 after the @, as in {name}@4")
    return name, int(repeat or 1)


class DmcEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Actions (n,) float32 in [-1, 1]; observations all vectors of the task in one, (n,) float32, or with ``_vision``
    the picture (size, size, 3) uint8.

    An episode has 1000 control steps and is truncated then; only a discount of 0 terminates. A name that ends in @4
    plays each action for four control steps (published: 1 in 2025, 2 before).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 40}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self, game: str, size: int = 64) -> None:
        name, repeat = repeat_of(game)
        self.game, self.size, self.action_repeat = game, size, repeat
        self.observes = "image" if name.endswith(VISION) else "vector"
        self.domain, task = task_of(name.removeprefix("dmc_").removesuffix(VISION))
        self.env = suite.load(self.domain, task, task_kwargs={"random": 0})
        self.fps = 1 / self.env.control_timestep() / repeat
        spec = self.env.action_spec()
        count = int(np.prod(spec.shape))
        self.low, self.high = (np.broadcast_to(bound, spec.shape) for bound in (spec.minimum, spec.maximum))
        self.action_names = tuple(f"torque{k}" for k in range(count))
        self.actions = ActionSpec(self.action_names, "continuous", (-1.0,) * count, (1.0,) * count)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (count,), np.float32)
        self.observation_space: gymnasium.spaces.Box = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        if self.observes == "vector":
            width = sum(int(np.prod(part.shape)) for part in self.env.observation_spec().values())
            self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (width,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.env.task.random.seed(int(self.np_random.integers(2**31)) if seed is None else seed % 2**32)
        return self.seen(self.env.reset()), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        act = np.asarray(action, np.float32)
        if act.shape != self.action_space.shape or not np.isfinite(act).all():
            raise ValueError(f"action: got {action}, expected {len(self.action_names)} numbers in -1 .. 1")
        scaled = self.low + (np.clip(act, -1, 1).astype(np.float64) + 1) / 2 * (self.high - self.low)
        total = 0.0
        for _ in range(self.action_repeat):
            now = self.env.step(scaled)
            total += float(now.reward or 0.0)
            if now.last():
                break
        terminated = bool(now.last() and now.discount == 0)
        return self.seen(now), total, terminated, bool(now.last()) and not terminated, {}

    def seen(self, now: Any) -> np.ndarray:
        if self.observes == "image":
            return self.render()
        return np.concatenate([np.ravel(part) for part in now.observation.values()]).astype(np.float32)

    def render(self) -> np.ndarray:
        """The picture as it stands, (size, size, 3) uint8. Needs EGL, or a display."""
        camera = CAMERAS.get(self.domain, 0)
        return np.asarray(self.env.physics.render(self.size, self.size, camera_id=camera), np.uint8).copy()

    def env_settings(self) -> dict[str, Any]:
        bounds = {"action_low": list(self.actions.low), "action_high": list(self.actions.high)}
        pace = {"frame_skip": self.action_repeat, "fps": self.fps, "action_kind": self.actions.kind}
        return {"env": "dmc", "game": self.game, "size": self.size, **pace, **bounds}

    def close(self) -> None:
        self.env.close()
