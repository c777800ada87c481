"""Tiny DIAMOND worlds with random weights, and folders of them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from models.checkpoint import Manifest, WorldFolder, write_world_folder
from models.diamond.config import DiamondConfig, DiamondSettings, tiny
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.world import DiamondWorld
from models.types import ActionSpec, Context, WorldSpec

ACTIONS = ("NOOP", "RIGHT", "LEFT")
SIZE = 16


def tiny_config(size: int = SIZE) -> DiamondConfig:
    return replace(tiny(len(ACTIONS)), height=size, width=size)


def randomise(model: nn.Module, seed: int = 0) -> None:
    """Random values for all parameters that start as zeros, else the networks would ignore their inputs."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * (0.5 if parameter.ndim < 2 else parameter[0].numel() ** -0.5))
        for buffer in model.buffers():
            buffer.copy_(torch.randn(buffer.shape, generator=generator))


def tiny_world(seed: int = 0, settings: DiamondSettings = DiamondSettings(precision="fp32")) -> DiamondWorld:
    config = tiny_config()
    spec = WorldSpec("tiny", "diamond", SIZE, SIZE, ActionSpec(ACTIONS), config.denoiser.context, fps=15.0)
    denoiser = Denoiser(config.denoiser, config.num_actions)
    rew_end = RewEndModel(config.rew_end, config.num_actions, SIZE, SIZE)
    for part in (denoiser, rew_end):
        randomise(part, seed)
        part.eval().requires_grad_(False)
    return DiamondWorld(spec, denoiser, rew_end, settings)


def endless(world: DiamondWorld) -> DiamondWorld:
    """The world with its events made such that it never ends and never rewards."""
    first, last = world.rew_end.head[0], world.rew_end.head[2]
    with torch.no_grad():
        first.weight.zero_()
        first.bias.fill_(5)
        last.weight.copy_(torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0])[:, None].expand_as(last.weight))
    return world


def random_starts(spec: WorldSpec, count: int, seed: int = 0) -> Context:
    """Contexts of noise, two frames longer than the world asks for."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, spec.context + 2, 3, spec.height, spec.width)
    frames = torch.randint(256, shape, generator=generator).to(torch.uint8)
    return Context(frames, random_actions(spec.actions, (count, shape[1] - 1), generator))


def random_actions(actions: ActionSpec, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """(*shape) int64, or (*shape, n) float32 within the bounds."""
    if actions.kind == "discrete":
        return torch.randint(actions.size, shape, generator=generator)
    low, high = torch.tensor(actions.low), torch.tensor(actions.high)
    return low + (high - low) * torch.rand(*shape, actions.size, generator=generator)


def write_tiny(path: Path, **changes: object) -> WorldFolder:
    """A world folder of the tiny world; changes replace values of its manifest."""
    world = tiny_world()
    values: dict = {"family": "diamond", "config": tiny_config().to_dict(), "settings": asdict(world.settings)}
    values |= {"spec": world.spec, "provenance": {"env": {"env": "counting", "game": "counting"}}} | changes
    starts = random_starts(world.spec, 3)
    return write_world_folder(path, Manifest(**values), world.weights(), starts, {"README.md": b"# Tiny\n"})
