"""Keymaps: which key of a keyboard presses which button of a game, and what that button does there."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.paths import ASSETS, config_folder
from engine.errors import ReverieError

FORMAT = 1
KEY_NAMES = frozenset(
    [*string.ascii_lowercase, *string.digits, *"-=[];',./`\\"]
    + ["up", "down", "left", "right", "space", "return", "backspace", "tab", "escape", "delete", "insert"]
    + ["home", "end", "page up", "page down", "left shift", "right shift", "left ctrl", "right ctrl", "left alt"]
    + ["right alt", "enter"]
    + [f"f{number}" for number in range(1, 13)]
    + [f"[{name}]" for name in (*string.digits, "+", "-", ".")]
)
"""Names of keys that a keymap may use: a key cap in lower case; [1], [+], enter are the keypad's."""


@dataclass(frozen=True)
class Keymap:
    """The keys of one game.

    keys: key name -> button. labels: button -> what it does in this game.
    """

    name: str
    keys: Mapping[str, str]
    labels: Mapping[str, str]

    def keys_of(self, button: str) -> list[str]:
        """The keys that press ``button``, in the keymap's order."""
        return [key for key, target in self.keys.items() if target == button]

    def label(self, button: str) -> str:
        low = " −" if button.startswith("-") else ""
        return self.labels.get(button, button.removeprefix("-").capitalize() + low)

    def buttons(self) -> list[str]:
        """Every button that some key presses, once each, in the keymap's order."""
        return list(dict.fromkeys(self.keys.values()))


def load_keymap(world: str, folders: Sequence[Path] | None = None) -> Keymap:
    """The keymap of the world ``world``: the default one, changed by the game's, changed by the user's.

    A world called ``pong-small`` takes the keymap of ``pong`` when it has none of its own. ``folders`` (default: the
    shipped one, then the user's) are searched in order; later files win key by key.
    Raises ReverieError on a damaged file, an unknown key or format.
    """
    folders = [ASSETS / "keymaps", config_folder() / "keymaps"] if folders is None else folders
    keys: dict[str, str | None] = {}
    labels: dict[str, str] = {}
    for name in dict.fromkeys(("default", world.split("-", maxsplit=1)[0], world)):
        for folder in folders:
            path = folder / f"{name}.json"
            if path.is_file():
                file_keys, file_labels = _read(path)
                keys |= file_keys
                labels |= file_labels
    return Keymap(world, {key: button for key, button in keys.items() if button is not None}, labels)


def _read(path: Path) -> tuple[dict[str, str | None], dict[str, str]]:
    """One keymap file's keys (None unbinds) and labels, checked."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ReverieError(f"keymap {path}: got {error}, expected a JSON file; mend or remove it") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise ReverieError(f'keymap {path}: got format {got}, expected an object with "format": {FORMAT}')
    unknown = set(data) - {"format", "keys", "labels"}
    if unknown:
        raise ReverieError(f"keymap {path}: got {sorted(unknown)}, expected only format, keys and labels")
    keys, labels = data.get("keys", {}), data.get("labels", {})
    _check(path, keys, labels)
    return keys, labels


def _check(path: Path, keys: Any, labels: Any) -> None:
    if not isinstance(keys, dict) or not isinstance(labels, dict):
        raise ReverieError(f"keymap {path}: keys and labels must be objects")
    for key, button in keys.items():
        if key not in KEY_NAMES:
            raise ReverieError(f"keymap {path}: got key {key!r}, expected one of {', '.join(sorted(KEY_NAMES))}")
        if button is not None and not (isinstance(button, str) and button):
            raise ReverieError(
                f"keymap {path}: key {key!r} got {button!r}, expected a button's name, or null to unbind"
            )
    for button, label in labels.items():
        if not isinstance(label, str):
            raise ReverieError(f"keymap {path}: label of {button!r} got {label!r}, expected text")
