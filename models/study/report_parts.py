"""The parts of a report's page as HTML. All that comes from files is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from models.study.clips import Clip, data_uri
from models.study.measures import Confusion
from models.study.moments import Moment
from models.study.pooled import Pooled
from models.study.report_data import Report, Study, action_taken
from models.study.report_plots import WORLDS
from models.study.report_rows import Row, number, plain

PANE, WIDEST = 130, 520
"""Pixels of the page for a pane of a clip, and for a clip, at least."""


def dot(number: int) -> str:
    return f'<span class="dot c{number % WORLDS}"></span>'


def world_name(report: Report, number: int) -> str:
    """A world's name with its colour where there are several."""
    name = escape(report.studies[number].subject.name)
    mark = dot(number) if len(report.studies) > 1 else ""
    return f'<span class="world">{mark}{name}</span>'


def legend(report: Report, dashed: str = "") -> str:
    """The worlds' colours, and what a dashed line is; nothing for one world without."""
    names = [world_name(report, k) for k in range(len(report.studies))] if len(report.studies) > 1 else []
    if dashed:
        names.append(f'<span class="note">– – {escape(dashed)}</span>')
    return f'<div class="legend">{"".join(names)}</div>' if names else ""


def interval_text(pooled: Pooled) -> str:
    """The 95 % interval in words; nothing where there is none."""
    bounds = pooled.interval()
    if bounds is None:
        return ""
    low, high = (plain(b, pooled.unit).removesuffix("\u00a0dB").removesuffix("\u00a0%") for b in bounds)
    return f"{low} to {high}"


def value_cell(pooled: Pooled | None, first: Pooled | None) -> str:
    """A table's cell: value, interval and, beside a first world's value, the difference and whether it is sure."""
    if pooled is None or pooled.value is None:
        return "<td>–</td>"
    lines = [f'<span class="b">{number(pooled)}</span>']
    if bounds := interval_text(pooled):
        lines.append(f"<small>{bounds}</small>")
    if first is not None and (between := pooled.less(first)) is not None:
        more, low, high = between
        sure = "up" if low > 0 else "down" if high < 0 else ""
        sign = "▲ " if sure == "up" else "▼ " if sure == "down" else "≈ "
        text = plain(abs(more), pooled.unit)
        lines.append(f'<small class="{sure}">{sign}{"+" if more >= 0 else "−"}{text}</small>')
    return f"<td>{''.join(lines)}</td>"


