"""An episode: what was seen, done and received, as one safetensors file.

Gymnasium's order: action t is taken at frame t and leads to frame t + 1 with reward t, terminated t, truncated t.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic

FORMAT = 1
DTYPES = {
    "frames": (torch.uint8,),
    "actions": (torch.int64, torch.float32),
    "rewards": (torch.float32,),
    "terminated": (torch.bool,),
    "truncated": (torch.bool,),
    "objects": (torch.float32,),
}


class EpisodeError(ValueError):
    """A file that is not an intact episode."""


@dataclass(frozen=True)
class Episode:
    """A whole episode in memory.

    frames (T + 1, 3, H, W) uint8; actions (T,) int64, or (T, n) float32 where continuous; rewards (T,) float32, raw;
    terminated, truncated (T,) bool, true at most at the last step; objects (T + 1, K, 3) float32: y, x in pixels and
    visible, K = 0 where the game has no labels.
    meta: environment settings, seed, policy, object names.
    """

    frames: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    objects: Tensor
    meta: dict[str, Any]

    def __post_init__(self) -> None:
        t = len(self.actions)
        for name, dtypes in DTYPES.items():
            value: Tensor = getattr(self, name)
            length = t + 1 if name in ("frames", "objects") else t
            if value.dtype not in dtypes or len(value) != length:
                got, want = f"{tuple(value.shape)} {value.dtype}", " or ".join(map(str, dtypes))
                raise EpisodeError(f"episode {name}: got {got}, expected first dimension {length} and {want}")
        if t < 1:
            raise EpisodeError("episode: got no steps, expected at least 1")
        if self.actions.ndim != (2 if self.actions.is_floating_point() else 1):
            got = f"{tuple(self.actions.shape)} {self.actions.dtype}"
            raise EpisodeError(f"episode actions: got {got}, expected (T,) int64 or (T, n) float32")
        if bool(self.terminated[:-1].any() or self.truncated[:-1].any()):
            raise EpisodeError("episode: got an end before the last step, expected it there only")

    def __len__(self) -> int:
        return len(self.actions)

    def write(self, path: Path) -> None:
        """Write atomically: a reader sees the whole file or none."""
        meta = {
            "format": str(FORMAT),
            "steps": str(len(self)),
            "rewards": json.dumps([int((self.rewards.sign() == s).sum()) for s in (-1, 0, 1)]),
            "shape": json.dumps(list(self.frames.shape[1:])),
            "meta": json.dumps(self.meta),
        }
        write_atomic(path, save({name: getattr(self, name).contiguous() for name in DTYPES}, metadata=meta))


@dataclass(frozen=True)
class EpisodeHeader:
    """What is known of an episode without reading its tensors."""

    path: Path
    steps: int
    shape: tuple[int, ...]
    rewards: tuple[int, ...]
    """How many steps had reward sign -1, 0, +1."""
    meta: dict[str, Any]
    action_shape: tuple[int, ...] = ()
    """Shape of one action: () for an index, (n,) for n components."""


class EpisodeFile:
    """An episode on disk, memory-mapped: only what is sliced is read."""

    def __init__(self, path: Path) -> None:
        self.header = read_header(path)
        self.file = safe_open(path, framework="pt")

    def __len__(self) -> int:
        return self.header.steps

    def slice(self, name: str, start: int, stop: int) -> Tensor:
        """Rows start .. stop of one tensor."""
        return self.file.get_slice(name)[start:stop]

    def read(self) -> Episode:
        """The whole episode."""
        return Episode(**{name: self.file.get_tensor(name) for name in DTYPES}, meta=self.header.meta)


def read_header(path: Path) -> EpisodeHeader:
    """Check that a file is an intact episode of this format and read its header. Raises EpisodeError."""
    try:
        with safe_open(path, framework="pt") as file:
            header, names = file.metadata() or {}, set(file.keys())
            if header.get("format") != str(FORMAT) or names != set(DTYPES):
                found = f"format {header.get('format')} with {sorted(names)}"
                raise EpisodeError(f"{path}: got {found}, expected an episode of format {FORMAT}")
            frames = file.get_slice("frames").get_shape()
            if frames[0] != int(header["steps"]) + 1:
                raise EpisodeError(f"{path}: got {frames[0]} frames for {header['steps']} steps, expected one more")
            return EpisodeHeader(
                path,
                int(header["steps"]),
                tuple(frames[1:]),
                tuple(json.loads(header["rewards"])),
                json.loads(header["meta"]),
                tuple(file.get_slice("actions").get_shape()[1:]),
            )
    except EpisodeError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        size = os.path.getsize(path) if os.path.exists(path) else 0
        raise EpisodeError(f"{path}: got {size} bytes that are no intact episode ({error})") from error
