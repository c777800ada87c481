"""`reverie train dreamer --data`: a world model of the RSSM family from stored episodes; and its export."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.checkpoint import Manifest, WorldFolder, write_world_folder
from models.data.env_meta import action_repeat, action_spec, fps
from models.data.store import EpisodeStore
from models.nn.precision import arithmetic
from models.nn.weights import load_weights
from models.policies.disk import POLICY, read_policy
from models.rssm.config import RssmConfig
from models.rssm.model import RssmModel
from models.rssm.world import RssmSettings, RssmWorld
from models.training import dreamer
from models.training.card import card
from models.training.checkpoint import read_checkpoint
from models.training.diamond import data_summary, episode_settings
from models.training.laprop import LaProp
from models.training.loop import Loop, TrainConfig
from models.training.options import ExportOptions, TrainOptions
from models.training.probe_cache import shipped_probe
from models.training.run_folder import check_run, hardware, prepare
from models.training.stop import StopFlag
from models.training.tools_card import tools_section
from models.types import WorldSpec

PART = "world"
CONTEXT = 8
"""Frames a start must bring: the posterior needs some to know what moves where."""
START_FRAMES = 12


def laprop(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """V3's optimiser; the loop warms its learning rate up."""
    return LaProp(model.parameters(), lr=config.lr, warmup=0)


def train_world(options: TrainOptions) -> int:
    """Train within the time box. Returns 0, or 130 after Ctrl-C."""
    if options.part == "agent":
        from models.training.dreaming import train_in_dream

        return train_in_dream(options)
    if options.data is None:
        raise ValueError("train: got neither --data nor --env, expected stored episodes or an environment")
    device = prepare(options)
    if options.preset not in dreamer.WORLDS:
        raise ValueError(f"preset: got {options.preset!r}, expected one of {sorted(dreamer.WORLDS)}")
    store = EpisodeStore(options.data)
    settings = episode_settings(store)
    spec = action_spec(settings)
    make, training = dreamer.WORLDS[options.preset]
    config = make(dreamer.space_for(spec, settings["height"], settings["width"]))
    folder = options.out or Path("runs") / f"dreamer-{settings['game']}"
    run: dict[str, Any] = {"format": 1, "family": "dreamer", "preset": options.preset, "seed": options.seed}
    check_run(folder, run | {"config": config.to_dict(), "env": settings})
    train = replace(
        training.train,
        steps=training.train.steps if options.steps is None else options.steps,
        batch=training.train.batch if options.batch is None else options.batch,
        lr=training.train.lr if options.lr is None else options.lr,
    )
    task = dreamer.WorldTask(config, spec, store, training, train.batch, options.seed, device)
    loop = Loop(
        task,
        train,
        folder / PART,
        autocast=arithmetic(options.precision, device),
        validate_every=options.validate_every,
        checkpoint_seconds=options.checkpoint_minutes * 60,
        optimizer=laprop if config.optimizer.kind == "laprop" else None,
    )
    if options.init and loop.step == 0:
        loop.begin_from(options.init / PART / "checkpoint.safetensors")
    if options.compile:
        dreamer.compile_images(task.model)
    with StopFlag() as stop:
        outcome = loop.run(options.max_minutes * 60, stop)
    from models.training.train import record

    record(folder, PART, outcome.step, outcome.seconds, train, hardware(device), data_summary(store))
    if outcome.interrupted:
        print(f"stopped at step {outcome.step}; run the same command again to go on")
        return 130
    print(f"{folder}: trained; `reverie export {folder} assets/worlds/NAME` makes a world of it")
    return 0


def settings_for(store: EpisodeStore) -> RssmSettings:
    """Live settings a world opens with: where a game pays whole numbers, so does its dream."""
    whole = all(
        bool((rewards == rewards.round()).all())
        for episode in store.episodes("train")
        for rewards in [episode.slice("rewards", 0, len(episode))]
    )
    return RssmSettings(reward_unit=1.0 if whole else 0.01)


def trained_world(
    folder: Path, run: dict[str, Any], name: str, settings: RssmSettings, best: bool = False
) -> RssmWorld:
    """The world of a run: its averaged weights, or the dream that an agent learned in.

    Raises ValueError when there is none, or none that shows pictures.
    """
    agent = run.get("part") == "agent"
    path = folder / ("agent" if agent else PART) / ("best.safetensors" if agent and best else "checkpoint.safetensors")
    if not path.exists():
        raise ValueError(f"{path}: got no checkpoint, expected a trained world; run `reverie train dreamer` first")
    config = RssmConfig.from_dict(run["config"])
    if not config.space.image or config.space.vectors:
        raise ValueError(f"{path}: got a dream of vectors, expected one of pictures alone: there is nothing to see")
    model, parts = RssmModel(config), read_checkpoint(path)[0]
    weights = parts["agent" if agent else "ema"]
    load_weights(model, {key: value for key, value in weights.items() if key in model.state_dict()}, str(path))
    return RssmWorld(world_spec(run["env"], config, name), model.eval().requires_grad_(False), settings)


def world_spec(env: dict[str, Any], config: RssmConfig, name: str) -> WorldSpec:
    """What a world of such an environment is."""
    height, width, _ = config.space.image
    return WorldSpec(
        name=name,
        family="rssm",
        height=height,
        width=width,
        actions=action_spec(env),
        context=CONTEXT,
        fps=fps(env),
        action_repeat=action_repeat(env),
        reward="the game's own",
        termination="the game is over",
    )


def export_world(options: ExportOptions, run: dict[str, Any], record: dict[str, Any]) -> WorldFolder:
    """Write a trained world's folder; an agent that lies there already stays where it fits."""
    from models.training.export import choose_starts, kept_agent, preview

    store = EpisodeStore(options.data or Path("data") / run["env"]["game"])
    world = trained_world(options.run_folder, run, options.out.name, settings_for(store), options.best)
    starts = choose_starts(store.episodes("heldout"), options.starts, START_FRAMES)
    provenance = {"env": run["env"], "preset": run["preset"], "seed": run["seed"], **record}
    manifest = Manifest("rssm", run["config"], asdict(world.settings), world.spec, provenance)
    agent = kept_agent(options.out, world.spec)
    objects = tuple(run["env"].get("objects", ()))
    text = card(manifest, read_policy(agent) if agent else None, tools_section(objects))
    extras = {"README.md": text.encode(), "preview.gif": preview(world, starts)} | shipped_probe(store, objects)
    if agent:
        extras[POLICY] = agent.read_bytes()
    return write_world_folder(options.out, manifest, world.weights(), starts, extras)
