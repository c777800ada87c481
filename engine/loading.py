"""Opening worlds by name for play: those that ship with Reverie, those of $REVERIE_WORLDS, or any path."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from models.checkpoint import WorldError, WorldFolder, open_world_folder
from models.library import build_world, find_world, world_paths
from models.nn.heap import keep_freed_memory
from models.nn.precision import device_of
from models.nn.workers import release_workers
from models.types import Context, WorldSpec
from models.world import WorldModel

if TYPE_CHECKING:
    from models.envs.episode_world import EpisodeWorld
    from models.training.probe import Probe

DEFAULT_WORLD = "pong"
REPLAYED = ("car_racing", "crafter", "vizdoom", "dmc")
"""Environments whose games cannot store their state: they are played again from their seed."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedWorld:
    """A world ready to play: the model, its folder, and the real contexts to start from (one a row)."""

    world: WorldModel[Any]
    folder: WorldFolder | None
    starts: Context
    hash: str


def list_worlds() -> list[WorldFolder]:
    """All intact worlds that can be named; damaged ones are reported in the log and left out."""
    worlds = []
    for path in world_paths().values():
        try:
            worlds.append(open_world_folder(path))
        except WorldError as error:
            logger.warning("left out a damaged world: %s", error)
    return worlds


def load_world(name_or_path: str | Path = DEFAULT_WORLD, device: str = "cpu") -> LoadedWorld:
    """Open a world for play; device: auto, cpu, cuda, ...

    Raises ReverieError for whatever is unknown, damaged or does not fit, ValueError for a device that is not there.
    """
    try:
        folder = open_world_folder(find_world(name_or_path))
        keep_freed_memory()
        world = build_world(folder, device_of(device))
        return LoadedWorld(world, folder, folder.starts(), folder.hash)
    except WorldError as error:
        raise ReverieError(str(error)) from error
    finally:
        release_workers()


def real_world_for(loaded: LoadedWorld) -> WorldModel[Any] | None:
    """The real game a world was learned from, behind the same contract; None where it cannot be played here."""
    env = loaded.folder.manifest.provenance.get("env", {}) if loaded.folder else {}
    spec = loaded.world.spec
    if env.get("env") == "atari":
        from models.envs.real_world import RealWorld

        return RealWorld(env["game"], spec.height, spec.context)
    if env.get("env") in REPLAYED:
        from models.envs.adapter import remedy
        from models.envs.replayed_world import ReplayedWorld

        if missing := remedy(env["game"]):
            logger.info("%s: the real game cannot be played here; %s", spec.name, missing)
            return None
        signed = spec.reward == WorldSpec.reward
        return ReplayedWorld(env["game"], spec.height, spec.context, signed=signed, like=spec)
    return None


def grounded_world_for(loaded: LoadedWorld) -> WorldModel[Any] | None:
    """The world told at every step what its real game did; None where that cannot be played here.

    Raises ReverieError for a world that cannot observe, or whose game does not fit it.
    """
    real = real_world_for(loaded)
    if real is None:
        return None
    from engine.grounded import GroundedWorld

    try:
        return GroundedWorld(loaded.world, real)  # type: ignore[arg-type]
    except ValueError as error:
        raise ReverieError(str(error)) from error


def lockstep_world_for(
    loaded: LoadedWorld, against: LoadedWorld | None = None, episode: Path | None = None, probe: Probe | None = None
) -> WorldModel[Any] | None:
    """The world, and ``against`` beside it, in lockstep with the real game or with an episode on disk.

    Without either the world leads and ``against`` follows it. None where there is nothing to be in lockstep with.
    probe: finds the objects; one of another frame size is left out. Raises ReverieError for what does not fit together,
    and for a damaged episode.
    """
    from engine.lockstep import LockstepWorld

    dreams = [loaded.world, *([against.world] if against else [])]
    length = max(2, *(world.spec.context for world in dreams))
    lead = real_world_for(loaded) if episode is None else episode_world_for(loaded, episode, length)
    if lead is None:
        lead = dreams.pop(0)
    if not dreams:
        return None
    spec = loaded.world.spec
    fits = probe is not None and (probe.height, probe.width) == (spec.height, spec.width)
    try:
        return LockstepWorld(lead, dreams, probe=probe if fits else None)
    except ValueError as error:
        raise ReverieError(str(error)) from error


def episode_world_for(loaded: LoadedWorld, path: Path, length: int) -> EpisodeWorld:
    """An episode file as a world that begins after ``length`` frames. Raises ReverieError: damaged, or unfit."""
    from engine.episodes import check_episode
    from models.envs.episode_world import EpisodeWorld

    spec = loaded.world.spec
    known = check_episode(path, loaded.folder, spec).read()
    try:
        cut = not bool(known.terminated[-1])
        return EpisodeWorld(known.frames, known.actions, known.rewards, spec, length, path, cut)
    except (ValueError, OSError) as error:
        text = str(error)
        raise ReverieError(text if str(path) in text else f"{path}: {text}") from error


def world_of_hash(world_hash: str) -> LoadedWorld | None:
    """The world that a hash names, of those that can be named; None where it is not here. Raises as ``load_world``."""
    for folder in list_worlds():
        if folder.hash == world_hash:
            return load_world(folder.path)
    return None
