"""Everything that a report says of worlds, as values: measured on the same episodes at the same places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from models.checkpoint import WorldFolder
from models.data.episode import EpisodeFile
from models.study.actions import ActionStudy, Futures, study_actions
from models.study.beside import Begin, FaultFinder
from models.study.clips import Clip, clip_of
from models.study.faults import Fault
from models.study.foretold import paid
from models.study.measures import (
    Bin,
    Drift,
    Events,
    FrameMeasures,
    bin_edges,
    drift,
    events,
    frame_measures,
    object_drift,
    reliability,
)
from models.study.moments import Moment, worst_moments
from models.study.places import Effort, Survey, survey
from models.study.pooled import Pooled
from models.study.scan import Found, Scan, Truth, find_objects, real_sightings, scan, scan_cost, truth_of
from models.study.speed import BATCHES, STEPS, WARM_UP, Speed, measure_speed
from models.training.probe import Probe
from models.training.rollout import Tick, context_at
from models.types import Context
from models.world import WorldModel


@dataclass(frozen=True)
class Subject:
    """A world to report on."""

    folder: WorldFolder
    world: WorldModel[Any]

    @property
    def name(self) -> str:
        return self.folder.path.name


@dataclass(frozen=True)
class ObjectDrift:
    """By object, after each step: the share within reach in dreams, or as the probe reads it off the real frames."""

    names: tuple[str, ...]
    shares: tuple[tuple[Pooled, ...], ...]


@dataclass(frozen=True)
class Study:
    """What was found out about one world. None: its game does not allow to measure that; ``notes`` says why."""

    subject: Subject
    steps: FrameMeasures
    drift: Drift
    objects: ObjectDrift | None
    events: Events
    bins: tuple[Bin, ...]
    actions: ActionStudy | None
    faults: tuple[Fault, ...] | None
    speed: tuple[Speed, ...]
    moments: tuple[tuple[Moment, Clip], ...]


@dataclass(frozen=True)
class Report:
    """One or several worlds on the same held-out episodes, the first being the one the report is about.

    copy_steps, copy_drift: what showing the last frame, or the dream's start, for ever would reach. real_objects: what
    the probe reads off the real frames. notes: what could not be measured, and why.
    """

    studies: tuple[Study, ...]
    episodes: tuple[EpisodeFile, ...]
    survey: Survey
    seed: int
    copy_steps: FrameMeasures
    copy_drift: Drift
    real_objects: ObjectDrift | None
    notes: tuple[str, ...]

    @property
    def meta(self) -> dict[str, Any]:
        """The settings of the game."""
        return self.episodes[0].header.meta


@dataclass(frozen=True)
class Material:
    """What the worlds of a report are measured with, the same for all.

    futures: real futures of every action, faults: finds a world's named faults; None where the game allows neither.
    """

    episodes: tuple[EpisodeFile, ...]
    probe: Probe | None
    futures: Futures | None
    faults: FaultFinder | None
    notes: tuple[str, ...] = ()


def report_on(
    subjects: Sequence[Subject], material: Material, effort: Effort, seed: int, moments: int, begin: Begin
) -> Report:
    """Measure the worlds. Raises ValueError where the episodes are too short, or not of the worlds' game."""
    episodes = material.episodes
    places = survey(episodes, max(s.world.spec.context for s in subjects), effort, seed)
    truth = truth_of(episodes, places)
    scans = [run_scan(subject, material, places, truth, seed, begin) for subject in subjects]
    founds = objects_found(material.probe, truth, scans)
    edges = bin_edges(torch.cat([s.steps.expected for s in scans]))
    start = context_at(episodes, places.starts[:1], places.contexts[places.starts[0].episode])
    clips = begin("clips", moments * len(subjects))
    studies, notes = [], list(material.notes)
    for number, subject in enumerate(subjects):
        scanned, found, world = scans[number], founds[number], subject.world
        rewards = paid(world, truth.rewards)
        worst = worst_moments(scanned, truth, places, rewards, found, moments)
        studies.append(
            Study(
                subject,
                frame_measures(scanned.steps.frames, truth, places),
                drift(scanned.dreams, truth, places),
                objects_of(found, places),
                events(scanned, truth, places),
                reliability(scanned.steps.expected, rewards, edges, places),
                actions_of(subject, material, seed, begin),
                faults_of(subject, material, begin, notes),
                speed_of(subject, start, begin),
                tuple(with_clip(m, scans, subjects, truth, episodes, clips) for m in worst),
            )
        )
    still = truth.dreamed[:, :1].expand(-1, truth.actions.shape[1], -1, -1, -1)
    floor = next((f for f in founds if f), None)
    return Report(
        tuple(studies),
        episodes,
        places,
        seed,
        frame_measures(truth.last, truth, places),
        drift(still, truth, places),
        ObjectDrift(floor.names, object_drift(floor.real_errors, floor.shown, places)) if floor else None,
        tuple(notes),
    )


def run_scan(subject: Subject, material: Material, places: Survey, truth: Truth, seed: int, begin: Begin) -> Scan:
    tick = begin(f"scan {subject.name}", scan_cost(places))
    return scan(subject.world, material.episodes, places, truth, seed, tick)


def objects_found(probe: Probe | None, truth: Truth, scans: Sequence[Scan]) -> list[Found | None]:
    """What the probe reads off the dreams of each world; None of each without a probe."""
    if probe is None:
        return [None] * len(scans)
    real = real_sightings(probe, truth)
    return [find_objects(probe, truth, real, scanned.dreams) for scanned in scans]


def objects_of(found: Found | None, places: Survey) -> ObjectDrift | None:
    return ObjectDrift(found.names, object_drift(found.errors, found.shown, places)) if found else None


def actions_of(subject: Subject, material: Material, seed: int, begin: Begin) -> ActionStudy | None:
    if material.futures is None:
        return None
    return study_actions(subject.world, material.futures, seed, begin(f"actions {subject.name}", material.futures.cost))


def faults_of(subject: Subject, material: Material, begin: Begin, notes: list[str]) -> tuple[Fault, ...] | None:
    """The named faults, or None and one more note."""
    try:
        return material.faults.find(subject.world, subject.name, begin) if material.faults else None
    except ValueError as error:
        notes.append(f"Named faults of {subject.name} could not be looked for: {error}.")
        return None


def speed_of(subject: Subject, start: Context, begin: Begin) -> tuple[Speed, ...]:
    tick = begin(f"speed {subject.name}", len(BATCHES) * (WARM_UP + STEPS))
    return measure_speed(subject.world, start, tick)


def with_clip(
    moment: Moment,
    scans: Sequence[Scan],
    subjects: Sequence[Subject],
    truth: Truth,
    episodes: Sequence[EpisodeFile],
    tick: Tick,
) -> tuple[Moment, Clip]:
    clip = clip_of(moment, scans, [s.name for s in subjects], truth, episodes)
    tick(1)
    return moment, clip


def settings_of(subject: Subject) -> dict[str, Any]:
    """The world's live settings, as measured."""
    return asdict(subject.world.settings)


def action_taken(report: Report, moment: Moment) -> Tensor:
    """The action (...) that really led to a moment's frame."""
    return report.episodes[moment.episode].slice("actions", moment.t - 1, moment.t)[0]
