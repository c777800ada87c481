"""What a recorded environment's settings, as stored in every episode and in a world's provenance, say of its play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.types import ActionSpec

EMULATOR_HZ = 60
"""Frames a second of the environments that store no pace of their own: Atari's."""


def action_spec(env: Mapping[str, Any]) -> ActionSpec:
    """The actions: named indices, or components with bounds."""
    names, kind = tuple(env["actions"]), env.get("action_kind", "discrete")
    if kind == "discrete":
        return ActionSpec(names)
    return ActionSpec(names, kind, tuple(env["action_low"]), tuple(env["action_high"]))


def action_repeat(env: Mapping[str, Any]) -> int:
    """Frames of the game that each action is held for."""
    return int(env["frame_skip"])


def fps(env: Mapping[str, Any]) -> float:
    """Steps a second at the speed of the game."""
    return float(env.get("fps", EMULATOR_HZ / env["frame_skip"]))
