"""A world that is told at every step what the real game did: what it expects of the next frame, beside what comes."""

from __future__ import annotations

from typing import Any

from engine.lockstep import LockstepWorld
from engine.lockstep_state import parts_of as lockstep_parts
from models.world import Observing, WorldModel


def parts_of(state: Any) -> tuple[Any, Any]:
    """The world's state and the real game's, of a grounded one."""
    real, dream = lockstep_parts(state)
    return dream, real


class GroundedWorld(LockstepWorld):
    """The real game and a world that observes it, stepped together behind the same contract.

    A step plays the real game and tells the world the frame it led to. What is shown is the frame the world expected;
    reward and termination are the game's, by which an episode ends. Settings, views and edits are the world's.
    Raises ValueError where the world cannot observe, or the two differ in size or actions.
    """

    def __init__(self, dream: Observing[Any], real: WorldModel[Any]) -> None:
        super().__init__(real, [dream], told=True)

    @property
    def dream(self) -> WorldModel[Any]:
        return self.followers[0]

    @property
    def real(self) -> WorldModel[Any]:
        return self.lead

    def with_settings(self, **changes: Any) -> GroundedWorld:
        return GroundedWorld(self.dream.with_settings(**changes), self.real)  # type: ignore[arg-type]
