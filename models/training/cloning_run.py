"""`reverie train policy`: from a store of episodes to a run folder with a trained policy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.data.store import EpisodeStore
from models.files import write_atomic
from models.nn.precision import arithmetic
from models.policies.pixels import PixelConfig
from models.training.cloning import TRAIN, CloneTask, policy_config
from models.training.diamond import episode_settings
from models.training.loop import Loop, Outcome, TrainConfig
from models.training.options import TrainOptions
from models.training.run_folder import check_run, hardware, prepare
from models.training.stop import StopFlag
from models.training.teachers import TEACHERS

FAMILY = "policy"
PART = "policy"


def train_config(options: TrainOptions) -> TrainConfig:
    """The preset's training, with the options that were given."""
    given: dict[str, Any] = {"steps": options.steps, "batch": options.batch, "lr": options.lr}
    return replace(TRAIN[options.preset], **{key: value for key, value in given.items() if value is not None})


def open_run(folder: Path, options: TrainOptions, store: EpisodeStore) -> PixelConfig:
    """Create a run's folder, or check that an existing one is of the same kind. Returns its configuration."""
    config = policy_config(store, options.preset)
    run: dict[str, Any] = {"format": 1, "family": FAMILY, "preset": options.preset, "seed": options.seed}
    check_run(folder, run | {"config": config.to_dict(), "env": episode_settings(store)})
    return config


def train_policy(options: TrainOptions) -> int:
    """Train within the time box; run again to go on. Returns 0, or 130 after Ctrl-C."""
    if options.init is not None or options.part != "all":
        raise ValueError("train policy: got --init or --part, expected neither: a policy is one network, trained once")
    device, store = prepare(options), EpisodeStore(options.stored)
    folder = options.out or Path("runs") / f"{FAMILY}-{episode_settings(store)['game']}"
    config, training = open_run(folder, options, store), train_config(options)
    task = CloneTask(config, store, training.batch, options.seed, device)
    loop = Loop(
        task,
        training,
        folder / PART,
        autocast=arithmetic(options.precision, device),
        validate_every=options.validate_every,
        checkpoint_seconds=options.checkpoint_minutes * 60,
    )
    if options.compile:
        task.network.compile()
    with StopFlag() as stop:
        outcome = loop.run(options.max_minutes * 60, stop)
    record(folder, task, outcome, training, hardware(device))
    if outcome.interrupted:
        print(f"stopped at step {outcome.step}; run the same command again to go on")
        return 130
    print(f"{folder}: trained; `reverie export {folder} assets/worlds/NAME` puts the policy into that world")
    return 0


def record(folder: Path, task: CloneTask, outcome: Outcome, config: TrainConfig, machine: str) -> None:
    """Keep what was done in the run's folder, for the policy's provenance."""
    lessons = task.lessons
    game = lessons.episodes[0].header.meta["game"]
    known = {
        "labels": "a scripted player's, from the stored places of the objects" if game in TEACHERS else "as played",
        "episodes": len(lessons.episodes),
        "frames": sum(lessons.lengths),
        "steps": outcome.step,
        "batch": config.batch,
        "lr": config.lr,
        "minutes": round(outcome.seconds / 60, 1),
        "hardware": machine,
    }
    write_atomic(folder / "record.json", json.dumps(known, indent=1))
