"""A line of text that the player writes over the picture: what is wrong with the moment that gets flagged."""

from __future__ import annotations

import pygame
from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas

LONGEST = 200
"""Letters of a note."""
WIDE = 440
TITLE, HINT = "Flag this glitch: what is wrong?", "Enter keeps it · Esc leaves it"


class NoteEntry:
    """A text field. While it is open all keys belong to it. What the key types that opened it is no part of it."""

    def __init__(self) -> None:
        self.open = False
        self.text = ""
        self._opening = False

    def begin(self) -> None:
        self.open, self.text, self._opening = True, "", True
        pygame.key.start_text_input()

    def end(self) -> str:
        """Close it; the text."""
        self.open = False
        pygame.key.stop_text_input()
        return self.text.strip()

    def handle(self, event: pygame.event.Event) -> str | None:
        """One event while it is open: "keep" or "leave" where it ends the entry, else None."""
        if event.type == pygame.TEXTINPUT and not self._opening:
            self._write(event.text)
        if event.type in (pygame.KEYDOWN, pygame.KEYUP):
            self._opening = False
        return self._key(event.key, event.mod) if event.type == pygame.KEYDOWN else None

    def _key(self, key: int, mod: int) -> str | None:
        whole = bool(mod & (pygame.KMOD_CTRL | pygame.KMOD_META))
        match key:
            case pygame.K_RETURN | pygame.K_KP_ENTER:
                return "keep"
            case pygame.K_ESCAPE:
                return "leave"
            case pygame.K_BACKSPACE:
                self.text = self.text.rstrip().rpartition(" ")[0] if whole else self.text[:-1]
        return None

    def _write(self, text: str) -> None:
        self.text = (self.text + "".join(letter for letter in text if letter.isprintable()))[:LONGEST]

    def draw(self, canvas: Canvas, stage: Rect) -> None:
        """The field over the lower part of the stage."""
        if not self.open:
            return
        line, small = canvas.line_height(theme.BODY), canvas.line_height(theme.SMALL)
        pad = canvas.px(14)
        box = Rect(0, 0, min(canvas.px(WIDE), stage.width - canvas.px(16)), 0)
        box.height = 2 * pad + 2 * line + small + canvas.px(20)
        box.midbottom = (stage.centerx, stage.bottom - canvas.px(14))
        canvas.box(box, theme.LINE, 10)
        canvas.box(box.inflate(-2, -2), theme.PANEL, 10)
        inner = box.inflate(-2 * pad, -2 * pad)
        title = canvas.fitted(TITLE, inner.width, theme.BODY, bold=True)
        canvas.text(title, inner.topleft, theme.BODY, bold=True)
        field = Rect(inner.left, inner.top + line + canvas.px(4), inner.width, line + canvas.px(10))
        canvas.box(field, theme.STAGE, 6)
        self._text(canvas, field.inflate(-2 * canvas.px(9), 0))
        hint = canvas.fitted(HINT, inner.width, theme.SMALL)
        canvas.text(hint, (inner.left, inner.bottom), theme.SMALL, theme.MUTED, anchor="bottomleft")

    def _text(self, canvas: Canvas, room: Rect) -> None:
        """The end of the text, as much as there is room for, and the place where one writes."""
        text = self.text
        while text and canvas.measure(text)[0] > room.width - canvas.px(3):
            text = text[1:]
        end = room.left
        if text:
            end = canvas.text(text, (room.left, room.centery), anchor="midleft").right
        tall = canvas.line_height(theme.BODY) - canvas.px(4)
        canvas.surface.fill(theme.ACCENT, (end + 1, room.centery - tall // 2, canvas.px(2), tall))
