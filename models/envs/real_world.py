"""A real Atari game behind the WorldModel contract, so that it can be paused, rewound and forked like a dream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.atari import EMULATOR_HZ, FRAME_SKIP, SCREEN, AtariEnv
from models.envs.emulator import rom_of
from models.envs.objects import OBJECTS
from models.types import ActionSpec, Context, Prediction, View, WorldSpec
from models.world import Rng

LENGTH_BYTES = 4
STATE_BYTES = 16384
"""Room for one serialised emulator state, its length first."""


@dataclass(frozen=True)
class RealState:
    """The emulator's serialised state (B, STATE_BYTES) uint8 and its last grabbed screen (B, 210, 160, 3) uint8."""

    emulator: Tensor
    screen: Tensor


@dataclass(frozen=True)
class RealSettings:
    """A real game has no live settings."""


def pack(state: bytes) -> Tensor:
    if len(state) + LENGTH_BYTES > STATE_BYTES:
        raise ValueError(f"emulator state: got {len(state)} bytes, expected at most {STATE_BYTES - LENGTH_BYTES}")
    data = len(state).to_bytes(LENGTH_BYTES, "little") + state
    return torch.frombuffer(bytearray(data.ljust(STATE_BYTES, b"\0")), dtype=torch.uint8)


def unpack(row: Tensor) -> bytes:
    data = row.cpu().numpy().tobytes()
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if not 0 < length <= STATE_BYTES - LENGTH_BYTES:
        raise ValueError(f"emulator state: got a length of {length} bytes, expected 1 .. {STATE_BYTES - LENGTH_BYTES}")
    return data[LENGTH_BYTES : LENGTH_BYTES + length]


class RealWorld:
    """The real game. Reward is the sign of the game's, as in a dream; every row is a game of its own.

    ``initial`` starts a fresh game from the row's generator: pixels cannot tell an emulator where it is. ``state_of``
    gives the state of the game as it stands.
    """

    def __init__(self, game: str, size: int = 64, context: int = 4) -> None:
        self.env = AtariEnv(game, size)
        self.settings = RealSettings()
        self.spec = WorldSpec(
            name=f"{rom_of(game)} (real)",
            family="real",
            height=size,
            width=size,
            actions=ActionSpec(self.env.action_names),
            context=context,
            fps=EMULATOR_HZ / FRAME_SKIP,
            action_repeat=FRAME_SKIP,
            termination="the game is over",
        )

    def with_settings(self, **changes: Any) -> RealWorld:
        if changes:
            raise ValueError(f"settings: got {sorted(changes)}, expected none: a real game has no settings")
        return self

    def state_of(self) -> RealState:
        """The state of the emulator as it stands, batch 1."""
        emulator, screen = self.env.snapshot()
        return RealState(pack(emulator)[None], torch.from_numpy(screen)[None])

    def restore(self, state: RealState, row: int = 0) -> None:
        """Put the emulator where a row of a state says."""
        if tuple(state.screen.shape[1:]) != SCREEN:
            raise ValueError(
                f"screen: got shape {tuple(state.screen.shape)}, expected (B, {', '.join(map(str, SCREEN))})"
            )
        self.env.restore(unpack(state.emulator[row]), state.screen[row].cpu().numpy())

    def initial(self, context: Context, rng: Rng) -> RealState:
        rows = []
        for seed in rng.integers(2**31 - 1).tolist():
            self.env.reset(seed=seed)
            rows.append(self.state_of())
        return RealState(torch.cat([r.emulator for r in rows]), torch.cat([r.screen for r in rows]))

    def step(
        self, state: RealState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[RealState, Prediction]:
        """One preprocessed step of every row's game. A game that was over stays over, with reward 0."""
        self.spec.actions.check(action, len(state.emulator))
        states, frames, rewards, ends, cuts, places = [], [], [], [], [], []
        for row, act in enumerate(action.tolist()):
            self.restore(state, row)
            frame, reward, terminated, truncated, _ = self.env.step(act)
            states.append(self.state_of())
            frames.append(torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))))
            rewards.append(float(np.sign(reward)))
            ends.append(terminated or truncated)
            cuts.append(truncated and not terminated)
            places.append(self.places())
        after = RealState(torch.cat([s.emulator for s in states]), torch.cat([s.screen for s in states]))
        names = tuple(f"{name} {part}" for name in self.object_names for part in ("y", "x", "visible"))
        views = (View("objects", "vector", torch.stack(places).flatten(1), names),) if inspect and names else ()
        paid, over = torch.tensor(rewards), torch.tensor(ends)
        return after, Prediction(torch.stack(frames), paid, over, views, cut=torch.tensor(cuts))

    def frame(self, state: RealState) -> Tensor:
        """What a state looks like: (B, 3, H, W) uint8."""
        rows = []
        for row in range(len(state.screen)):
            self.restore(state, row)
            rows.append(torch.from_numpy(self.env.frames.observation().transpose(2, 0, 1).copy()))
        return torch.stack(rows)

    @property
    def object_names(self) -> tuple[str, ...]:
        return OBJECTS[self.env.game].names if self.env.game in OBJECTS else ()

    def places(self) -> Tensor:
        """(K, 3) float32 of the emulator as it stands: y, x, visible; K = 0 where the game's memory is not mapped."""
        if self.env.game not in OBJECTS:
            return torch.zeros(0, 3)
        return torch.from_numpy(OBJECTS[self.env.game].places(self.env.ram(), self.spec.height))

    def edit(self, state: RealState, name: str, value: Tensor) -> RealState:
        raise ValueError(f"edit: got view {name!r}, but a real game cannot be edited")
