"""What a session in a loaded world is opened with, by where it plays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import loading
from engine.controllers import Controller, ReplayController
from engine.episodes import title_of
from engine.errors import ReverieError
from engine.loading import LoadedWorld
from engine.modes import BESIDE, PREFIXES, RECORDED, Real
from engine.tools import Tools, tools_of
from models.world import WorldModel

if TYPE_CHECKING:
    from engine.session import Session

EPISODE = "episode"
"""The name of who plays an episode from disk."""


@dataclass(frozen=True)
class Opening:
    """The arguments of a session; controller: who plays at first, None for the person. episode: its name."""

    world: WorldModel[Any]
    world_hash: str
    name: str
    tools: Tools
    against: str = ""
    controller: Controller | None = None
    episode: str = ""


def opening_of(loaded: LoadedWorld, real: Real, against: LoadedWorld | None, episode: Path | None) -> Opening:
    """See ``Session.open``. Raises ReverieError for what is not there or does not fit."""
    if (against or episode) and real != "lockstep":
        raise ReverieError("session: got another world or an episode, expected them in lockstep only")
    name, tools = name_of(loaded), tools_of(loaded)
    if not real:
        return Opening(loaded.world, loaded.hash, name, tools)
    world: Any
    if real == "lockstep":
        world = loading.lockstep_world_for(loaded, against, episode, tools.probe)
    else:
        world = (loading.real_world_for if real is True else loading.grounded_world_for)(loaded)
    if world is None:
        raise ReverieError(
            f"world {loaded.world.spec.name}: got no real game for it here, expected one; "
            "play the dream, or install the game it was learned from"
        )
    world_hash = PREFIXES[real] + loaded.hash
    world_hash += BESIDE + against.hash if against else ""
    world_hash += RECORDED + world.lead.fingerprint if episode else ""
    beside = name_of(against) if against else ""
    if episode is None:
        return Opening(world, world_hash, name, tools, beside)
    return Opening(world, world_hash, name, tools, beside, episode_player(world), title_of(episode))


def episode_player(world: Any) -> ReplayController:
    """Who plays the actions of the episode that a lockstep is under."""
    return ReplayController(world.lead.played, EPISODE)


def play_episode(session: Session) -> None:
    """Have the episode's own actions played, whoever has played until now."""
    if session.episode and session.controller.name != EPISODE:
        session.controller = episode_player(session.world)


def name_of(loaded: LoadedWorld) -> str:
    """By which replays and faces name a world: its folder's name."""
    return loaded.folder.path.name if loaded.folder else loaded.world.spec.name
