"""Atari with the Atari-100k preprocessing, as a Gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from models.envs.emulator import Ale, Emulator
from models.types import ActionSpec

SCREEN = (210, 160, 3)
FRAME_SKIP = 4
EMULATOR_HZ = 60
NOOP_MAX = 30


class AtariFrames:
    """The preprocessing itself, over any emulator.

    Frame skip 4, reward summed, pixel-wise maximum of the last two screens, area resize to ``size`` x ``size`` RGB; a
    reset plays 1 to 30 no-ops. When the game ends within a skip its screen is not grabbed, so the last observation is
    the maximum of the screens grabbed before, as the published wrapper has it.
    """

    def __init__(self, emulator: Emulator, size: int = 64) -> None:
        self.emulator = emulator
        self.size = size
        self.screens = np.zeros((2, *SCREEN), np.uint8)
        self.lives = 0

    def reset(self, noops: int) -> np.ndarray:
        self.emulator.reset_game()
        for _ in range(noops):
            self.emulator.act(0)
            if self.emulator.game_over():
                self.emulator.reset_game()
        self.lives = self.emulator.lives()
        self.screens[1] = 0
        self.emulator.getScreenRGB(self.screens[0])
        return self.observation()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool]:
        """One action for four emulator frames: (frame (size, size, 3) uint8, raw reward, game over, life lost)."""
        reward, life_lost = 0.0, False
        for k in range(FRAME_SKIP):
            reward += self.emulator.act(action)
            lives = self.emulator.lives()
            life_lost |= lives < self.lives
            self.lives = lives
            if self.emulator.game_over():
                break
            if k >= FRAME_SKIP - 2:
                self.emulator.getScreenRGB(self.screens[FRAME_SKIP - 1 - k])
        np.maximum(self.screens[0], self.screens[1], out=self.screens[0])
        return self.observation(), reward, self.emulator.game_over(), life_lost

    def observation(self) -> np.ndarray:
        import cv2

        cv2.setNumThreads(1)
        screen = np.maximum(self.screens[0], self.screens[1])
        return np.asarray(cv2.resize(screen, (self.size, self.size), interpolation=cv2.INTER_AREA), np.uint8)


class AtariEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One of ale-py's games. Observations (size, size, 3) uint8 RGB, rewards raw, minimal action set.

    With ``life_loss_ends`` losing a life terminates the episode without restarting the game: the next reset goes on
    from there, unless the game is over (the published training environment).
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012
    render_mode = "rgb_array"
    fps = EMULATOR_HZ / FRAME_SKIP
    action_repeat = FRAME_SKIP
    observes = "image"

    def __init__(self, game: str, size: int = 64, life_loss_ends: bool = False) -> None:
        self.emulator = Ale(game)
        self.frames = AtariFrames(self.emulator.ale, size)
        self.life_loss_ends = life_loss_ends
        self.game = self.emulator.game
        self.action_names = self.emulator.action_names
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.action_names))
        self.actions = ActionSpec(self.action_names)
        self.codes = [int(a.value) for a in self.emulator.ale.getMinimalActionSet()]
        self.over = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        if seed is not None:
            self.emulator.seed(seed)
            self.over = True
        if self.over or not self.life_loss_ends:
            frame = self.frames.reset(int(self.np_random.integers(1, NOOP_MAX + 1)))
        else:
            frame = self.frames.observation()
        self.over = False
        return frame, self.info()

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        if not 0 <= int(action) < len(self.codes):
            raise ValueError(f"action: got {action}, expected 0 .. {len(self.codes) - 1} ({self.action_names})")
        frame, reward, over, life_lost = self.frames.step(self.codes[int(action)])
        self.over = over
        truncated = over and bool(self.emulator.ale.game_truncated())
        terminated = (over and not truncated) or (self.life_loss_ends and life_lost)
        return frame, reward, terminated, truncated, self.info()

    def render(self) -> np.ndarray:
        """The emulator's own picture, (210, 160, 3) uint8."""
        return self.frames.screens[0].copy()

    def ram(self) -> np.ndarray:
        """The console's 128 bytes of memory, uint8."""
        return np.asarray(self.emulator.ale.getRAM())

    def info(self) -> dict[str, Any]:
        return {"lives": self.frames.lives}

    def env_settings(self) -> dict[str, Any]:
        return {
            "env": "atari",
            "game": self.game,
            "frame_skip": FRAME_SKIP,
            "size": self.frames.size,
            "noop_max": NOOP_MAX,
            "sticky_actions": 0.0,
            "life_loss_ends": self.life_loss_ends,
        }

    def snapshot(self) -> tuple[bytes, np.ndarray]:
        """All that ``restore`` needs to go on from here, the emulator's randomness included."""
        return self.emulator.ale.cloneState(include_rng=True).serialize(), self.frames.screens[0].copy()

    def restore(self, state: bytes, screen: np.ndarray) -> None:
        """Return to a snapshot of the same game."""
        from ale_py import ALEState

        self.emulator.ale.restoreState(ALEState(state))
        self.frames.screens[0] = screen
        self.frames.screens[1] = 0
        self.frames.lives = self.emulator.ale.lives()
        self.over = bool(self.emulator.ale.game_over())
