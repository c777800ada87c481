"""What a scripted player would do at every stored frame, read off the stored places of the game's objects.

The episodes were played with deliberate mistakes, so that they cover rallies and misses alike. Their actions are poor
examples for that reason, but where the objects' places are stored a calm player can be asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.envs.objects import SCREEN_HEIGHT, SCREEN_WIDTH

Teacher = Callable[[np.ndarray, int], list[str]]
"""Places (T, K, 3) of one episode's frames, as ``models.envs.objects`` gives them, and the frames' size in pixels;
gives the name of the action to take at each."""

COURT_TOP, COURT_HEIGHT = 35.0, 157.0
"""Where the ball's centre can be, in lines of the screen."""
PADDLE_X = 139.0
EDGE = 5.0
"""How far below the ball the paddle's centre is held, in lines: a ball that meets its upper part comes back steeply."""
REST = 4.0
"""Lines within which the paddle is left to roll out."""


def pong_teacher(places: np.ndarray, size: int) -> list[str]:
    """Go to where the ball will arrive, by the line through its last two places, mirrored at the walls.

    The paddle rolls on by about its last motion, so that is where it is thought to be. ALE's RIGHT is up, LEFT is down.
    """
    y = (places[..., 0] + 0.5) * SCREEN_HEIGHT / size
    x = (places[..., 1] + 0.5) * SCREEN_WIDTH / size
    before = np.maximum(np.arange(len(places)) - 1, 0)
    own, ball_y, ball_x, seen = y[:, 0], y[:, 2], x[:, 2], places[:, 2, 2] > 0
    known = seen & seen[before] & (np.arange(len(places)) > 0)
    speed_x, speed_y = ball_x - ball_x[before], ball_y - ball_y[before]
    comes = known & (speed_x > 0.5)
    left = np.where(comes, np.maximum(PADDLE_X - ball_x, 0) / np.where(comes, speed_x, 1), 0)
    arrival = np.abs(ball_y + speed_y * left - COURT_TOP) % (2 * COURT_HEIGHT)
    arrival = COURT_TOP + np.minimum(arrival, 2 * COURT_HEIGHT - arrival)
    target = np.full(len(places), COURT_TOP + COURT_HEIGHT / 2)
    target = np.where(seen & ~known, ball_y, target)
    target = np.where(comes, arrival + EDGE, target)
    error = target - (own + own - own[before])
    return ["NOOP" if abs(e) < REST else "LEFT" if e > 0 else "RIGHT" for e in error.tolist()]


TEACHERS: dict[str, Teacher] = {"pong": pong_teacher}
"""By game; of a game that has none the actions of its expert episodes are cloned as they were taken."""
