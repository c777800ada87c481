"""What can be changed of an RSSM world while it is played."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from models.nn.precision import PRECISIONS

HOTTEST = 2.0
LOUDEST = 0.5
"""Most context noise."""
FINEST, COARSEST = 1e-6, 1e6
"""Bounds of reward_unit, within which rounding in float32 gives numbers."""


@dataclass(frozen=True)
class RssmSettings:
    """temperature: of the prior, 0 .. 2; 0 takes the likeliest latent, 1 draws as learned, more is wilder.

    sample_events draws the end of an episode instead of ending where it is the likelier. Expected rewards are rounded
    to multiples of reward_unit: 1 suits a game whose rewards are whole numbers, so that nothing is paid for small
    doubts. context_noise: the deviation of the noise that is added to deter before every step, in units of the
    deviation of deter's own numbers; what it changes is remembered.
    """

    temperature: float = 1.0
    sample_events: bool = False
    reward_unit: float = 0.01
    precision: str = "auto"
    context_noise: float = field(default=0.0, metadata={"low": 0.0, "high": LOUDEST})

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= HOTTEST:
            raise ValueError(f"temperature: got {self.temperature}, expected 0 to {HOTTEST}")
        if not FINEST <= self.reward_unit <= COARSEST:
            raise ValueError(f"reward_unit: got {self.reward_unit}, expected {FINEST} to {COARSEST}")
        if not 0 <= self.context_noise <= LOUDEST:
            raise ValueError(f"context_noise: got {self.context_noise}, expected 0 to {LOUDEST}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: got {self.precision!r}, expected one of {PRECISIONS}")

    def changed(self, changes: dict[str, Any]) -> RssmSettings:
        """With some settings changed. Raises ValueError on an unknown name or a bad value."""
        names = [entry.name for entry in fields(self)]
        if unknown := sorted(set(changes) - set(names)):
            raise ValueError(f"settings: got unknown {unknown}, expected some of {names}")
        return replace(self, **changes)
