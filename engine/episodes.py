"""Episodes on disk that a world can be played beside in lockstep: which there are, and whether one fits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from models.data.episode import EpisodeError, EpisodeFile
from models.data.store import SPLITS, EpisodeStore

if TYPE_CHECKING:
    from engine.loading import LoadedWorld
    from models.checkpoint import WorldFolder
    from models.types import WorldSpec

MOST = 200
"""The most episodes that are offered."""


def game_of(folder: WorldFolder | None, spec: WorldSpec) -> str:
    """The name of the game that a world was learned from, which is that of its store; else the world's own."""
    env = folder.manifest.provenance.get("env", {}) if folder else {}
    return str(env.get("game") or (folder.path.name if folder else spec.name))


def title_of(path: Path) -> str:
    """An episode's name to read: heldout/000019 in a store, else the file's."""
    split = path.absolute().parent.name
    return f"{split}/{path.stem}" if split in SPLITS else path.stem


def stored_episodes(loaded: LoadedWorld, most: int = MOST) -> dict[str, Path]:
    """Files of the store of the world's game, data/GAME, by title: held-out ones first, of each split the newest first.

    At most ``most``. Nothing of them is read: one may be damaged, or not fit.
    """
    store = EpisodeStore(Path("data") / game_of(loaded.folder, loaded.world.spec))
    return dict([(title_of(path), path) for split in reversed(SPLITS) for path in reversed(store.files(split))][:most])


def check_episode(path: Path, folder: WorldFolder | None, spec: WorldSpec) -> EpisodeFile:
    """An episode that can stand beside a world, open. Raises ReverieError: no episode, or one of another game."""
    if not path.is_file():
        raise ReverieError(f"{path}: got no such file, expected an episode, as in data/{game_of(folder, spec)}/heldout")
    try:
        found = EpisodeFile(path)
    except EpisodeError as error:
        raise ReverieError(str(error)) from error
    meta: dict[str, Any] = found.header.meta
    want, size, names = game_of(folder, spec), (3, spec.height, spec.width), spec.actions.names
    if folder is not None and meta.get("game", want) != want:
        raise ReverieError(f"{path}: got an episode of {meta['game']}, expected one of {want}")
    if found.header.shape != size:
        raise ReverieError(f"{path}: got an episode of frames {found.header.shape}, expected {size}")
    if tuple(meta.get("actions", names)) != names:
        raise ReverieError(f"{path}: got the actions {meta['actions']}, expected those of the world, {list(names)}")
    return found
