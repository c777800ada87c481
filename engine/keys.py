"""Keys for a world that no keymap was made for."""

from __future__ import annotations

from collections.abc import Mapping

from models.types import ActionSpec

PAIRS = (("left", "right"), ("down", "up"), ("a", "d"), ("s", "w"))
"""Keys for the two ends of an axis, low and high, in the order in which axes take them."""
SINGLE = ("up", "down", "space", "w", "s")
"""Keys for what only grows from 0."""


def keys_for(spec: ActionSpec, keys: Mapping[str, str]) -> Mapping[str, str]:
    """``keys`` (key name -> button), or where none of them does anything in a continuous world, keys of its own.

    Components that go both ways take the arrows as pairs, then those that only grow take what is left of up, down and
    space: steer, gas and brake come to left and right, up, down.
    """
    names = [name.lower() for name in spec.names]
    buttons = {*names, *(f"-{name}" for name in names)}
    if spec.kind == "discrete" or any(button.lower() in buttons for button in keys.values()):
        return keys
    found: dict[str, str] = {}
    both = [name for name, low in zip(names, spec.low, strict=True) if low < 0]
    grows = [name for name, low in zip(names, spec.low, strict=True) if low >= 0]
    for name, (low_key, high_key) in zip(both, PAIRS, strict=False):
        found |= {low_key: f"-{name}", high_key: name}
    free = [key for key in SINGLE if key not in found]
    found |= dict(zip(free, grows, strict=False))
    return found
