"""Worlds whose quality is known: the real game recognised from its frames, and ways to be worse than it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.episode import Episode
from models.envs.adapter import channels_first
from models.envs.experts import Player
from models.envs.real_world import RealState, RealWorld
from models.types import Context, Prediction, WorldSpec
from models.world import Rng, cat_states

GAME = "pong"


def key(frames: Tensor) -> bytes:
    """What a real state is recognised by: the frames up to it."""
    return frames.contiguous().numpy().tobytes()


@dataclass(frozen=True)
class Play:
    """An episode and the emulator's state at each of its frames."""

    episode: Episode
    states: list[RealState]

    def known(self, length: int) -> dict[bytes, RealState]:
        """The state at frame t by the ``length`` frames up to it."""
        frames = self.episode.frames
        return {key(frames[t - length + 1 : t + 1]): self.states[t] for t in range(length - 1, len(frames))}


def play(real: RealWorld, steps: int, seed: int, kind: str = "expert") -> Play:
    """Play the real game, cut after ``steps``."""
    env, random = real.env, np.random.default_rng(seed)
    player = Player(kind, GAME, env.action_names, random)
    frames, states, places = [channels_first(env.reset(seed=seed)[0])], [real.state_of()], [real.places()]
    actions, rewards = [], []
    for _ in range(steps):
        actions.append(player.act(env.ram()))
        frame, reward, _, _, _ = env.step(actions[-1])
        frames.append(channels_first(frame))
        rewards.append(reward)
        states.append(real.state_of())
        places.append(real.places())
    names = list(real.object_names)
    meta = {"env": "atari", "game": GAME, "size": real.spec.height, "actions": list(env.action_names), "objects": names}
    no = torch.zeros(steps, dtype=torch.bool)
    episode = Episode(
        torch.stack(frames),
        torch.tensor(actions),
        torch.tensor(rewards, dtype=torch.float32),
        no,
        no.clone(),
        torch.stack(places),
        {**meta, "seed": seed, "policy": kind, "frame_skip": 4},
    )
    return Play(episode, states)


@dataclass(frozen=True)
class OracleState:
    """The emulator, as in RealState; last (B,) int64: the action taken before."""

    emulator: Tensor
    screen: Tensor
    last: Tensor


class Oracle:
    """The real game, found again from a context's frames: as a dream it is perfect."""

    settings = None

    def __init__(self, real: RealWorld, known: dict[bytes, RealState]) -> None:
        self.real, self.known = real, known
        self.spec: WorldSpec = real.spec

    def with_settings(self, **changes: Any) -> Oracle:
        raise ValueError(f"settings: got {changes}, expected none")

    def initial(self, context: Context, rng: Rng) -> OracleState:
        real = cat_states([self.known[key(frames)] for frames in context.frames])
        return OracleState(real.emulator, real.screen, context.actions[:, -1])

    def acted(self, state: OracleState, action: Tensor) -> Tensor:
        """The action that is really taken."""
        return action

    def step(
        self, state: OracleState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[OracleState, Prediction]:
        real, prediction = self.real.step(RealState(state.emulator, state.screen), self.acted(state, action), rng)
        return OracleState(real.emulator, real.screen, action), self.shown(state, prediction)

    def shown(self, state: OracleState, prediction: Prediction) -> Prediction:
        return prediction

    def edit(self, state: OracleState, name: str, value: Tensor) -> OracleState:
        raise ValueError(f"edit: got {name}, expected none")


class Deaf(Oracle):
    """Ignores the action: always the no-op."""

    def acted(self, state: OracleState, action: Tensor) -> Tensor:
        return torch.zeros_like(action)


class Late(Oracle):
    """Off by one: takes the action before."""

    def acted(self, state: OracleState, action: Tensor) -> Tensor:
        return state.last


class Still(Oracle):
    """Shows the last frame for ever, never a reward."""

    def initial(self, context: Context, rng: Rng) -> Any:
        return StillState(context.frames[:, -1])

    def step(self, state: Any, action: Tensor, rng: Rng, *, inspect: bool = False) -> tuple[Any, Prediction]:
        nothing = torch.zeros(len(action))
        return state, Prediction(state.frame, nothing, nothing.bool())


@dataclass(frozen=True)
class StillState:
    frame: Tensor


STEPS = 110
"""Of the episode below."""


def quiet(done: int) -> None:
    """Nobody watches."""


@cache
def real() -> RealWorld:
    return RealWorld("pong")


@cache
def played() -> Play:
    return play(real(), STEPS, seed=2, kind="sticky")
