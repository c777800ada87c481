"""What a scripted player would do at every stored frame, read off the stored places of the game's objects.

The episodes were played with deliberate mistakes, so that they cover rallies and misses alike. Their actions are poor
examples for that reason, but where the objects' places are stored a calm player can be asked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.envs.objects import SCREEN_HEIGHT, SCREEN_WIDTH

Teacher = Callable[[np.ndarray, Sequence[str], int], list[str]]
"""Places (T, K, 3) of successive frames, as ``models.envs.objects`` gives them, the actions that led to each frame
("" to an episode's first), and the frames' size in pixels; gives the name of the action to take at each."""

COURT_TOP, COURT_HEIGHT = 35.0, 157.0
"""Where the ball's centre can be, in lines of the screen."""
PADDLE_X, PADDLE_TOP, PADDLE_BOTTOM = 139.0, 33.0, 198.0
ROLL, PUSH = 0.27, 8.7
"""How the paddle moves, in lines a step, fitted on stored episodes: ROLL times its last motion, PUSH for the action
taken, and PUSH again for the one before."""
RISING = -5.0
"""Where the paddle's centre is to meet a rising ball, in lines below it; a falling one is met in the middle."""
HOLDS = 8
"""Plans reach so many steps ahead: hold a direction for 0 to HOLDS steps, then let go."""
EFFORT = 0.5
"""What a held step costs, in lines by which the ball is missed: without it the paddle would never rest."""


def pong_teacher(places: np.ndarray, last: Sequence[str], size: int) -> list[str]:
    """Be where the ball will arrive, when it arrives; in the middle while it flies away.

    Where and when is said by the line through its last two places, mirrored at the walls. Every plan is thought through
    to that moment, the best one's first action is taken, and the next frame is thought about anew. ALE's RIGHT is up.
    """
    y = (places[..., 0] + 0.5) * SCREEN_HEIGHT / size
    x = (places[..., 1] + 0.5) * SCREEN_WIDTH / size
    before = np.maximum(np.arange(len(places)) - 1, 0)
    own, ball_y, ball_x, seen = y[:, 0], y[:, 2], x[:, 2], places[:, 2, 2] > 0
    speed_x, speed_y = ball_x - ball_x[before], ball_y - ball_y[before]
    comes = seen & seen[before] & (speed_x > 0.5)
    left = np.maximum(PADDLE_X - ball_x, 0) / np.where(comes, speed_x, 1)
    arrival = np.abs(ball_y + speed_y * left - COURT_TOP) % (2 * COURT_HEIGHT)
    arrival = COURT_TOP + np.minimum(arrival, 2 * COURT_HEIGHT - arrival)
    target = np.where(comes, arrival + np.where(speed_y < 0, RISING, 0), COURT_TOP + COURT_HEIGHT / 2)
    pushed = np.array([("LEFT" in name) - ("RIGHT" in name) for name in last], np.float64)
    plans, where = reach(own, own - own[before], pushed, np.where(comes, left, np.inf))
    cost = np.abs(where - target) + EFFORT * np.abs(plans).sum(0)[:, None]
    first = plans[0, cost.argmin(0)]
    return ["LEFT" if push > 0 else "RIGHT" if push < 0 else "NOOP" for push in first.tolist()]


def reach(own: np.ndarray, motion: np.ndarray, pushed: np.ndarray, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Plans (HOLDS, P) of pushes -1, 0, 1, and where each takes the paddle after ``left`` steps, (P, T).

    own: its place, motion: its last one, pushed: the last push, all (T,). After HOLDS steps it has rolled out.
    """
    step = np.arange(HOLDS)
    held = [(step < count) * push for count in range(HOLDS + 1) for push in ((1, -1) if count else (0,))]
    plans = np.stack(held, axis=1).astype(np.float64)
    at = np.repeat(own[None], plans.shape[1], 0)
    moved, push_before, where = motion, pushed, at.copy()
    for number, pushes in enumerate(plans):
        moved = ROLL * moved + PUSH * (pushes[:, None] + push_before)
        after = np.clip(at + moved, PADDLE_TOP, PADDLE_BOTTOM)
        part = np.clip(left - number, 0, 1)
        where = np.where(left > number, at + (after - at) * part, where)
        at, push_before = after, pushes[:, None]
    rest = np.clip(at + (ROLL * moved + PUSH * push_before) / (1 - ROLL), PADDLE_TOP, PADDLE_BOTTOM)
    return plans, np.where(left >= HOLDS, rest, where)


TEACHERS: dict[str, Teacher] = {"pong": pong_teacher}
"""By game; of a game that has none the actions of its expert episodes are cloned as they were taken."""
