"""What stands in the middle of the window: the frame, or in lockstep reality, dream and error beside each other."""

from __future__ import annotations

import numpy as np
import pygame
from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.layout import Layout
from app.desktop.theme import Colour
from app.desktop.views import numbers
from engine.lockstep_views import LOCKSTEP, TOLD
from engine.runner import Shown
from models.types import View

STRIPS = (LOCKSTEP, TOLD)
"""Names of the views whose pictures stand beside each other."""
LEGEND = "red: the dream is brighter, blue: darker"


def strip_of(shown: Shown) -> View | None:
    """The pictures of a lockstep; None where the frame stands alone."""
    views = shown.frame.views
    return next((view for view in views if view.name in STRIPS and view.kind == "film_strip"), None)


def panes_of(shown: Shown) -> int:
    """How many pictures there are side by side."""
    strip = strip_of(shown)
    return 1 if strip is None else strip.value.shape[1]


def draw_stage(canvas: Canvas, shown: Shown, layout: Layout) -> None:
    """Draw what is played into the layout's picture, or its panes."""
    strip = strip_of(shown)
    canvas.surface.set_clip(layout.stage)
    if strip is None or len(layout.panes) != strip.value.shape[1]:
        _picture(canvas, shown.frame.image, layout.picture)
    else:
        labels = (*strip.labels, *[""] * len(layout.panes))
        for image, box, label in zip(numbers(strip), layout.panes, labels, strict=False):
            _picture(canvas, image.transpose(1, 2, 0), box)
            _name(canvas, box, label)
    canvas.surface.set_clip(None)


def _picture(canvas: Canvas, image: np.ndarray, box: Rect) -> None:
    """An (H, W, 3) uint8 image, scaled to the box."""
    size = (image.shape[1], image.shape[0])
    surface = pygame.image.frombuffer(np.ascontiguousarray(image).tobytes(), size, "RGB")
    canvas.surface.blit(pygame.transform.scale(surface, box.size), box)


def _name(canvas: Canvas, box: Rect, label: str) -> None:
    """A picture's name above it; beside that of an error what its colours mean, where there is room."""
    base = (box.left, box.top - canvas.px(3))
    name = canvas.fitted(label, box.width, theme.SMALL, bold=True)
    drawn = canvas.text(name, base, theme.SMALL, _colour(label), bold=True, anchor="bottomleft")
    room = box.right - drawn.right - canvas.px(8)
    if label.startswith("error") and canvas.measure(LEGEND, theme.TINY)[0] <= room:
        canvas.text(LEGEND, (box.right, base[1]), theme.TINY, theme.MUTED, anchor="bottomright")


def _colour(label: str) -> Colour:
    """Reality stands out, and errors stand back."""
    if label == "real":
        return theme.WARM
    return theme.MUTED if label.startswith("error") else theme.ACCENT
