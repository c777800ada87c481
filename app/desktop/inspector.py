"""The band that looks inside the world: every view of the frame as a card, with values to change by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pygame
from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.sliders import Slider, sliders_of
from app.desktop.views import bound_of, cells_of, index_at, number_text, numbers, picture_of, value_at, words_for
from engine.runner import Shown
from models.types import View

KEPT = 120
"""Values of a scalar that are drawn."""
SCALAR = (120, 40)
WHEEL_PX = 48
NOTHING = "Nothing to see yet: go on, or step once."
REAL = "Nothing to see of the real game: look into the dream, or the dream beside it."


@dataclass(frozen=True)
class Card:
    """A view as it was drawn: its picture's place in the window."""

    view: View
    box: Rect

    def share(self, at: tuple[int, int]) -> tuple[float, float]:
        """A place in the window as a place in the picture, 0 to 1 each way."""
        return (at[0] - self.box.left) / self.box.width, (at[1] - self.box.top) / self.box.height


@dataclass
class Drag:
    """A bar of a vector in the player's hand."""

    name: str
    index: int
    bound: float
    value: float


class Inspector:
    """Draws the band and understands the pointer in it.

    edit(view, index, value), setting(name, value) and undo() carry out what the player asks for.
    """

    def __init__(
        self,
        edit: Callable[[str, int, float], None],
        setting: Callable[[str, float], None],
        undo: Callable[[], None],
    ) -> None:
        self._edit, self._setting, self._undo = edit, setting, undo
        self.open = False
        self._rect = self._body = Rect(0, 0, 0, 0)
        self.cards: list[Card] = []
        self.sliders: list[Slider] = []
        self._undo_box = Rect(0, 0, 0, 0)
        self._past: dict[str, deque[float]] = {}
        self._seen: object = None
        self._pointer: tuple[int, int] | None = None
        self._drag: Drag | None = None
        self._slide: str | None = None
        self._scroll = self._overflow = 0

    # -- drawing

    def draw(self, canvas: Canvas, rect: Rect, shown: Shown) -> None:
        """Draw the look inside of a frame into ``rect``."""
        self._rect, self.cards = rect, []
        self._remember(shown)
        canvas.box(rect, theme.PANEL, 12)
        inner = rect.inflate(-2 * canvas.px(14), -2 * canvas.px(10))
        top = self._head(canvas, inner, shown)
        self._body = body = Rect(inner.left, top, inner.width, inner.bottom - top)
        canvas.surface.set_clip(body)
        self._cards(canvas, body, shown.frame.views, REAL if shown.real else NOTHING)
        canvas.surface.set_clip(None)

    def _remember(self, shown: Shown) -> None:
        """The latest values of scalars, one a frame."""
        if shown.frame is self._seen:
            return
        self._seen = shown.frame
        for view in shown.frame.views:
            if view.kind == "scalar":
                value = float(np.nan_to_num(numbers(view)))
                self._past.setdefault(view.name, deque(maxlen=KEPT)).append(value)

    def _head(self, canvas: Canvas, inner: Rect, shown: Shown) -> int:
        """Title, sliders and the way back; where the cards begin."""
        line = canvas.line_height(theme.BODY) + canvas.px(4)
        middle = inner.top + line // 2
        title = canvas.text("Inside the world", (inner.left, middle), theme.BODY, bold=True, anchor="midleft")
        x = title.right + canvas.px(24)
        self.sliders = []
        for slider in sliders_of(shown.settings):
            if x + slider.width(canvas) > inner.right - canvas.px(90):
                break
            x = slider.place(canvas, (x, middle)).draw(canvas) + canvas.px(24)
            self.sliders.append(slider)
        marks = [mark for mark in shown.timeline.marks if mark.kind == "edit"]
        self._undo_box = Rect(0, 0, 0, 0)
        if any(mark.position <= shown.timeline.cursor for mark in marks):
            self._undo_box = self._button(canvas, (inner.right, middle), "Undo edit")
        return inner.top + line + canvas.px(4)

    def _button(self, canvas: Canvas, right: tuple[int, int], text: str) -> Rect:
        width, height = canvas.measure(text, theme.SMALL, bold=True)
        box = Rect(0, 0, width + canvas.px(20), height + canvas.px(8))
        box.midright = right
        canvas.box(box, theme.RAISED, 6)
        canvas.text(text, box.center, theme.SMALL, theme.TEXT, bold=True, anchor="center")
        return box

    def _cards(self, canvas: Canvas, body: Rect, views: tuple[View, ...], hint: str) -> None:
        if not views:
            canvas.text(hint, (body.left, body.top + canvas.px(6)), theme.BODY, theme.MUTED)
            return
        gap = canvas.px(18)
        grids = [view for view in views if view.kind.endswith("_grid")]
        others = [view for view in views if not view.kind.endswith("_grid")]
        right, bottom = self._flow(canvas, body, body, grids)
        beside = Rect(right + gap, body.top, body.right - right - gap, body.height)
        if grids and beside.width < canvas.px(330):  # no room beside the grids: below them
            beside = Rect(body.left, bottom + self._scroll + gap // 2, body.width, body.height)
        _, low = self._flow(canvas, body, beside if grids else body, others)
        self._overflow = max(0, max(bottom, low) + self._scroll - body.bottom)
        self._scroll = min(self._scroll, self._overflow)

    def _flow(self, canvas: Canvas, body: Rect, area: Rect, views: list[View]) -> tuple[int, int]:
        """Cards side by side in ``area``, in as many lines as they take; their right and lower ends."""
        gap, line = canvas.px(18), canvas.line_height(theme.SMALL)
        x, y, tall, right = area.left, area.top - self._scroll, 0, area.left
        for view in views:
            width, height = self._size(canvas, view, Rect(0, 0, area.width, body.height))
            wide = max(width, canvas.px(130))
            if x > area.left and x + wide > area.right:
                x, y, tall = area.left, y + tall + gap // 2, 0
            self._card(canvas, view, Rect(x, y + line, width, height), wide)
            x, tall, right = x + wide + gap, max(tall, height + 2 * line), max(right, x + wide)
        return right, y + tall

    def _card(self, canvas: Canvas, view: View, box: Rect, wide: int) -> None:
        """A view: its name above its picture, and below it what stands under the pointer."""
        line = canvas.line_height(theme.SMALL)
        name = canvas.fitted(view.name, wide, theme.SMALL, bold=True)
        canvas.text(name, (box.left, box.top - line), theme.SMALL, bold=True)
        card = Card(view, box)
        self.cards.append(card)
        values = self._values(view)
        image = picture_of(view, values)
        below, colour = "", theme.MUTED
        if image is None:
            below = number_text(float(values))
            self._spark(canvas, box, self._past.get(view.name, deque()))
        else:
            surface = pygame.image.frombuffer(image.tobytes(), (image.shape[1], image.shape[0]), "RGB")
            canvas.surface.blit(pygame.transform.scale(surface, box.size), box)
            pygame.draw.rect(canvas.surface, theme.LINE, box.inflate(2, 2), 1)
            if view.kind == "film_strip":
                self._labels(canvas, box, view)
            else:
                below = self._words(canvas, card, values)
        canvas.text(canvas.fitted(below, wide, theme.SMALL), (box.left, box.bottom + canvas.px(1)), theme.SMALL, colour)

    def _size(self, canvas: Canvas, view: View, body: Rect) -> tuple[int, int]:
        """Width and height of a view's picture in window pixels."""
        if view.kind == "scalar":
            return canvas.px(SCALAR[0]), canvas.px(SCALAR[1])
        if view.kind == "film_strip":
            count, _, height, width = view.value.shape[1:]
            tall = min(max(canvas.px(84), body.height // 3), body.width * height // max(1, count * width))
            return max(1, round(tall * count * width / height)), max(1, tall)
        if view.kind == "feature_maps":
            image = picture_of(view)
            assert image is not None
            zoom = max(1, canvas.px(120) // image.shape[0])
            return image.shape[1] * zoom, image.shape[0] * zoom
        columns, rows = cells_of(view) or (1, 1)
        if view.kind == "vector":
            return min(body.width, columns * max(1, min(canvas.px(28), canvas.px(330) // columns))), canvas.px(64)
        cell = max(2, min(canvas.px(14), max(canvas.px(150), body.height * 3 // 4) // rows))
        return columns * cell, rows * cell

    def _values(self, view: View) -> np.ndarray:
        """The view's values, with the bar that is in the player's hand."""
        values = numbers(view)
        if self._drag is not None and self._drag.name == view.name and self._drag.index < values.size:
            values = values.copy()
            values[self._drag.index] = self._drag.value
        return values

    def _words(self, canvas: Canvas, card: Card, values: np.ndarray) -> str:
        """What stands under the pointer, which is framed; or all values of a short vector."""
        index = self._index(card)
        if index is None:
            few = card.view.kind == "vector" and values.size <= 4
            return " · ".join(words_for(card.view, values, k) for k in range(values.size)) if few else ""
        columns, rows = cells_of(card.view) or (1, 1)
        wide, tall = card.box.width / columns, card.box.height / rows
        at = Rect(round(card.box.left + index % columns * wide), round(card.box.top + index // columns * tall), 0, 0)
        at.size = max(2, round(wide)), max(2, round(tall))
        pygame.draw.rect(canvas.surface, theme.TEXT, at.inflate(2, 2), 1)
        return words_for(card.view, values, index)

    def _index(self, card: Card) -> int | None:
        if self._drag is not None and self._drag.name == card.view.name:
            return self._drag.index
        if self._pointer is None or not self._body.collidepoint(self._pointer):
            return None
        return index_at(card.view, *card.share(self._pointer))

    def _spark(self, canvas: Canvas, box: Rect, past: deque[float]) -> None:
        canvas.surface.fill(theme.STAGE, box)
        low, high = min([0.0, *past]), max([1e-9, *past])
        pitch = max(1, box.width // KEPT)
        for k, value in enumerate(reversed(past)):
            tall = max(1, round(box.height * (value - low) / (high - low)))
            canvas.surface.fill(theme.ACCENT, (box.right - (k + 1) * pitch, box.bottom - tall, pitch, tall))

    def _labels(self, canvas: Canvas, box: Rect, view: View) -> None:
        count = view.value.shape[1]
        for k, label in enumerate(view.labels[:count]):
            wide = box.width // count
            at = (box.left + wide * k + wide // 2, box.bottom + canvas.px(1))
            text = canvas.fitted(label, wide, theme.TINY)
            canvas.text(text, at, theme.TINY, theme.MUTED, anchor="midtop")

    # -- the pointer

    def handle(self, event: pygame.event.Event) -> bool:
        """A pointer's event; whether it was meant for the band."""
        if event.type == pygame.MOUSEMOTION:
            return self._move(event.pos)
        if event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            return self._release()
        at = event.pos if hasattr(event, "pos") else self._pointer  # a wheel turns where the pointer was seen last
        if not self.open or at is None or not self._rect.collidepoint(at):
            return False
        if event.type == pygame.MOUSEWHEEL:
            self._scroll = min(max(self._scroll - event.y * WHEEL_PX, 0), self._overflow)
            return True
        return event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and self._press(event.pos)

    def _press(self, at: tuple[int, int]) -> bool:
        self._pointer = at
        if self._undo_box.collidepoint(at):
            self._undo()
        for slider in self.sliders:
            if slider.box.collidepoint(at):
                self._slide = slider.name
                self._setting(slider.name, slider.value_at(at[0]))
        for card in self.cards:
            if card.view.editable and card.box.clip(self._body).collidepoint(at):
                self._take(card, at)
        return True

    def _take(self, card: Card, at: tuple[int, int]) -> None:
        x, y = card.share(at)
        index = index_at(card.view, x, y)
        if index is None:
            return
        if card.view.kind == "vector":
            bound = bound_of(numbers(card.view))
            self._drag = Drag(card.view.name, index, bound, value_at(y, bound))
        else:
            self._edit(card.view.name, index, 1.0)

    def _move(self, at: tuple[int, int]) -> bool:
        self._pointer = at
        for slider in self.sliders:
            if slider.name == self._slide:
                self._setting(slider.name, slider.value_at(at[0]))
        for card in self.cards:
            if self._drag is not None and card.view.name == self._drag.name:
                self._drag.value = value_at(card.share(at)[1], self._drag.bound)
        return self.open and (self._rect.collidepoint(at) or self._drag is not None or self._slide is not None)

    def _release(self) -> bool:
        """A bar let go of is an edit; so the world is told once, however far it was dragged."""
        drag, self._drag = self._drag, None
        held, self._slide = drag is not None or self._slide is not None, None
        if drag is not None:
            self._edit(drag.name, drag.index, drag.value)
        return held
