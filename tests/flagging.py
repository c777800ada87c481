"""Sessions in a tiny world of Pong with glitches to flag."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from engine.controllers import RandomController
from engine.controls import Input
from engine.loading import LoadedWorld
from engine.session import Real, Session
from models.checkpoint import Manifest, write_world_folder
from models.data.episode import Episode
from tests.oracle_worlds import played as oracle_play
from tests.tiny_rssm import grounded_pong
from tests.tiny_worlds import random_starts

STEPS = 14


@dataclass(frozen=True)
class Said:
    """An alarm, as glimpses take them."""

    name: str
    text: str


def write_pong(folder: Path) -> Path:
    """A folder with one tiny world, ``tiny``, of Pong."""
    dream = grounded_pong().dream
    env = {"env": "atari", "game": "pong", "frame_skip": 4, "size": 64, "noop_max": 30, "sticky_actions": 0.0}
    env |= {"life_loss_ends": False, "actions": list(dream.spec.actions.names), "height": 64, "width": 64}
    env |= {"objects": ["own paddle", "enemy paddle", "ball"]}
    manifest = Manifest("rssm", dream.model.config.to_dict(), asdict(dream.settings), dream.spec, {"env": env})  # type: ignore[attr-defined]
    write_world_folder(folder / "tiny", manifest, dream.weights(), random_starts(dream.spec, 3), {})  # type: ignore[attr-defined]
    return folder


def played(loaded: LoadedWorld, real: Real = False, steps: int = STEPS) -> Session:
    """A session with chance, a change of settings and, where there is reality, an anchor in its past."""
    session = Session.open(loaded, real=real, seed=7, start=1, horizon=500)
    session.controller = RandomController(0.5)
    for step in range(steps):
        session.tick(Input())
        if step == 5 and real is not True:
            session.settings(temperature=0.5)
        if step == 8 and real == "lockstep":
            session.anchor()
    return session


def played_episode() -> Episode:
    """An episode of Pong, as it is collected."""
    return oracle_play().episode


def looks(session: Session) -> tuple[bytes, float, float, int, bytes]:
    frame = session.frame
    return frame.image.tobytes(), frame.reward, frame.total, frame.index, session.moment.past.digest
