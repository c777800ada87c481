"""Presets of `reverie train dreamer --env`: the agent, and how it is trained online.

The published ones are those of Dreamer V3's code (arXiv 2301.04104; Nature 2025), ready for a machine that can train
them: batches of 16 x 64, capacity 5e6 steps. What differs is said beside each. The cpu ones are for two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from models.rssm.config import RssmConfig, SpaceConfig, cpu, v3


@dataclass(frozen=True)
class OnlineConfig:
    """How an agent is trained in real environments.

    steps: environment steps in all, after the action repeat, restarts counted. ratio: replayed steps for each of them.
    size: height and width of the frames. processes: every environment has one of its own. begin: windows before the
    first update; 0 waits for as many as a batch has steps. eval_every: environment steps between evaluations of
    ``eval_episodes`` episodes, 0: none.
    """

    steps: int
    ratio: float
    envs: int = 1
    batch: int = 16
    length: int = 64
    capacity: int = 5_000_000
    size: int = 64
    processes: bool = False
    begin: int = 0
    eval_every: int = 0
    eval_episodes: int = 10

    def __post_init__(self) -> None:
        counts = (self.steps, self.envs, self.batch, self.length, self.capacity, self.size, self.eval_episodes)
        if min(counts) < 1 or min(self.begin, self.eval_every) < 0 or not self.ratio > 0:
            raise ValueError(f"training: got {self}, expected positive steps, ratio, envs, batch, length and capacity")


Preset = tuple[Callable[[SpaceConfig], RssmConfig], OnlineConfig]


def tiny(space: SpaceConfig) -> RssmConfig:
    """For tests: an update in milliseconds."""
    config = cpu(space, units=16, deter=32, classes=4, depth=2)
    return replace(config, behaviour=replace(config.behaviour, horizon=4))


def cpu_pixels_net(space: SpaceConfig) -> RssmConfig:
    """Fewer channels than ``cpu``, since convolutions are most of an update's time; what is small is learned early.

    Pictures weigh more than predictability and are seen as what differs from the mean one. With fast updates from few
    steps a policy is sure of itself before the model has seen much: ten times the published entropy keeps it trying.
    """
    config = cpu(space, depth=8)
    return replace(
        config,
        net=replace(config.net, centred=True),
        loss=replace(config.loss, dyn=0.1, rep=0.02),
        behaviour=replace(config.behaviour, entropy=3e-3),
    )


def cpu_vector_net(space: SpaceConfig) -> RssmConfig:
    """Small states suffice where a few numbers are observed."""
    config = cpu(space, units=64, deter=256, classes=8)
    behaviour, optimizer = replace(config.behaviour, imag_last=8), replace(config.optimizer, lr=4e-4)
    return replace(config, behaviour=behaviour, optimizer=optimizer)


PRESETS: dict[str, Preset] = {
    "atari100k": (lambda space: v3(space), OnlineConfig(110_000, 256.0)),
    "crafter": (lambda space: v3(space), OnlineConfig(1_100_000, 512.0)),
    "dmc_proprio": (lambda space: v3(space, "size1m"), OnlineConfig(1_100_000, 1024.0, envs=16, processes=True)),
    "dmc_vision": (lambda space: v3(space), OnlineConfig(1_100_000, 256.0, envs=16, processes=True)),
    "atari57": (lambda space: v3(space), OnlineConfig(51_000_000, 32.0, envs=16, processes=True)),
    "cpu_pixels": (
        cpu_pixels_net,
        OnlineConfig(400_000, 32.0, envs=4, batch=8, length=32, capacity=200_000, begin=4000, eval_every=20_000),
    ),
    "cpu_vector": (
        cpu_vector_net,
        OnlineConfig(400_000, 128.0, envs=4, batch=16, length=32, capacity=1_000_000, begin=2000, eval_every=10_000),
    ),
    "cpu_tiny": (tiny, OnlineConfig(200, 16.0, envs=2, batch=2, length=8, capacity=1000, size=16, begin=32)),
}
"""By name: the network for a space, and the training.

atari57 is published with grey frames of 96 x 96, sticky actions and the full action set; here games are played as in
atari100k. dmc_* are published without action repeat; here the environment's own counts.
"""
SMALL = {"image": "cpu_pixels", "vector": "cpu_vector"}
"""What the preset ``small`` means, by what the environment shows."""


def preset_of(name: str, observes: str) -> tuple[str, Preset]:
    """A preset and its full name. Raises ValueError with the names there are."""
    full = SMALL[observes] if name == "small" else name
    if full not in PRESETS:
        raise ValueError(f"preset: got {name!r}, expected one of {sorted(PRESETS)}, or small for a cpu one that fits")
    return full, PRESETS[full]
