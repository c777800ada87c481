"""Everything that plays one world behind a window: the loaded world, its session, its runner, the keys."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.desktop.beside import Beside
from app.keymaps import Keymap, load_keymap
from engine.controllers import AgentController, agent_for, controller_for
from engine.controls import Controls
from engine.episodes import title_of
from engine.errors import ReverieError
from engine.keys import keys_for
from engine.runner import Runner
from engine.session import Real, Session, bare_hash
from models.types import ActionSpec

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

logger = logging.getLogger(__name__)
REWIND_S = 60.0


@dataclass(frozen=True)
class GameChoices:
    """What a player may choose before the window opens."""

    world: str
    device: str = "cpu"
    seed: int = 0
    start: int = 0
    horizon: int | None = None
    controller: str = "human"
    real: bool = False
    fps: float | None = None
    """Frames a second; None: the game's own."""
    lockstep: bool = False
    """Begin in lockstep with the real game."""
    against: str | None = None
    """Another world in the same lockstep."""
    episode: Path | None = None
    """An episode on disk in the real game's place there; its actions are played."""
    glitch: Path | None = None
    """Begin at a flagged moment, at a pause."""


@dataclass(frozen=True)
class Game:
    """A session that runs, and what the window has to know about it."""

    name: str
    family: str
    fps: float
    picture: tuple[int, int]
    """Width and height of the world's frames."""
    action_names: tuple[str, ...]
    starts: int
    runner: Runner
    controls: Controls
    keymap: Keymap
    agent: AgentController | None = None
    """Who plays by itself, where the world has someone."""
    actions: ActionSpec = ActionSpec(("NOOP",))
    observes: bool = False
    """Whether the dream can be told what the real game does."""
    beside: Beside | None = None
    """The other worlds for its lockstep."""
    episode: str = ""
    """The name of the episode that its lockstep is under, "" without one."""


def open_game(choices: GameChoices) -> Game:
    """Load the world and start its runner. Slow (seconds); raises ReverieError when it cannot be played."""
    from engine.loading import load_world

    if choices.glitch is not None:
        from engine.glitches import open_glitch
        from engine.reopening import world_of

        glitch = open_glitch(choices.glitch)
        return start_game(world_of(glitch, bare_hash(glitch.world_hash), choices.device), choices)
    against = load_world(choices.against, device=choices.device) if choices.against else None
    return start_game(load_world(choices.world, device=choices.device), choices, against)


def start_game(loaded: LoadedWorld, choices: GameChoices, against: LoadedWorld | None = None) -> Game:
    """Start playing a loaded world; against: the one beside it in lockstep. Raises ReverieError: a damaged glitch."""
    controls, spec = Controls(), loaded.world.spec
    name = loaded.folder.path.name if loaded.folder else spec.name
    keymap = load_keymap(name)
    keymap = replace(keymap, keys=keys_for(spec.actions, keymap.keys))
    makers, begins = _sessions(loaded, choices, against)
    session = makers.pop(False)()
    runner = Runner(
        session,
        controls,
        real=makers[True],
        grounded=makers["grounded"],
        lockstep=makers["lockstep"],
        wait_at_end=True,
        paused=choices.glitch is not None,
    )
    if choices.fps is not None:
        runner.speed(choices.fps / spec.fps)
    if begins:
        runner.real_game(begins)
    runner.start()
    size = (spec.width, spec.height)
    agent = _agent(loaded)
    names, starts = spec.actions.names, session.starts
    game = Game(name, spec.family, spec.fps, size, names, starts, runner, controls, keymap, agent)
    beside = Beside(loaded, lambda other: _session(loaded, choices, real="lockstep", against=other), choices.device)
    episode = title_of(choices.episode) if choices.episode else ""
    observes = hasattr(loaded.world, "observe")
    return replace(game, actions=spec.actions, observes=observes, beside=beside, episode=episode)


def _sessions(
    loaded: LoadedWorld, choices: GameChoices, against: LoadedWorld | None
) -> tuple[dict[Real, Callable[[], Session]], Real]:
    """What makes the session of each place where it can be played, and the place where play begins."""
    makers: dict[Real, Callable[[], Session]] = {
        place: partial(_session, loaded, choices, real=place) for place in (False, True, "grounded")
    }
    makers["lockstep"] = partial(_session, loaded, choices, real="lockstep", against=against)
    if choices.glitch is None:
        return makers, "lockstep" if choices.lockstep or against or choices.episode else choices.real
    from engine.glitches import open_glitch
    from engine.reopening import session_of

    glitch = open_glitch(choices.glitch)
    session = session_of(glitch, loaded, against, device=choices.device, rewind_s=REWIND_S)
    makers[glitch.mode] = lambda: session
    return makers, glitch.mode


def _agent(loaded: LoadedWorld) -> AgentController | None:
    """The world's agent; a damaged one is reported in the log and left out: the game can be played without."""
    try:
        return agent_for(loaded)
    except ReverieError as error:
        logger.warning("left out a damaged agent: %s", error)
        return None


def _session(loaded: LoadedWorld, choices: GameChoices, *, real: Real, against: LoadedWorld | None = None) -> Session:
    episode = choices.episode if real == "lockstep" else None
    session = Session.open(
        loaded,
        real=real,
        against=against,
        episode=episode,
        seed=choices.seed,
        start=choices.start,
        horizon=choices.horizon,
        rewind_s=REWIND_S,
    )
    if episode is None:
        session.controller = controller_for(choices.controller, loaded)
    return session
