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
from app.desktop.cards import KEPT, Card, draw_view, largest_of, margins_of, size_of
from app.desktop.plots import PLOTTED, Plots
from app.desktop.sections import sections_of
from app.desktop.sliders import Slider, sliders_of
from app.desktop.views import bound_of, cells_of, index_at, number_text, numbers, value_at, words_for
from engine.runner import Shown
from models.types import View

WHEEL_PX = 48
LARGE_TEXT = 1.3
"""Scale of letters in a view that is made large."""
KEYS = "K every action · O unsure · J check · Y back to reality · X flag"
"""What can be asked for here, written where there is room."""
NOTHING = "Nothing to see yet: go on, or step once."
REAL = "Nothing to see of the real game: look into the dream, or the dream beside it."
ENLARGED = PLOTTED | {"film_strip", "picture_grid", "feature_maps"}
"""Kinds of views that a click makes large."""


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
        plots: Plots | None = None,
    ) -> None:
        self._edit, self._setting, self._undo = edit, setting, undo
        self.plots = plots or Plots()
        self.open = False
        self.studied: tuple[str, ...] = ()
        """Names of the views of the last study."""
        self.enlarged: tuple[str, str] | None = None
        """Name and kind of the view that is drawn large in place of all else."""
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

    def draw_enlarged(self, canvas: Canvas, window: Rect, shown: Shown) -> bool:
        """Draw the view that was clicked at, and nothing else; False where there is none."""
        view = next((view for view in shown.frame.views if (view.name, view.kind) == self.enlarged), None)
        if view is None or not self.open:
            self.enlarged = None
            return False
        line, edge = canvas.line_height(theme.HEAD), canvas.px(24)
        room = Rect(edge, edge + line, window.width - 2 * edge, window.height - 2 * edge - 2 * line)
        left, top = margins_of(canvas, view)
        box = Rect((0, 0), largest_of(canvas, view, room.size))
        box.center = (room.centerx + left // 2, room.centery + top // 2)
        canvas.text(view.name, (edge, edge), theme.HEAD, bold=True)
        draw_view(canvas, Card(view, box), numbers(view), self.plots, scale=LARGE_TEXT)
        at = (window.centerx, window.bottom - canvas.px(18))
        canvas.text("Esc or a click to go back", at, theme.SMALL, theme.FAINT, anchor="center")
        return True

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
        name = "Workbench" if shown.lockstep else "Inside the world"
        title = canvas.text(name, (inner.left, middle), theme.BODY, bold=True, anchor="midleft")
        x = title.right + canvas.px(24)
        if shown.study:
            canvas.dot((x, middle), 4, theme.ACCENT)
            at = (x + canvas.px(10), middle)
            x = canvas.text(shown.study, at, theme.SMALL, theme.MUTED, anchor="midleft").right + canvas.px(24)
        self.sliders = []
        for slider in sliders_of(shown.settings):
            if x + slider.width(canvas) > inner.right - canvas.px(90):
                break
            x = slider.place(canvas, (x, middle)).draw(canvas) + canvas.px(24)
            self.sliders.append(slider)
        timeline = shown.timeline
        self._undo_box = Rect(0, 0, 0, 0)
        if any(mark.kind == "edit" and mark.position <= timeline.cursor for mark in timeline.marks):
            self._undo_box = canvas.button((inner.right, middle), "Undo edit")
        elif x + canvas.measure(KEYS, theme.SMALL)[0] <= inner.right:
            canvas.text(KEYS, (inner.right, middle), theme.SMALL, theme.FAINT, anchor="midright")
        return inner.top + line + canvas.px(4)

    def _cards(self, canvas: Canvas, body: Rect, views: tuple[View, ...], hint: str) -> None:
        if not views:
            canvas.text(hint, (body.left, body.top + canvas.px(6)), theme.BODY, theme.MUTED)
            return
        gap, parts = canvas.px(18), sections_of(views, self.studied)
        low = body.top - self._scroll
        for part in (parts.study, parts.figures):
            if part:
                low = self._flow(canvas, body, self._below(body, low), part)[1] + gap // 2
        area = self._below(body, low)
        right, low = self._flow(canvas, body, area, parts.grids)
        beside = Rect(right + gap, area.top, body.right - right - gap, body.height)
        if not parts.grids:
            beside = area
        elif beside.width < canvas.px(330):  # no room beside the grids: below them
            beside = self._below(body, low + gap // 2)
        low = max(low, self._flow(canvas, body, beside, parts.others)[1])
        self._overflow = max(0, low + self._scroll - body.bottom)
        self._scroll = min(self._scroll, self._overflow)

    def _below(self, body: Rect, low: int) -> Rect:
        """The room of the band from the row ``low`` on, as it is before it is scrolled."""
        return Rect(body.left, low + self._scroll, body.width, body.height)

    def _flow(self, canvas: Canvas, body: Rect, area: Rect, views: list[View]) -> tuple[int, int]:
        """Cards side by side in ``area``, in as many lines as they take; their right and lower ends."""
        gap, line = canvas.px(18), canvas.line_height(theme.SMALL)
        x, y, tall, right = area.left, area.top - self._scroll, 0, area.left
        for view in views:
            left, top = margins_of(canvas, view)
            width, height = size_of(canvas, view, (area.width, body.height))
            wide = max(left + width, canvas.px(130))
            if x > area.left and x + wide > area.right:
                x, y, tall = area.left, y + tall + gap // 2, 0
            whole = Rect(x, y, wide, top + height + 2 * line)
            if whole.colliderect(body):
                self._card(canvas, view, Rect(x + left, y + line + top, width, height), whole)
            x, tall, right = x + wide + gap, max(tall, whole.height), max(right, x + wide)
        return right, y + tall

    def _card(self, canvas: Canvas, view: View, box: Rect, whole: Rect) -> None:
        """A view: its name above its picture, and below it what stands under the pointer."""
        name = canvas.fitted(view.name, whole.width, theme.SMALL, bold=True)
        canvas.text(name, whole.topleft, theme.SMALL, bold=True)
        card = Card(view, box)
        self.cards.append(card)
        values = self._values(view)
        draw_view(canvas, card, values, self.plots, self._past.get(view.name, ()))
        if view.kind in PLOTTED or view.kind == "film_strip":
            return
        below = number_text(float(values)) if view.kind == "scalar" else self._words(canvas, card, values)
        at = (whole.left, box.bottom + canvas.px(1))
        canvas.text(canvas.fitted(below, whole.width, theme.SMALL), at, theme.SMALL, theme.MUTED)

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

    # -- the pointer

    def handle(self, event: pygame.event.Event) -> bool:
        """A pointer's event; whether it was meant for the band."""
        if event.type == pygame.MOUSEBUTTONDOWN and self.enlarged is not None:
            self.enlarged = None
            return True
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
            if not card.box.clip(self._body).collidepoint(at):
                continue
            if card.view.editable:
                self._take(card, at)
            elif card.view.kind in ENLARGED:
                self.enlarged = card.view.name, card.view.kind
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
