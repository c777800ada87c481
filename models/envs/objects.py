"""Where the objects of a game are, read from the console's memory, in pixels of the preprocessed frame.

The addresses are those of the annotated Atari memory (Anand et al. 2019, AtariARI), the offsets were fitted on screens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SCREEN_HEIGHT, SCREEN_WIDTH = 210, 160
Place = tuple[float, float, bool]


@dataclass(frozen=True)
class ObjectMap:
    """Names of a game's objects and the reader of their places from memory.

    ``read`` gives for each object (y, x, visible) of its centre in screen pixels (210 x 160).
    """

    names: tuple[str, ...]
    own: str
    read: Callable[[np.ndarray], tuple[Place, ...]]

    def places(self, ram: np.ndarray, size: int) -> np.ndarray:
        """(K, 3) float32: y and x in pixels of a size x size frame (0: the first one's centre), and visible 0 or 1."""
        out = np.zeros((len(self.names), 3), np.float32)
        for k, (y, x, visible) in enumerate(self.read(ram)):
            out[k] = (y * size / SCREEN_HEIGHT - 0.5, x * size / SCREEN_WIDTH - 0.5, float(visible))
        return out


def pong_paddle(y: int, x: int) -> Place:
    """What is drawn of a paddle of 16 lines around y: the court's rows 34 .. 193. After a point the enemy leaves it."""
    top, bottom = max(y - 8, 34), min(y + 8, 194)
    return (top + bottom) / 2, x, bottom > top


def read_pong(ram: np.ndarray) -> tuple[Place, ...]:
    enemy_y, own_y, ball_x, ball_y = (int(ram[i]) for i in (50, 51, 49, 54))
    ball_on = ball_y != 0 and 49 < ball_x < 49 + 160
    ball = (ball_y - 14 + 2, ball_x - 49 + 1, ball_on)
    return pong_paddle(own_y - 13 + 8, 142), pong_paddle(enemy_y - 15 + 8, 18), ball


def read_breakout(ram: np.ndarray) -> tuple[Place, ...]:
    own_x, ball_x, ball_y = (int(ram[i]) for i in (72, 99, 101))
    return (191, own_x - 47 + 8, True), (ball_y + 10, ball_x - 48, ball_y != 0)


def read_boxing(ram: np.ndarray) -> tuple[Place, ...]:
    own_x, own_y, enemy_x, enemy_y = (int(ram[i]) for i in (32, 34, 33, 35))
    return (own_y + 38 + 22, own_x + 5 + 7, True), (enemy_y + 38 + 22, enemy_x + 5 + 7, True)


def read_freeway(ram: np.ndarray) -> tuple[Place, ...]:
    return ((187 - int(ram[14]) + 11, 44 + 3, True),)


OBJECTS = {
    "pong": ObjectMap(("own paddle", "enemy paddle", "ball"), "own paddle", read_pong),
    "breakout": ObjectMap(("paddle", "ball"), "paddle", read_breakout),
    "boxing": ObjectMap(("own boxer", "enemy boxer"), "own boxer", read_boxing),
    "freeway": ObjectMap(("chicken",), "chicken", read_freeway),
}
