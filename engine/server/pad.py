"""A world's buttons: what a client may press, and which of its keys press them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.controls import ALE_NAME
from engine.keys import keys_for
from models.types import ActionSpec

Keys = tuple[Mapping[str, str], Mapping[str, str]]
"""A keymap: key name -> button, button -> label."""
ORDER = ("up", "down", "left", "right", "fire")
AXES = ("mouse_x", "mouse_y")


@dataclass(frozen=True)
class Pad:
    """buttons: lower-case names, as ``engine.controls`` takes them. keys: key name -> index. labels: index -> text."""

    buttons: tuple[str, ...]
    keys: Mapping[str, int]
    labels: Mapping[int, str]

    def told(self) -> dict[str, Any]:
        """JSON data."""
        labels = {str(index): label for index, label in self.labels.items()}
        return {"buttons": list(self.buttons), "keys": dict(self.keys), "labels": labels}


def no_keys(world: str) -> Keys:
    """The keymap of a world without one."""
    return {}, {}


def pad_of(spec: ActionSpec, keys: Mapping[str, str], labels: Mapping[str, str]) -> Pad:
    """The pad of a world's actions under a keymap (see ``keys_for``); keys of buttons that it lacks are left out."""
    buttons, keys = buttons_of(spec), keys_for(spec, keys)
    index = {button: k for k, button in enumerate(buttons)}
    named = {button.lower(): label for button, label in labels.items()}
    return Pad(
        buttons,
        {key: index[button.lower()] for key, button in keys.items() if button.lower() in index},
        {
            k: named.get(button, button.removeprefix("-").capitalize() + " −" * button.startswith("-"))
            for k, button in enumerate(buttons)
        },
    )


def buttons_of(spec: ActionSpec) -> tuple[str, ...]:
    """Every button that does something: up, down, left, right, fire first, then the others as the spec names them."""
    found: dict[str, None] = {}
    for k, name in enumerate(map(str.lower, spec.names)):
        if spec.kind == "discrete":
            match = ALE_NAME.fullmatch(name)
            parts = [part for part in match.groups() if part] if match else [name]
            found.update(dict.fromkeys(parts if k != spec.noop else []))
        elif name not in AXES:
            found.update({name: None} if spec.low[k] >= 0 else {name: None, f"-{name}": None})
    return (*(b for b in ORDER if b in found), *(b for b in found if b not in ORDER))
