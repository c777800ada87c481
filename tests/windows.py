"""A person at the desktop window under SDL's dummy driver: keys, the pointer, patience."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import pygame

from app.desktop.playing import Playing
from engine.runner import Shown

WAIT_S = 60.0


def until(playing: Playing, condition: Callable[[Shown], bool]) -> Shown:
    """Turn the loop until a frame fulfils ``condition``; that frame."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        assert playing.turn()
        shown = playing.pilot.shown
        if shown is not None and condition(shown):
            return shown
    last, said = playing.pilot.shown, [toast.text for toast in playing.toasts.shown]
    about = last and (last.frame.index, last.paused, last.controller, [view.name for view in last.frame.views])
    raise AssertionError(f"it never came; last: {about}, said: {said}")


def until_said(playing: Playing, text: str) -> Shown:
    """Turn the loop until a message has ``text`` in it."""
    return until(playing, lambda _: any(text in toast.text for toast in playing.toasts.shown))


def press(name: str, mod: int = 0, *, release: bool = True) -> None:
    """Post a key press as SDL would."""
    key = pygame.key.key_code(name)
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=mod))
    if release:
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=mod))


def write(text: str) -> None:
    """Post a text as SDL would: a key and what it types, letter by letter."""
    for letter in text:
        key = pygame.K_SPACE if letter == " " else pygame.key.key_code(letter)
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, mod=0))
        pygame.event.post(pygame.event.Event(pygame.TEXTINPUT, text=letter))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=key, mod=0))


def point(kind: int, at: tuple[int, int]) -> None:
    """Post a pointer's event with its left button."""
    extra: dict[str, Any] = {"rel": (0, 0), "buttons": (1, 0, 0)} if kind == pygame.MOUSEMOTION else {"button": 1}
    pygame.event.post(pygame.event.Event(kind, pos=at, **extra))


def click(at: tuple[int, int]) -> None:
    point(pygame.MOUSEBUTTONDOWN, at)
    point(pygame.MOUSEBUTTONUP, at)
