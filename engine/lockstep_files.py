"""A lockstep as files: a film of both worlds, a table of readings, curves, and the last looks inside."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.files import write_file
from engine.lockstep import LockstepWorld
from engine.lockstep_run import Row, apart, drift
from engine.moment import Frame
from engine.session import Session
from engine.side_by_side import SIDE, captioned, lockstep_pictures
from models.types import ActionSpec, View


def picture_of(session: Session, frame: Frame) -> np.ndarray:
    """One picture of the film (h, w, 3) uint8: reality, each dream and its signed error, with their names."""
    world, state = session.world, session.moment.state
    assert isinstance(world, LockstepWorld)
    pictures, names = lockstep_pictures(state, world.names)
    scale = max(1, SIDE // max(world.spec.height, world.spec.width))
    return captioned(pictures, names, status(session, frame), scale)


def status(session: Session, frame: Frame) -> str:
    """A line about a moment: where it is, what was done, how far off the dreams are, what they got wrong."""
    world = session.world
    assert isinstance(world, LockstepWorld)
    readings = world.readings(session.moment.state)
    parts = [f"frame {frame.index}", action_name(world.spec.actions, frame.action), f"{readings[0].since} steps alone"]
    for name, reading in zip(world.names[1:], readings, strict=True):
        who = f"{name} " if len(readings) > 1 else ""
        if reading.reward_real or round(reading.reward_dream, 2):
            parts.append(f"{who}reward {reading.reward_real:.2g}, dreamed {reading.reward_dream:.2g}")
        if not math.isnan(reading.moving_psnr):
            parts.append(f"{who}{reading.moving_psnr:.1f} dB where it moves")
        if reading.end_wrong:
            parts.append(f"{who}{'misses the end' if reading.ended_real else 'invents an end'}")
        parts += [f"{who}lost {name}" for name, lost in zip(world.objects, reading.lost, strict=True) if lost]
    return "   ".join(parts)


def action_name(spec: ActionSpec, action: Any) -> str:
    """An action as text: its name, or its components."""
    if spec.kind == "discrete":
        return spec.names[action]
    return " ".join(f"{name} {value:+.2f}" for name, value in zip(spec.names, action, strict=True))


def write_readings(path: Path, rows: Sequence[Row], world: LockstepWorld) -> None:
    """A table with a row a step, as CSV; what is not known is left empty. Raises ReverieError where it cannot."""
    titles = ["step", "episode", "index", "action", "reward_real", "ended_real", "since"]
    many = len(world.followers) > 1
    for name in world.names[1:]:
        own = ["psnr", "moving_psnr", "reward", "ended", "reward_wrong", "end_wrong"]
        own += [f"{thing} {what}" for thing in world.objects for what in ("apart", "lost")]
        titles += [f"{name}: {title}" if many else title for title in own]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*titles, "copy_moving_psnr"])
    for row in rows:
        first = row.readings[0]
        values: list[Any] = [row.step, row.episode, row.index, action_name(world.spec.actions, row.action)]
        values += [first.reward_real, int(first.ended_real), first.since]
        for reading in row.readings:
            values += [reading.psnr, reading.moving_psnr, reading.reward_dream, int(reading.ended_dream)]
            values += [int(reading.reward_wrong), int(reading.end_wrong)]
            values += [v for pair in zip(reading.apart, map(int, reading.lost), strict=True) for v in pair]
        table.writerow([cell(value) for value in (*values, row.copy)])
    write_file(path, text.getvalue())


def cell(value: Any) -> Any:
    """A value of the table: numbers to four digits behind the point, nothing for nan."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.4f}".rstrip("0").rstrip(".")


def drift_view(rows: Sequence[Row], names: Sequence[str]) -> View:
    """Mean moving PSNR of each dream, and of a copy, by the steps it was alone."""
    curves = [{k: v[0] for k, v in drift(rows, k).items()} for k in range(len(names))]
    copies = {k: v[1] for k, v in drift(rows).items()}
    return lines("drift", [*curves, copies], [*names, "copy of the last real frame"], "moving PSNR, dB")


def objects_view(rows: Sequence[Row], names: Sequence[str], objects: Sequence[str]) -> View:
    """Mean distance between each object and the dreamed one, by the steps the dream was alone."""
    curves, labels = [], []
    for k, name in enumerate(names):
        for thing, title in enumerate(objects):
            curves.append({step: v[0] for step, v in apart(rows, thing, k).items()})
            labels.append(f"{name}: {title}" if len(names) > 1 else title)
    return lines("objects", curves, labels, "pixels")


def lines(name: str, curves: Sequence[dict[int, float]], labels: Sequence[str], unit: str) -> View:
    """Curves over the steps from 1, as data."""
    length = max((max(curve, default=1) for curve in curves), default=1)
    value = torch.tensor([[curve.get(step, math.nan) for step in range(1, length + 1)] for curve in curves])
    return View(name, "curves", value[None], tuple(labels), columns=("steps ahead, alone", unit))


def write_views(folder: Path, views: Sequence[View]) -> list[Path]:
    """Each view as a picture named like it. Raises ReverieError where it cannot be written."""
    from engine.figures import save_view

    paths = []
    for view in views:
        stem = re.sub(r"[^A-Za-z0-9]+", "-", view.name).strip("-").lower() or "view"
        paths.append(folder / f"{stem}.png")
        save_view(view, paths[-1])
    return paths
