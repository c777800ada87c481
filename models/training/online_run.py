"""`reverie train dreamer --env`: an agent that learns in real environments, in as many calls as it takes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from models.envs.adapter import make_env
from models.envs.vector_batch import ProcessEnvs, Rows, SerialEnvs
from models.files import write_atomic
from models.nn.precision import arithmetic
from models.rssm.config import RssmConfig
from models.training.agent_eval import Evaluation
from models.training.env_rows import EnvRows, env_settings, env_space
from models.training.online import OnlineTraining
from models.training.options import TrainOptions
from models.training.presets import OnlineConfig, Preset, preset_of
from models.training.run_folder import check_run, hardware, prepare
from models.training.stop import StopFlag

FAMILY = "dreamer"
PART = "agent"
SEEDS, BEYOND = 1_000_003, 10_000_000
"""Episodes of a run have seeds from its own seed times SEEDS on, all of them BEYOND those of evaluations."""


def seed_of(seed: int, episode: int) -> int:
    """The environment's seed of a run's episode."""
    return BEYOND + (seed * SEEDS + episode) % 2**30


def online_config(options: TrainOptions, preset: Preset) -> OnlineConfig:
    """The preset's training, with the options that were given."""
    given: dict[str, Any] = {"steps": options.steps, "batch": options.batch}
    given |= {"envs": options.envs, "ratio": options.ratio, "eval_every": options.eval_every}
    return replace(preset[1], **{key: value for key, value in given.items() if value is not None})


def train_agent(options: TrainOptions) -> int:
    """Train within the time box; run again to go on. Returns 0, or 130 after Ctrl-C."""
    if options.env is None or options.data is not None or options.init is not None or options.part != "all":
        raise ValueError("train dreamer --env: got --data, --init or --part, expected none of them")
    device = prepare(options)
    first = make_env(options.env)
    observes = first.observes
    first.close()
    name, preset = preset_of(options.preset, observes)
    online = online_config(options, preset)
    envs = make_rows(options.env, online)
    evaluation = Evaluation(envs.game, online.size, online.eval_episodes)
    try:
        published = preset[0](env_space(envs))
        if options.entropy is not None:
            behaviour = replace(published.behaviour, entropy=options.entropy)
            published = replace(published, behaviour=behaviour)
        config = with_rate(published, options.lr)
        folder = options.out or Path("runs") / f"{FAMILY}-{envs.game}"
        open_run(folder, options.seed, name, published, online, env_settings(envs))
        rows = EnvRows(envs, lambda episode: seed_of(options.seed, episode))
        with StopFlag() as stop:
            evaluation.stopped = stop.is_set
            training = OnlineTraining(
                config,
                online,
                rows,
                folder / PART,
                seed=options.seed,
                device=device,
                autocast=arithmetic(options.precision, device),
                evaluate=evaluation,
                checkpoint_seconds=options.checkpoint_minutes * 60,
            )
            if options.compile:
                for part in (training.agent.enc, training.agent.dec):
                    part.compile()
            stopped = training.run(options.max_minutes * 60, stop)
    finally:
        envs.close()
        evaluation.close()
    record(folder, training, hardware(device))
    if stopped:
        print(f"stopped at step {training.step}; run the same command again to go on")
        return 130
    print(f"{folder}: trained; `reverie export {folder} assets/agents/NAME` makes an agent of it and measures it")
    return 0


def with_rate(config: RssmConfig, lr: float | None) -> RssmConfig:
    """With another learning rate of the world model (V3: of everything). Raises ValueError where it is no rate."""
    if lr is None:
        return config
    if not 0 < lr < math.inf:
        raise ValueError(f"lr: got {lr}, expected more than 0")
    return replace(config, optimizer=replace(config.optimizer, lr=lr))


def make_rows(game: str, online: OnlineConfig) -> Rows:
    """The environments of a training: in this process, or where they are many in processes of their own."""
    return (ProcessEnvs if online.processes else SerialEnvs)(game, online.envs, online.size)


def open_run(
    folder: Path, seed: int, preset: str, config: RssmConfig, online: OnlineConfig, settings: dict[str, Any]
) -> None:
    """Create a run's folder, or check that an existing one is the same run.

    ``config`` is the preset's: a later call may have other steps and another learning rate.
    """
    training = {key: value for key, value in asdict(online).items() if key not in ("steps", "eval_every")}
    run: dict[str, Any] = {"format": 1, "family": FAMILY, "part": PART, "preset": preset, "seed": seed}
    check_run(folder, run | {"config": config.to_dict(), "online": training, "env": settings})


def record(folder: Path, training: OnlineTraining, machine: str) -> None:
    """Keep what was done in the run's folder, for the agent's provenance."""
    known = {
        "steps": training.step,
        "updates": training.updates,
        "episodes": training.episodes,
        "minutes": round(training.seconds / 60, 1),
        "batch": training.online.batch,
        "length": training.online.length,
        "ratio": training.online.ratio,
        "lr": training.config.optimizer.lr,
        "return_of_last_episodes": round(training.mean_return(), 2),
        "hardware": machine,
        "curve": training.curve,
    }
    write_atomic(folder / "record.json", json.dumps({PART: known, "hardware": machine}, indent=1))
