"""CarRacing-v3 of Gymnasium: a car seen from above, steered, sped up and slowed down by three real numbers."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

from gymnasium.envs.box2d.car_racing import FPS, CarRacing

from models.types import ActionSpec

ACTION_REPEAT = 2
LIMIT = 1000
"""Frames after which an episode is truncated, as Gymnasium registers the game."""
ZOOM_FRAMES = 50
"""The camera zooms in for one second, in which the car only stands."""


class Track(CarRacing):
    """The game itself, drawn only when asked: drawing takes a hundred times as long as the physics."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.drawn = False

    def _render(self, mode: str) -> Any:
        return super()._render(mode) if self.drawn else None

    def _create_image_array(self, screen: Any, size: Any) -> np.ndarray:
        return np.ascontiguousarray(super()._create_image_array(screen, (self.size, self.size)))

    def picture(self) -> np.ndarray:
        """(size, size, 3) uint8, averaged from the game's 1000 x 800 pixels in one go."""
        self.drawn = True
        try:
            return np.asarray(self._render("state_pixels"), np.uint8)
        finally:
            self.drawn = False


class CarRacingEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Observations (size, size, 3) uint8 RGB; actions (3,) float32: steer, gas, brake; each is held for two frames.

    A reset begins after the camera's zoom, so that every picture has one scale. Rewards are the game's own, summed:
    -0.1 a frame, 1000 / tiles for each new tile of road, -100 for leaving the field. An episode terminates after a lap
    or off the field and is truncated after 1000 frames. A seed fixes the track and everything after it: each reset
    builds a new physical world, because a used one keeps traces of its past.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS // ACTION_REPEAT}  # noqa: RUF012
    render_mode = "rgb_array"
    game = "car_racing"
    actions = ActionSpec(("steer", "gas", "brake"), "continuous", (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    action_names = actions.names
    fps = FPS / ACTION_REPEAT
    action_repeat = ACTION_REPEAT
    observes = "image"

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Box(
            np.asarray(self.actions.low, np.float32), np.asarray(self.actions.high, np.float32)
        )
        self.track: Track | None = None
        self.frames = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if self.track is not None:
            self.track.close()
        self.track = Track(self.size)
        self.track.reset(seed=int(self.np_random.integers(2**31)) if seed is None else seed)
        for _ in range(ZOOM_FRAMES):
            self.track.step(None)  # type: ignore[arg-type]
        self.frames = 0
        return self.track.picture(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        reward, terminated, truncated = self.move(action)
        return self.render(), reward, terminated, truncated, {}

    def move(self, action: Any) -> tuple[float, bool, bool]:
        """A step without a picture: (reward, terminated, truncated)."""
        act = np.asarray(action, np.float32)
        if act.shape != (3,) or not self.action_space.contains(act):
            raise ValueError(f"action: got {action}, expected steer in -1 .. 1, gas and brake in 0 .. 1")
        if self.track is None:
            raise ValueError("step: got a step before any reset, expected reset first")
        total, terminated = 0.0, False
        for _ in range(ACTION_REPEAT):
            _, reward, terminated, _, _ = self.track.step(act)
            total += float(reward)
            self.frames += 1
            if terminated:
                break
        return total, bool(terminated), self.frames >= LIMIT and not terminated

    def render(self) -> np.ndarray:
        """The picture as it stands, (size, size, 3) uint8."""
        assert self.track is not None
        return self.track.picture()

    def env_settings(self) -> dict[str, Any]:
        return {
            "env": "car_racing",
            "game": self.game,
            "size": self.size,
            "frame_skip": ACTION_REPEAT,
            "fps": self.fps,
            "action_kind": self.actions.kind,
            "action_low": list(self.actions.low),
            "action_high": list(self.actions.high),
            "zoom_frames": ZOOM_FRAMES,
            "limit": LIMIT,
        }
