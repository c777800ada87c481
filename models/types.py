"""Plain frozen dataclasses that every layer shares: what a world is, what it takes in, what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

ActionKind = Literal["discrete", "continuous", "buttons"]
ViewKind = Literal[
    "film_strip",
    "vector",
    "one_hot_grid",
    "token_grid",
    "feature_maps",
    "scalar",
    "curves",
    "path",
    "heat_map",
    "matrix",
    "picture_grid",
]


@dataclass(frozen=True)
class ActionSpec:
    """The actions of a world, their tensor encoding and the no-op.

    - discrete: a tensor (B,) int64 of indices into ``names``.
    - continuous: a tensor (B, n) float32, component i named ``names[i]`` in [low[i], high[i]].
    - buttons: a tensor (B, n) float32; a component with low 0 and high 1 is a button (0 or 1), any other an axis
      (a mouse's motion, say) in [low[i], high[i]].
    """

    names: tuple[str, ...]
    kind: ActionKind = "discrete"
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    noop: int = 0

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("ActionSpec: got no action names, expected at least one")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"ActionSpec: got repeated names in {self.names}, expected distinct names")
        if self.kind == "discrete":
            if not 0 <= self.noop < len(self.names):
                raise ValueError(f"ActionSpec: got noop {self.noop}, expected an index below {len(self.names)}")
            if self.low or self.high:
                raise ValueError("ActionSpec: got bounds for discrete actions, expected none")
        elif not len(self.low) == len(self.high) == len(self.names):
            raise ValueError(
                f"ActionSpec: got {len(self.low)} low and {len(self.high)} high bounds, expected {len(self.names)}"
            )
        elif any(lo >= hi for lo, hi in zip(self.low, self.high, strict=True)):
            raise ValueError(f"ActionSpec: got low {self.low} and high {self.high}, expected low < high")

    @property
    def size(self) -> int:
        """Number of discrete actions, or of components."""
        return len(self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action: () when discrete, (n,) otherwise."""
        return () if self.kind == "discrete" else (self.size,)

    @property
    def dtype(self) -> torch.dtype:
        return torch.int64 if self.kind == "discrete" else torch.float32

    def noops(self, batch: int) -> Tensor:
        """The no-op for every row: (B,) int64, or (B, n) float32 (zero, clipped into the bounds)."""
        if self.kind == "discrete":
            return torch.full((batch,), self.noop, dtype=torch.int64)
        rest = torch.tensor([min(max(0.0, lo), hi) for lo, hi in zip(self.low, self.high, strict=True)])
        return rest.expand(batch, self.size).clone()

    def check(self, action: Tensor, batch: int) -> Tensor:
        """Return ``action`` if it is a valid batch of actions, else raise ValueError (got, expected)."""
        if action.shape != (batch, *self.shape):
            raise ValueError(f"action: got shape {tuple(action.shape)}, expected {(batch, *self.shape)}")
        if self.kind == "discrete":
            if action.dtype not in (torch.int64, torch.int32):
                raise ValueError(f"action: got dtype {action.dtype}, expected torch.int64 indices")
            if bool(((action < 0) | (action >= self.size)).any()):
                raise ValueError(f"action: got {action.tolist()}, expected indices from 0 to {self.size - 1}")
            return action
        if not action.is_floating_point():
            raise ValueError(f"action: got dtype {action.dtype}, expected floats")
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        if not bool(((action >= low) & (action <= high)).all()):
            raise ValueError(f"action: got {action.tolist()}, expected values within {self.low} .. {self.high}")
        return action


@dataclass(frozen=True)
class WorldSpec:
    """What a world is, whatever family it belongs to."""

    name: str
    family: str
    height: int
    width: int
    actions: ActionSpec
    context: int
    """T: the least number of frames a start must bring."""
    fps: float
    """World steps a second at the speed of the game."""
    action_repeat: int = 1
    reward: str = "sign of the game's reward"
    termination: str = "the episode ended"

    def __post_init__(self) -> None:
        for key in ("height", "width", "context", "action_repeat"):
            if getattr(self, key) < 1:
                raise ValueError(f"WorldSpec.{key}: got {getattr(self, key)}, expected at least 1")
        if not self.fps > 0:
            raise ValueError(f"WorldSpec.fps: got {self.fps}, expected more than 0")


@dataclass(frozen=True)
class Context:
    """Real play from which a dream starts.

    frames: (B, L, 3, H, W) uint8, oldest first, L >= spec.context. What goes beyond the last ``spec.context`` frames is
    warm-up for recurrent parts.
    actions: (B, L - 1) int64 (or (B, L - 1, n) float32): action t is taken at frame t and leads to frame t + 1. The
    action at the last frame is the first ``step``'s.
    """

    frames: Tensor
    actions: Tensor

    def check(self, spec: WorldSpec) -> Context:
        """Return self if it fits ``spec``, else raise ValueError (got, expected)."""
        b, length = self.frames.shape[:2]
        want = (b, length, 3, spec.height, spec.width)
        if tuple(self.frames.shape) != want or self.frames.dtype != torch.uint8:
            got = f"{tuple(self.frames.shape)} {self.frames.dtype}"
            raise ValueError(f"context frames: got {got}, expected (B, L, 3, {spec.height}, {spec.width}) torch.uint8")
        if length < spec.context:
            raise ValueError(f"context frames: got {length} frames, expected at least {spec.context}")
        if tuple(self.actions.shape) != (b, length - 1, *spec.actions.shape):
            want_actions = (b, length - 1, *spec.actions.shape)
            raise ValueError(f"context actions: got shape {tuple(self.actions.shape)}, expected {want_actions}")
        return self


@dataclass(frozen=True)
class View:
    """A look inside a model, as data: faces draw each kind once, for every family.

    film_strip (B, K, 3, H, W) uint8; vector (B, n); one_hot_grid (B, rows, n); token_grid (B, h, w);
    feature_maps (B, C, h, w); scalar (B,).

    curves (B, K, N) float32: lines over N steps, the last one now, nan where there is nothing. path (B, N, 3) float32:
    x, y and what it is: 0 of the cloud behind it, 1 of the past (in order), 2 now. heat_map (B, h, w) float32,
    at least 0. matrix (B, R, C) float32, nan where there is nothing. picture_grid (B, R, C, 3, H, W) uint8.

    labels: of frames, values, rows, lines. columns: of a matrix's or a grid's columns; of curves and paths the names of
    both axes.
    """

    name: str
    kind: ViewKind
    value: Tensor
    labels: tuple[str, ...] = ()
    editable: bool = False
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prediction:
    """What one step of a world shows.

    frame (B, 3, H, W) uint8; reward (B,) float32; terminated (B,) bool; with ``inspect`` the family's views.
    cut: (B,) bool, which of the ends are none of the game's own, but a time limit or the end of a recording, which
    nobody can foretell; None: none is.
    """

    frame: Tensor
    reward: Tensor
    terminated: Tensor
    views: tuple[View, ...] = field(default=())
    cut: Tensor | None = None
