"""Where a session plays, and how its world hash says so."""

from __future__ import annotations

from typing import Literal

Real = bool | Literal["grounded", "lockstep"]
"""Where a session plays: the dream (False), its real game (True), that game with the dream told of every frame, or the
game and the dream in lockstep, each on its own."""
PREFIXES: dict[Real, str] = {False: "", True: "real:", "grounded": "grounded:", "lockstep": "lockstep:"}
"""What the world hash of a session begins with, by where it plays."""
BESIDE, RECORDED = "+", "@"
"""What stands in the hash of a lockstep before another world's hash, and before that of an episode it follows."""


def real_of(world_hash: str) -> Real:
    """Where a session of that hash plays."""
    return next((real for real, prefix in PREFIXES.items() if prefix and world_hash.startswith(prefix)), False)


def bare_hash(world_hash: str) -> str:
    """The hash of the world itself."""
    return world_hash.removeprefix(PREFIXES[real_of(world_hash)]).partition(RECORDED)[0].partition(BESIDE)[0]


def other_hash(world_hash: str) -> str:
    """The hash of the world beside it in a lockstep; "" where there is none."""
    return world_hash.partition(RECORDED)[0].partition(BESIDE)[2]


def episode_hash(world_hash: str) -> str:
    """What names the episode that a lockstep follows; "" where there is none."""
    return world_hash.partition(RECORDED)[2]
