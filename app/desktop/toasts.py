"""Short messages that come, stay a moment and fade."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pygame

from app.desktop import theme
from app.desktop.canvas import Canvas

Kind = Literal["note", "good", "error"]
COLOURS = {"note": theme.ACCENT, "good": theme.GOOD, "error": theme.BAD}
STAY_S = {"note": 2.2, "good": 4.0, "error": 8.0}
FADE_S = 0.4
MOST = 4


@dataclass
class Toast:
    text: str
    kind: Kind
    until: float
    topic: str


class Toasts:
    """The messages on show, oldest first. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.shown: list[Toast] = []

    def add(self, text: str, kind: Kind = "note", topic: str = "") -> None:
        """Show ``text``. One with the same non-empty ``topic`` is replaced (a setting changed again and again)."""
        self.shown = [toast for toast in self.shown if not topic or toast.topic != topic]
        self.shown.append(Toast(text, kind, self._clock() + STAY_S[kind], topic))
        del self.shown[:-MOST]

    def active(self) -> bool:
        """Whether something is on show (and has to be drawn anew while it fades)."""
        self.shown = [toast for toast in self.shown if toast.until > self._clock()]
        return bool(self.shown)

    def draw(self, canvas: Canvas, area: pygame.Rect) -> None:
        """Stack the messages up from the lower left corner of ``area``, newest lowest."""
        self.active()
        y = area.bottom
        for toast in reversed(self.shown):
            lines = wrap(canvas, toast.text, area.width - canvas.px(40), theme.BODY)
            line = canvas.line_height(theme.BODY)
            width = max(canvas.measure(text)[0] for text in lines) + canvas.px(36)
            box = pygame.Rect(area.left, 0, min(width, area.width), len(lines) * line + canvas.px(10))
            box.bottom = y
            if box.top < area.top:
                break
            self._draw_one(canvas, box, toast, lines)
            y = box.top - canvas.px(6)

    def _draw_one(self, canvas: Canvas, box: pygame.Rect, toast: Toast, lines: list[str]) -> None:
        image = pygame.Surface(box.size, pygame.SRCALPHA)
        own = Canvas(image, canvas.scale)
        own.box(image.get_rect(), theme.mix(theme.RAISED, theme.BACKGROUND, 0.2), 8)
        line = canvas.line_height(theme.BODY)
        own.dot((canvas.px(14), canvas.px(5) + line // 2), 4, COLOURS[toast.kind])
        for number, text in enumerate(lines):
            middle = canvas.px(5) + number * line + line // 2
            own.text(text, (canvas.px(25), middle), anchor="midleft")
        left = toast.until - self._clock()
        image.set_alpha(round(245 * min(1.0, left / FADE_S)))
        canvas.surface.blit(image, box)


def wrap(canvas: Canvas, text: str, width: int, size: int) -> list[str]:
    """``text`` in lines no wider than ``width`` pixels; a word that is too long is cut."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        words: list[str] = []
        for word in paragraph.split():
            if words and canvas.measure(" ".join([*words, word]), size)[0] > width:
                lines.append(" ".join(words))
                words = []
            words.append(word)
        lines.append(" ".join(words))
    return [canvas.fitted(line, width, size) for line in lines]
