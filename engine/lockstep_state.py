"""The state of worlds that are stepped together: their own states side by side in one dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import make_dataclass
from functools import cache
from typing import Any

from torch import Tensor

from models.world import state_tensors

SHARED = ("window", "taken", "shown", "since", "readings", "places")
"""Fields of a state that belong to no part, see ``engine.lockstep``."""


def prefix(part: int) -> str:
    """What the fields of a part begin with: 0 is the lead, 1 the first follower."""
    return f"follower{part}_" if part else "lead_"


@cache
def state_type(kinds: tuple[Any, ...]) -> Any:
    """The dataclass that holds states of these kinds."""
    names = [prefix(k) + name for k, kind in enumerate(kinds) for name in kind.__dataclass_fields__]
    about = {"__doc__": "The states of all parts, and what they share.", "kinds": kinds}
    return make_dataclass("LockstepState", [(name, Tensor) for name in (*names, *SHARED)], frozen=True, namespace=about)


def joined(parts: Sequence[Any], shared: dict[str, Tensor]) -> Any:
    """The state of these parts' states; shared: a tensor for each of SHARED."""
    tensors = {prefix(k) + name: t for k, part in enumerate(parts) for name, t in state_tensors(part).items()}
    return state_type(tuple(type(part) for part in parts))(**tensors, **shared)


def parts_of(state: Any) -> tuple[Any, ...]:
    """The lead's state and each follower's."""
    tensors, parts = state_tensors(state), []
    for k, kind in enumerate(state.kinds):
        mine = {name.removeprefix(prefix(k)): t for name, t in tensors.items() if name.startswith(prefix(k))}
        parts.append(kind(**mine))
    return tuple(parts)


def shared_of(state: Any) -> dict[str, Tensor]:
    """What belongs to no part."""
    return {name: getattr(state, name) for name in SHARED}
