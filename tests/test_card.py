"""The world card: written from world.json alone, with or without numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.checkpoint import Manifest
from models.training.card import card
from models.training.quality import quality_rows
from models.types import ActionSpec, WorldSpec

SPEC = WorldSpec("space_pong", "diamond", 64, 64, ActionSpec(("NOOP", "FIRE")), 4, 15.0, 4)
PROVENANCE = {
    "env": {"env": "atari", "game": "pong", "frame_skip": 4, "height": 64, "width": 64, "actions": ["NOOP", "FIRE"]},
    "preset": "small",
    "seed": 3,
    "denoiser": {"steps": 20000, "samples": 480000, "batch": 24, "lr": 0.001, "minutes": 130.5},
    "hardware": "2 threads of a 2-core CPU",
    "data": {"train_steps": 140082, "train_episodes": 53, "heldout_steps": 10391, "policies": {"expert": 45}},
}


def found(share: float | None, **more: Any) -> dict[str, Any]:
    base = {"share": share, "interval": None, "median_error": None, "frames": 12, "probe_share": 0.997}
    return {**base, **more}


QUALITY: dict[str, Any] = {
    "measured_on": {"settings": {"steps": 3}, "segments": 64, "seed": 0, "episodes": 5, "steps": 10391},
    "action_accuracy": {
        "accuracy": 0.9844,
        "interval": [0.97, 0.995],
        "hits": 378,
        "trials": 384,
        "chance": 1 / 3,
        "steps": 8,
        "states": 64,
        "first_response": {"accuracy": 0.9, "interval": None, "hits": 346, "trials": 384, "chance": 0.4},
    },
    "objects": {
        "steps": 15,
        "within_pixels": 3.0,
        "by_object": {
            "own paddle": found(1.0, interval=[1.0, 1.0], median_error=0.2),
            "ball": found(0.8, share_in_sight=0.85, frames_in_sight=10, median_error=0.61),
            "enemy paddle": found(None),
        },
    },
    "one_step": {
        "frames": 1100,
        "psnr": 45.31,
        "psnr_interval": [45.0, 45.6],
        "copy_psnr": 35.2,
        "moving_psnr": None,
        "moving_psnr_interval": None,
        "copy_moving_psnr": None,
        "ssim": 0.99731,
        "copy_ssim": 0.968,
    },
    "drift": {
        "segments": 64,
        "steps": {"1": {"psnr": 45.0, "moving_psnr": 27.0, "copy_psnr": 35.0, "copy_moving_psnr": 13.6}},
    },
    "events": {
        "population": 10316,
        "rows": 1400,
        "kinds": {
            "reward +1": {"precision": 0.5, "recall": 1.0, "f1": 0.667, "positives": 23, "every_steps": 430},
            "termination": {"precision": None, "recall": 0.0, "f1": None, "positives": 5, "every_steps": None},
        },
    },
    "free_dream": {
        "dreams": 16,
        "steps": 300,
        "player": "a player that follows the ball",
        "by_object": {
            "ball": {"share": 0.8, "real_share": 0.85, "longest_gap": 40, "real_longest_gap": 16, "vanished": 2}
        },
        "points": {"dream": {"won": 1, "lost": 2}, "real": {"won": 3, "lost": 4}},
    },
}


def manifest(**values: Any) -> Manifest:
    return Manifest("diamond", {}, {"steps": 3}, SPEC, **values)


def test_says_what_how_and_under_which_licence() -> None:
    """Bug: a card without its picture, its command or its licence."""
    text = card(manifest(provenance=PROVENANCE))
    for part in (
        "# Space pong",
        "![preview](preview.gif)",
        "reverie play space_pong",
        "MIT",
        "NOOP, FIRE",
        "game Pong",
    ):
        assert part in text
    for part in (
        "140082 steps",
        "45 expert",
        "20000 updates of 24",
        "learning rate 0.001",
        "130.5 minutes",
        "preset small",
    ):
        assert part in text


def test_unmeasured_world_says_so() -> None:
    """Bug: an empty table, or numbers of another world, where nothing was measured."""
    text = card(manifest())
    assert "Not measured yet; `reverie eval space_pong`" in text
    assert "| measure |" not in text
    assert "Not recorded." in text


def test_every_number_stands_beside_its_baseline() -> None:
    """Bug: a number without what it is to be compared with, or a missing one printed as None or nan."""
    text = card(manifest(quality=QUALITY, provenance=PROVENANCE))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 2 + len(quality_rows(QUALITY))
    assert all(line.count("|") == 5 for line in table)
    assert "None" not in text
    assert "nan" not in text
    for part in ("98.4 % [97.0 .. 99.5] | chance 33.3 %", "45.3 dB [45.0 .. 45.6] | copy-last 35.2 dB", "0.9973"):
        assert part in text
    assert "10391 steps with steps 3; 64 segments, seed 0" in text


@pytest.mark.parametrize("part", [key for key in QUALITY if key != "measured_on"])
def test_parts_that_were_not_measured_are_left_out(part: str) -> None:
    """Bug: a game without object labels cannot have a card."""
    rest = {key: value for key, value in QUALITY.items() if key != part}
    assert len(quality_rows(rest)) == len(quality_rows(QUALITY)) - len(quality_rows({part: QUALITY[part]}))
    assert card(manifest(quality=rest))


def test_survives_json() -> None:
    """Bug: a card that can only be written before world.json was stored and read again."""
    assert card(manifest(quality=json.loads(json.dumps(QUALITY)))) == card(manifest(quality=QUALITY))
