"""Folders of tiny RSSM worlds, for what a page shows of their inside and of continuous actions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from models.checkpoint import Manifest, write_world_folder
from models.types import ActionSpec
from tests.tiny_rssm import DRIVE, tiny_rssm_world
from tests.tiny_worlds import random_starts

PONG = ActionSpec(("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"))


def write_rssm(path: Path, actions: ActionSpec = PONG, **env: Any) -> None:
    """A world folder of noise that never ends, of 64 x 64 pixels; env: the game it was learned from."""
    world = tiny_rssm_world("v3", actions, size=64)
    with torch.no_grad():
        for parameter in world.model.con.parameters():
            parameter.zero_()
        next(p for name, p in world.model.con.named_parameters() if name.endswith("bias") and p.numel() == 1).fill_(9)
    values: dict[str, Any] = {"family": "rssm", "config": world.model.config.to_dict()}
    values |= {"settings": asdict(world.settings), "spec": world.spec, "provenance": {"env": env}}
    starts = random_starts(world.spec, 3)
    write_world_folder(path, Manifest(**values), world.weights(), starts, {"README.md": b"# " + path.name.encode()})


def write_all(folder: Path) -> None:
    """rssm, which can be told what the real Pong does, and car_racing, whose actions are continuous."""
    write_rssm(folder / "rssm", env="atari", game="pong")
    write_rssm(folder / "car_racing", DRIVE)
