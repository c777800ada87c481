"""The plots of a report as pieces of SVG that take their colours from the page around them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from models.study.actions import ActionStudy
from models.study.measures import Bin
from models.study.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORLDS = 6
"""Colours of worlds in the page's style; more worlds begin again with the first."""
COLOURS = {f"#a1b2c{k}": f"var(--w{k})" for k in range(WORLDS)}
INK, GRID, QUIET = "#a1b2d0", "#a1b2d1", "#a1b2d2"
COLOURS |= {INK: "var(--ink)", GRID: "var(--line)", QUIET: "var(--quiet)"}
"""Colours that stand in the drawing for those of the page."""
SIZE = (4.4, 2.9)
"""Inches."""


def colour(number: int) -> str:
    return f"#a1b2c{number % WORLDS}"


def blank(size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    """A figure of the house's style, drawn without a window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)
    axes.tick_params(colors=INK, labelsize=9, length=3, color=GRID)
    axes.grid(True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def lettered(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=9.5)
    axes.set_ylabel(y, color=INK, fontsize=9.5)


def svg(figure: Figure, name: str, title: str) -> str:
    """The figure as one <svg> element for inside a page. name: makes its ids its own. title: read to who cannot see."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": f"reverie {name}"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<(metadata|style).*?</\1>", "", text, flags=re.S)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font: \1px var(--sans)", text)
    named = set(re.findall(r"#([\w-]+)", "".join(re.findall(r'(?:url\(#[\w-]+\)|href="#[\w-]+")', text))))
    text = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in named else "", text)
    text = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", text)
    for drawn, shown in COLOURS.items():
        text = text.replace(drawn, shown)
    label = title.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1).strip()


def curves(
    name: str,
    title: str,
    unit: str,
    lines: Sequence[tuple[int, Sequence[Pooled]]],
    baseline: Sequence[Pooled] | None,
    label: str,
) -> str:
    """Measures over the steps of a dream: a line and its interval for each (number, by step) of ``lines``.

    baseline: drawn with dashes, and named ``label``.
    """
    figure, axes = blank()
    scale = 100 if unit == "%" else 1
    for number, by_step in lines:
        steps, values = known(by_step, scale)
        axes.plot(steps, values, color=colour(number), linewidth=1.9)
        bounds = [(k + 1, p.interval()) for k, p in enumerate(by_step)]
        inside = [(k, b) for k, b in bounds if b]
        low, high = [scale * b[0] for _, b in inside], [scale * b[1] for _, b in inside]
        axes.fill_between([k for k, _ in inside], low, high, color=colour(number), alpha=0.18, linewidth=0)
    if baseline:
        steps, values = known(baseline, scale)
        axes.plot(steps, values, color=QUIET, linewidth=1.4, linestyle=(0, (4, 3)))
        if steps:
            at, off = ((steps[-1], 100.0), (0, 5)) if unit == "%" else ((steps[-1], values[-1]), (0, -12))
            axes.annotate(label, at, off, textcoords="offset points", ha="right", color=QUIET, fontsize=8.5)
    if unit == "%":
        axes.set_ylim(-2, 102)
    axes.set_xlim(left=0)
    lettered(axes, "steps after the last real frame", unit)
    return svg(figure, name, title)


def known(by_step: Sequence[Pooled], scale: float) -> tuple[list[int], list[float]]:
    """The steps, from 1 on, at which a measure is known, and its values there."""
    values = [(k + 1, p.value) for k, p in enumerate(by_step)]
    there = [(k, scale * v) for k, v in values if v is not None]
    return [k for k, _ in there], [v for _, v in there]


def reliability_plot(name: str, bins: Sequence[tuple[int, Sequence[Bin]]]) -> str:
    """What was paid where so much was expected, with its interval, beside the line on which both are the same."""
    figure, axes = blank((4.4, 3.4))
    points = [b for _, of in bins for b in of]
    low, high = (f([x for b in points for x in (b.expected, b.paid)]) for f in (min, max))
    axes.plot([low, high], [low, high], color=QUIET, linewidth=1.2, linestyle=(0, (4, 3)))
    for number, of in bins:
        for b in of:
            if b.interval:
                axes.plot([b.expected, b.expected], list(b.interval), color=colour(number), linewidth=1.6, alpha=0.55)
        sizes = [12 + 14 * len(str(b.count)) for b in of]
        axes.plot([b.expected for b in of], [b.paid for b in of], color=colour(number), linewidth=1, alpha=0.5)
        axes.scatter([b.expected for b in of], [b.paid for b in of], s=sizes, color=colour(number), zorder=3)
    lettered(axes, "reward expected", "reward paid, mean")
    return svg(figure, name, "what was paid where so much was expected")


def action_matrix(name: str, number: int, study: ActionStudy) -> str:
    """Rows the action dreamed, columns the action whose real future the dream is nearest to; shares of a row."""
    from matplotlib.patches import Rectangle

    count = len(study.names)
    side = 1.6 + 0.42 * count
    figure, axes = blank((side + 0.5, side))
    axes.grid(False)
    shares = study.confusion / study.confusion.sum(1, keepdim=True).clamp(min=1)
    for i in range(count):
        for j in range(count):
            share = float(shares[i, j])
            axes.add_patch(
                Rectangle((j - 0.48, i - 0.48), 0.96, 0.96, facecolor=colour(number), alpha=0.06 + 0.74 * share)
            )
            if share:
                axes.text(j, i, f"{100 * share:.0f}", ha="center", va="center", color=INK, fontsize=8.5)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_ylim(count - 0.5, -0.5)
    ticks: dict[str, Any] = {"fontsize": 8, "color": INK}
    axes.set_xticks(
        range(count), study.names, rotation=90 if count > 8 else 40, ha="center" if count > 8 else "right", **ticks
    )
    axes.set_yticks(range(count), study.names, **ticks)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    lettered(axes, "nearest real future, % of a row", "action dreamed")
    return svg(figure, name, "which action's real future the dream of each action is nearest to")
