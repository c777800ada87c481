"""Worlds that are broken in one known way: the real game behind the contract, told wrong."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.real_world import RealState, RealWorld
from models.types import Context, Prediction
from models.world import Rng, cat_states

BITS = 64


class Witness(RealWorld):
    """The real game, which remembers every state it was ever in.

    The lowest bit of the first pixels of a frame tells which state it shows: a dream can thus be begun from the frames
    alone, and still be perfect. No pixel is more than a level off.
    """

    def __init__(self, game: str, size: int = 64, context: int = 2) -> None:
        super().__init__(game, size, context)
        self.known: dict[bytes, tuple[bytes, bytes]] = {}

    def initial(self, context: Context, rng: Rng) -> RealState:
        state = super().initial(context, rng)
        self.frame(state)
        return state

    def step(
        self, state: RealState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[RealState, Prediction]:
        after, seen = super().step(state, action, rng, inspect=inspect)
        return after, replace(seen, frame=self.marked(after, seen.frame))

    def frame(self, state: RealState) -> Tensor:
        return self.marked(state, super().frame(state))

    def marked(self, state: RealState, frames: Tensor) -> Tensor:
        frames = frames.clone()
        for row in range(len(frames)):
            emulator, screen = (getattr(state, name)[row].numpy().tobytes() for name in ("emulator", "screen"))
            mark = hashlib.blake2b(emulator + screen, digest_size=BITS // 8).digest()
            if mark not in self.known:
                self.known[mark] = zlib.compress(emulator, 1), zlib.compress(screen, 1)
            bits = torch.from_numpy(np.unpackbits(np.frombuffer(mark, np.uint8)))
            line = frames[row].reshape(-1)
            line[:BITS] = (line[:BITS] & 0xFE) | bits
        return frames

    def recalled(self, frame: Tensor) -> RealState:
        """The state that a frame (3, H, W) shows. Raises KeyError for one that was never shown."""
        mark = np.packbits((frame.reshape(-1)[:BITS] & 1).numpy()).tobytes()
        emulator, screen = (zlib.decompress(data) for data in self.known[mark])
        return RealState(
            torch.frombuffer(bytearray(emulator), dtype=torch.uint8)[None],
            torch.frombuffer(bytearray(screen), dtype=torch.uint8).reshape(1, 210, 160, 3),
        )


@dataclass(frozen=True)
class DreamState:
    """The emulator, as in RealState; last (B,) int64: the action taken before; count (B,) int64: steps dreamed; shown
    (B, 3, H, W) uint8."""

    emulator: Tensor
    screen: Tensor
    last: Tensor
    count: Tensor
    shown: Tensor


class Perfect:
    """The real game, found again from the last frame of a context: as a dream it is perfect. Others are worse."""

    settings = None

    def __init__(self, real: Witness) -> None:
        self.real = real
        self.spec = replace(real.spec, name=type(self).__name__.lower(), family="test")

    def with_settings(self, **changes: Any) -> Perfect:
        raise ValueError(f"settings: got {changes}, expected none")

    def initial(self, context: Context, rng: Rng) -> DreamState:
        real = cat_states([self.real.recalled(frame) for frame in context.frames[:, -1]])
        shown, count = context.frames[:, -1].clone(), torch.zeros(len(context.frames), dtype=torch.int64)
        return DreamState(real.emulator, real.screen, context.actions[:, -1].clone(), count, shown)

    def step(
        self, state: DreamState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[DreamState, Prediction]:
        taken = self.acted(state, action)
        real, seen = self.real.step(RealState(state.emulator, state.screen), taken, rng, inspect=True)
        seen = replace(self.told(state, action, real, seen), views=())
        return DreamState(real.emulator, real.screen, action, state.count + 1, seen.frame), seen

    def acted(self, state: DreamState, action: Tensor) -> Tensor:
        """The action that is really taken."""
        return action

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        """What is said of what happened."""
        return seen

    def frame(self, state: DreamState) -> Tensor:
        return state.shown

    def edit(self, state: DreamState, name: str, value: Tensor) -> DreamState:
        raise ValueError(f"edit: got {name}, expected none")


class Deaf(Perfect):
    """Ignores the action: always the no-op."""

    def acted(self, state: DreamState, action: Tensor) -> Tensor:
        return torch.zeros_like(action)


class Late(Perfect):
    """Off by one: takes the action before."""

    def acted(self, state: DreamState, action: Tensor) -> Tensor:
        return state.last


class Early(Perfect):
    """Off by one: shows what the action leads to a step before it does."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        ahead = self.real.step(real, action, Rng([]))[1].frame
        return replace(seen, frame=ahead)


class Frozen(Perfect):
    """Shows the last frame for ever, never a reward."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return Prediction(state.shown, torch.zeros_like(seen.reward), torch.zeros_like(seen.terminated))


class Stops(Perfect):
    """Stands still after 20 steps."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        over = (state.count >= 20)[:, None, None, None]
        return replace(seen, frame=torch.where(over, state.shown, seen.frame))


class Loses(Perfect):
    """The ball is gone after 15 steps: painted over with what is behind it."""

    after = 15

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        frames, behind = seen.frame.clone(), backdrop(self.real.env.game)
        ball = 3 * self.real.object_names.index("ball")
        for row, (y, x, visible) in enumerate(seen.views[0].value[:, ball : ball + 3].tolist()):
            if visible and state.count[row] >= self.after:
                part = (slice(None), near(y, 5), near(x, 4))
                frames[row][part] = behind[part]
        return replace(seen, frame=frames)


class Flipped(Perfect):
    """Pays the opposite."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return replace(seen, reward=-seen.reward)


class Mean(Perfect):
    """Never pays."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return replace(seen, reward=torch.zeros_like(seen.reward))


class Generous(Perfect):
    """Pays at every step at which nothing is paid."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return replace(seen, reward=torch.where(seen.reward == 0, 1.0, seen.reward))


class Endless(Perfect):
    """Never ends."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return replace(seen, terminated=torch.zeros_like(seen.terminated))


class Hasty(Perfect):
    """Ends at every step."""

    def told(self, state: DreamState, action: Tensor, real: RealState, seen: Prediction) -> Prediction:
        return replace(seen, terminated=torch.ones_like(seen.terminated))


BROKEN: dict[type[Perfect], tuple[str, ...]] = {
    Perfect: (),
    Deaf: ("action ignored",),
    Late: ("action late",),
    Early: ("action early",),
    Frozen: ("frozen",),
    Stops: ("frozen",),
    Loses: ("object lost",),
    Flipped: ("reward sign",),
    Mean: ("reward missed",),
    Generous: ("reward invented",),
    Endless: ("end missed",),
    Hasty: ("end invented",),
}
"""What each of them has, and nothing else."""


def near(place: float, reach: int) -> slice:
    return slice(max(0, round(place) - reach), round(place) + reach + 1)


@cache
def witness(game: str = "pong") -> Witness:
    return Witness(game)


@cache
def backdrop(game: str) -> Tensor:
    """What is behind the objects of a game: (3, H, W) uint8, the median of a while of chance's play."""
    real, random = RealWorld(game), np.random.default_rng(0)
    real.env.reset(seed=0)
    frames = [real.env.step(int(random.integers(real.spec.actions.size)))[0] for _ in range(200)]
    return torch.from_numpy(np.median(np.stack(frames), axis=0).astype(np.uint8)).permute(2, 0, 1).contiguous()
