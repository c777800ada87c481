"""Scripted players that read the console's memory, noisy on purpose: they cover rallies and misses alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.types import ActionSpec

Random = np.random.Generator
NO_MEMORY = np.zeros(0, np.uint8)
Script = Callable[[np.ndarray, float, Random], str]


def pong_script(ram: np.ndarray, aim: float, random: Random) -> str:
    """Follow the ball with the paddle's centre, off by ``aim`` pixels. ALE's RIGHT is up here, LEFT is down."""
    own, ball = int(ram[51]) - 13 + 8, int(ram[54]) - 14 + 2
    error = ball - own + aim
    if ram[54] == 0 or abs(error) < 4:
        return random.choice(["NOOP", "FIRE"])
    move = "RIGHT" if error < 0 else "LEFT"
    return move + "FIRE" if random.random() < 0.2 else move


def breakout_script(ram: np.ndarray, aim: float, random: Random) -> str:
    own, ball, ball_y = int(ram[72]) - 47 + 8, int(ram[99]) - 48, int(ram[101])
    error = ball - own + aim
    if ball_y == 0:
        return "FIRE"
    return "NOOP" if abs(error) < 4 else "RIGHT" if error > 0 else "LEFT"


def boxing_script(ram: np.ndarray, aim: float, random: Random) -> str:
    """Close in on the other boxer beside his glove line and punch."""
    dx, dy = int(ram[33]) - int(ram[32]), int(ram[35]) - int(ram[34]) + aim
    vertical = "DOWN" if dy > 4 else "UP" if dy < -4 else ""
    horizontal = "RIGHT" if dx > 26 else "LEFT" if dx < -26 else ""
    fire = "FIRE" if abs(dx) < 34 and random.random() < 0.6 else ""
    return vertical + horizontal + fire or "NOOP"


def freeway_script(ram: np.ndarray, aim: float, random: Random) -> str:
    return str(random.choice(["UP", "NOOP", "DOWN"], p=[0.8, 0.1, 0.1]))


SCRIPTS: dict[str, Script] = {
    "pong": pong_script,
    "breakout": breakout_script,
    "boxing": boxing_script,
    "freeway": freeway_script,
}


KINDS = ("random", "sticky", "expert")
EXPERTS = (*SCRIPTS, "car_racing")
"""Games that have an expert."""


def check_policy(policy: str, game: str) -> None:
    """Raises ValueError for an unknown policy, or an expert of a game that has none."""
    if policy not in (*KINDS, "mixed"):
        raise ValueError(f"policy: got {policy!r}, expected mixed, {', '.join(KINDS)}")
    if policy == "expert" and game not in EXPERTS:
        raise ValueError(f"policy: got expert for {game!r}, expected one of {sorted(EXPERTS)}; use --policy sticky")


@dataclass
class Player:
    """One episode's player: ``kind`` random, sticky (an action held for a random while) or expert (a noisy script).

    An expert aims with an error that is drawn anew every so often, and now and then holds a random action for a while,
    both with a strength drawn once an episode: some episodes are masterful, some clumsy.
    """

    kind: str
    game: str
    action_names: tuple[str, ...]
    random: Random

    def __post_init__(self) -> None:
        check_policy(self.kind, self.game)
        self.sloppiness = self.random.uniform(1, 7)
        self.wander = self.random.uniform(0.002, 0.04)
        self.aim, self.held, self.left = 0.0, 0, 0

    def act(self, ram: np.ndarray) -> int:
        """The next action's index."""
        any_action = int(self.random.integers(len(self.action_names)))
        if self.kind == "random":
            return any_action
        if self.left == 0 and self.random.random() < (1.0 if self.kind == "sticky" else self.wander):
            self.held, self.left = any_action, int(self.random.geometric(0.2))
        if self.left > 0:
            self.left -= 1
            return self.held
        if self.random.random() < 0.08:
            self.aim = self.random.normal(0, self.sloppiness)
        return self.action_names.index(SCRIPTS[self.game](ram, self.aim, self.random))


@dataclass
class Wanderer:
    """One episode's player where actions are continuous: random (anew at every step) or sticky (held for a while).

    Half of what it does is all or nothing, as keys would have it: a component at one of its bounds or at rest.
    """

    kind: str
    spec: ActionSpec
    random: Random

    def __post_init__(self) -> None:
        self.low, self.high = np.asarray(self.spec.low, np.float32), np.asarray(self.spec.high, np.float32)
        self.held, self.left = self.any_action(), 0

    def any_action(self) -> np.ndarray:
        smooth = self.random.uniform(self.low, self.high)
        pressed = self.random.choice(3, self.low.shape)
        keys = np.choose(pressed, [self.low, np.clip(np.zeros_like(self.low), self.low, self.high), self.high])
        return np.asarray(keys if self.random.random() < 0.5 else smooth, np.float32)

    def act(self) -> np.ndarray:
        """The next action, (n,) float32 within the bounds."""
        if self.kind == "random":
            return self.any_action()
        if self.left == 0:
            self.held, self.left = self.any_action(), int(self.random.geometric(0.2))
        self.left -= 1
        return self.held


def player_for(kind: str, env: Any, random: Random) -> Callable[[], Any]:
    """A player of one episode of an environment: what gives the next action, an index or (n,) float32."""
    check_policy(kind, env.game)
    if kind == "expert" and env.game == "car_racing":
        from models.envs.driver import Driver

        return Driver(env, random).act
    if env.actions.kind != "discrete":
        return Wanderer(kind, env.actions, random).act
    player = Player(kind, env.game, env.action_names, random)
    return lambda: player.act(env.ram() if kind == "expert" else NO_MEMORY)


def draw_kind(policy: str, game: str, random: Random) -> str:
    """The kind of an episode's player; ``mixed`` is mostly experts where the game has one, else mostly sticky."""
    if policy in KINDS:
        return policy
    shares = (0.05, 0.15, 0.8) if game in EXPERTS else (0.2, 0.8, 0.0)
    return str(random.choice(KINDS, p=shares))
