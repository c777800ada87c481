"""A session's past: everything that has to be known to dream it again, frame by frame."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

Action = int | tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """One tick and, linked, all ticks before it. Moments that share a past share these nodes.

    action: what was done, or None where a new start was made. start, seed: the start's index and the seed of the
    episode. settings, horizon: those in force at the tick. digest: of the frame that came out, see ``frame_digest``.
    """

    before: Past | None
    action: Action | None
    start: int
    seed: int
    settings: Mapping[str, Any]
    horizon: int | None
    controller: str
    digest: bytes


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
        """(start, seed, actions) of every episode."""
        found: list[tuple[int, int, list[Action]]] = []
        for tick in self.ticks:
            if tick.action is None:
                found.append((tick.start, tick.seed, []))
            else:
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
