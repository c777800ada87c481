"""The measures of a report in the order of its table: a value a world, beside what it is to be compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.study.measures import Drift, Foreseen, over_steps
from models.study.pooled import Pooled
from models.study.report_data import ObjectDrift, Report, Study
from models.training.drift import HORIZONS, OBJECT_STEPS, WITHIN


@dataclass(frozen=True)
class Row:
    """A measure: its group, its name, what it says in a sentence, a value a world, and the baseline in words.

    key marks the ones that a summary shows. More is better in every one of them.
    """

    group: str
    name: str
    meaning: str
    values: tuple[Pooled | None, ...]
    baseline: str
    key: bool = False


def rows(report: Report) -> list[Row]:
    """All measures there are."""
    return [*action_rows(report), *step_rows(report), *drift_rows(report), *object_rows(report), *event_rows(report)]


def each(report: Report, value: Callable[[Study], Pooled | None]) -> tuple[Pooled | None, ...]:
    return tuple(value(study) for study in report.studies)


def number(pooled: Pooled | None) -> str:
    """A measure's value with its unit; a dash where it is unknown."""
    return "–" if pooled is None or pooled.value is None else plain(pooled.value, pooled.unit)


def plain(value: float, unit: str) -> str:
    return {"dB": f"{value:.1f}\u00a0dB", "%": f"{100 * value:.1f}\u00a0%", "index": f"{value:.4f}"}[unit]


def action_rows(report: Report) -> Iterator[Row]:
    known = next((s.actions for s in report.studies if s.actions), None)
    if known is None:
        return
    chance = f"chance {100 * known.chance:.1f} %"
    yield Row(
        "Actions",
        "Action accuracy",
        f"Every action is held for {known.steps} steps from {known.states} states of the real game, in the dream and "
        "in the game: how often the dream is nearest to the real future of its own action.",
        each(report, lambda s: s.actions.accuracy if s.actions else None),
        chance,
        key=True,
    )
    yield Row(
        "Actions",
        "First response",
        "The same on the first frame in which the real futures differ: an answer that comes late is an error here.",
        each(report, lambda s: s.actions.first if s.actions else None),
        chance,
    )


def step_rows(report: Report) -> Iterator[Row]:
    copy, group = report.copy_steps, "One step from real frames"
    yield Row(
        group,
        "PSNR",
        "How near the foretold frame is to the real one, over all pixels; more decibels are nearer.",
        each(report, lambda s: s.steps.psnr),
        f"last frame again {number(copy.psnr)}",
    )
    yield Row(
        group,
        "PSNR where something moves",
        "The same over the pixels that changed in reality: a still background counts for nothing.",
        each(report, lambda s: s.steps.moving_psnr),
        f"last frame again {number(copy.moving_psnr)}",
        key=True,
    )
    yield Row(
        group,
        "SSIM",
        "Structural similarity of the same frames; 1 is a perfect match.",
        each(report, lambda s: s.steps.ssim),
        f"last frame again {number(copy.ssim)}",
    )


def drift_rows(report: Report) -> Iterator[Row]:
    group = "Dreaming on under the real actions"
    steps = len(report.copy_drift.psnr)
    parts: tuple[tuple[str, str, Callable[[Drift], tuple[Pooled, ...]]], ...] = (
        ("PSNR after", "All pixels, so many steps after the last real frame.", lambda d: d.psnr),
        ("Moving PSNR after", "Only where reality differs from the dream's start.", lambda d: d.moving_psnr),
    )
    for name, meaning, part in parts:
        for step in (h for h in HORIZONS if h <= steps):
            yield Row(
                group,
                f"{name} {step} step{'s' if step > 1 else ''}",
                meaning if step == HORIZONS[0] else "",
                each(report, lambda s, part=part, step=step: part(s.drift)[step - 1]),  # type: ignore[misc]
                f"start for ever {number(part(report.copy_drift)[step - 1])}",
                key=name.startswith("Moving") and step == 15,
            )


def object_rows(report: Report) -> Iterator[Row]:
    real = report.real_objects
    if real is None:
        return
    meaning = (
        f"A small network reads the object's place off the dreamed frames: the share of the first {OBJECT_STEPS} steps "
        f"in which it is within {WITHIN:g} pixels of the real one; beside it, what it reads off the real frames."
    )
    for k, name in enumerate(real.names):

        def value(objects: ObjectDrift | None, k: int = k) -> Pooled | None:
            return over_steps(objects.shares[k], OBJECT_STEPS) if objects else None

        yield Row(
            "Objects in dreams",
            f"{name.capitalize()} in its place",
            meaning,
            each(report, lambda s, value=value: value(s.objects)),  # type: ignore[misc]
            f"real frames {number(value(real))}",
            key=k == len(real.names) - 1,
        )
        meaning = ""


PARTS: tuple[tuple[str, str, Callable[[Foreseen], Pooled]], ...] = (
    ("F1", "One step from real frames, in the very step: the harmonic mean of precision and recall.", lambda f: f.f1),
    ("precision", "Of those that were foretold, how many came.", lambda f: f.precision),
    ("recall", "Of those that came, how many were foretold.", lambda f: f.recall),
)


def event_rows(report: Report) -> Iterator[Row]:
    names = list(dict.fromkeys(name for study in report.studies for name in study.events.kinds))
    for name in names:
        kinds = [study.events.kinds.get(name) for study in report.studies]
        some = next(kind for kind in kinds if kind)
        for part, meaning, share in PARTS:
            yield Row(
                "Rewards and ends",
                f"{SAID.get(name, name)}: {part}",
                meaning if name == names[0] else "",
                tuple(share(kind) if kind else None for kind in kinds),
                rate(some, report) if part == "F1" else "",
                key=part == "F1" and name == names[0],
            )


SAID = {"reward +": "Reward above 0", "reward -": "Reward below 0", "termination": "End of the game"}


def rate(kind: Foreseen, report: Report) -> str:
    """How often it really happens, and how many were looked at."""
    happens = float(kind.recall.bottom.sum())
    often = f"one in {report.survey.population / happens:.0f} steps" if happens else "never in reality"
    return f"{often}, {kind.positives} seen"
