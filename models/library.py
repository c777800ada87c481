"""Where worlds are found by name, and which class plays each family: the one table of families."""

from __future__ import annotations

import difflib
import importlib
import os
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import MANIFEST, WorldError, WorldFolder
from models.world import WorldModel

SHIPPED = Path(__file__).resolve().parents[1] / "assets" / "worlds"
FAMILIES = {"diamond": "models.diamond.world:DiamondWorld", "rssm": "models.rssm.world:RssmWorld"}
"""Each family's world class; it has ``load(spec, config, settings, weights, device)``."""


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


def find_world(name_or_path: str | Path) -> Path:
    """The folder of a world. Raises WorldError with the nearest names."""
    named = world_paths()
    if str(name_or_path) in named:
        return named[str(name_or_path)]
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    near = difflib.get_close_matches(str(name_or_path).lower(), named, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(sorted(named)) or 'none'};"
    raise WorldError(
        f"world: got {str(name_or_path)!r}, expected the name of a world or the path of its folder; {hint} "
        "`reverie worlds` lists them"
    )


def build_world(folder: WorldFolder, device: torch.device) -> WorldModel[Any]:
    """The world of an opened folder, with the settings it opens with. Raises WorldError for whatever does not fit."""
    manifest = folder.manifest
    if manifest.family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise WorldError(f"{folder.path}: got family {manifest.family!r}, expected one of {known}; update Reverie")
    module, name = FAMILIES[manifest.family].split(":")
    family = getattr(importlib.import_module(module), name)
    weights = folder.weights()
    try:
        world: WorldModel[Any] = family.load(manifest.spec, manifest.config, manifest.settings, weights, device)
    except (ValueError, TypeError) as error:
        raise WorldError(f"{folder.path}: {error}") from error
    return world
