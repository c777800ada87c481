"""An empty figure in the look of a theme: what all drawings of looks inside share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FONTS = Path(__file__).resolve().parent.parent / "assets" / "fonts"
REGULAR, BOLD = FONTS / "Inter-Regular.otf", FONTS / "Inter-SemiBold.otf"
DPI, TEXT, TITLE = 100, 10, 11
"""Pixels an inch; pixels of letters, at scale 1."""
LEGEND_ROWS = 3


@dataclass(frozen=True)
class Theme:
    """Colours that those who see few of them tell apart too; ``low`` to ``high``: of a matrix, ``under``: below 0."""

    ground: str
    ink: str
    muted: str
    line: str
    series: tuple[str, ...]
    low: str
    high: tuple[str, ...]
    under: str


NIGHT = Theme(
    *("#14171d", "#e6e9ef", "#949cab", "#2a2f39"),
    ("#56b4e9", "#e69f00", "#3cc8a0", "#f0e442", "#e08fc0", "#f07a3c", "#9aa7f7", "#c8c8c8"),
    *("#1f232b", ("#2f6f9f", "#56b4e9", "#ffd666"), "#f0884a"),
)
DAY = Theme(
    *("#ffffff", "#1b1f27", "#5b6270", "#dfe3ea"),
    ("#0072b2", "#d55e00", "#009e73", "#b8578f", "#c98a00", "#2e9bd6", "#5a4fcf", "#6b6b6b"),
    *("#f3f5f8", ("#9ccbe8", "#0072b2", "#003a63"), "#d55e00"),
)


class Sheet:
    """An empty figure of some pixels, with its theme; places are pixels from the left and the top."""

    def __init__(self, width: int, height: int, theme: Theme, scale: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height, self.theme, self.scale = width, height, theme, scale
        self.figure: Any = Figure((width / DPI, height / DPI), dpi=DPI, facecolor=theme.ground)
        self.canvas: Any = FigureCanvasAgg(self.figure)
        self.top = self.px(6)

    def px(self, size: float) -> float:
        return size * self.scale

    def font(self, size: float, bold: bool = False, text: str = "") -> Any:
        """Letters of a size; bold where there are bold ones for all of a text."""
        return font(size * self.scale * 72 / DPI, bold and bold_signs().issuperset(map(ord, text)))

    def wide(self, text: str, size: float = TEXT) -> float:
        """Pixels that a text takes."""
        width: float = self.canvas.get_renderer().get_text_width_height_descent(text, self.font(size), False)[0]
        return width

    def fitted(self, text: str, width: float) -> str:
        """A text cut to a width."""
        if self.wide(text) <= width:
            return text
        while text and self.wide(text + "…") > width:
            text = text[:-1]
        return text + "…"

    def text(self, x: float, y: float, text: str, size: float = TEXT, **more: Any) -> Any:
        """A line of text whose anchor, by default the left and the top, is at a place."""
        bold = more.pop("bold", False)
        style = {"color": self.theme.ink, "ha": "left", "va": "top", "parse_math": False, **more}
        places = (x / self.width, 1 - y / self.height)
        return self.figure.text(*places, text, fontproperties=self.font(size, bold, text), **style)

    def title(self, name: str) -> None:
        self.text(self.px(8), self.top, name[:1].upper() + name[1:], TITLE, bold=True)
        self.top += self.px(TITLE + 8)

    def axes(self, left: float, top: float, right: float, bottom: float) -> Any:
        """Axes in the theme between these pixels."""
        wide, tall = max(right - left, 1), max(bottom - top, 1)
        place = (left / self.width, 1 - (top + tall) / self.height, wide / self.width, tall / self.height)
        axes = self.figure.add_axes(place, facecolor=self.theme.ground)
        for name, spine in axes.spines.items():
            spine.set(visible=name in ("left", "bottom"), color=self.theme.muted, linewidth=0.8)
        axes.tick_params(length=self.px(2), width=0.8, pad=self.px(2), color=self.theme.muted)
        return axes

    def name_ticks(self, axes: Any) -> None:
        """Tick labels in the theme's font."""
        for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            label.set(fontproperties=self.font(TEXT - 1), color=self.theme.muted, parse_math=False)


@lru_cache(maxsize=64)
def font(points: float, bold: bool) -> Any:
    """The house's letters; matplotlib's own where their files are missing and, of those not bold, for other signs."""
    from matplotlib.font_manager import FontProperties

    if bold and BOLD.is_file():
        return FontProperties(fname=str(BOLD), size=points)
    return FontProperties(family=[*house_fonts(), "DejaVu Sans"], size=points)


@lru_cache(maxsize=1)
def house_fonts() -> tuple[str, ...]:
    """Names of the families that ship with Reverie, made known to matplotlib."""
    from matplotlib.font_manager import fontManager

    if REGULAR.is_file():
        fontManager.addfont(str(REGULAR))
        return ("Inter",)
    return ()


@lru_cache(maxsize=1)
def bold_signs() -> frozenset[int]:
    """The signs that there are in bold."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(BOLD)).get_charmap()) if BOLD.is_file() else frozenset()


def legend(sheet: Sheet, entries: Iterable[tuple[str, str, str]]) -> None:
    """Names with the colours and styles of their lines, in as many rows as they need, at most LEGEND_ROWS."""
    from matplotlib.lines import Line2D

    left = x = sheet.px(8)
    rows = 1
    for name, colour, style in entries:
        need = sheet.px(26) + sheet.wide(name)
        if x > left and x + need > sheet.width - left:
            if rows == LEGEND_ROWS:
                break
            x, sheet.top, rows = left, sheet.top + sheet.px(TEXT + 4), rows + 1
        y = 1 - (sheet.top + sheet.px(TEXT / 2 + 1)) / sheet.height
        ends = (x / sheet.width, (x + sheet.px(12)) / sheet.width)
        line = Line2D(ends, (y, y), color=colour, linewidth=1.8 * sheet.scale)
        line.set_linestyle((0, (2, 1)) if style == "--" else style)  # type: ignore[arg-type]
        sheet.figure.add_artist(line)
        sheet.text(x + sheet.px(16), sheet.top, name, color=sheet.theme.muted)
        x += need
    sheet.top += sheet.px(TEXT + 6)
