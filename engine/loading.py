"""Opening worlds by name: from the folder that ships with Reverie, from $REVERIE_WORLDS, or from a path."""

from __future__ import annotations

import difflib
import importlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from engine.errors import ReverieError
from models.checkpoint import MANIFEST, WorldError, WorldFolder, open_world_folder
from models.types import Context
from models.world import WorldModel

DEFAULT_WORLD = "pong"
SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "worlds"
FAMILIES = {"diamond": "models.diamond.world:DiamondWorld"}
"""Where each family's world class is; it has ``load(spec, config, settings, weights, device)``."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedWorld:
    """A world ready to play: the model, its folder, and the real contexts to start from (one a row)."""

    world: WorldModel[Any]
    folder: WorldFolder | None
    starts: Context
    hash: str


def world_folders() -> list[Path]:
    """Folders that hold worlds, in order of search: those of $REVERIE_WORLDS, then what ships with Reverie."""
    extra = [Path(part) for part in os.environ.get("REVERIE_WORLDS", "").split(os.pathsep) if part]
    return [*extra, SHIPPED]


def world_paths() -> dict[str, Path]:
    """Every world that can be named, by name; the first found of a name counts."""
    found: dict[str, Path] = {}
    for folder in world_folders():
        for path in sorted(folder.glob(f"*/{MANIFEST}")):
            if not path.parent.name.startswith("."):
                found.setdefault(path.parent.name, path.parent)
    return found


def list_worlds() -> list[WorldFolder]:
    """All intact worlds that can be named; damaged ones are reported in the log and left out."""
    worlds = []
    for path in world_paths().values():
        try:
            worlds.append(open_world_folder(path))
        except WorldError as error:
            logger.warning("left out a damaged world: %s", error)
    return worlds


def find_world(name_or_path: str | Path) -> Path:
    """The folder of a world. Raises ReverieError with the nearest names."""
    named = world_paths()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    if (Path(name_or_path) / MANIFEST).exists() or Path(name_or_path).is_dir():
        return Path(name_or_path)
    near = difflib.get_close_matches(str(name_or_path).lower(), named, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(named)) or 'none'};"
    raise ReverieError(
        f"world: got {str(name_or_path)!r}, expected the name of a world or the path of its folder; {hint} "
        "`reverie worlds` lists them"
    )


def load_world(name_or_path: str | Path = DEFAULT_WORLD, device: str = "cpu") -> LoadedWorld:
    """Open a world for play. Raises ReverieError for whatever is unknown, damaged or does not fit."""
    try:
        folder = open_world_folder(find_world(name_or_path))
        manifest = folder.manifest
        if manifest.family not in FAMILIES:
            known = ", ".join(sorted(FAMILIES))
            raise ReverieError(
                f"{folder.path}: got family {manifest.family!r}, expected one of {known}; update Reverie"
            )
        module, name = FAMILIES[manifest.family].split(":")
        family = getattr(importlib.import_module(module), name)
        weights, starts = folder.weights(), folder.starts()
        try:
            world = family.load(manifest.spec, manifest.config, manifest.settings, weights, torch.device(device))
        except (ValueError, TypeError) as error:
            raise ReverieError(f"{folder.path}: {error}") from error
    except WorldError as error:
        raise ReverieError(str(error)) from error
    return LoadedWorld(world, folder, starts, folder.hash)


def real_world_for(loaded: LoadedWorld) -> WorldModel[Any] | None:
    """The real game a world was learned from, behind the same contract; None where it cannot be played here."""
    env = loaded.folder.manifest.provenance.get("env", {}) if loaded.folder else {}
    if env.get("env") != "atari":
        return None
    from models.envs.real_world import RealWorld

    spec = loaded.world.spec
    return RealWorld(env["game"], spec.height, spec.context)
