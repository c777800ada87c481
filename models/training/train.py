"""`reverie train`: from a store of episodes to a run folder, in as many calls as it takes."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.data.env_meta import action_spec
from models.data.store import EpisodeStore
from models.diamond.config import PRESETS, DiamondConfig
from models.files import write_atomic
from models.nn.precision import arithmetic
from models.training import diamond
from models.training.loop import Loop, TrainConfig
from models.training.options import TrainOptions
from models.training.run_folder import check_run, hardware, prepare
from models.training.stop import StopFlag

SHARE = {"denoiser": 0.85, "rew_end": 0.15}
"""How a call's time box is divided when all parts are trained."""
TASKS: dict[str, type[diamond.DenoiserTask] | type[diamond.RewEndTask]] = {
    "denoiser": diamond.DenoiserTask,
    "rew_end": diamond.RewEndTask,
}


def train_config(options: TrainOptions, part: str) -> TrainConfig:
    """The preset's training of a part, with the options that were given."""
    base = diamond.TRAIN[options.preset, part]
    return replace(
        base,
        steps=base.steps if options.steps is None else options.steps,
        batch=base.batch if options.batch is None else options.batch,
        lr=base.lr if options.lr is None else options.lr,
    )


def open_run(folder: Path, options: TrainOptions, store: EpisodeStore) -> DiamondConfig:
    """Create a run's folder, or check that an existing one is of the same kind. Returns its configuration."""
    settings = diamond.episode_settings(store)
    if options.preset not in PRESETS:
        raise ValueError(f"preset: got {options.preset!r}, expected one of {sorted(PRESETS)}")
    if action_spec(settings).kind != "discrete":
        raise ValueError(f"{store.folder}: got continuous actions, which diamond cannot learn; train dreamer instead")
    config = replace(
        PRESETS[options.preset](len(settings["actions"])), height=settings["height"], width=settings["width"]
    )
    run: dict[str, Any] = {"format": 1, "family": options.family, "preset": options.preset, "seed": options.seed}
    run |= {"config": config.to_dict(), "env": settings}
    check_run(folder, run)
    return config


def train(options: TrainOptions) -> int:
    """Train all or one part within the time box. Returns 0, or 130 after Ctrl-C."""
    device = prepare(options)
    store = EpisodeStore(options.stored)
    folder = options.out or Path("runs") / f"{options.family}-{diamond.episode_settings(store)['game']}"
    config = open_run(folder, options, store)
    autocast = arithmetic(options.precision, device)
    if options.part not in ("all", *TASKS):
        raise ValueError(f"part: got {options.part!r}, expected all or one of {', '.join(TASKS)} for this family")
    parts: list[str] = list(TASKS) if options.part == "all" else [options.part]
    if options.init:
        take_over(folder, options.init, parts)
    deadline = time.monotonic() + options.max_minutes * 60
    with StopFlag() as stop:
        for part in parts:
            training = train_config(options, part)
            task = TASKS[part](config, store, training.batch, options.seed, device)
            loop = Loop(
                task,
                training,
                folder / part,
                autocast=autocast,
                validate_every=options.validate_every,
                checkpoint_seconds=options.checkpoint_minutes * 60,
            )
            if options.init and loop.step == 0:
                loop.begin_from(options.init / part / "checkpoint.safetensors")
            if options.compile:
                task.network.compile()
            left = deadline - time.monotonic()
            share = SHARE[part] / sum(SHARE[rest] for rest in parts[parts.index(part) :])
            outcome = loop.run(left * share, stop)
            record(folder, part, outcome.step, outcome.seconds, training, hardware(device), diamond.data_summary(store))
            if outcome.interrupted:
                print(f"stopped at step {outcome.step} of {part}; run the same command again to go on")
                return 130
    print(f"{folder}: trained; `reverie export {folder} assets/worlds/NAME` makes a world of it")
    return 0


def take_over(folder: Path, init: Path, parts: list[str]) -> None:
    """What a later stage keeps of the run before it: its record, and the parts that are not trained again."""
    try:
        before = json.loads((init / "record.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"--init: got {init} ({error}), expected a run made by `reverie train`") from error
    known = json.loads((folder / "record.json").read_text()) if (folder / "record.json").exists() else {}
    for part in TASKS:
        source, target = (run / part / "checkpoint.safetensors" for run in (init, folder))
        if part not in parts and source.exists() and not target.exists():
            write_atomic(target, source.read_bytes())
            known[part] = before.get(part)
    write_atomic(folder / "record.json", json.dumps({**known, "stage_before": before}, indent=1))


def record(
    folder: Path, part: str, step: int, seconds: float, config: TrainConfig, machine: str, data: dict[str, Any]
) -> None:
    """Keep what was done in the run's folder, for the world's provenance."""
    path = folder / "record.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    samples = step * config.batch * config.accumulate
    known[part] = {
        "steps": step,
        "samples": samples,
        "batch": config.batch,
        "lr": config.lr,
        "minutes": round(seconds / 60, 1),
    }
    known["hardware"], known["data"] = machine, data
    write_atomic(path, json.dumps(known, indent=1))
