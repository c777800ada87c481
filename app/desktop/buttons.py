"""Which of a keymap's buttons a world understands, and which of them an action presses."""

from __future__ import annotations

from app.desktop.bindings import cap
from app.desktop.status import ButtonHint
from app.keymaps import Keymap
from engine.controls import ALE_NAME


def pressed_by(action: int | tuple[float, ...], names: tuple[str, ...]) -> frozenset[str]:
    """The buttons of an action: UPFIRE presses up and fire; a vector presses what is not zero."""
    if not isinstance(action, int):
        high = {name.lower() for name, value in zip(names, action, strict=True) if value > 0}
        low = {f"-{name.lower()}" for name, value in zip(names, action, strict=True) if value < 0}
        return frozenset(high | low)
    name = names[action].lower()
    match = ALE_NAME.fullmatch(name)
    return frozenset(part for part in match.groups() if part) if match else frozenset([name])


def understood(keymap: Keymap, names: tuple[str, ...]) -> tuple[str, ...]:
    """The keymap's buttons that mean something to a world with these actions, in the keymap's order."""
    meant = {part for index in range(len(names)) for part in pressed_by(index, names)}
    meant |= {name.lower() for name in names}
    return tuple(button for button in keymap.buttons() if button.lower().removeprefix("-") in meant)


def hints(keymap: Keymap, names: tuple[str, ...], action: int | tuple[float, ...]) -> tuple[ButtonHint, ...]:
    """The keys to show for a world, those of ``action`` as pressed."""
    pressed = pressed_by(action, names)
    return tuple(
        ButtonHint(tuple(map(cap, keymap.keys_of(button))), keymap.label(button), button.lower() in pressed)
        for button in understood(keymap, names)
    )
