"""The panel beside or below the picture: score, speed, settings, keys. What does not fit is left out, least first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.status import ButtonHint, Status, shown, signed
from app.desktop.toasts import wrap

Row = tuple[str, str, str]
"""A label, its value, and the value in short for where the other does not fit."""
COLUMN = 150
"""The least width of a section beside others."""
MODES = {
    "playing": ("Playing", theme.GOOD),
    "paused": ("Paused", theme.WARM),
    "rewinding": ("Rewinding", theme.ACCENT),
    "ended": ("Ended", theme.BAD),
}


@dataclass(frozen=True)
class Section:
    """A block of the panel. The lower ``rank``, the longer it stays when room gets scarce."""

    rank: int
    height: int
    draw: Callable[[Rect], None]
    least: int | None = None
    """The least height with which it still makes sense; its whole height when None."""
    attached: bool = False
    """It belongs to the section above: no line between them."""


def draw_panel(canvas: Canvas, rect: Rect, status: Status, *, side: bool) -> None:
    """Draw the panel of ``status`` into ``rect``; sections stand above each other (side) or in columns."""
    canvas.box(rect, theme.PANEL, 12)
    inner = rect.inflate(-2 * canvas.px(14), -2 * canvas.px(12))
    sections = _sections(canvas, status, side, inner.width)
    if side:
        _stack(canvas, inner, sections)
    else:
        _columns(canvas, inner, sections)


def _sections(canvas: Canvas, status: Status, side: bool, width: int) -> list[Section]:
    line = canvas.line_height(theme.BODY)
    speed, settings = _speed_rows(status), _setting_rows(status)
    spark = canvas.px(26)
    blocks = [
        Section(0, canvas.line_height(theme.HEAD) + 2 * line, lambda box: _header(canvas, box, status)),
        Section(2, line + canvas.px(36), lambda box: _score(canvas, box, status)),
        Section(3, line * len(speed), lambda box: _rows(canvas, box, speed)),
        Section(6, spark, lambda box: _sparkline(canvas, box, status), attached=True),
        Section(4, line * len(settings), lambda box: _rows(canvas, box, settings), least=line),
    ]
    if not side:
        tall = line * len(speed) + spark + canvas.px(6)
        blocks[2:4] = [Section(3, tall, lambda box: _speed(canvas, box, speed, status))]
    if status.alarms:
        told = [_told(canvas, alarm, width if side else canvas.px(COLUMN)) for alarm in status.alarms]
        blocks.insert(1, _alarm_section(canvas, told))
    if status.buttons:
        tall = canvas.px(26)
        blocks.append(Section(5, tall * len(status.buttons), lambda box: _buttons(canvas, box, status.buttons)))
    return blocks


def _speed_rows(status: Status) -> list[Row]:
    fps, model = shown(status.fps, digits=1), shown(status.step_ms, " ms", 1)
    return [
        ("Frames", f"{fps} / {status.target_fps:g} fps", f"{fps} fps"),
        ("Model", model, model),
        ("Key to frame", shown(status.input_ms, " ms"), shown(status.input_ms)),
    ]


def _setting_rows(status: Status) -> list[Row]:
    pairs = [
        *status.more,
        ("Speed", f"{status.speed:g}×"),
        ("Sampler", status.sampler),
        ("Horizon", status.horizon),
        ("Start", status.start),
        ("Seed", str(status.seed)),
        ("Branch", status.branch),
    ]
    return [(label, value, value) for label, value in pairs if value]


def _speed(canvas: Canvas, box: Rect, rows: list[Row], status: Status) -> None:
    _rows(canvas, box, rows)
    spark = canvas.px(26)
    _sparkline(canvas, Rect(box.left, box.bottom - spark, box.width, spark), status)


def _stack(canvas: Canvas, inner: Rect, sections: list[Section]) -> None:
    hint = canvas.line_height(theme.SMALL)
    kept = _fitting(canvas, sections, inner.height)
    y = inner.top
    for section in kept:
        gap = _gap(canvas, section)
        if section is not kept[0]:
            if not section.attached:
                canvas.surface.fill(theme.LINE, (inner.left, y + gap // 2, inner.width, 1))
            y += gap
        section.draw(Rect(inner.left, y, inner.width, section.height))
        y += section.height
    if y + hint + canvas.px(10) <= inner.bottom:
        cap = canvas.keycap("F1", (inner.left, inner.bottom - hint // 2))
        canvas.text("Help", (cap.right + canvas.px(8), cap.centery), theme.SMALL, theme.MUTED, anchor="midleft")


def _fitting(canvas: Canvas, sections: list[Section], height: int) -> list[Section]:
    """The sections that fit, in order: those of high rank shrink, then go."""
    kept = list(sections)
    while len(kept) > 1 and (over := _height(canvas, kept) - height) > 0:
        place = max(range(len(kept)), key=lambda number: kept[number].rank)
        last = kept[place]
        if last.least is not None and last.height - over >= last.least:
            kept[place] = replace(last, height=last.height - over)
        else:
            del kept[place]
    return kept


def _gap(canvas: Canvas, section: Section) -> int:
    """Space above a section."""
    return canvas.px(8 if section.attached else 22)


def _height(canvas: Canvas, sections: list[Section]) -> int:
    return sum(section.height for section in sections) + sum(_gap(canvas, section) for section in sections[1:])


def _columns(canvas: Canvas, inner: Rect, sections: list[Section]) -> None:
    gap, least = canvas.px(32), canvas.px(COLUMN)
    count = max(1, min(len(sections), (inner.width + gap) // (least + gap)))
    kept = sorted(sections, key=lambda section: section.rank)[:count]
    width = (inner.width - gap * (count - 1)) // count
    x = inner.left
    for section in (s for s in sections if s in kept):
        section.draw(Rect(x, inner.top, width, min(section.height, inner.height)))
        x += width + gap


def _header(canvas: Canvas, box: Rect, status: Status) -> None:
    head, line = canvas.line_height(theme.HEAD), canvas.line_height(theme.BODY)
    title = canvas.fitted(status.title, box.width, theme.HEAD, bold=True)
    canvas.text(title, (box.left, box.top), theme.HEAD, bold=True)
    colour = theme.WARM if status.real else theme.MUTED
    canvas.text(canvas.fitted(status.where, box.width, theme.SMALL), (box.left, box.top + head), theme.SMALL, colour)
    name, mode_colour = MODES[status.mode]
    if status.mode == "playing" and status.speed != 1:
        name = f"{name} {status.speed:g}×"
    middle = box.top + head + line + line // 2
    canvas.dot((box.left + canvas.px(4), middle), 4, mode_colour)
    canvas.text(name, (box.left + canvas.px(14), middle), theme.BODY, mode_colour, anchor="midleft")
    canvas.text(status.controller, (box.right, middle), theme.BODY, theme.TEXT, bold=True, anchor="midright")


def _score(canvas: Canvas, box: Rect, status: Status) -> None:
    line = canvas.line_height(theme.BODY)
    canvas.text("Return", (box.left, box.top), theme.SMALL, theme.MUTED)
    ending = "terminated" if status.terminated else "horizon reached" if status.truncated else ""
    text, colour = (ending, theme.BAD) if ending else (f"frame {status.index}", theme.FAINT)
    canvas.text(text, (box.right, box.top), theme.SMALL, colour, anchor="topright")
    number = canvas.text(signed(status.total), (box.left, box.top + line - canvas.px(2)), theme.BIG, bold=True)
    if status.reward_glow > 0:
        colour = theme.GOOD if status.last_reward > 0 else theme.BAD
        faded = theme.mix(theme.PANEL, colour, min(1.0, 1.6 * status.reward_glow))
        at = (number.right + canvas.px(10), number.centery)
        canvas.text(signed(status.last_reward), at, theme.HEAD, faded, bold=True, anchor="midleft")


def _told(canvas: Canvas, alarm: tuple[str, str], width: int) -> list[str]:
    """An alarm's name, and its sentence in lines."""
    name, text = alarm
    return [name, *wrap(canvas, text, width - canvas.px(14), theme.SMALL)]


