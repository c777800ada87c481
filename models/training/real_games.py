"""Whole games in the real environment, to see how well someone plays: a policy, a script, chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.adapter import channels_first, make_env
from models.envs.atari import AtariEnv
from models.envs.experts import Player
from models.envs.objects import OBJECTS
from models.policies.pixels import PixelPolicy
from models.training.teachers import Teacher
from models.world import Rng

LIMIT = 10_000
"""Steps after which a game is cut off."""
FIRST_SEED = 7_000_000
"""Seeds from here on are of no stored episode, as long as `reverie collect` was not called with a seed of 7."""
Gamer = Callable[[Tensor, AtariEnv], int]
"""Says what to do: a frame (3, H, W) uint8 and the game to an action's index. One lives for one game."""
NewGamer = Callable[[int], Gamer]
"""A gamer for a game of such a seed."""


def policy_gamer(policy: PixelPolicy) -> NewGamer:
    """The policy, which sees the frames alone."""

    def begin(seed: int) -> Gamer:
        carry, rng = policy.initial(1), Rng.seeded([seed])

        def act(frame: Tensor, env: AtariEnv) -> int:
            nonlocal carry
            carry, action = policy.act(carry, frame[None], rng)
            return int(action)

        return act

    return begin


def teacher_gamer(teacher: Teacher) -> NewGamer:
    """The teacher, which sees the places of the objects in the console's memory."""

    def begin(seed: int) -> Gamer:
        seen: list[np.ndarray] = []
        taken = [""]

        def act(frame: Tensor, env: AtariEnv) -> int:
            size = frame.shape[-1]
            seen.append(OBJECTS[env.game].places(env.ram(), size))
            taken.append(teacher(np.stack(seen[-2:]), taken[-2:], size)[-1])
            del seen[:-2], taken[:-2]
            return env.action_names.index(taken[-1])

        return act

    return begin


def player_gamer(kind: str) -> NewGamer:
    """One of the players that collect episodes: expert, random, sticky."""

    def begin(seed: int) -> Gamer:
        players: list[Player] = []

        def act(frame: Tensor, env: AtariEnv) -> int:
            if not players:
                players.append(Player(kind, env.game, env.action_names, np.random.default_rng(seed)))
            return players[0].act(env.ram())

        return act

    return begin


def play_game(env: AtariEnv, gamer: Gamer, seed: int, limit: int = LIMIT) -> tuple[float, int]:
    """One game: its return, in the game's own points, and its length in steps."""
    frame, total = channels_first(env.reset(seed=seed)[0]), 0.0
    for step in range(1, limit + 1):
        seen, reward, terminated, truncated, _ = env.step(gamer(frame, env))
        frame, total = channels_first(seen), total + reward
        if terminated or truncated:
            return total, step
    return total, limit


def play_games(
    game: str, size: int, gamers: Mapping[str, NewGamer], games: int, tick: Callable[[], Any] = lambda: None
) -> dict[str, dict[str, Any]]:
    """The same games for everyone, by name: mean, standard deviation, least and greatest return, steps a game.

    How far the mean is from that of very many games is said by ``error``, its standard error.
    """
    env = make_env(game, size)
    assert isinstance(env, AtariEnv)
    out = {}
    for name, begin in gamers.items():
        results = []
        for seed in range(FIRST_SEED, FIRST_SEED + games):
            results.append(play_game(env, begin(seed), seed))
            tick()
        out[name] = summary(results)
    return out


def summary(results: Iterable[tuple[float, int]]) -> dict[str, Any]:
    """Statistics of (return, steps) of several games."""
    returns, steps = (torch.tensor(values, dtype=torch.float64) for values in zip(*results, strict=True))
    deviation = float(returns.std()) if len(returns) > 1 else 0.0
    return {
        "games": len(returns),
        "mean": round(float(returns.mean()), 2),
        "deviation": round(deviation, 2),
        "error": round(deviation / len(returns) ** 0.5, 2),
        "least": float(returns.min()),
        "greatest": float(returns.max()),
        "steps": round(float(steps.mean())),
    }
