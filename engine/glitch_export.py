"""Flagged glitches as episodes to train on: into a store of their own, or to those that are there."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import ReverieError
from engine.glitch import Glitch
from models.data.env_meta import FLAGGED, PER_EPISODE
from models.data.episode import Episode, EpisodeError, EpisodeFile, read_header
from models.data.store import SPLITS, EpisodeStore, split_of

HELD_OUT = 3
"""Of the only episode there is, every so many-th step is held out: its last ones."""


@dataclass(frozen=True)
class Exported:
    """What came of an export. episodes, steps: written. skipped: (glitch's id, why not)."""

    folder: Path
    episodes: int
    steps: int
    skipped: tuple[tuple[str, str], ...]


def export_glitches(glitches: Sequence[Glitch], folder: Path | str, dreamed: bool = False) -> Exported:
    """Add the episodes of glitches to a store; those that it has already are left out.

    All go where training takes them; a store without anything held out also gets an episode there, the second longest,
    or the end of the only one. dreamed: export also what a world dreamed where nothing real was seen; its policy says
    so. Raises ReverieError: a damaged glitch, a store of another game or other settings, a full disk.
    """
    store, skipped, parts = EpisodeStore(folder), list[tuple[str, str]](), list[Episode]()
    known = [header.meta for split in SPLITS for header in store.scan(split)[0]]
    there = {meta[FLAGGED]["id"] for meta in known if FLAGGED in meta}
    for glitch in glitches:
        why = reason(glitch, dreamed, there)
        if why:
            skipped.append((glitch.id, why))
            continue
        parts += read_episodes(glitch)
        there.add(glitch.id)
    check_settings(store.folder, [*known, *(episode.meta for episode in parts)])
    try:
        written = add(store, parts)
    except OSError as error:
        raise ReverieError(str(error)) from error
    return Exported(store.folder, len(written), sum(len(episode) for episode in written), tuple(skipped))


def reason(glitch: Glitch, dreamed: bool, there: set[str]) -> str | None:
    """Why a glitch is not exported; None where it is."""
    if not glitch.episodes:
        return "no step led to it"
    if glitch.id in there:
        return "it is there already"
    if not glitch.truth and not dreamed:
        return "a dream with nothing real beside it has no truth to learn from; --dreamed exports it as it is"
    return None


def read_episodes(glitch: Glitch) -> list[Episode]:
    """A glitch's episodes with its id and note in their meta. Raises ReverieError where one is damaged."""
    about, found = {"id": glitch.id, "note": glitch.note}, []
    try:
        for name in glitch.check().episodes:
            episode = EpisodeFile(glitch.path / name).read()
            found.append(replace(episode, meta={**episode.meta, FLAGGED: about}))
    except EpisodeError as error:
        raise ReverieError(f"{error}; remove the glitch {glitch.id}") from error
    if not all("game" in episode.meta for episode in found):
        raise ReverieError(
            f"{glitch.id}: got no settings of its game: there was no world {glitch.world} by that name, expected one; "
            "flag glitches of worlds that `reverie worlds` lists"
        )
    return found


def check_settings(folder: Path, metas: Sequence[dict[str, Any]]) -> None:
    """Raises ReverieError where not all episodes would be of the same game and settings: training takes no mixture."""
    plain = [json.loads(json.dumps({k: v for k, v in meta.items() if k not in PER_EPISODE})) for meta in metas]
    for mine in plain[1:]:
        for key in sorted(set(mine) | set(plain[0])):
            if mine.get(key) != plain[0].get(key):
                raise ReverieError(
                    f"{folder}: got episodes with {key} {plain[0].get(key)!r} and {mine.get(key)!r}, expected the same "
                    "in one folder; export them one game at a time, each into a folder of its own with --out"
                )


def add(store: EpisodeStore, episodes: Sequence[Episode]) -> list[Episode]:
    """Write episodes to a store under free numbers; those written.

    All or none: a glitch of which the store has a part would be taken for one that it has. Raises OSError.
    """
    if not episodes:
        return []
    train, held = list(episodes), list[Episode]()
    if not store.scan("heldout")[0]:
        train, held = divided(train)
    numbers, number = [], max(store.numbers(), default=-1) + 1
    try:
        for split, group in (("train", train), ("heldout", held)):
            for episode in group:
                while split_of(number) != split:
                    number += 1
                numbers.append(number)
                store.add(number, episode)
                number += 1
        store.write_index()
    except OSError:
        for number in numbers:
            store.path(number).unlink(missing_ok=True)
        raise
    return [*train, *held]


def divided(episodes: list[Episode]) -> tuple[list[Episode], list[Episode]]:
    """What is trained on, and what is held out: the second longest, or the end of the only one."""
    if len(episodes) > 1:
        second = sorted(range(len(episodes)), key=lambda k: -len(episodes[k]))[1]
        return [e for k, e in enumerate(episodes) if k != second], [episodes[second]]
    (only,) = episodes
    cut = len(only) - len(only) // HELD_OUT
    if cut == len(only):
        return episodes, []
    return [part(only, 0, cut)], [part(only, cut, len(only))]


def part(episode: Episode, start: int, stop: int) -> Episode:
    """Steps start .. stop of an episode; cut (truncated) where it went on."""
    truncated = episode.truncated[start:stop].clone()
    truncated[-1] |= stop < len(episode)
    steps = {name: getattr(episode, name)[start:stop] for name in ("actions", "rewards", "terminated")}
    frames = {name: getattr(episode, name)[start : stop + 1] for name in ("frames", "objects")}
    return replace(episode, **steps, **frames, truncated=truncated)


def game_of(glitch: Glitch) -> str:
    """The game that its episodes are of; the world's name where they do not say."""
    for name in glitch.episodes:
        with contextlib.suppress(EpisodeError):
            return str(read_header(glitch.path / name).meta.get("game", glitch.world))
    return glitch.world