def _alarm_section(canvas: Canvas, told: list[list[str]]) -> Section:
    """Every alarm's name; what is wrong too, where there is room for all of it."""
    line, gap = canvas.line_height(theme.SMALL), canvas.px(4)
    tall, least = (sum(map(len, rows)) * line + len(told) * gap for rows in (told, [alarm[:1] for alarm in told]))

    def draw(box: Rect) -> None:
        _alarms(canvas, box, told if box.height >= tall else [alarm[:1] for alarm in told])

    return Section(1, tall, draw, least=least)


def _alarms(canvas: Canvas, box: Rect, told: list[list[str]]) -> None:
    line, y = canvas.line_height(theme.SMALL), box.top
    for name, *lines in told:
        if y + line > box.bottom + 1:
            break
        canvas.dot((box.left + canvas.px(4), y + line // 2), 4, theme.BAD)
        title = canvas.fitted(name, box.width - canvas.px(14), theme.SMALL, bold=True)
        canvas.text(title, (box.left + canvas.px(14), y), theme.SMALL, theme.BAD, bold=True)
        for text in lines:
            y += line
            if y + line > box.bottom + 1:
                break
            canvas.text(text, (box.left + canvas.px(14), y), theme.SMALL, theme.MUTED)
        y += line + canvas.px(4)


def _rows(canvas: Canvas, box: Rect, rows: list[Row]) -> None:
    line = canvas.line_height(theme.BODY)
    for number, (label, value, short) in enumerate(rows):
        middle = box.top + number * line + line // 2
        if middle + line // 2 > box.bottom + 1:
            break
        room = box.width - canvas.measure(label, theme.BODY)[0] - canvas.px(6)
        canvas.text(label, (box.left, middle), theme.BODY, theme.MUTED, anchor="midleft")
        text = canvas.fitted(value if canvas.measure(value)[0] <= room else short, room)
        canvas.text(text, (box.right, middle), theme.BODY, theme.TEXT, anchor="midright")


def _sparkline(canvas: Canvas, box: Rect, status: Status) -> None:
    """The time between the latest frames as bars, late ones in another colour; the line is the time meant for one."""
    budget = 1000 / (status.target_fps * status.speed)
    pitch = max(2, canvas.px(3))
    values = status.pace_ms[-(box.width // pitch) :]
    top = 2 * budget
    for number, value in enumerate(reversed(values)):
        height = min(max(1, round(box.height * value / top)), box.height)
        colour = theme.mix(theme.PANEL, theme.ACCENT if value <= 1.25 * budget else theme.WARM, 0.7)
        canvas.surface.fill(colour, (box.right - (number + 1) * pitch, box.bottom - height, pitch - 1, height))
    canvas.surface.fill(theme.FAINT, (box.left, box.bottom - box.height // 2, box.width, 1))


def _buttons(canvas: Canvas, box: Rect, buttons: tuple[ButtonHint, ...]) -> None:
    tall = canvas.px(26)
    for number, hint in enumerate(buttons):
        middle = box.top + number * tall + tall // 2
        if middle + tall // 2 > box.bottom + 1:
            break
        x = box.left
        for text in hint.caps:
            if x + canvas.keycap_width(text) > box.left + box.width * 0.55:
                break
            x = canvas.keycap(text, (x, middle), lit=hint.pressed).right + canvas.px(4)
        colour = theme.ACCENT if hint.pressed else theme.MUTED
        label = canvas.fitted(hint.label, box.right - x - canvas.px(6))
        canvas.text(label, (box.right, middle), theme.BODY, colour, anchor="midright")
