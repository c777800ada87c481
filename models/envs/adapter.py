"""The one adapter over Gymnasium: every environment by name, and several single ones as one, batch first.

Pictures are uint8 with channels first; vectors are float32.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.types import ActionSpec


@dataclass(frozen=True)
class Maker:
    """Who makes an environment, the package it needs ("" for none), and the extra of Reverie that brings it."""

    target: str
    package: str = ""
    extra: str = ""


GAMES = {
    "counting": Maker("models.envs.counting:CountingEnv"),
    "car_racing": Maker("models.envs.car_racing:CarRacingEnv", "Box2D", "box2d"),
    "crafter": Maker("models.envs.crafter:CrafterEnv", "crafter", "crafter"),
}
FAMILIES = {
    "vizdoom_": Maker("models.envs.vizdoom:VizDoomEnv", "vizdoom", "doom"),
    "dmc_": Maker("models.envs.dmc:DmcEnv", "dm_control", "dmc"),
    "gym_": Maker("models.envs.gym_vector:GymVectorEnv", extra="box2d,mujoco"),
}
"""Environments whose names begin alike; they are made from their name."""
EXAMPLES = ("vizdoom_basic", "vizdoom_take_cover", "vizdoom_health_gathering", "dmc_walker_walk", "gym_Pendulum-v1")
"""Names of theirs, to be near to a misspelt one."""


class GameEnv(Protocol):
    """A Gymnasium environment that knows its name, its actions and its pace.

    Observations are (H, W, 3) uint8 where ``observes`` is "image", else (n,) float32; actions are what ``actions``
    says: an index, or (n,) float32 within its bounds. ``env_settings`` goes into the meta of what is recorded.
    """

    game: str
    action_names: tuple[str, ...]
    actions: ActionSpec
    fps: float
    action_repeat: int
    observes: str

    @property
    def observation_space(self) -> Any: ...
    def reset(self, *, seed: int | None = None) -> tuple[np.ndarray, dict[str, Any]]: ...
    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]: ...
    def render(self) -> Any: ...
    def env_settings(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class EnvStep:
    """What the actions led to: frames (B, 3, H, W) uint8, or vectors (B, n) float32; rewards (B,) float32, raw;
    terminated, truncated (B,) bool.
    """

    frames: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor


def maker_of(game: str) -> Maker | None:
    """Who makes an environment of that name; None for what is Atari's or nobody's."""
    families = (maker for prefix, maker in FAMILIES.items() if game.startswith(prefix))
    return GAMES.get(game) or next(families, None)


def remedy(game: str) -> str:
    """What to install for an environment that cannot be made here for lack of its package; "" where nothing lacks."""
    maker = maker_of(game)
    if maker is None or not maker.package or find_spec(maker.package):
        return ""
    return f"pip install 'reverie[{maker.extra}]'"


def make_env(game: str, size: int = 64) -> GameEnv:
    """An environment by name: counting, car_racing, crafter, vizdoom_basic, dmc_walker_walk, gym_Pendulum-v1, or any of
    ale-py's games. ``size`` is that of pictures; vectors have none.

    Raises ValueError for an unknown name (with the nearest ones), and where a package is missing.
    """
    maker = maker_of(game)
    if maker is None:
        if near := difflib.get_close_matches(game.lower(), [*GAMES, *EXAMPLES], n=3, cutoff=0.7):
            raise ValueError(f"game: got {game!r}, expected an environment's name; did you mean {', '.join(near)}?")
        from models.envs.atari import AtariEnv

        return AtariEnv(game, size)
    if missing := remedy(game):
        raise ValueError(f"game: got {game!r} without the package {maker.package}, expected it installed: {missing}")
    module, name = maker.target.split(":")
    try:
        make = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:  # the latter from OpenGL without its library
        raise ValueError(
            f"game: got {game!r}, whose package cannot be loaded ({error}), expected a working one: "
            f"pip install 'reverie[{maker.extra}]', or the system's library that is missing"
        ) from error
    return make(size) if game in GAMES else make(game, size)


def channels_first(frame: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 to (3, H, W). Raises ValueError for any other observation."""
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise ValueError(f"observation: got {frame.shape} {frame.dtype}, expected (H, W, 3) uint8")
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))


def to_tensor(observation: np.ndarray) -> Tensor:
    """A picture (H, W, 3) uint8 as (3, H, W), a vector (n,) as float32. Raises ValueError for anything else."""
    if observation.ndim == 1 and np.issubdtype(observation.dtype, np.floating):
        return torch.from_numpy(observation.astype(np.float32))
    return channels_first(observation)


def to_actions(actions: Tensor, spec: ActionSpec, batch: int) -> list[Any]:
    """Checked rows of (B,) int64 or (B, n) float32, as the environments take them. Raises ValueError (got, expected).

    Continuous components are clipped into their bounds: an agent's sample may lie a rounding error outside.
    """
    if actions.shape != (batch, *spec.shape):
        raise ValueError(f"actions: got shape {tuple(actions.shape)}, expected {(batch, *spec.shape)}")
    if spec.kind == "discrete":
        return list(actions.tolist())
    rows = actions.detach().cpu().float().numpy()
    return list(np.clip(rows, np.asarray(spec.low, np.float32), np.asarray(spec.high, np.float32)))


def to_step(results: Sequence[tuple[np.ndarray, float, bool, bool, dict]]) -> EnvStep:
    """Gymnasium's results of several environments as one step."""
    frames, rewards, terminated, truncated, _ = zip(*results, strict=True)
    return EnvStep(
        torch.stack([to_tensor(frame) for frame in frames]),
        torch.tensor(rewards, dtype=torch.float32),
        torch.tensor([bool(end) for end in terminated]),
        torch.tensor([bool(end) for end in truncated]),
    )


class EnvBatch:
    """Environments stepped together. Nothing restarts by itself: ``reset_row`` does, with a seed of its own."""

    def __init__(self, envs: Sequence[GameEnv]) -> None:
        if not envs:
            raise ValueError("EnvBatch: got no environments, expected at least one")
        self.envs = list(envs)

    def __len__(self) -> int:
        return len(self.envs)

    def reset(self, seeds: Sequence[int]) -> Tensor:
        """First frames (B, 3, H, W) uint8 or vectors (B, n) float32, one seed a row."""
        return torch.stack([self.reset_row(row, seed) for row, seed in enumerate(seeds)])

    def reset_row(self, row: int, seed: int) -> Tensor:
        """Start a new episode in one row: its first frame (3, H, W) uint8, or vector (n,) float32."""
        return to_tensor(self.envs[row].reset(seed=seed)[0])

    def step(self, actions: Tensor) -> EnvStep:
        """actions (B,) int64 or (B, n) float32."""
        rows = to_actions(actions, self.envs[0].actions, len(self))
        return to_step([env.step(action) for env, action in zip(self.envs, rows, strict=True)])
