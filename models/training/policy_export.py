"""`reverie export` of a policy: measured on held-out episodes and in the real game, then put beside a world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.checkpoint import open_world_folder
from models.data.store import EpisodeStore
from models.nn.weights import load_weights
from models.policies.disk import POLICY, write_policy
from models.policies.pixels import PixelConfig, PixelNet, PixelPolicy
from models.training.card import write_card
from models.training.checkpoint import read_checkpoint
from models.training.cloning import ROWS, Lessons, expert_episodes
from models.training.options import ExportOptions
from models.training.real_games import play_games, player_gamer, policy_gamer, teacher_gamer
from models.training.teachers import TEACHERS


def export_policy(options: ExportOptions, run: dict[str, Any], record: dict[str, Any]) -> str:
    """Measure the policy of a run and write it into an existing world's folder; returns what came of it in a line.

    Its numbers go into its file and into the world's card.

    Raises ValueError when nothing was trained, WorldError when there is no world, either when they do not fit.
    """
    if options.games < 1:
        raise ValueError(f"games: got {options.games}, expected at least 1")
    folder = open_world_folder(options.out)
    network = averaged_network(options.run_folder, PixelConfig.from_dict(run["config"]))
    policy = PixelPolicy(network).check(folder.manifest.spec)
    env = run["env"]
    store = EpisodeStore(options.data or Path("data") / env["game"])
    quality = {"agreement": agreement(policy, store)}
    if env.get("env") == "atari":
        quality["real_game"] = measure_games(policy, env, options.games)
    write_policy(folder.path / POLICY, policy, {"preset": run["preset"], "seed": run["seed"], **record}, quality)
    write_card(folder)
    said = ", ".join(f"{name} {row['mean']:+.1f}" for name, row in quality.get("real_game", {}).items())
    return f"{folder.path}: has an agent; return in the real game: {said or 'not measured'}"


def averaged_network(run_folder: Path, config: PixelConfig) -> PixelNet:
    """The averaged weights of a run. Raises ValueError when it was not trained."""
    path = run_folder / "policy" / "checkpoint.safetensors"
    if not path.exists():
        raise ValueError(f"{path}: got no checkpoint, expected a trained policy; run `reverie train policy` first")
    network = PixelNet(config)
    load_weights(network, read_checkpoint(path)[0]["ema"], str(path))
    return network


def agreement(policy: PixelPolicy, store: EpisodeStore, every: int = 4) -> dict[str, Any]:
    """How often the policy does what the expert would, on each fourth frame of the held-out expert episodes.

    most_common: the same of always doing the expert's most common action.
    """
    lessons = Lessons(expert_episodes(store, "heldout"), policy.config.frames)
    steps = [(e, t) for e, length in enumerate(lessons.lengths) for t in range(0, length, every)]
    same, labels = [], []
    for start in range(0, len(steps), ROWS):
        part = lessons.at(steps[start : start + ROWS])
        with torch.no_grad():
            same.append(policy.network(part.frames, part.last).argmax(-1) == part.labels)
        labels.append(part.labels)
    label = torch.cat(labels)
    common = torch.bincount(label).max() / len(label)
    share = torch.cat(same).float().mean()
    counts = {"frames": len(label), "episodes": len(lessons.episodes)}
    return {"share": round(float(share), 4), "most_common": round(float(common), 4), **counts}


def measure_games(policy: PixelPolicy, env: dict[str, Any], games: int) -> dict[str, Any]:
    """Returns of the agent in the real game beside its teacher, the expert that played the episodes, and chance."""
    gamers = {"agent": policy_gamer(policy)}
    if env["game"] in TEACHERS:
        gamers["teacher"] = teacher_gamer(TEACHERS[env["game"]])
    gamers |= {kind: player_gamer(kind) for kind in ("expert", "random")}
    columns = (TextColumn("real games"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=games * len(gamers))
        return play_games(env["game"], env["size"], gamers, games, lambda: progress.advance(task))
