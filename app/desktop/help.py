"""The on-screen help: the game's keys and the window's, in as many columns and pages as it takes."""

from __future__ import annotations

from dataclasses import dataclass

from pygame import Rect

from app.desktop import theme
from app.desktop.bindings import BINDINGS, cap, caps, modifier
from app.desktop.buttons import understood
from app.desktop.canvas import Canvas
from app.keymaps import Keymap


@dataclass(frozen=True)
class Line:
    """One line of help: key caps and what they do. A heading has no caps."""

    caps: tuple[str, ...]
    text: str


def help_groups(keymap: Keymap, actions: tuple[str, ...]) -> list[list[Line]]:
    """The help as groups of lines, each under its heading. ``actions``: the names of those the world has."""
    buttons = understood(keymap, actions)
    game = [Line(tuple(map(cap, keymap.keys_of(button))), keymap.label(button)) for button in buttons]
    groups = [[Line((), "Game"), *game]] if game else []
    for name in dict.fromkeys(binding.group for binding in BINDINGS):
        lines = [Line((), name)]
        for binding in (b for b in BINDINGS if b.group == name):
            held = modifier(binding)
            lines.append(Line((held, *caps(binding)) if held else tuple(caps(binding)), binding.help))
        groups.append(lines)
    groups[-1].append(Line(("Click",), "The timeline: go there"))
    return groups


def draw_help(canvas: Canvas, window: Rect, groups: list[list[Line]], page: int = 0) -> int:
    """Cover the window with page ``page`` of the help; returns how many pages there are at this size."""
    canvas.veil(window, 236)
    lines = [line for group in groups for line in group]
    indent = max(_caps_width(canvas, line.caps) for line in lines) + canvas.px(10)
    width = indent + max(canvas.measure(line.text)[0] for line in lines) + canvas.px(26)
    count = max(1, min(3, (window.width - canvas.px(12)) // width))
    columns = _columns(groups, count, (window.height - 2 * canvas.px(34)) // _pitch(canvas))
    pages = -(-len(columns) // count)
    shown = columns[count * (page % pages) :][:count]
    left = window.centerx - (width * len(shown) - canvas.px(26)) // 2
    top = window.centery - max(map(len, columns)) * _pitch(canvas) // 2
    for number, column in enumerate(shown):
        _draw_column(canvas, (left + number * width, top), width - canvas.px(26), indent, column)
    more = f"{page % pages + 1} / {pages}   F1 for more" if pages > 1 else "Esc or F1 to go back"
    at = (window.centerx, window.bottom - canvas.px(18))
    canvas.text(more, at, theme.SMALL, theme.FAINT, anchor="center")
    return pages


def _pitch(canvas: Canvas) -> int:
    return canvas.line_height(theme.BODY) + canvas.px(5)


def _caps_width(canvas: Canvas, texts: tuple[str, ...]) -> int:
    return sum(canvas.keycap_width(text) + canvas.px(4) for text in texts)


def _columns(groups: list[list[Line]], count: int, most: int) -> list[list[Line]]:
    """The groups in order, in ``count`` columns of the least height, or in more where ``most`` lines do not suffice."""
    for goal in range(max(map(len, groups)), most + 1):
        columns = _packed(groups, goal)
        if len(columns) <= count:
            return columns
    return _packed(groups, max(most, 2))


def _packed(groups: list[list[Line]], goal: int) -> list[list[Line]]:
    columns: list[list[Line]] = [[]]
    for group in groups:
        parts = [group[k : k + goal] for k in range(0, len(group), goal)]
        for part in parts:
            if columns[-1] and len(columns[-1]) + 1 + len(part) > goal:
                columns.append([])
            columns[-1] += [Line((), ""), *part] if columns[-1] else part
    return columns


def _draw_column(canvas: Canvas, at: tuple[int, int], width: int, indent: int, lines: list[Line]) -> None:
    pitch = _pitch(canvas)
    for number, line in enumerate(lines):
        middle = at[1] + number * pitch + pitch // 2
        if not line.caps:
            canvas.text(line.text, (at[0], middle), theme.BODY, theme.ACCENT, bold=True, anchor="midleft")
            continue
        x = at[0]
        for text in line.caps:
            x = canvas.keycap(text, (x, middle)).right + canvas.px(4)
        text = canvas.fitted(line.text, width - indent)
        canvas.text(text, (at[0] + indent, middle), theme.BODY, theme.TEXT, anchor="midleft")
