"""A report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from models.study.moments import APART
from models.study.places import KINDS
from models.study.pooled import Pooled
from models.study.report_data import Report, Study, settings_of
from models.study.report_parts import (
    clips_grid,
    confusion_table,
    facts,
    fault_list,
    legend,
    measures_table,
    speed_table,
    tiles,
    world_name,
)
from models.study.report_plots import action_matrix, curves, reliability_plot
from models.study.report_rows import rows
from models.study.report_style import STYLE
from models.training.drift import WITHIN

Lines = Sequence[tuple[int, Sequence[Pooled]]]
"""A world's number and its measure by step."""
SECTIONS = (
    ("measures", "Measures"),
    ("drift", "Drift"),
    ("moments", "Worst moments"),
    ("events", "Rewards and ends"),
    ("actions", "Actions"),
    ("faults", "Named faults"),
    ("speed", "Speed"),
    ("how", "How it was measured"),
)


def page(report: Report) -> str:
    """The whole report."""
    parts = {
        "measures": measures(report),
        "drift": drift_section(report),
        "moments": moments(report),
        "events": events(report),
        "actions": actions(report),
        "faults": faults(report),
        "speed": speed(report),
        "how": how(report),
    }
    there = [(key, title) for key, title in SECTIONS if parts[key]]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title in there)
    body = "".join(f'<section id="{key}"><h2>{title}</h2>{parts[key]}</section>' for key, title in there)
    title = " and ".join(study.subject.name for study in report.studies)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="generator" content="Reverie">'
        f"<title>{escape(title)}: where it errs</title><style>{STYLE}</style></head><body><main>"
        f"{head(report)}<nav aria-label='Sections'>{links}</nav>{tiles(report, rows(report))}{warnings(report)}{body}"
        "<footer>Written by <code>reverie report</code>. The frames shown belong to their game's owner.</footer>"
        "</main></body></html>\n"
    )


def head(report: Report) -> str:
    first, survey = report.studies[0].subject, report.survey
    names = [world_name(report, k) for k in range(len(report.studies))]
    beside = f" beside {' and '.join(names[1:])}" if len(names) > 1 else ""
    steps = sum(len(e) for e in report.episodes)
    spec = first.world.spec
    return (
        f"<header><h1>Where {escape(first.name)} errs</h1>"
        f'<p class="lead">{names[0]} dreams {escape(str(report.meta["game"]))} (family {escape(spec.family)}, '
        f"{spec.width} × {spec.height} pixels, {spec.fps:g} frames a second). Here it is measured{beside} on "
        f"{len(report.episodes)} episodes of {steps:,} steps that training never saw. {survey.looked_at:,} of those "
        f"steps were dreamed ({100 * survey.looked_at / steps:.1f}&nbsp;%), in {survey.visited} episodes.</p></header>"
    )


def warnings(report: Report) -> str:
    said = list(report.notes)
    if (short := report.survey.episodes - report.survey.visited) > 0:
        said.append(
            f"{short} of {report.survey.episodes} episodes are shorter than the {min(report.survey.contexts)} frames a "
            "world must be shown first, and could not be looked at."
        )
    return "".join(f'<p class="warn">{escape(text)}</p>' for text in said)


def measures(report: Report) -> str:
    first = escape(report.studies[0].subject.name)
    differences = (
        f" ▲ and ▼: better or worse than {first}, where the 95&nbsp;% interval of the difference on the same episodes "
        "leaves out zero; ≈: it cannot be told."
    )
    return (
        '<p class="lead">More is better everywhere. The small numbers are 95&nbsp;% intervals: whole episodes are '
        "drawn anew a thousand times, since the steps of one episode resemble each other."
        f"{differences if len(report.studies) > 1 else ''}</p>{measures_table(report, rows(report))}"
    )


def drift_section(report: Report) -> str:
    studies, copy = list(enumerate(report.studies)), report.copy_drift
    whole, moving = [(k, s.drift.psnr) for k, s in studies], [(k, s.drift.moving_psnr) for k, s in studies]
    parts = [
        figure("All pixels", "PSNR beside what really happened", "drift-all", "dB", whole, copy.psnr),
        figure("Moving pixels", "where reality left the dream's start", "drift-moving", "dB", moving, copy.moving_psnr),
    ]
    if real := report.real_objects:
        said = f"share of dreams with it within {WITHIN:g} pixels"
        for i, name in enumerate(real.names):
            lines = [(k, s.objects.shares[i]) for k, s in studies if s.objects]
            parts.append(figure(name.capitalize(), said, f"drift-object-{i}", "%", lines, real.shares[i]))
    return (
        f'<p class="lead">{len(report.survey.starts)} dreams begin from real frames and go on under the actions really '
        f"taken, up to {int(report.survey.lasting.max())} steps or the end of their episode. Bands are 95&nbsp;% "
        "intervals over episodes. Dashes: "
        "what showing the first frame for ever would reach, or what is read off the real frames.</p>"
        f'{legend(report)}<div class="plots">{"".join(parts)}</div>'
    )


def figure(title: str, said: str, name: str, unit: str, lines: Lines, base: Sequence[Pooled]) -> str:
    label = "read off real frames" if unit == "%" else "first frame for ever"
    drawn = curves(name, f"{title}: {said}", unit, lines, base, label)
    caption = f"<figcaption>{escape(title)}<small>{escape(said)}</small></figcaption>"
    return f'<figure class="card plot">{caption}{drawn}</figure>'


