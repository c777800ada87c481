"""What a check has found, in words: every fault it looked for, those found first in colour."""

from __future__ import annotations

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.toasts import wrap
from models.types import View

WIDE = 400
FOUND = ("found",)


def is_checklist(view: View) -> bool:
    """Whether a view's rows are sentences that hold or not."""
    return view.kind == "matrix" and view.columns == FOUND and len(view.labels) == view.value.shape[1]


def size_of_checklist(canvas: Canvas, view: View, most: int) -> tuple[int, int]:
    """Width and height of the list, ``most`` pixels wide at most."""
    wide = min(canvas.px(WIDE), most)
    lines = sum(len(text) for text, _ in _rows(canvas, view, wide))
    return wide, max(1, lines) * canvas.line_height(theme.SMALL) + canvas.px(12)


def draw_checklist(canvas: Canvas, box: Rect, view: View) -> None:
    canvas.box(box, theme.STAGE, 6)
    line, left = canvas.line_height(theme.SMALL), box.left + canvas.px(10)
    y = box.top + canvas.px(6)
    for text, found in _rows(canvas, view, box.width):
        canvas.dot((left + canvas.px(3), y + line // 2), 3, theme.BAD if found else theme.LINE)
        for k, part in enumerate(text):
            colour = theme.TEXT if found else theme.FAINT
            canvas.text(part, (left + canvas.px(14), y), theme.SMALL, colour, bold=found and k == 0)
            y += line


def _rows(canvas: Canvas, view: View, width: int) -> list[tuple[list[str], bool]]:
    """Every row's lines, its name first, and whether it was found; what was found comes first."""
    room = width - canvas.px(34)
    rows = []
    for label, value in zip(view.labels, view.value[0, :, 0].tolist(), strict=True):
        name, _, text = label.partition(": ")
        rows.append(([name, *(wrap(canvas, text, room, theme.SMALL) if text else [])], value > 0))
    return sorted(rows, key=lambda row: not row[1])
