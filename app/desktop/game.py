"""Everything that plays one world behind a window: the loaded world, its session, its runner, the keys."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from app.keymaps import Keymap, load_keymap
from engine.controllers import AgentController, agent_for, controller_for
from engine.controls import Controls
from engine.errors import ReverieError
from engine.keys import keys_for
from engine.runner import Runner
from engine.session import Real, Session
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


def open_game(choices: GameChoices) -> Game:
    """Load the world and start its runner. Slow (seconds); raises ReverieError when it cannot be played."""
    from engine.loading import load_world

    return start_game(load_world(choices.world, device=choices.device), choices)


def start_game(loaded: LoadedWorld, choices: GameChoices) -> Game:
    """Start playing a loaded world."""
    session = _session(loaded, choices, real=False)
    controls = Controls()
    spec = loaded.world.spec
    name = loaded.folder.path.name if loaded.folder else spec.name
    keymap = load_keymap(name)
    keymap = replace(keymap, keys=keys_for(spec.actions, keymap.keys))
    real, grounded = (partial(_session, loaded, choices, real=where) for where in (True, "grounded"))
    runner = Runner(session, controls, real=real, grounded=grounded, wait_at_end=True)
    if choices.fps is not None:
        runner.speed(choices.fps / spec.fps)
    if choices.real:
        runner.real_game(True)
    runner.start()
    size = (spec.width, spec.height)
    agent = _agent(loaded)
    names, starts = spec.actions.names, session.starts
    game = Game(name, spec.family, spec.fps, size, names, starts, runner, controls, keymap, agent)
    return replace(game, actions=spec.actions, observes=hasattr(loaded.world, "observe"))


def _agent(loaded: LoadedWorld) -> AgentController | None:
    """The world's agent; a damaged one is reported in the log and left out: the game can be played without."""
    try:
        return agent_for(loaded)
    except ReverieError as error:
        logger.warning("left out a damaged agent: %s", error)
        return None


def _session(loaded: LoadedWorld, choices: GameChoices, *, real: Real) -> Session:
    session = Session.open(
        loaded, real=real, seed=choices.seed, start=choices.start, horizon=choices.horizon, rewind_s=REWIND_S
    )
    session.controller = controller_for(choices.controller, loaded)
    return session
