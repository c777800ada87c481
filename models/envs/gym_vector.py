"""Any environment registered with Gymnasium whose observations are vectors: gym_CartPole-v1, gym_Pendulum-v1."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from models.types import ActionSpec

DEFAULT_FPS = 30.0


def spec_of(space: gymnasium.Space, game: str) -> ActionSpec:
    """The actions of a Discrete or a bounded Box space, numbered. Raises ValueError for any other."""
    if isinstance(space, gymnasium.spaces.Discrete):
        return ActionSpec(tuple(f"action{k}" for k in range(int(space.n))))
    if isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1 and space.is_bounded():
        names = tuple(f"action{k}" for k in range(space.shape[0]))
        return ActionSpec(names, "continuous", tuple(map(float, space.low)), tuple(map(float, space.high)))
    raise ValueError(f"game: got {game} with actions {space}, expected Discrete or a bounded Box of one dimension")


class GymVectorEnv(gymnasium.Env[np.ndarray, Any]):
    """Observations (n,) float32; rewards, ends and time limit as registered."""

    metadata = {"render_modes": []}  # noqa: RUF012
    action_repeat = 1
    observes = "vector"

    def __init__(self, game: str, size: int = 64) -> None:
        self.game = game
        try:
            self.env = gymnasium.make(game.removeprefix("gym_"), disable_env_checker=True)
        except gymnasium.error.DependencyNotInstalled as error:
            hint = "pip install 'reverie[box2d,mujoco]'"
            raise ValueError(f"game: got {game!r} without its package ({error}); expected it: {hint}") from error
        except (gymnasium.error.Error, ImportError) as error:
            raise ValueError(f"game: got {game!r}, expected gym_ and an environment's id ({error})") from error
        seen = self.env.observation_space
        if not isinstance(seen, gymnasium.spaces.Box) or len(seen.shape) != 1:
            self.env.close()
            raise ValueError(f"game: got {game!r} with observations {seen}, expected a Box of one dimension")
        self.actions = spec_of(self.env.action_space, game)
        self.action_names = self.actions.names
        self.action_space = self.env.action_space
        low, high = seen.low.astype(np.float32), seen.high.astype(np.float32)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.fps = float(self.env.metadata.get("render_fps") or DEFAULT_FPS)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        seen, info = self.env.reset(seed=seed, options=options)
        return np.asarray(seen, np.float32), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        space = self.action_space
        first = space.start if isinstance(space, gymnasium.spaces.Discrete) else 0
        act = first + int(action) if self.actions.kind == "discrete" else np.asarray(action, space.dtype)
        seen, reward, terminated, truncated, info = self.env.step(act)
        return np.asarray(seen, np.float32), float(reward), bool(terminated), bool(truncated), info

    def env_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"env": "gymnasium", "game": self.game, "frame_skip": 1, "fps": self.fps}
        if self.actions.kind != "discrete":
            bounds = {"action_low": list(self.actions.low), "action_high": list(self.actions.high)}
            settings |= {"action_kind": self.actions.kind, **bounds}
        return settings

    def close(self) -> None:
        self.env.close()