def moments(report: Report) -> str:
    parts = []
    for k, study in enumerate(report.studies):
        grid = clips_grid(report, study) if study.moments else "<p>No moment was found that is clearly wrong.</p>"
        title = f"<h3>Where {world_name(report, k)} is most wrong</h3>" if len(report.studies) > 1 else ""
        parts.append(title + grid)
    return (
        '<p class="lead">Found by looking through all dreams and single steps: ends and rewards foretold wrongly one '
        "step from real frames, objects that go missing from a dream, and movement that is further off than usual for "
        f"its step. The kinds take turns, the worst of each first; no two lie within {APART} frames of each other. In "
        "the error grey is equal, red is brighter than reality, blue darker; small differences are drawn larger. The "
        "strip below the frames turns red at the moment.</p>"
        '<label class="hold"><input type="checkbox" id="hold"> Hold still at the moment</label>' + "".join(parts)
    )


def events(report: Report) -> str:
    looked, there = int((report.survey.kinds <= 1).sum()), sum(report.survey.happening[:2])
    ends = any("termination" in s.events.kinds for s in report.studies)
    tables = "".join(
        confusion_table(s.events.rewards, k, f"{world_name(report, k)}: sign of the reward")
        + (confusion_table(s.events.ends, k, f"{world_name(report, k)}: end of the game") if ends else "")
        for k, s in enumerate(report.studies)
    )
    none = "" if ends else " No episode ended, and no end was foretold."
    drawn = reliability_plot("reliability", [(k, s.bins) for k, s in enumerate(report.studies)])
    return (
        f'<p class="lead">One step from real frames, at {looked:,} of {there:,} steps at which '
        "something happens, and at others besides. Shares are of a row, and stand for all steps of the episodes; below "
        f"them how many steps that is, and how many of them were seen.{none}</p>"
        f'<div class="side wide">{tables}</div><h3>Can its rewards be relied on?</h3><div class="side"><div>'
        "<p>Steps are put together by the reward a world expects, before that is rounded to what the game pays. On the "
        "dashed line it is paid what it expects; where the points lie lower it promises too much.</p>"
        '<p class="note">Bars are 95&nbsp;% intervals over episodes; larger points stand for more steps.</p>'
        f'{legend(report)}</div><figure class="card plot">{drawn}</figure></div>'
    )


def actions(report: Report) -> str:
    figures = "".join(
        f'<figure class="card plot"><figcaption>{escape(s.subject.name)}<small>how often each is taken for what, in % '
        f"of a row</small></figcaption>{action_matrix(f'actions-{k}', k, s.actions)}</figure>"
        for k, s in enumerate(report.studies)
        if s.actions
    )
    return figures and (
        '<p class="lead">From states of the real game every action is held in the dream and in the game. A row tells '
        "which action's real future the dreams of an action are nearest to. Actions that really do the same count as "
        f'the one that was dreamed.</p><div class="plots">{figures}</div>'
    )


def faults(report: Report) -> str:
    said = fault_list(report)
    return said and (
        '<p class="lead">The world is held against the real game and checked for faults that have a name: whether it '
        "stands still, answers to actions and in time, keeps its objects, and gets rewards and ends right.</p>" + said
    )


def speed(report: Report) -> str:
    import torch

    device = next((str(d) for s in report.studies if (d := getattr(s.subject.world, "device", None))), "cpu")
    return (
        f'<p class="lead">Measured on this machine while the report was made: {escape(device)}, '
        f"{torch.get_num_threads()} threads, PyTorch {escape(torch.__version__)}. What else ran counts too; "
        "<code>reverie bench</code> measures more carefully.</p>" + speed_table(report)
    )


def how(report: Report) -> str:
    survey = report.survey
    counts = [f"{int((survey.kinds == k).sum())} of {n:,} {KINDS[k]}" for k, n in enumerate(survey.happening)]
    policies = Counter(str(e.header.meta.get("policy", "?")) for e in report.episodes)
    players = ", ".join(f"{kind} ({n})" for kind, n in policies.most_common())
    hidden = {"actions", "objects", "seed", "policy"}
    about = [
        ("Episodes", f"{len(report.episodes)}, played by {players}"),
        ("Single steps", ", ".join(counts)),
        ("Dreams", f"{len(survey.starts)} of up to {int(survey.lasting.max())} steps"),
        ("Real frames shown first", span(survey.contexts)),
        ("Seed", str(report.seed)),
        ("Game", listed({k: v for k, v in report.meta.items() if k not in hidden})),
    ]
    worlds = "".join(facts(world_name(report, k), world_facts(s)) for k, s in enumerate(report.studies))
    return (
        '<p class="lead">The same episodes, places and seeds for every world, so that what differs is the worlds. '
        "Events are looked at more often than they happen; every step is weighted by how many it stands for.</p>"
        f"{facts('The play it was measured on', about)}{worlds}"
    )


def span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(high) if low == high else f"{high}, in short episodes fewer, down to {low}"


def world_facts(study: Study) -> list[tuple[str, str]]:
    """A world's own facts: what it is, how it was set, what it was trained on."""
    folder = study.subject.folder
    manifest, provenance = folder.manifest, folder.manifest.provenance
    data = provenance.get("data", {})
    pairs = [
        ("Family", manifest.family),
        ("World", f"{folder.hash[:16]}…"),
        ("Settings", listed(settings_of(study.subject))),
        ("Reward means", manifest.spec.reward),
    ]
    if data:
        pairs.append(("Trained on", listed(data)))
    if "hardware" in provenance:
        pairs.append(("Trained with", str(provenance["hardware"])))
    return pairs


def listed(values: dict[str, Any]) -> str:
    """Names and values in a line."""
    return ", ".join(f"{key.replace('_', ' ')} {told(value)}" for key, value in values.items())


def told(value: Any) -> str:
    """A JSON value in words."""
    if isinstance(value, dict):
        return f"({listed(value)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(told, value)) if isinstance(value, list | tuple) else str(value)
