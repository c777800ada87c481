"""Sliders for a world's settings that have a least and a greatest value."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from engine.server.dials import bounds_of

LENGTH = 120
PARTS = 40
"""Places that a slider may stand at."""


class Slider:
    """One setting between its bounds, drawn in one line."""

    def __init__(self, name: str, value: float, low: float, high: float) -> None:
        self.name, self.value, self.low, self.high = name, value, low, high
        self.label = f"{name.replace('_', ' ').capitalize()} {value:.2f}"
        self.box, self._track = Rect(0, 0, 0, 0), Rect(0, 0, 0, 0)
        self._at = (0, 0)

    def width(self, canvas: Canvas) -> int:
        """Pixels that it takes, whatever its value."""
        widest = f"{self.name.replace('_', ' ').capitalize()} 0.00"
        return canvas.measure(widest, theme.SMALL)[0] + canvas.px(LENGTH + 12)

    def place(self, canvas: Canvas, middle_left: tuple[int, int]) -> Slider:
        x, y = middle_left
        self._at = middle_left
        length = canvas.px(LENGTH)
        self._track = Rect(x + self.width(canvas) - length, y - canvas.px(2), length, canvas.px(4))
        self.box = self._track.inflate(canvas.px(12), canvas.px(22))
        return self

    def draw(self, canvas: Canvas) -> int:
        """Draw it where it was placed; its right end."""
        canvas.text(self.label, self._at, theme.SMALL, theme.MUTED, anchor="midleft")
        canvas.box(self._track, theme.LINE, 2)
        share = min(max((self.value - self.low) / (self.high - self.low), 0.0), 1.0)
        at = self._track.left + round(share * self._track.width)
        canvas.box(Rect(self._track.left, self._track.top, at - self._track.left, self._track.height), theme.ACCENT, 2)
        canvas.dot((at, self._track.centery), 6, theme.TEXT)
        return self._track.right

    def value_at(self, x: int) -> float:
        """The value at a column of the window, in steps of a PARTS-th."""
        share = min(max((x - self._track.left) / max(self._track.width, 1), 0.0), 1.0)
        return round(self.low + round(share * PARTS) * (self.high - self.low) / PARTS, 4)


def sliders_of(settings: Any) -> list[Slider]:
    """A slider for each of a world's settings with bounds."""
    bounds = bounds_of(settings)
    values = asdict(settings) if bounds else {}
    return [Slider(name, float(values[name]), low, high) for name, (low, high) in bounds.items()]