def measures_table(report: Report, rows: Sequence[Row]) -> str:
    """All measures with their intervals, a column a world."""
    heads = "".join(f"<th>{world_name(report, k)}</th>" for k in range(len(report.studies)))
    lines, group = [], ""
    columns = 2 + len(report.studies)
    for row in rows:
        if row.group != group:
            group = row.group
            lines.append(f'<tr class="group"><th colspan="{columns}">{escape(group)}</th></tr>')
        said = f"<small>{escape(row.meaning)}</small>" if row.meaning else ""
        cells = [value_cell(row.values[0], None), *(value_cell(v, row.values[0]) for v in row.values[1:])]
        lines.append(
            f'<tr><th scope="row">{escape(row.name)}{said}</th>{"".join(cells)}'
            f"<td><small>{escape(row.baseline)}</small></td></tr>"
        )
    return (
        f'<div class="scroll card"><table class=measures><thead><tr><th>Measure</th>{heads}<th>To compare</th></tr>'
        f"</thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def tiles(report: Report, rows: Sequence[Row]) -> str:
    """The most telling measures, large."""
    out = []
    for row in rows:
        if row.key:
            first = row.values[0]
            bounds = interval_text(first) if first and len(row.values) == 1 else ""
            below = bounds and f"95\u00a0%: {bounds}"
            out.append(tile(row.name, [number(value) for value in row.values], below, row.baseline))
    if any(study.faults is not None for study in report.studies):
        counts = ["–" if study.faults is None else str(len(study.faults)) for study in report.studies]
        names = dict.fromkeys(fault.name for study in report.studies for fault in study.faults or ())
        out.append(tile("Named faults", counts, ", ".join(names) or "none was found"))
    speeds = [f"{study.speed[0].p50_ms:.1f}\u00a0ms" for study in report.studies]
    out.append(tile("A step, here", speeds, "median, one dream alone"))
    return f'<div class="tiles">{"".join(out)}</div>'


def tile(title: str, values: Sequence[str], *below: str) -> str:
    """A value a world, each with its colour where there are several, and small lines below."""
    many = len(values) > 1
    large = "".join(f'<span class="v">{dot(k) if many else ""}{escape(v)}</span>' for k, v in enumerate(values))
    small = "".join(f"<small>{escape(text)}</small>" for text in below if text)
    return f'<div class="tile{" many" if many else ""}"><h3>{escape(title)}</h3>{large}{small}</div>'


def confusion_table(table: Confusion, number: int, caption: str) -> str:
    """Rows what was, columns what was foretold: the share of a row, all steps it stands for, and how many were seen."""
    share = table.weighted / table.weighted.sum(1, keepdim=True).clamp(min=1e-9)
    heads = "".join(f'<th class="num">{escape(name)}</th>' for name in table.names)
    lines = []
    for i, name in enumerate(table.names):
        cells = []
        for j in range(len(table.names)):
            s, count = float(share[i, j]), int(table.counts[i, j])
            hit = ' class="hit"' if i == j else ""
            stands = f"{float(table.weighted[i, j]):,.0f} steps"
            cells.append(
                f'<td{hit} style="--s:{s:.3f}"><span class="b">{100 * s:.1f}&nbsp;%</span>'
                f"<small>{stands},<br>{count} seen</small></td>"
                if count
                else f'<td{hit} style="--s:0">–</td>'
            )
        lines.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll card"><table class="confusion c{number % WORLDS}"><caption>{caption}</caption><thead><tr>'
        f"<th class=note>real ↓<br>foretold →</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def clips_grid(report: Report, study: Study) -> str:
    """The worst moments of a world, moving."""
    panes = 1 + 2 * len(report.studies)
    figures = "".join(clip_figure(report, n, m, c) for n, (m, c) in enumerate(study.moments, start=1))
    printed = 3 if panes <= 3 else 2 if panes <= 5 else 1
    return f'<div class="clips" style="--wide:{min(panes * PANE, WIDEST)}px;--printed:{printed}">{figures}</div>'


def clip_figure(report: Report, place: int, moment: Moment, clip: Clip) -> str:
    columns = f"grid-template-columns:repeat({len(clip.panes)},1fr)"
    labels = "".join(f"<span>{escape(label)}</span>" for label in clip.panes)
    episode = report.episodes[moment.episode]
    header = episode.header
    size = f'width="{clip.width}" height="{clip.height}"'
    text = escape(f"{moment.kind}, episode {moment.episode + 1}, frame {moment.t}")
    since = "one step from real frames" if not moment.dreamed else f"{moment.step} steps after the dream began"
    seed = f" (seed {header.meta['seed']})" if "seed" in header.meta else ""
    where = (
        f"Episode {moment.episode + 1}{seed}, frame {moment.t} of {header.steps}, action "
        f"{action_name(report, moment)}, {since}."
    )
    return (
        f'<figure class="clip"><div class="panes" style="{columns}">{labels}</div>'
        f'<img class="moving" {size} alt="{text}" src="{data_uri(clip.moving, "image/webp")}">'
        f'<img class="still" {size} alt="{text}, still" src="{data_uri(clip.still, "image/png")}">'
        f'<figcaption><b>{place}.</b> <span class="chip">{escape(moment.kind)}</span>{sentence(moment.why)}'
        f'<span class="where">{escape(where)}</span></figcaption></figure>'
    )


def sentence(text: str) -> str:
    return escape(text[:1].upper() + text[1:] + ".")


def action_name(report: Report, moment: Moment) -> str:
    """The action that led to a moment's frame, by name, or its components."""
    taken, spec = action_taken(report, moment), report.studies[0].subject.world.spec.actions
    if spec.kind == "discrete":
        return spec.names[int(taken)]
    return ", ".join(f"{name} {float(v):+.2f}" for name, v in zip(spec.names, taken, strict=True))


def fault_list(report: Report) -> str:
    """What the check beside the real game says of each world."""
    parts = []
    for k, study in enumerate(report.studies):
        if study.faults is None:
            continue
        items = [f"<li><b>{escape(f.name)}</b>{escape(f.text)}</li>" for f in study.faults]
        items = items or ['<li class="fine"><b>none</b>No named fault was found.</li>']
        head = f"<h3>{world_name(report, k)}</h3>" if len(report.studies) > 1 else ""
        parts.append(f'{head}<ul class="faults">{"".join(items)}</ul>')
    return "".join(parts)


def speed_table(report: Report) -> str:
    """How long a step takes on this machine."""
    lines = []
    for k, study in enumerate(report.studies):
        for speed in study.speed:
            rows = "one dream alone" if speed.rows == 1 else f"{speed.rows} dreams in a batch"
            cells = f"<td>{speed.p50_ms:.1f}</td><td>{speed.p95_ms:.1f}</td><td>{speed.rows_a_second:.0f}</td>"
            lines.append(f'<tr><th scope="row">{world_name(report, k)}</th><td>{rows}</td>{cells}</tr>')
    heads = "".join(f"<th>{h}</th>" for h in ("World", "", "p50, ms", "p95, ms", "Frames a second"))
    return (
        f'<div class="scroll card"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def facts(caption: str, pairs: Iterable[tuple[str, str]]) -> str:
    """A table of names and values, escaped here."""
    rows = "".join(f'<tr><th scope="row">{escape(n)}</th><td>{escape(v)}</td></tr>' for n, v in pairs)
    return (
        f'<div class="scroll card"><table class="facts"><caption>{caption}</caption><tbody>{rows}</tbody></table></div>'
    )
