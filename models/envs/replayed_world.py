"""A real game that cannot store its state, behind the WorldModel contract: its state is how it came about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.adapter import GameEnv, channels_first, make_env
from models.envs.real_world import RealSettings
from models.types import ActionSpec, Context, Prediction, WorldSpec
from models.world import Rng

CAPACITY = {"car_racing": 500, "crafter": 10_000}
"""Steps after which an episode is over in any case: the room for actions in a state."""
OTHERS = 2_100
SEATS = 4
"""How many copies of the game are kept, each where some state left it."""
SIGN = WorldSpec.reward


@dataclass(frozen=True)
class ReplayedState:
    """What was done since the start, from which the game can be played again, and what it shows.

    seed (B,) int64; actions (B, capacity) uint8 or (B, capacity, n) float32, zero from ``length`` (B,) int64 on;
    screen (B, 3, H, W) uint8; over (B,) bool.
    """

    seed: Tensor
    actions: Tensor
    length: Tensor
    screen: Tensor
    over: Tensor


@dataclass
class Seat:
    """A copy of the game, and where it stands: its seed (-1: nowhere), and the actions since as bytes.

    first: what it showed after its last reset, (H, W, 3) uint8.
    """

    env: GameEnv
    seed: int = -1
    past: bytes = b""
    first: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))

    def restart(self, seed: int) -> None:
        self.seed = -1
        self.first = self.env.reset(seed=seed)[0]
        self.seed, self.past = seed, b""

    def step(self, action: Any, past: bytes) -> tuple[np.ndarray, float, bool, bool]:
        """Take an action, after which ``past`` is behind: frame, reward, terminated, truncated."""
        seed, self.seed = self.seed, -1
        frame, reward, terminated, truncated, _ = self.env.step(action)
        self.seed, self.past = seed, past
        return frame, float(reward), bool(terminated), bool(truncated)

    def catch_up(self, actions: Iterable[Any], past: bytes) -> None:
        """Take actions without looking, where the game allows it."""
        seed, self.seed = self.seed, -1
        move = getattr(self.env, "move", None)
        for action in actions:
            (move or self.env.step)(action)
        if move:
            self.env.render()
        self.seed, self.past = seed, past


class ReplayedWorld:
    """The real game. A step goes on where a copy of the game already is; otherwise the past is played again first.

    Every row is a game of its own. A game that was over stays over, with reward 0. ``signed`` gives the sign of the
    reward instead of the game's own. With ``like``, the spec of a dream of this game, no game is opened before it is
    played; it must have the same actions. ``alone``: its copies of the game are few, so it is for one player.
    """

    alone = True

    def __init__(
        self,
        game: str,
        size: int = 64,
        context: int = 4,
        *,
        signed: bool = False,
        like: WorldSpec | None = None,
        capacity: int | None = None,
        make: Callable[[str, int], GameEnv] = make_env,
    ) -> None:
        self.game, self.size, self.signed, self.make = game, size, signed, make
        self.capacity = capacity or CAPACITY.get(game, OTHERS)
        self.settings = RealSettings()
        self.seats: list[Seat] = []
        known: WorldSpec | GameEnv = like or self.open()
        self.spec = WorldSpec(
            name=f"{game} (real)",
            family="real",
            height=size,
            width=size,
            actions=known.actions,
            context=context,
            fps=known.fps,
            action_repeat=known.action_repeat,
            reward=SIGN if signed else "the game's reward",
            termination="the game is over",
        )
        self.check(known.actions)

    def check(self, actions: ActionSpec) -> None:
        if self.seats and self.seats[0].env.actions != actions:
            raise ValueError(f"{self.game}: got actions {actions}, expected the game's {self.seats[0].env.actions}")
        if actions.kind == "discrete" and actions.size > 256:
            raise ValueError(f"{self.game}: got {actions.size} actions, expected at most 256")

    def open(self) -> GameEnv:
        """A new copy of the game. Raises ValueError for one that shows no pictures."""
        env = self.make(self.game, self.size)
        if env.observes != "image":
            env.close()
            raise ValueError(f"{self.game}: got a game that shows {env.observes}s, expected pictures")
        self.seats.append(Seat(env))
        return env

    def with_settings(self, **changes: Any) -> ReplayedWorld:
        if changes:
            raise ValueError(f"settings: got {sorted(changes)}, expected none: a real game has no settings")
        return self

    def initial(self, context: Context, rng: Rng) -> ReplayedState:
        """Fresh games, seeded by the rows' generators: pixels cannot tell a game where it is."""
        seeds = rng.integers(2**31 - 1)
        screens = torch.stack([channels_first(self.seat_at(seed, b"").first) for seed in seeds.tolist()])
        batch, spec = len(seeds), self.spec.actions
        kind = torch.uint8 if spec.kind == "discrete" else torch.float32
        return ReplayedState(
            seed=seeds,
            actions=torch.zeros(batch, self.capacity, *spec.shape, dtype=kind),
            length=torch.zeros(batch, dtype=torch.int64),
            screen=screens,
            over=torch.zeros(batch, dtype=torch.bool),
        )

    def step(
        self, state: ReplayedState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[ReplayedState, Prediction]:
        """One step of every row's game. Rewards are the game's own, or their signs."""
        rows = self.spec.actions.check(action, len(state.seed)).cpu().to(state.actions.dtype)
        after = replace(
            state, **{name: getattr(state, name).clone() for name in ("actions", "length", "screen", "over")}
        )
        after = replace(after, seed=state.seed.clone())
        rewards, cut = torch.zeros(len(rows)), torch.zeros(len(rows), dtype=torch.bool)
        for row in range(len(rows)):
            if not state.over[row]:
                rewards[row], terminated = self.play(after, row, rows[row])
                cut[row] = bool(after.over[row]) and not terminated
        return after, Prediction(after.screen.clone(), rewards, after.over.clone(), cut=cut)

    def play(self, state: ReplayedState, row: int, action: Tensor) -> tuple[float, bool]:
        """Play one row on, writing into ``state``; gives the reward, and whether the game ended by itself."""
        length = int(state.length[row])
        past = state.actions[row, :length]
        seat = self.seat_at(int(state.seed[row]), past.numpy().tobytes())
        state.actions[row, length] = action
        state.length[row] = length + 1
        played = int(action) if self.spec.actions.kind == "discrete" else action.numpy()
        frame, reward, terminated, truncated = seat.step(played, state.actions[row, : length + 1].numpy().tobytes())
        state.screen[row] = channels_first(frame)
        state.over[row] = terminated or truncated or length + 1 >= self.capacity
        return float(np.sign(reward)) if self.signed else reward, terminated

    def seat_at(self, seed: int, past: bytes) -> Seat:
        """A copy of the game that stands where these actions lead; the one that has least to play to get there."""
        near = [seat for seat in self.seats if seat.seed == seed and past.startswith(seat.past)]
        if near:
            seat = max(near, key=lambda seat: len(seat.past))
        else:
            if len(self.seats) < SEATS and all(seat.seed >= 0 for seat in self.seats):
                self.open()
                self.check(self.spec.actions)
            seat = next((seat for seat in self.seats if seat.seed < 0), self.seats[0])
            seat.restart(seed)
        self.seats.remove(seat)
        self.seats.append(seat)
        if len(seat.past) < len(past):
            spec = self.spec.actions
            kind = np.uint8 if spec.kind == "discrete" else np.float32
            seat.catch_up(np.frombuffer(past[len(seat.past) :], kind).reshape(-1, *spec.shape), past)
        return seat

    def frame(self, state: ReplayedState) -> Tensor:
        """What a state looks like: (B, 3, H, W) uint8."""
        return state.screen.clone()

    def edit(self, state: ReplayedState, name: str, value: Tensor) -> ReplayedState:
        raise ValueError(f"edit: got view {name!r}, but a real game cannot be edited")

    def close(self) -> None:
        """Close every copy of the game; playing on opens them again."""
        for seat in self.seats:
            seat.env.close()
        self.seats = []
