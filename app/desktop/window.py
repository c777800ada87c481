"""The desktop window itself. It opens at once and loads the world behind a quiet screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import pygame

from app.desktop.canvas import Canvas, forget
from app.desktop.game import Game
from app.desktop.scene import draw_opening
from app.desktop.theme import ACCENT, BACKGROUND, TEXT
from app.settings import Settings

LEAST = (320, 240)
ANIMATE_S = 1 / 30


class Window:
    """One window, from opening to closing. Use as a context manager: Pygame lives as long as it does."""

    def __init__(self, settings: Settings, title: str = "Reverie") -> None:
        self.settings = settings
        self._title = title
        self._fullscreen = False
        self._windowed = (max(settings.width, LEAST[0]), max(settings.height, LEAST[1]))
        self.dirty = True
        """What is on the screen is no longer right; who draws sets it to False."""

    def __enter__(self) -> Self:
        pygame.display.init()
        pygame.font.init()
        pygame.joystick.init()
        pygame.display.set_icon(_icon())
        pygame.display.set_caption(self._title)
        self._set_mode(self._windowed)
        pygame.key.stop_text_input()  # keys are a game's until a text is asked for
        return self

    def __exit__(self, *_: object) -> None:
        forget()
        pygame.font.quit()
        pygame.joystick.quit()
        pygame.display.quit()

    @property
    def surface(self) -> pygame.Surface:
        """What to draw on, before ``pygame.display.flip``. Another one after the window was resized."""
        surface = pygame.display.get_surface()
        assert surface is not None, "the window is used outside its with block"
        return surface

    def chosen(self) -> Settings:
        """The settings with the size the user gave the window."""
        width, height = self._windowed
        return replace(self.settings, width=max(width, LEAST[0]), height=max(height, LEAST[1]))

    # -- opening

    def open(self, load: Callable[[], Game], name: str) -> Game | None:
        """Run ``load`` on a thread while the window shows that it opens ``name``; None when it was closed meanwhile.

        Raises what ``load`` raises.
        """
        loading = _Loading(load)
        began = time.perf_counter()
        while loading.thread.is_alive():
            for event in pygame.event.get():
                if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                    loading.abandon()
                    return None
                self.notice(event)
            draw_opening(self.surface, name, time.perf_counter() - began)
            pygame.display.flip()
            loading.thread.join(ANIMATE_S)
        return loading.result()

    # -- the window itself

    def _set_mode(self, size: tuple[int, int]) -> None:
        pygame.display.set_mode(size, pygame.RESIZABLE)
        self._windowed = size
        self.dirty = True

    def notice(self, event: pygame.event.Event) -> None:
        """Look whether an event changes the window itself."""
        if event.type in (pygame.VIDEORESIZE, pygame.WINDOWEXPOSED):
            self.dirty = True
        if event.type == pygame.VIDEORESIZE and not self._fullscreen:
            self._windowed = event.size

    def toggle_fullscreen(self) -> None:
        self._fullscreen = not self._fullscreen
        if self._fullscreen:
            pygame.display.set_mode((0, 0), pygame.FULLSCREEN)
        else:
            self._set_mode(self._windowed)
        self.dirty = True


class _Loading:
    """A world being opened on a thread of its own."""

    def __init__(self, load: Callable[[], Game]) -> None:
        self._load = load
        self._game: Game | None = None
        self._error: BaseException | None = None
        self._abandoned = False
        self.thread = threading.Thread(target=self._run, name="reverie-loading", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._game = self._load()
        except BaseException as error:
            self._error = error
        if self._abandoned and self._game is not None:
            self._game.runner.close()

    def abandon(self) -> None:
        """Nobody waits any more: what gets loaded closes itself."""
        self._abandoned = True

    def result(self) -> Game:
        if self._error is not None:
            raise self._error
        assert self._game is not None
        return self._game


def _icon() -> pygame.Surface:
    icon = pygame.Surface((64, 64), pygame.SRCALPHA)
    canvas = Canvas(icon)
    canvas.box(icon.get_rect(), BACKGROUND, 16)
    canvas.box(pygame.Rect(12, 20, 8, 24), ACCENT, 4)
    canvas.box(pygame.Rect(44, 14, 8, 24), TEXT, 4)
    canvas.dot((32, 34), 5, TEXT)
    return icon
