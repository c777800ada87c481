"""Scenarios of ViZDoom: Doom seen by its player, at 64 x 64 and with each action held for four tics."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import psutil
import vizdoom

from models.types import ActionSpec

TICS_HZ = 35
FRAME_SKIP = 4
SCENARIOS = (
    *("basic", "simpler_basic", "rocket_basic", "predict_position", "take_cover"),
    *("defend_the_center", "defend_the_line", "health_gathering", "health_gathering_supreme", "my_way_home"),
)
BUTTONS = {
    "MOVE_FORWARD": "UP",
    "MOVE_BACKWARD": "DOWN",
    "MOVE_LEFT": "LEFT",
    "TURN_LEFT": "LEFT",
    "MOVE_RIGHT": "RIGHT",
    "TURN_RIGHT": "RIGHT",
    "ATTACK": "FIRE",
}
"""Doom's buttons under the names that Atari's actions are made of, so that the same keys play both."""


def combinations(buttons: list[str]) -> dict[str, list[float]]:
    """Sensible combinations of buttons as named actions: NOOP first, then as in Atari (LEFT, UPRIGHT, LEFTFIRE)."""
    known = [BUTTONS[button] for button in buttons]
    axes = [["", *(name for name in pair if name in known)] for pair in (("UP", "DOWN"), ("LEFT", "RIGHT"), ("FIRE",))]
    actions = {}
    for chosen in itertools.product(*axes):
        actions["".join(chosen) or "NOOP"] = [float(name in chosen) for name in known]
    return actions


def forget(doom: vizdoom.DoomGame, folder: str, guards: list[subprocess.Popen[bytes]]) -> None:
    """End Doom, which writes into its folder as it ends, then its guards and the folder."""
    doom.close()
    for guard in guards:
        guard.kill()
        guard.communicate()
    guards.clear()
    shutil.rmtree(folder, ignore_errors=True)


def guard_over(folder: str) -> list[subprocess.Popen[bytes]]:
    """A shell for each Doom of that folder, which ends it and its files when this process is killed.

    Doom itself would stay for ever: nobody tells it. The shell reads from this process and hears that it is gone.
    """
    if os.name != "posix":
        return []
    ours = [child for child in psutil.Process().children() if any(folder in part for part in child.cmdline())]
    script = 'read _; kill -9 "$0"; rm -rf "$1"'
    return [
        subprocess.Popen(["sh", "-c", script, str(doom.pid), folder], stdin=subprocess.PIPE, start_new_session=True)
        for doom in ours
    ]


class VizDoomEnv(gymnasium.Env[np.ndarray, np.int64]):
    """Observations (size, size, 3) uint8 RGB, area-resized; rewards the scenario's own, summed over four tics.

    Running out of time truncates, everything else that ends an episode terminates it. Doom shows nothing of the moment
    in which an episode ends: its last observation is the one before. A seed fixes the whole episode. ViZDoom cannot
    store its state.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": TICS_HZ / FRAME_SKIP}  # noqa: RUF012
    render_mode = "rgb_array"
    fps = TICS_HZ / FRAME_SKIP
    action_repeat = FRAME_SKIP
    observes = "image"

    def __init__(self, game: str, size: int = 64) -> None:
        scenario = game.removeprefix("vizdoom_")
        if scenario not in SCENARIOS:
            raise ValueError(f"game: got {game!r}, expected vizdoom_ and one of {', '.join(SCENARIOS)}")
        self.game, self.size = game, size
        self.doom = self.open(scenario)
        self.combinations = combinations([button.name for button in self.doom.get_available_buttons()])
        self.action_names = tuple(self.combinations)
        self.actions = ActionSpec(self.action_names)
        self.codes = list(self.combinations.values())
        self.observation_space = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.codes))
        self.seen = np.zeros((size, size, 3), np.uint8)

    def open(self, scenario: str) -> vizdoom.DoomGame:
        """Start Doom without window or sound, its own files in a folder that goes with it."""
        folder = tempfile.mkdtemp(prefix="reverie-doom-")
        guards: list[subprocess.Popen[bytes]] = []
        doom = vizdoom.DoomGame()
        self.forget = weakref.finalize(self, forget, doom, folder, guards)
        doom.load_config(str(Path(vizdoom.scenarios_path) / f"{scenario}.cfg"))
        doom.set_doom_config_path(str(Path(folder) / "doom.ini"))
        doom.set_window_visible(False)
        doom.set_sound_enabled(False)
        doom.set_mode(vizdoom.Mode.PLAYER)
        doom.set_screen_format(vizdoom.ScreenFormat.RGB24)
        doom.set_screen_resolution(vizdoom.ScreenResolution.RES_160X120)
        doom.init()
        guards.extend(guard_over(folder))
        with suppress(OSError):
            Path("_vizdoom").rmdir()  # Doom leaves it, empty, where it is started
        return doom

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.doom.set_seed(int(self.np_random.integers(2**31)) if seed is None else seed % 2**32)
        self.doom.new_episode()
        return self.observation(), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        reward, terminated, truncated = self.move(action)
        return self.observation(), reward, terminated, truncated, {}

    def move(self, action: Any) -> tuple[float, bool, bool]:
        """A step without its picture: (reward, terminated, truncated)."""
        if not 0 <= int(action) < len(self.codes):
            raise ValueError(f"action: got {action}, expected 0 .. {len(self.codes) - 1} ({self.action_names})")
        reward = float(self.doom.make_action(self.codes[int(action)], FRAME_SKIP))
        over = self.doom.is_episode_finished()
        late = over and self.doom.is_episode_timeout_reached()
        return reward, over and not late, late

    def observation(self) -> np.ndarray:
        import cv2

        state = self.doom.get_state()
        if state is not None:
            cv2.setNumThreads(1)
            small = cv2.resize(state.screen_buffer, (self.size, self.size), interpolation=cv2.INTER_AREA)
            self.seen = np.asarray(small, np.uint8)
        return self.seen.copy()

    def render(self) -> np.ndarray:
        """The picture as it stands, (size, size, 3) uint8."""
        return self.observation()

    def env_settings(self) -> dict[str, Any]:
        return {
            "env": "vizdoom",
            "game": self.game,
            "size": self.size,
            "frame_skip": FRAME_SKIP,
            "fps": self.fps,
            "screen": "160x120",
        }

    def close(self) -> None:
        self.forget()
