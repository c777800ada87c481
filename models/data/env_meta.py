"""What a recorded environment's settings, as stored in every episode and in a world's provenance, say of its play."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.types import ActionSpec

EMULATOR_HZ = 60
"""Frames a second of the environments that store no pace of their own: Atari's."""

FLAGGED, DREAMED = "flagged", "dreamed"
"""The policy of an episode around a flagged glitch: real frames, or a world's dream. FLAGGED is in the meta of both."""
PER_EPISODE = ("seed", "policy", FLAGGED)
"""What of an episode's meta is its own; all else is the environment's, and the same in all episodes of a store."""


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
