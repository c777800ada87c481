"""A recorded past, played through tick by tick, as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import torch

from engine.batcher import Turn
from engine.history import Past, frame_digest
from engine.moment import Frame, Moment
from engine.session import Session


class PlaybackSummary(TypedDict):
    """What came of a playback, see ``Playback.summary``."""

    frames: int
    different: int
    complete: bool


class Playback:
    """The ticks of a history (the first one a start), and what came of those played so far.

    frames: played. different: of those, how many differ from the frames recorded; a tick whose digest is empty was
    recorded without one and is not compared.
    """

    def __init__(self, ticks: Sequence[Past]) -> None:
        if not ticks or ticks[0].action is not None:
            raise ValueError(f"playback: got {len(ticks)} ticks, expected at least one, and a start as the first")
        self._ticks = tuple(ticks)
        self._reached: Moment | None = None
        self.frames = self.different = 0

    @property
    def over(self) -> bool:
        return self.frames == len(self._ticks)

    def turn(self, session: Session, inspect: bool = False) -> Turn:
        """The next tick, with its settings and horizon put in force. Raises ValueError where the world lacks them."""
        tick = self._ticks[self.frames]
        session.horizon = tick.horizon
        session.adopt(tick.settings)
        if tick.action is None:
            return Turn(session, inspect=inspect, start=(tick.start, tick.seed))
        if tick.edit is not None:
            return Turn(session, inspect=inspect, edit=tick.edit)
        action = torch.tensor([tick.action], dtype=session.world.spec.actions.dtype)
        return Turn(session, inspect=inspect, move=session.given(action, tick.controller))

    def took(self, session: Session, frame: Frame) -> None:
        """The tick was made and showed ``frame``."""
        digest = self._ticks[self.frames].digest
        if digest and digest != frame_digest(frame.image, frame.reward, frame.terminated):
            self.different += 1
        self.frames += 1
        self._reached = session.moment

    def left(self, session: Session) -> bool:
        """Whether play stands elsewhere than where the last tick led to: the player went away from it."""
        return self._reached is not None and session.moment is not self._reached

    @property
    def summary(self) -> PlaybackSummary:
        """How many frames were played and how many differ; complete: whether those are all there are."""
        return {"frames": self.frames, "different": self.different, "complete": self.over}
