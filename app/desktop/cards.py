"""Views as cards: how large each kind of picture is, and how it is drawn into its box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pygame
from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.checklist import draw_checklist, is_checklist, size_of_checklist
from app.desktop.plots import PLOTTED, Plots
from app.desktop.views import cells_of, picture_of, tiles_size
from models.types import View

KEPT = 120
"""Values of a scalar that are drawn."""
SCALAR = (120, 40)
SHAPES = {"curves": 1.75, "path": 1.3, "heat_map": 1.25, "matrix": 1.6}
"""Width over height of figures."""
LEAST_TALL, MOST_TALL = 130, 230
"""Bounds of a figure's height beside other cards."""
LEAST_SCALE = 0.85
"""Letters of figures are never smaller."""
SMALLEST, LARGEST = 34, 96
"""Bounds of the height of a grid's pictures beside other cards."""
SIDE_LABELS = 150
"""Most width of the names beside a grid's rows."""
FAILED, DRAWING = "This view could not be drawn.", "drawing ..."


@dataclass(frozen=True)
class Card:
    """A view as it was drawn: its picture's place in the window."""

    view: View
    box: Rect

    def share(self, at: tuple[int, int]) -> tuple[float, float]:
        """A place in the window as a place in the picture, 0 to 1 each way."""
        return (at[0] - self.box.left) / self.box.width, (at[1] - self.box.top) / self.box.height


