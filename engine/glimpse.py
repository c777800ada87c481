"""What is taken of a session when somebody flags a glitch: references to what is there, in no time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from engine.film import alike
from engine.glitch import printable
from engine.history import History, made_here, ticks_of
from engine.moment import Moment
from engine.session import Real, Session, real_of
from models.data.env_meta import PER_EPISODE
from models.data.episode import EpisodeFile
from models.world import WorldModel

MAX_NOTE = 2000
"""Characters of a note; what is beyond is cut."""


class Told(Protocol):
    """An alarm that is on: its name, and what it says."""

    @property
    def name(self) -> str: ...

    @property
    def text(self) -> str: ...


@dataclass(frozen=True)
class Truth:
    """The real game's part of what was seen.

    read: gives the game's settings, as they are stored in episodes, and the places of its objects at every moment,
    (T, K, 3) float32, K = 0 where they are not known; on any thread. path: the episode's file, where it is one.
    """

    read: Callable[[], tuple[dict[str, Any], Tensor]]
    path: Path | None = None


@dataclass(frozen=True)
class Glimpse:
    """The last seconds of a session. All of it is immutable, so that the rest can be done on another thread.

    names: of what was to be seen, the real game or the lead of a lockstep first. moments: oldest first, each the one
    after the other, the last one the flagged. seen: of each, what was beside the dream, (3, H, W) uint8; () where the
    dream was alone. truth: None where that was no real game. at: Unix time.
    """

    world: str
    world_hash: str
    mode: Real
    fps: float
    note: str
    names: tuple[str, ...]
    moments: tuple[Moment, ...]
    seen: tuple[Tensor, ...]
    truth: Truth | None
    alarms: tuple[tuple[str, str], ...]
    made_with: dict[str, Any]
    at: float

    @property
    def history(self) -> History:
        """The whole past of the flagged moment; its recording of interest begins with the first of ``moments``."""
        ticks = ticks_of(self.moments[-1].past)
        return History(self.world, self.world_hash, ticks, len(ticks) - len(self.moments), self.made_with)


def glimpse_of(session: Session, note: str = "", seconds: float = 10.0, alarms: Sequence[Told] = ()) -> Glimpse:
    """The last ``seconds`` of game time, as far as they are kept and lead to the present moment; never blocks.

    alarms: those that are on.
    """
    count = max(1, round(seconds * session.world.spec.fps))
    moments = alike(session.trail(count))
    mode = real_of(session.world_hash)
    seen: tuple[Tensor, ...] = ()
    if mode is True:
        seen = tuple(torch.from_numpy(moment.frame.image).permute(2, 0, 1) for moment in moments)
    elif mode:
        sight = session.world.sight  # type: ignore[attr-defined]
        seen = tuple(sight(moment.state)[0] for moment in moments)
    return Glimpse(
        world=session.name,
        world_hash=session.world_hash,
        mode=mode,
        fps=session.world.spec.fps,
        note=printable(note).strip()[:MAX_NOTE],
        names=("dream",) if not mode else ("real",) if mode is True else session.world.names,  # type: ignore[attr-defined]
        moments=moments,
        seen=seen,
        truth=truth_of(session.world, mode, moments) if mode else None,
        alarms=tuple((alarm.name, alarm.text) for alarm in alarms),
        made_with=made_here(),
        at=time.time(),
    )


def truth_of(world: WorldModel[Any], mode: Real, moments: Sequence[Moment]) -> Truth | None:
    """What the real game of a session in it, or beside it, can tell; None where what is beside the dream is a dream."""
    beside = mode is not True
    lead: Any = world.lead if beside else world  # type: ignore[attr-defined]
    if lead.spec.family != "real":
        return None
    states = [world.parts(moment.state)[0] if beside else moment.state for moment in moments]  # type: ignore[attr-defined]
    path: Path | None = getattr(lead, "path", None)
    if path is not None:
        return Truth(partial(recorded, path, [int(state.index[0]) for state in states]), path)
    games = [lead.env] if hasattr(lead, "env") else [seat.env for seat in getattr(lead, "seats", ())]
    names = list(getattr(lead, "object_names", ()))
    settings = {**games[0].env_settings(), "actions": list(lead.spec.actions.names), "objects": names} if games else {}
    return Truth(lambda: (settings, places_of(lead, states)))


def recorded(path: Path, frames: Sequence[int]) -> tuple[dict[str, Any], Tensor]:
    """Settings of an episode on disk, and the places (T, K, 3) float32 at its ``frames``. Raises EpisodeError."""
    episode = EpisodeFile(path)
    meta = {key: value for key, value in episode.header.meta.items() if key not in PER_EPISODE}
    return meta, episode.slice("objects", 0, len(episode) + 1)[list(frames)]


def places_of(lead: Any, states: Sequence[Any]) -> Tensor:
    """(T, K, 3) float32 of the objects in a game that can be put anywhere, by a copy of it; K = 0 for any other."""
    from models.envs.real_world import RealWorld

    if not isinstance(lead, RealWorld) or not lead.object_names:
        return torch.zeros(len(states), 0, 3)
    copy, rows = RealWorld(lead.env.game, lead.spec.height, lead.spec.context), []
    for state in states:
        copy.restore(state)
        rows.append(copy.places())
    return torch.stack(rows)
