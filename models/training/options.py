"""Options of the long-running commands, as plain dataclasses: importing them costs nothing, running them loads the
rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class CollectOptions:
    """Play a real game and store the episodes."""

    game: Annotated[str, tyro.conf.Positional]
    """Any of ale-py's games: pong, space_invaders, ..."""
    steps: int = 100_000
    """Preprocessed steps to have in the store in the end, counting those already there."""
    out: Path | None = None
    """The store's folder; data/GAME by default."""
    policy: Literal["mixed", "random", "sticky", "expert"] = "mixed"
    """Who plays: experts read the console's memory and make mistakes on purpose."""
    workers: int = 2
    """Environments side by side, a process each."""
    seed: int = 0
    size: int = 64
    """Height and width of the stored frames."""

    def run(self) -> int:
        from models.training.collect import collect

        return collect(self)


@dataclass(frozen=True)
class TrainOptions:
    """Train a world model, or a policy that plays, on stored episodes. Run it again to go on from the last checkpoint.

    A policy clones the game's expert from pixels.
    """

    family: Annotated[Literal["diamond", "policy"], tyro.conf.Positional]
    data: Path
    """The store's folder, as written by `reverie collect`."""
    out: Path | None = None
    """The run's folder; runs/FAMILY-GAME by default."""
    preset: str = "small"
    init: Path | None = None
    """A run to begin from: its averaged weights, where this run has no checkpoint of its own yet."""
    part: Literal["all", "denoiser", "rew_end"] = "all"
    """What to train; all is the denoiser, then the model of reward and termination."""
    max_minutes: float = 60.0
    """Wall time of this call, all parts together."""
    steps: int | None = None
    """Optimiser steps in all; the preset's by default."""
    batch: int | None = None
    lr: float | None = None
    threads: int = 0
    """CPU threads; 0 leaves PyTorch's own choice."""
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    """Compile the network first (a minute or two, needs a C++ compiler): about 1.4 times as fast on a CPU."""
    seed: int = 0
    validate_every: int = 1000
    checkpoint_minutes: float = 5.0

    def run(self) -> int:
        if self.family == "policy":
            from models.training.cloning_run import train_policy

            return train_policy(self)
        from models.training.train import train

        return train(self)


@dataclass(frozen=True)
class ExportOptions:
    """Make a world that can be played out of a training run, or put a trained policy into one."""

    run_folder: Annotated[Path, tyro.conf.Positional]
    out: Annotated[Path, tyro.conf.Positional]
    """The world's folder; its last part is the world's name."""
    data: Path | None = None
    """The store whose held-out episodes give the starts; data/GAME by default."""
    starts: int = 16
    """How many real starts from held-out episodes to ship with it."""
    games: int = 20
    """Real games that a policy is measured on (policies only)."""

    def run(self) -> int:
        from models.training.export import export

        return export(self)


@dataclass(frozen=True)
class EvalOptions:
    """Measure a world on held-out episodes and store the numbers in its world.json."""

    world: Annotated[str, tyro.conf.Positional]
    data: Path | None = None
    """The store whose held-out episodes to use; data/GAME by default."""
    segments: int = 64
    """Held-out segments, and cloned emulator states, to measure on."""
    seed: int = 0
    save: bool = True
    """Store the numbers in world.json."""

    def run(self) -> int:
        from models.training.evaluate import evaluate

        return evaluate(self)
