"""Flagged glitches on disk: a folder each, with the moment, what led to it, a clip and a note."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.errors import ReverieError
from engine.files import new_folder, write_file
from engine.film import write_film
from engine.flagged import write_episodes
from engine.glimpse import Glimpse, Truth, glimpse_of
from engine.glitch import ABOUT, CLIP, FILM, FORMAT, ID, MOMENT, Glitch, read_about, sha256_of
from engine.recorder import open_clip, replay_beside
from engine.reopening import session_of
from engine.replay import write_replay
from engine.saves import write_save
from engine.side_by_side import SIDE, captioned, lockstep_pictures

__all__ = [
    "Glimpse",
    "Glitch",
    "Truth",
    "glimpse_of",
    "keep_glitch",
    "list_glitches",
    "open_glitch",
    "remove_glitch",
    "session_of",
]

FOLDER = "REVERIE_GLITCHES"
"""The environment's word for where glitches are kept."""
OWN = re.compile(rf"{re.escape(ABOUT)}|{re.escape(CLIP)}|clip\.replay\.json|[a-z]+(-\d+)?\.safetensors|\..*")
"""Names of a glitch's files, and those that systems hide beside files."""
TRIES = 1000
"""Glitches of one world that can be flagged in one second."""
logger = logging.getLogger(__name__)


def glitch_folder() -> Path:
    """Where glitches are kept: $REVERIE_GLITCHES, or ``glitches`` here."""
    return Path(os.environ.get(FOLDER) or "glitches")


def keep_glitch(glimpse: Glimpse, folder: Path | str | None = None) -> Glitch:
    """Write a glimpse into a folder of its own, which appears whole or not at all. Takes a second.

    Raises ReverieError where it cannot be written.
    """
    parent = glitch_folder() if folder is None else Path(folder)
    with new_folder(parent) as beside:
        *before, now = glimpse.moments
        write_save(beside / MOMENT, now, glimpse.history)
        write_film(beside / FILM, before)
        with open_clip(beside / CLIP, glimpse.fps, scale=1) as clip:
            for picture in pictures_of(glimpse):
                clip.add(picture)
        history = glimpse.history
        write_replay(replay_beside(beside / CLIP), history.since(history.first))
        episodes = write_episodes(glimpse, beside)
        about = {
            "format": FORMAT,
            "world": glimpse.world,
            "world_hash": glimpse.world_hash,
            "mode": glimpse.mode,
            "note": glimpse.note,
            "index": now.frame.index,
            "steps": len(before),
            "seconds": len(before) / glimpse.fps,
            "at": glimpse.at,
            "alarms": glimpse.alarms,
            "truth": glimpse.truth is not None,
            "beside": str(glimpse.truth.path.resolve()) if glimpse.truth and glimpse.truth.path else "",
            "episodes": episodes,
            "sha256": {path.name: sha256_of(path) for path in sorted(beside.iterdir())},
        }
        write_file(beside / ABOUT, json.dumps(about, indent=1) + "\n")
        return read_about(_settled(beside, parent, glimpse))


def list_glitches(folder: Path | str | None = None) -> list[Glitch]:
    """All that are there, oldest first; one whose glitch.json does not fit is reported in the log and left out."""
    parent = glitch_folder() if folder is None else Path(folder)
    found = []
    for path in sorted(parent.iterdir()) if parent.is_dir() else ():
        if path.is_dir() and ID.fullmatch(path.name):
            try:
                found.append(read_about(path))
            except ReverieError as error:
                logger.warning("left out a damaged glitch: %s", error)
    return sorted(found, key=lambda glitch: (glitch.at, glitch.id))


def open_glitch(name: str | Path, folder: Path | str | None = None) -> Glitch:
    """One glitch, by its id, the beginning of it, or its folder; every file is there and undamaged.

    Raises ReverieError: no such glitch, several that begin so, a damaged one, one of a newer format.
    """
    return read_about(_path_of(name, glitch_folder() if folder is None else Path(folder))).check()


def remove_glitch(name: str | Path, folder: Path | str | None = None) -> Path:
    """Remove one, named as for ``open_glitch``, even where it is damaged; gives its folder, which is gone as a whole.

    Raises ReverieError: no such glitch, a folder that holds other things too, or it cannot be removed.
    """
    path = _path_of(name, glitch_folder() if folder is None else Path(folder))
    foreign = sorted(entry.name for entry in path.iterdir() if entry.is_dir() or not OWN.fullmatch(entry.name))
    if foreign:
        raise ReverieError(
            f"{path}: got a folder with {foreign[0]!r} in it, expected a glitch's files alone; remove it by hand"
        )
    with new_folder(path.parent) as beside:
        path.replace(beside / path.name)
    return path


def pictures_of(glimpse: Glimpse) -> Iterator[np.ndarray]:
    """The clip's pictures (h, w, 3) uint8: what was shown, or reality, each dream and its signed error in a row."""
    scale = max(1, SIDE // glimpse.moments[-1].frame.image.shape[0])
    for k, moment in enumerate(glimpse.moments):
        pictures, names = [moment.frame.image], list(glimpse.names)
        if len(names) > 1:
            pictures, names = lockstep_pictures(moment.state, names)
        ago = (k + 1 - len(glimpse.moments)) / glimpse.fps
        yield captioned(pictures, names, f"{ago:.1f} s   {glimpse.note}", scale)


def _path_of(name: str | Path, parent: Path) -> Path:
    """The folder of a glitch. Raises ReverieError: there is none, or several begin so."""
    for path in (parent / name, Path(name)):
        if ID.fullmatch(path.resolve().name) and (path / ABOUT).is_file():
            return path
    near = [path.parent.name for path in sorted(parent.glob(f"*/{ABOUT}")) if path.parent.name.startswith(str(name))]
    near = [found for found in near if ID.fullmatch(found)]
    if len(near) == 1 and str(name):
        return parent / near[0]
    wanted = f"one of {', '.join(near)}" if near else f"the ID of one in {parent}; `reverie glitches` lists them"
    raise ReverieError(f"glitch: got {str(name)[:100]!r}, expected {wanted}")


def _settled(beside: Path, parent: Path, glimpse: Glimpse) -> Path:
    """Give a filled folder its name, one that is free."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", glimpse.world).strip("-_")[:60] or "world"
    stem += time.strftime("-%Y%m%d-%H%M%S", time.localtime(glimpse.at))
    for number in range(1, TRIES):
        path = parent / (stem if number == 1 else f"{stem}-{number}")
        if not path.exists():
            try:
                beside.rename(path)
            except OSError:
                if not path.exists():
                    raise
            else:
                return path
    raise ReverieError(f"{parent}: got {TRIES} glitches of one second there, expected fewer; use another folder")
