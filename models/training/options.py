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
    """Any of ale-py's games (pong, space_invaders, ...), car_racing, crafter, vizdoom_basic, dmc_walker_walk_vision."""
    steps: int = 100_000
    """Preprocessed steps to have in the store in the end, counting those already there."""
    out: Path | None = None
    """The store's folder; data/GAME by default."""
    policy: Literal["mixed", "random", "sticky", "expert"] = "mixed"
    """Who plays: experts look behind the picture (the console's memory, the car's place) and err on purpose."""
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
    """Train a world model, a policy or an agent. Run it again to go on from the last checkpoint.

    diamond: a world from stored episodes. policy: clones the game's expert from pixels. dreamer: a world from stored
    episodes with --data, or with --env an agent that plays a real environment and learns in its own dream of it.
    """

    family: Annotated[Literal["diamond", "policy", "dreamer"], tyro.conf.Positional]
    data: Path | None = None
    """The store's folder, as written by `reverie collect`."""
    env: str | None = None
    """A real environment to learn in (dreamer only): pong, vizdoom_basic, gym_Pendulum-v1, dmc_cartpole_swingup (@4
    after the name holds every action for four steps), ..."""
    out: Path | None = None
    """The run's folder; runs/FAMILY-GAME by default."""
    preset: str = "small"
    """dreamer --env: cpu_pixels, cpu_vector (small is the one that fits), or as published: atari100k, crafter,
    dmc_proprio, dmc_vision, atari57."""
    init: Path | None = None
    """A run to begin from: its averaged weights, where this run has no checkpoint of its own yet."""
    part: Literal["all", "denoiser", "rew_end", "agent"] = "all"
    """What to train. diamond: all is the denoiser, then the model of reward and termination. dreamer --data: agent is
    an actor and a critic that learn inside the world of the run --init, without playing the real game."""
    max_minutes: float = 60.0
    """Wall time of this call, all parts together."""
    steps: int | None = None
    """Optimiser steps in all, with --env the environment's steps; the preset's by default."""
    batch: int | None = None
    lr: float | None = None
    envs: int | None = None
    """Environments side by side (--env); the preset's by default."""
    ratio: float | None = None
    """Replayed steps for each step of the environment (--env); the preset's by default."""
    entropy: float | None = None
    """How much an agent is paid for trying things (--env); the preset's by default. Where what pays is rare and every
    attempt costs, 0.02 keeps it from giving up before the model has understood."""
    eval_every: int | None = None
    """Environment steps between evaluations (--env), 0 for none; the preset's by default."""
    threads: int = 0
    """CPU threads; 0 leaves PyTorch's own choice."""
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    """Compile the network first (a minute or two, needs a C++ compiler): about 1.4 times as fast on a CPU."""
    seed: int = 0
    validate_every: int = 1000
    checkpoint_minutes: float = 5.0

    @property
    def stored(self) -> Path:
        """The store's folder. Raises ValueError where none was named, or an environment as well."""
        if self.data is None or self.env is not None:
            raise ValueError(
                f"train {self.family}: got --data {self.data} and --env {self.env}, expected --data with the folder of "
                "stored episodes; `reverie collect` makes one, and only dreamer learns with --env"
            )
        return self.data

    def run(self) -> int:
        if self.family == "dreamer" and self.env is not None:
            from models.training.online_run import train_agent

            return train_agent(self)
        if self.family == "dreamer":
            from models.training.dreamer_run import train_world

            return train_world(self)
        if self.family == "policy":
            from models.training.cloning_run import train_policy

            return train_policy(self)
        from models.training.train import train

        return train(self)


@dataclass(frozen=True)
class ExportOptions:
    """Make a world that can be played out of a training run, or put a trained policy into one.

    An agent trained in a real environment goes into the folder of its world, or into one of its own.
    """

    run_folder: Annotated[Path, tyro.conf.Positional]
    out: Annotated[Path, tyro.conf.Positional]
    """The world's folder; its last part is the world's name."""
    data: Path | None = None
    """The store whose held-out episodes give the starts; data/GAME by default."""
    starts: int = 16
    """How many real starts from held-out episodes to ship with it."""
    games: int = 20
    """Real games that a policy or an agent is measured on (those only)."""
    best: bool = False
    """Agents: take the weights that an evaluation during training liked best, not the last ones."""
    dream: bool = False
    """Agents that see pictures: first make a world of the dream they learned in, its starts from --data, and put them
    there."""

    def run(self) -> int:
        from models.training.export import export

        return export(self)


@dataclass(frozen=True)
class EvalOptions:
    """Measure a world on held-out episodes and store the numbers in its world.json.

    The folder of an agent that has no world is measured in its real environment, beside chance.
    """

    world: Annotated[str, tyro.conf.Positional]
    data: Path | None = None
    """The store whose held-out episodes to use; data/GAME by default."""
    segments: int = 64
    """Held-out segments, and cloned emulator states, to measure on."""
    seed: int = 0
    games: int = 20
    """Real episodes (agents only)."""
    agent: bool = False
    """Measure the agent that lies in the world's folder, in place of the world."""
    save: bool = True
    """Store the numbers in world.json, an agent's in its policy.safetensors."""

    def run(self) -> int:
        from models.training.agents import agent_path

        path = agent_path(self)
        if path is not None:
            from models.training.agent_eval import evaluate_agent

            return evaluate_agent(path, self)
        from models.training.evaluate import evaluate

        return evaluate(self)


@dataclass(frozen=True)
class AtlasOptions:
    """Map where in a world's latent space real play lies, and write the map into the world's folder.

    The workbench shows by it where a dream goes, which real frames are nearest, and how far it has left real play. Make
    it anew when the world was trained on. Needs the stored episodes of the world's game.
    """

    world: Annotated[str, tyro.conf.Positional]
    data: Path | None = None
    """The store's folder, as written by `reverie collect`; data/GAME by default."""
    frames: int = 1024
    """Real moments on the map."""
    judged: int = 256
    """Held-out moments to measure the map on, which takes most of the time; 0 for none."""
    seed: int = 0

    def run(self) -> int:
        from models.study.atlas_command import make_atlas

        return make_atlas(self)
