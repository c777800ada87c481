"""What lies over the picture: loading, paused, rewinding, the end of an episode."""

from __future__ import annotations

import math

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.status import Status, signed
from app.desktop.theme import Colour


def draw_loading(canvas: Canvas, area: Rect, title: str, seconds: float) -> None:
    """A quiet screen while a world is opened, ``seconds`` after it began."""
    centre = area.center
    canvas.text("Reverie", (centre[0], centre[1] - canvas.px(34)), theme.BIG, bold=True, anchor="center")
    text = f"opening {title}"
    canvas.text(text, (centre[0], centre[1] + canvas.px(8)), theme.BODY, theme.MUTED, anchor="center")
    for number in range(3):
        glow = 0.5 + 0.5 * math.sin(4 * seconds - 0.9 * number)
        colour = theme.mix(theme.LINE, theme.ACCENT, glow)
        canvas.dot((centre[0] + canvas.px(16) * (number - 1), centre[1] + canvas.px(36)), 3, colour)


def draw_state(canvas: Canvas, picture: Rect, status: Status, behind_s: float) -> None:
    """The badge of a session that does not simply run; ``behind_s``: seconds rewound."""
    if status.mode == "paused":
        _badge(canvas, picture, "Paused", theme.WARM)
    elif status.mode == "rewinding":
        _badge(canvas, picture, f"Rewound {behind_s:.1f} s", theme.ACCENT)
    elif status.mode == "ended":
        _ending(canvas, picture, status)


def draw_alarms(canvas: Canvas, stage: Rect, alarms: tuple[tuple[str, str], ...]) -> None:
    """The alarms' names in the upper left corner, where no panel tells of them."""
    y = stage.top + canvas.px(10)
    for name, _ in alarms:
        width, height = canvas.measure(name, theme.SMALL, bold=True)
        box = Rect(stage.left + canvas.px(10), y, width + canvas.px(34), height + canvas.px(8))
        canvas.box(box, (*theme.BACKGROUND, 225), 100)
        canvas.dot((box.left + canvas.px(13), box.centery), 4, theme.BAD)
        at = (box.left + canvas.px(23), box.centery)
        canvas.text(name, at, theme.SMALL, theme.TEXT, bold=True, anchor="midleft")
        y = box.bottom + canvas.px(4)


def _badge(canvas: Canvas, picture: Rect, text: str, colour: Colour) -> None:
    width, height = canvas.measure(text, theme.BODY, bold=True)
    box = Rect(0, 0, width + canvas.px(40), height + canvas.px(12))
    box.midtop = (picture.centerx, picture.top + canvas.px(12))
    canvas.box(box, (*theme.BACKGROUND, 225), 100)
    canvas.dot((box.left + canvas.px(16), box.centery), 4, colour)
    at = (box.left + canvas.px(27), box.centery)
    canvas.text(text, at, theme.BODY, theme.TEXT, bold=True, anchor="midleft")


def _ending(canvas: Canvas, picture: Rect, status: Status) -> None:
    tall = min(canvas.px(104), picture.height)
    band = Rect(picture.left, picture.centery - tall // 2, picture.width, tall)
    canvas.veil(picture, 110)
    canvas.veil(band, 215)
    title = "The horizon is reached" if status.truncated and not status.terminated else "The episode has ended"
    x, y = band.center
    title = canvas.fitted(title, band.width - canvas.px(8), theme.HEAD, bold=True)
    canvas.text(title, (x, y - canvas.px(22)), theme.HEAD, bold=True, anchor="center")
    canvas.text(f"return {signed(status.total)}", (x, y + canvas.px(2)), theme.BODY, theme.MUTED, anchor="center")
    _hints(canvas, (x, y + canvas.px(30)), band.width, [("Enter", "next start"), ("Backspace", "rewind")])


def _hints(canvas: Canvas, centre: tuple[int, int], room: int, hints: list[tuple[str, str]]) -> None:
    """Keys and what they do in one line, as many of them as there is room for."""
    widths = [canvas.keycap_width(key) + canvas.measure(text)[0] + canvas.px(24) for key, text in hints]
    while hints and sum(widths[: len(hints)]) > room:
        hints = hints[:-1]
    at = centre[0] - sum(widths[: len(hints)]) // 2 + canvas.px(9)
    for key, text in hints:
        cap = canvas.keycap(key, (at, centre[1]))
        label = canvas.text(text, (cap.right + canvas.px(6), cap.centery), theme.BODY, theme.MUTED, anchor="midleft")
        at = label.right + canvas.px(18)
