"""The loop of a game in the window: events in, frames out."""

from __future__ import annotations

import time
from pathlib import Path

import pygame

from app.desktop.bindings import Command
from app.desktop.game import Game
from app.desktop.gamepad import Gamepads
from app.desktop.inspector import Inspector
from app.desktop.keyboard import Keyboard
from app.desktop.look import Look, title
from app.desktop.note import NoteEntry
from app.desktop.pilot import Pilot, explain
from app.desktop.scene import Scene
from app.desktop.toasts import Toasts
from app.desktop.window import ANIMATE_S, Window
from engine.errors import ReverieError
from engine.files import atomic_path

WAIT_S = 0.004
"""How long the loop waits for a frame before it looks at the keys again."""


class Playing:
    """Shows and steers one game in a window."""

    def __init__(self, window: Window, game: Game) -> None:
        self.window, self.game = window, game
        self.panel = window.settings.panel
        self.help_page: int | None = None
        self.toasts = Toasts(time.perf_counter)
        self.note = NoteEntry()
        self._goes_on = False  # after the note
        self._inspecting = False
        self.pilot = Pilot(game, self.toasts, window.settings, self._open_inspector)
        self._keyboard = Keyboard(game.keymap, game.controls)
        self.gamepads = Gamepads(game.actions, game.keymap.keys, game.controls)
        self._look, self._scene = Look(game), Scene(game)
        edit, setting, undo = self.pilot.edit, self.pilot.setting, self.pilot.undo
        self.inspector = Inspector(edit, setting, undo)
        self._help_pages = 0
        self._dragging = False
        self._drawn_at = 0.0
        self._pointed: tuple[int, int] | None = None

    def close(self) -> None:
        """Nothing is drawn any more."""
        self.inspector.plots.close()

    def run(self) -> None:
        """Until the player quits. Raises what ended the game's runner."""
        pygame.display.set_caption(f"{title(self.game.name)} - Reverie")
        self.toasts.add("F1 shows the keys")
        while self.turn():
            pass

    def turn(self) -> bool:
        """Handle what has happened, show what has come; False when the player quits."""
        if not self._handle_events():
            return False
        before = self.pilot.shown
        shown = self.game.runner.latest(WAIT_S)
        if shown is not None:
            self._look.take(shown, before)
            self.pilot.take(shown)
        self._look_in()
        replies = self.game.runner.replies()
        for reply in replies:
            self.pilot.hear(reply)
        if shown is not None or replies or self.window.dirty or self._animating() or self.inspector.plots.fresh():
            self._draw()
            if shown is not None:
                self._look.displayed(shown)
        return True

    def _look_in(self) -> None:
        """Frames carry views while they are looked at: in the band, or in lockstep on the stage."""
        shown = self.pilot.shown
        wanted = self.inspector.open or (shown is not None and shown.lockstep)
        if wanted != self._inspecting:
            self._inspecting = wanted
            self.game.runner.inspect(wanted)

    def _open_inspector(self) -> None:
        self.inspector.open = True

    def _draw(self) -> None:
        shown = self.pilot.shown
        if shown is None:
            return
        self.inspector.studied = self.pilot.workbench.studied
        self._help_pages = self._scene.draw(
            self.window.surface,
            shown,
            self._look.status(shown),
            self.toasts,
            panel=self.panel,
            help_page=self.help_page,
            inspector=self.inspector,
            note=self.note,
            pointer=self._pointed,
        )
        pygame.display.flip()
        self._drawn_at, self.window.dirty = time.perf_counter(), False

    def _animating(self) -> bool:
        """Whether something fades, and is due to be drawn again."""
        moving = self.toasts.active() or self._look.glow > 0
        return moving and time.perf_counter() - self._drawn_at >= ANIMATE_S

    # -- events

    def _handle_events(self) -> bool:
        for event in pygame.event.get():
            if event.type == pygame.QUIT:
                return False
            self.window.notice(event)
            if self.note.open:
                self._write(event)
                continue
            self._pointer(event)
            self.gamepads.handle(event)
            command = self._keyboard.handle(event)
            if command is not None and not self._obey(command):
                return False
            if event.type == pygame.WINDOWFOCUSLOST:
                self.gamepads.forget()
        self.gamepads.poll()
        repeated = self._keyboard.repeat()
        if repeated is not None:
            self._obey(repeated)
        return True

    def _obey(self, command: Command) -> bool:
        """Carry out a command; False when it was to quit."""
        self.window.dirty = True
        if self.pilot.obey(command):
            return True
        match command.name:
            case "help":
                page = 0 if self.help_page is None else self.help_page + 1
                self.help_page = page if page == 0 or page < self._help_pages else None
            case "panel":
                self.panel = not self.panel
            case "look_inside":
                self.inspector.open = not self.inspector.open
            case "flag":
                self._begin_note()
            case "fullscreen":
                self.window.toggle_fullscreen()
            case "screenshot":
                self._screenshot()
            case "quit" if self.help_page is not None:
                self.help_page = None
            case "quit" if self.inspector.enlarged is not None:
                self.inspector.enlarged = None
            case "quit":
                return False
        return True

    # -- the note

    def _begin_note(self) -> None:
        """Time stands still while one writes."""
        self._goes_on = self.pilot.shown is not None and not self.pilot.shown.paused
        self.game.runner.pause()
        held = self._keyboard.release_all()
        if held is not None:
            self._obey(held)
        self.gamepads.forget()
        self.help_page = None
        self.note.begin()

    def _write(self, event: pygame.event.Event) -> None:
        """An event of the keyboard, or else, while a note is written."""
        ending = self.note.handle(event)
        if ending is not None:
            note = self.note.end()
            if ending == "keep":
                self.pilot.workbench.flag(note)
            if self._goes_on:
                self.game.runner.resume()
        self.window.dirty = True

    # -- the pointer

    def _pointer(self, event: pygame.event.Event) -> None:
        bar = self._scene.bar
        if event.type == pygame.MOUSEMOTION:
            near = bar is not None and bar.rect.collidepoint(event.pos)
            self.window.dirty |= near or self._pointed is not None
            self._pointed = event.pos if near else None
        if self.help_page is None and not self._dragging and self.inspector.handle(event):
            self.window.dirty = True
            return
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            if self.help_page is not None:
                self.help_page, self.window.dirty = None, True
            elif bar is not None and bar.hit(event.pos):
                self._dragging = True
                self.pilot.go_to(bar.position_at(event.pos[0]))
        elif event.type == pygame.MOUSEMOTION and self._dragging and bar is not None:
            self.pilot.go_to(bar.position_at(event.pos[0]))
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._dragging = False

    def _screenshot(self) -> None:
        path = self.pilot.new_file(".png")
        try:
            save_picture(self.window.surface, path)
        except ReverieError as error:
            self.toasts.add(explain(error), "error")
        else:
            self.toasts.add(f"Saved {path}", "good")


def save_picture(surface: pygame.Surface, path: Path) -> None:
    """Write a PNG atomically. Raises ReverieError when it cannot be written."""
    with atomic_path(path) as beside:
        try:
            pygame.image.save(surface, str(beside))
        except pygame.error as error:
            raise OSError(str(error)) from error
