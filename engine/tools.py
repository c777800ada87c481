"""What a world brings along to be looked at with: a probe that reads its objects, an atlas of its latents."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from engine.loading import LoadedWorld
from models.study.atlas import ATLAS, Atlas
from models.training.probe import Probe
from models.training.probe_cache import PROBE, open_probe
from models.types import WorldSpec

Tool = TypeVar("Tool")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Tools:
    """The tools of a world; None where it has none of a kind, or where its file is damaged."""

    probe: Probe | None = None
    atlas: Atlas | None = None


def tools_of(loaded: LoadedWorld) -> Tools:
    """The tools in a world's folder. What is damaged or of another world is named in one warning and left out."""
    if loaded.folder is None:
        return Tools()
    path = loaded.folder.path
    return read_tools(path, loaded.hash, loaded.world.spec, (stamp(path / PROBE), stamp(path / ATLAS)))


def stamp(path: Path) -> tuple[int, int] | None:
    """What changes when a file does: its time in nanoseconds and its size; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


Stamp = tuple[int, int] | None


@lru_cache(maxsize=8)
def read_tools(path: Path, world: str, spec: WorldSpec, stamps: tuple[Stamp, Stamp]) -> Tools:
    """Read a folder's tools; the same files are read once."""

    def probe() -> Probe:
        found = open_probe(path / PROBE)
        if (found.height, found.width) != (spec.height, spec.width):
            got, want = f"{found.height} x {found.width}", f"{spec.height} x {spec.width}"
            raise ValueError(f"{path / PROBE}: got a probe of frames of {got}, expected {want} as the world's")
        return found

    def atlas() -> Atlas:
        found = Atlas.read(path / ATLAS)
        if found.world != world:
            raise ValueError(
                f"{path / ATLAS}: got an atlas of a world {found.world[:12]}, expected {world[:12]}; "
                "`reverie atlas` makes one of this world"
            )
        return found

    has_probe, has_atlas = (found is not None for found in stamps)
    return Tools(intact(probe) if has_probe else None, intact(atlas) if has_atlas else None)


def intact(read: Callable[[], Tool]) -> Tool | None:
    """What can be read; None, and a warning, where it cannot."""
    try:
        return read()
    except ValueError as error:
        logger.warning("left out a tool of the workbench: %s", error)
        return None
