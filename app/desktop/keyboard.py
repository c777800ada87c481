"""Pygame's key events become held buttons (straight into the latch) or commands to the window."""

from __future__ import annotations

from collections.abc import Callable

import pygame

from app.desktop.bindings import Binding, Command, command_of, reserved_keys
from app.keymaps import Keymap
from engine.controls import Controls
from engine.errors import ReverieError

NUMBER_KEYS = {f"[{digit}]": str(digit) for digit in range(10)} | {"enter": "return"}
REPEAT_AFTER_MS, REPEAT_EVERY_MS = 350, 60


class Keyboard:
    """Understands key events of one keymap.

    Raises ReverieError when the keymap takes a key that the window needs.
    """

    def __init__(self, keymap: Keymap, controls: Controls, clock_ms: Callable[[], int] = pygame.time.get_ticks) -> None:
        taken = reserved_keys() & set(keymap.keys)
        if taken:
            raise ReverieError(
                f"keymap {keymap.name}: got keys {sorted(taken)}, which the window uses itself; choose other keys"
            )
        self.keymap = keymap
        self.controls = controls
        self._clock_ms = clock_ms
        self._held: dict[str, Command] = {}
        self._repeating: tuple[str, Binding, int] | None = None

    def handle(self, event: pygame.event.Event) -> Command | None:
        """One KEYDOWN, KEYUP or lost focus; the command it means, if any."""
        if event.type == pygame.KEYDOWN:
            return self._down(pygame.key.name(event.key), event.mod)
        if event.type == pygame.KEYUP:
            return self._up(pygame.key.name(event.key))
        if event.type == pygame.WINDOWFOCUSLOST:
            return self.release_all()
        return None

    def repeat(self) -> Command | None:
        """The command of a key kept down, when its turn has come again."""
        if self._repeating is None or self._clock_ms() < self._repeating[2]:
            return None
        key, binding, _ = self._repeating
        self._repeating = (key, binding, self._clock_ms() + REPEAT_EVERY_MS)
        return Command(binding.command)

    def release_all(self) -> Command | None:
        """Let go of everything (the window lost the keyboard); the end of a held command, if there was one."""
        self.controls.clear()
        self._repeating = None
        ended = [Command(command.name, down=False) for command in self._held.values()]
        self._held.clear()
        return ended[0] if ended else None

    def _down(self, key: str, mod: int) -> Command | None:
        button = self.keymap.keys.get(key)
        if button is not None:
            self.controls.press(button, key)
            return None
        key = NUMBER_KEYS.get(key, key)
        ctrl = bool(mod & (pygame.KMOD_CTRL | pygame.KMOD_META))
        binding = command_of(key, shift=bool(mod & pygame.KMOD_SHIFT), ctrl=ctrl)
        if binding is None:
            return None
        command = Command(binding.command, int(key) if binding.command in ("save", "load") else 0)
        if binding.held:
            self._held[key] = command
        if binding.repeats:
            self._repeating = (key, binding, self._clock_ms() + REPEAT_AFTER_MS)
        return command

    def _up(self, key: str) -> Command | None:
        button = self.keymap.keys.get(key)
        if button is not None:
            self.controls.release(button, key)
            return None
        key = NUMBER_KEYS.get(key, key)
        if self._repeating is not None and self._repeating[0] == key:
            self._repeating = None
        command = self._held.pop(key, None)
        return None if command is None else Command(command.name, down=False)
