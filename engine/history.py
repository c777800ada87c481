"""A session's past: everything that has to be known to dream it again, frame by frame."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

Action = int | tuple[float, ...]
MAX_EDIT = 65_536
"""Numbers of the largest view that can be edited."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the state by hand: its view ``name`` was given a value.

    shape: of the value, without the batch. data: the value as little-endian float32, packed by zlib.
    """

    name: str
    shape: tuple[int, ...]
    data: bytes

    def value(self) -> Tensor:
        """The value, a batch of 1: (1, *shape) float32. Raises ValueError where the data is not of that shape."""
        count = math.prod(self.shape)
        if not 0 < count <= MAX_EDIT:
            raise ValueError(f"edit {self.name}: got the shape {self.shape}, expected 1 to {MAX_EDIT} numbers")
        try:
            stream = zlib.decompressobj()
            raw = stream.decompress(self.data, 4 * count + 1)
        except zlib.error as error:
            raise ValueError(f"edit {self.name}: got damaged data ({error}), expected packed numbers") from error
        if len(raw) != 4 * count or not stream.eof:
            raise ValueError(f"edit {self.name}: got {len(raw)} bytes or more, expected {4 * count} for {self.shape}")
        return torch.from_numpy(np.frombuffer(raw, "<f4").astype(np.float32).reshape(1, *self.shape))


def edit_of(name: str, value: Tensor) -> Edit:
    """The edit that gives the view ``name`` the value (1, ...) float. Raises ValueError: no batch of 1, not finite."""
    if value.ndim < 2 or value.shape[0] != 1 or not 0 < value.numel() <= MAX_EDIT:
        raise ValueError(f"edit {name}: got shape {tuple(value.shape)}, expected (1, ...) of 1 to {MAX_EDIT} numbers")
    numbers = value.detach().to("cpu", torch.float32).contiguous().numpy()
    if not np.isfinite(numbers).all():
        raise ValueError(f"edit {name}: got numbers that are not finite, expected finite ones")
    return Edit(name, tuple(value.shape[1:]), zlib.compress(numbers.astype("<f4").tobytes()))


@dataclass(frozen=True, slots=True)
class Past:
    """One tick and, linked, all ticks before it. Moments that share a past share these nodes.

    action: what was done, or None where a new start was made. start, seed: the start's index and the seed of the
    episode. settings, horizon: those in force at the tick. digest: of the frame that came out, see ``frame_digest``.
    edit: the tick changed the state by hand instead of a step; its action is then the one before it, done only once.
    """

    before: Past | None
    action: Action | None
    start: int
    seed: int
    settings: Mapping[str, Any]
    horizon: int | None
    controller: str
    digest: bytes
    edit: Edit | None = None


@dataclass(frozen=True)
class History:
    """The ticks of a session, oldest first; the first one is a start. What a replay file holds.

    first: index of the tick at which the recording of interest begins (0: all of it).
    made_with: what the numbers may depend on beside the world (torch's version, threads), for messages.
    """

    world: str
    world_hash: str
    ticks: tuple[Past, ...]
    first: int = 0
    made_with: Mapping[str, Any] | None = None

    def since(self, first: int) -> History:
        """The shortest history that still leads to tick ``first``: from the start of its episode on."""
        begin = max(k for k, tick in enumerate(self.ticks[: first + 1]) if tick.action is None)
        return replace(self, ticks=self.ticks[begin:], first=first - begin)

    def episodes(self) -> list[tuple[int, int, list[Action]]]:
        """(start, seed, actions) of every episode; edits are left out."""
        found: list[tuple[int, int, list[Action]]] = []
        for tick in self.ticks:
            if tick.action is None:
                found.append((tick.start, tick.seed, []))
            elif tick.edit is None:
                found[-1][2].append(tick.action)
        return found


def ticks_of(past: Past) -> tuple[Past, ...]:
    """All ticks up to ``past``, oldest first."""
    ticks, node = [], past
    while True:
        ticks.append(node)
        if node.before is None:
            return tuple(reversed(ticks))
        node = node.before


def frame_digest(image: np.ndarray, reward: float, terminated: bool) -> bytes:
    """8 bytes of the sha256 of what a tick showed: image (H, W, 3) uint8, reward and termination."""
    data = hashlib.sha256(np.ascontiguousarray(image).tobytes())
    data.update(struct.pack("<d?", reward, terminated))
    return data.digest()[:8]


def derive_seed(seed: int, label: str) -> int:
    """A seed in [0, 2**63) that follows from another one and a label, alike on every machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{label}".encode()).digest()[:8], "little") >> 1


def made_here() -> dict[str, Any]:
    """What frames may depend on beside the world: torch's version and its number of threads."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}
