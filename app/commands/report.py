"""``reverie report``: where a world errs, as one HTML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from app.commands.arguments import MaybeFile, World


@dataclass(frozen=True)
class Report:
    """Measure a world on held-out episodes and write where it errs as one HTML file, alone or beside other worlds.

    Measures with intervals over episodes, drift, the worst moments as clips, rewards and ends, actions, named faults,
    speed. Held-out episodes that lack are played first, into data/GAME-heldout.
    """

    world: World = None
    """A world's name or folder; Pong by default."""
    against: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[WORLD ...]", help_behavior_hint="")] = ()
    """Other worlds of the same game, measured on the same episodes."""
    out: MaybeFile = None
    """The file to write; report-WORLD.html by default."""
    episodes: int = 50
    """Held-out episodes to look through."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER", help_behavior_hint="")] = None
    """The store whose held-out episodes to use; data/GAME by default."""
    seed: int = 0

    def run(self) -> int:
        from engine.loading import DEFAULT_WORLD
        from models.study.report import write_report

        return write_report([self.world or DEFAULT_WORLD, *self.against], self.out, self.episodes, self.data, self.seed)