def size_of(canvas: Canvas, view: View, room: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a view's picture in window pixels, as a card among others in a band of that size."""
    if view.kind == "scalar":
        return canvas.px(SCALAR[0]), canvas.px(SCALAR[1])
    if view.kind == "film_strip":
        count, _, height, width = view.value.shape[1:]
        tall = min(max(canvas.px(84), room[1] // 3), room[0] * height // max(1, count * width))
        return max(1, round(tall * count * width / height)), max(1, tall)
    if is_checklist(view):
        return size_of_checklist(canvas, view, room[0])
    if view.kind in PLOTTED:
        tall = min(max(canvas.px(LEAST_TALL), room[1] - 2 * canvas.line_height(theme.SMALL)), canvas.px(MOST_TALL))
        wide = min(round(tall * SHAPES[view.kind]), room[0])
        return wide, tall
    if view.kind == "picture_grid":
        rows, columns, _, height, width = view.value.shape[1:]
        left, top = margins_of(canvas, view)
        tall = min(max(canvas.px(SMALLEST), (room[1] - top) // max(1, rows)), canvas.px(LARGEST))
        tall = min(tall, max(1, (room[0] - left) * height // max(1, columns * width)))
        return max(1, round(tall * width / height) * columns), max(1, tall * rows)
    if view.kind == "feature_maps":
        count, height, width = view.value.shape[1:]
        tall, wide = tiles_size(count, height, width)
        zoom = max(1, canvas.px(120) // tall)
        return wide * zoom, tall * zoom
    columns, rows = cells_of(view) or (1, 1)
    if view.kind == "vector":
        return min(room[0], columns * max(1, min(canvas.px(28), canvas.px(330) // columns))), canvas.px(64)
    cell = max(2, min(canvas.px(14), max(canvas.px(150), room[1] * 3 // 4) // rows))
    return columns * cell, rows * cell


def largest_of(canvas: Canvas, view: View, room: tuple[int, int]) -> tuple[int, int]:
    """Width and height of a view's picture alone in a room of that size."""
    if is_checklist(view):
        return size_of_checklist(canvas, view, room[0])
    if view.kind in PLOTTED:
        return room
    left, top = margins_of(canvas, view)
    wide, tall = size_of(canvas, view, room)
    zoom = min((room[0] - left) / wide, (room[1] - top) / tall)
    return max(1, int(wide * zoom)), max(1, int(tall * zoom))


def margins_of(canvas: Canvas, view: View) -> tuple[int, int]:
    """Width and height of what is written to the left of a picture and above it."""
    if view.kind != "picture_grid":
        return 0, 0
    widest = max((canvas.measure(label, theme.SMALL)[0] for label in view.labels), default=0)
    left = min(widest, canvas.px(SIDE_LABELS)) + canvas.px(8) if widest else 0
    return left, canvas.line_height(theme.TINY) if view.columns else 0


def draw_view(
    canvas: Canvas, card: Card, values: np.ndarray, plots: Plots, past: Sequence[float] = (), scale: float = 1.0
) -> None:
    """A view's picture in its box, with what is written around it.

    past: a scalar's values up to now. scale: of a figure's letters, beside the canvas's own.
    """
    view, box = card.view, card.box
    if view.kind == "scalar":
        _spark(canvas, box, past)
        return
    if is_checklist(view):
        draw_checklist(canvas, box, view)
        return
    if view.kind in PLOTTED:
        _figure(canvas, card, plots, scale)
        return
    image = picture_of(view, values)
    assert image is not None
    canvas.surface.blit(scaled(image, box.size), box)
    pygame.draw.rect(canvas.surface, theme.LINE, box.inflate(2, 2), 1)
    if view.kind == "film_strip":
        _part(canvas, box, 1, view.value.shape[1])
        _below(canvas, box, view.labels, view.value.shape[1])
    if view.kind == "picture_grid":
        _part(canvas, box, *view.value.shape[1:3])
        _around(canvas, card)


def scaled(image: np.ndarray, size: tuple[int, int]) -> pygame.Surface:
    """An (h, w, 3) uint8 image at another size: pixels stay square when it grows, and are averaged when it shrinks."""
    surface = pygame.image.frombuffer(np.ascontiguousarray(image).tobytes(), (image.shape[1], image.shape[0]), "RGB")
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    return (pygame.transform.smoothscale if shrinks else pygame.transform.scale)(surface, size)


def _figure(canvas: Canvas, card: Card, plots: Plots, scale: float) -> None:
    """The newest figure there is; of another size it is stretched until its own is drawn."""
    box = card.box
    figure = plots.figure(card.view, box.size, max(LEAST_SCALE, canvas.scale * scale))
    if figure is None or figure.image is None:
        canvas.box(box, theme.STAGE, 6)
        text = DRAWING if figure is None else FAILED
        canvas.text(canvas.fitted(text, box.width), box.center, theme.SMALL, theme.FAINT, anchor="center")
        return
    size = (figure.image.shape[1], figure.image.shape[0])
    surface = pygame.image.frombuffer(np.ascontiguousarray(figure.image).tobytes(), size, "RGB")
    canvas.surface.blit(surface if size == box.size else pygame.transform.smoothscale(surface, box.size), box)


def _spark(canvas: Canvas, box: Rect, past: Sequence[float]) -> None:
    canvas.surface.fill(theme.STAGE, box)
    low, high = min([0.0, *past]), max([1e-9, *past])
    pitch = max(1, box.width // KEPT)
    for k, value in enumerate(reversed(past)):
        tall = max(1, round(box.height * (value - low) / (high - low)))
        canvas.surface.fill(theme.ACCENT, (box.right - (k + 1) * pitch, box.bottom - tall, pitch, tall))


def _part(canvas: Canvas, box: Rect, rows: int, columns: int) -> None:
    """Lines between pictures that stand close together."""
    for k in range(1, columns):
        canvas.surface.fill(theme.PANEL, (round(box.left + box.width * k / columns), box.top, 1, box.height))
    for k in range(1, rows):
        canvas.surface.fill(theme.PANEL, (box.left, round(box.top + box.height * k / rows), box.width, 1))


def _below(canvas: Canvas, box: Rect, labels: Sequence[str], count: int) -> None:
    """A name under each of ``count`` pictures side by side."""
    for k, label in enumerate(labels[:count]):
        wide = box.width / count
        at = (round(box.left + wide * (k + 0.5)), box.bottom + canvas.px(1))
        canvas.text(canvas.fitted(label, round(wide), theme.TINY), at, theme.TINY, theme.MUTED, anchor="midtop")


def _around(canvas: Canvas, card: Card) -> None:
    """The names of a grid's rows and columns."""
    view, box = card.view, card.box
    rows, columns = view.value.shape[1:3]
    left, _ = margins_of(canvas, view)
    for k, label in enumerate(view.labels[:rows]):
        at = (box.left - canvas.px(6), round(box.top + box.height * (k + 0.5) / rows))
        text = canvas.fitted(label, left - canvas.px(8), theme.SMALL)
        canvas.text(text, at, theme.SMALL, theme.MUTED, anchor="midright")
    for k, label in enumerate(view.columns[:columns]):
        at = (round(box.left + box.width * (k + 0.5) / columns), box.top - canvas.px(2))
        room = box.width // columns
        short = label if canvas.measure(label, theme.TINY)[0] <= room else label.split(" ")[-1]
        text = canvas.fitted(short, room, theme.TINY)
        canvas.text(text, at, theme.TINY, theme.MUTED, anchor="midbottom")
