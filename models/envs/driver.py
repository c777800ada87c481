"""A scripted driver for CarRacing, sloppy on purpose: what it records shows road, curves, grass and ways back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from models.envs.car_racing import CarRacingEnv, Track

Random = np.random.Generator
TILE = 3.5
"""Distance between two points of the track, in the game's metres."""


@dataclass
class Driver:
    """Steers towards a point of the road ahead and slows down for curves. One lives for one episode.

    Drawn once an episode: top speed, how far ahead it looks, where on the road it likes to be, how unsteady its hand
    is, how often it does something foolish for a while, and whether it drives with keys (all or nothing) or smoothly.
    """

    env: CarRacingEnv
    random: Random
    at: int = -1
    aim: float = 0.0
    left: int = 0
    held: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))

    def __post_init__(self) -> None:
        draw = self.random
        self.keys = draw.random() < 0.5
        self.top = draw.uniform(25, 60)
        self.ahead = draw.uniform(8, 14)
        self.side = draw.normal(0, 1.5)
        self.unsteady = draw.choice([0.0, 0.1, 0.3])
        self.drift = draw.choice([0.5, 1.5, 4.0], p=[0.5, 0.3, 0.2])
        self.folly = draw.choice([0.0, 0.01, 0.025])

    def act(self) -> np.ndarray:
        """The next action, (3,) float32."""
        if self.left == 0 and self.random.random() < self.folly:
            self.held, self.left = self.foolish(), int(self.random.geometric(0.1))
        if self.left > 0:
            self.left -= 1
            return self.held
        assert self.env.track is not None
        self.aim = 0.97 * self.aim + 0.24 * self.random.normal(0, self.drift)
        return self.pressed(*self.drive(self.env.track))

    def foolish(self) -> np.ndarray:
        """Any mixture of controls: full lock with gas, braking on a straight, letting go of everything."""
        steer = self.random.choice([-1.0, 0.0, 1.0, self.random.uniform(-1, 1)])
        gas = self.random.choice([0.0, 1.0, self.random.uniform(0, 1)])
        brake = self.random.choice([0.0, 0.0, 0.0, 1.0, self.random.uniform(0, 1)])
        return np.array([steer, gas, brake], np.float32)

    def drive(self, track: Track) -> tuple[float, float, float]:
        """Steer, gas and brake that follow the road from where the car is."""
        points = np.asarray(track.track)[:, 1:]
        assert track.car is not None
        hull = track.car.hull
        where, speed = np.array(hull.position), float(np.hypot(*hull.linearVelocity))
        self.at = nearest(points, where, self.at)
        far = (self.ahead + 0.25 * speed) / TILE
        beta, x, y = points[(self.at + round(far)) % len(points)]
        offset = self.side + self.aim
        dx, dy = np.array([x, y]) + offset * np.array([math.cos(beta), math.sin(beta)]) - where
        sin, cos = math.sin(hull.angle), math.cos(hull.angle)
        wrong = math.atan2(dx * cos + dy * sin, -dx * sin + dy * cos)
        steer = 1.2 * wrong + float(hull.angularVelocity) * 0.08 + self.random.normal(0, self.unsteady)
        limit = min(self.top, speed_for(points, self.at, speed), 12.0 if abs(wrong) > 0.8 else 99.0)
        gas = float(np.clip((limit - speed) / 8, 0, 1))
        brake = float(np.clip((speed - limit - 4) / 15, 0, 0.8))
        return float(np.clip(steer, -1, 1)), gas, brake

    def pressed(self, steer: float, gas: float, brake: float) -> np.ndarray:
        """The controls as they are, or as keys would have it: each all or nothing, pressed for its share of time."""
        if self.keys:
            steer = math.copysign(1.0, steer) if abs(steer) > 0.25 + 0.2 * self.random.random() else 0.0
            gas, brake = (float(value > self.random.uniform(0.1, 0.9)) for value in (gas, brake))
        return np.array([steer, gas, brake], np.float32)


def nearest(points: np.ndarray, where: np.ndarray, before: int) -> int:
    """Index of the track's point nearest to the car, looked for around the one before (everywhere at first)."""
    window = np.arange(len(points)) if before < 0 else (before + np.arange(-8, 20)) % len(points)
    return int(window[np.square(points[window, 1:] - where).sum(1).argmin()])


def speed_for(points: np.ndarray, at: int, speed: float) -> float:
    """The speed to have for the sharpest curve within braking distance."""
    reach = 4 + int(speed / TILE * 0.9)
    betas = np.unwrap(points[(at + np.arange(reach + 5)) % len(points), 0])
    turn = np.abs(betas[5:] - betas[:-5]).max() / (5 * TILE)
    return float(np.clip(math.sqrt(50 / max(turn, 1e-3)), 16, 90))
