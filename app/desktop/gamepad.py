"""Gamepads in the window: sticks and triggers move a world's axes by degrees, else they press its buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pygame

from engine.controls import Controls
from models.types import ActionSpec

DEAD, PRESSED = 0.12, 0.35
"""A stick within DEAD of its middle rests; beyond PRESSED it presses a button."""
STICKS = ((0, 1), (1, -1), (3, 1), (4, -1))
"""Axes of a gamepad, and their sign, for what goes both ways: up and right are more."""
TRIGGERS = (5, 2)
"""Axes for what only grows: the right trigger, then the left one. They rest at -1."""
STEPS = 50


class Pad(Protocol):
    """What is asked of a gamepad; pygame's joysticks are such."""

    def get_numaxes(self) -> int: ...
    def get_axis(self, number: int) -> float: ...
    def get_numbuttons(self) -> int: ...
    def get_button(self, number: int) -> bool: ...


class Gamepads:
    """All gamepads there are, read once a turn of the loop.

    keys: key name -> button, by whose arrows sticks press buttons; a gamepad's four own buttons press the first one
    that no arrow does.
    """

    def __init__(self, actions: ActionSpec, keys: Mapping[str, str], controls: Controls) -> None:
        self._actions, self._keys, self._controls = actions, keys, controls
        arrows = {keys[key] for key in ("left", "right", "up", "down") if key in keys}
        self._fire = next((button for button in keys.values() if button not in arrows), None)
        self._pads: dict[int, Pad] = {}
        self._moved: set[tuple[int, int]] = set()
        self._leans: dict[str, float] = {}
        self._held: set[str] = set()

    def handle(self, event: pygame.event.Event) -> None:
        """A gamepad comes or goes."""
        if event.type == pygame.JOYDEVICEADDED:
            joystick = pygame.joystick.Joystick(event.device_index)
            self.add(joystick.get_instance_id(), joystick)
        elif event.type == pygame.JOYDEVICEREMOVED:
            self.remove(event.instance_id)

    def add(self, number: int, pad: Pad) -> None:
        self._pads[number] = pad

    def remove(self, number: int) -> None:
        """What it held is let go of."""
        if self._pads.pop(number, None) is not None:
            self.poll()

    def poll(self) -> None:
        """Look at the sticks; what changed goes to the controls."""
        if self._actions.kind == "discrete":
            self._press({button for pad in self._pads.values() for button in self._pressed(pad)})
            return
        found: dict[str, float] = {}
        for number, pad in self._pads.items():
            for name, lean in self._leaning(number, pad).items():
                found[name] = max(found.get(name, 0.0), lean, key=abs)
        for name in {*found, *self._leans}:
            if found.get(name, 0.0) != self._leans.get(name, 0.0):
                self._controls.lean(name, found.get(name, 0.0))
        self._leans = found

    def forget(self) -> None:
        """The controls were cleared: what is held will be told anew."""
        self._leans, self._held = {}, set()

    def _leaning(self, number: int, pad: Pad) -> dict[str, float]:
        sticks, triggers = iter(STICKS), iter(TRIGGERS)
        found = {}
        for name, low in zip(self._actions.names, self._actions.low, strict=True):
            if low < 0:
                axis, sign = next(sticks, (99, 1))
                found[name] = _beyond(sign * _axis(pad, axis))
            else:
                found[name] = self._trigger(number, pad, next(triggers, 99))
        return found

    def _trigger(self, number: int, pad: Pad, axis: int) -> float:
        """0 to 1. Some systems say 0, half way, until a trigger first moves: it counts once it was seen at rest."""
        value = _axis(pad, axis)
        if value < -0.9:
            self._moved.add((number, axis))
        return round((value + 1) / 2 * STEPS) / STEPS if (number, axis) in self._moved else 0.0

    def _pressed(self, pad: Pad) -> Sequence[str]:
        x, y = _axis(pad, 0), _axis(pad, 1)
        sides = {"left": -x, "right": x, "up": -y, "down": y}
        arrows = [self._keys[key] for key, lean in sides.items() if lean > PRESSED and key in self._keys]
        fires = self._fire is not None and any(pad.get_button(k) for k in range(min(4, pad.get_numbuttons())))
        return [*arrows, self._fire] if fires and self._fire is not None else arrows

    def _press(self, held: set[str]) -> None:
        for button in held - self._held:
            self._controls.press(button, "gamepad")
        for button in self._held - held:
            self._controls.release(button, "gamepad")
        self._held = held


def _axis(pad: Pad, number: int) -> float:
    return pad.get_axis(number) if number < pad.get_numaxes() else 0.0


def _beyond(lean: float) -> float:
    """The share of the way from where a stick begins to count."""
    share = min(max(0.0, abs(lean) - DEAD) / (1 - DEAD), 1.0)
    return round((share if lean > 0 else -share) * STEPS) / STEPS
