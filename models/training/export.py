"""`reverie export`: a training run becomes a world that can be played."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoint import Manifest, WorldFolder, write_world_folder
from models.data.env_meta import action_repeat, action_spec, fps
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.diamond.config import DiamondConfig, DiamondSettings
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.world import DiamondWorld
from models.nn.weights import load_weights
from models.policies.disk import POLICY, read_policy
from models.training.card import card
from models.training.checkpoint import read_checkpoint
from models.training.options import ExportOptions
from models.training.probe_cache import shipped_probe
from models.training.tools_card import tools_section
from models.types import ActionSpec, Context, WorldSpec
from models.world import Rng, WorldModel

START_FRAMES = 8
PREVIEW_STEPS = 75
GAME_SETTINGS = DiamondSettings(steps=4, s_churn=4.0, sample_events=False)
"""Live settings of exported worlds.

Full churn, for without it what the context does not decide (when a ball is served) never happens; the likeliest reward
and termination, so that rare false events do not end a game.
"""


def read_json(path: Path) -> dict[str, Any]:
    """run.json or record.json of a training run. Raises ValueError when it is missing or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path.parent}: got no finished call of a training run ({error}), "
            "expected a folder made by `reverie train`; "
            "a run that was killed is mended by running the same command again"
        ) from error


def averaged_weights(folder: Path, config: DiamondConfig) -> tuple[Denoiser, RewEndModel]:
    """The averaged weights of both parts. Raises ValueError when one was not trained."""
    denoiser = Denoiser(config.denoiser, config.num_actions)
    rew_end = RewEndModel(config.rew_end, config.num_actions, config.height, config.width)
    for name, module in (("denoiser", denoiser), ("rew_end", rew_end)):
        path = folder / name / "checkpoint.safetensors"
        if not path.exists():
            raise ValueError(
                f"{path}: got no checkpoint, expected both parts trained; run `reverie train` with --part {name}"
            )
        load_weights(module, read_checkpoint(path)[0]["ema"], str(path))
        module.eval().requires_grad_(False)
    return denoiser, rew_end


def choose_starts(episodes: list[EpisodeFile], count: int, frames: int, seed: int = 0) -> Context:
    """Real contexts from held-out episodes, seeded; where objects are labelled, those in which all are visible."""
    random = np.random.default_rng(seed)
    rows: list[tuple[Tensor, Tensor]] = []
    for attempt in range(count * 50):
        episode = episodes[attempt % len(episodes)]
        if len(episode) < frames:
            continue
        start = int(random.integers(0, len(episode) - frames + 1))
        visible = episode.slice("objects", start, start + frames)[..., 2]
        if not bool(visible.all()) and attempt < count * 40:
            continue
        rows.append(
            (episode.slice("frames", start, start + frames), episode.slice("actions", start, start + frames - 1))
        )
        if len(rows) == count:
            break
    if not rows:
        raise ValueError(f"starts: got no held-out episode of {frames} steps, expected at least one; collect more")
    return Context(torch.stack([f for f, _ in rows]), torch.stack([a for _, a in rows]))


def preview(world: WorldModel[Any], starts: Context, steps: int = PREVIEW_STEPS, scale: int = 2) -> bytes:
    """A GIF of the world dreaming under sticky random actions, four starts side by side."""
    from PIL import Image

    rows = min(4, len(starts.frames))
    rng = Rng.seeded(range(rows))
    state = world.initial(Context(starts.frames[:rows], starts.actions[:rows]), rng)
    picture, action = [], random_actions(world.spec.actions, rng)
    for step in range(steps):
        if step % 6 == 0:
            action = random_actions(world.spec.actions, rng)
        state, prediction = world.step(state, action, rng)
        strip = torch.cat(list(prediction.frame.cpu()), dim=-1).permute(1, 2, 0).numpy()
        picture.append(Image.fromarray(strip.repeat(scale, 0).repeat(scale, 1)))
    out = io.BytesIO()
    picture[0].save(out, "GIF", save_all=True, append_images=picture[1:], duration=round(1000 / world.spec.fps), loop=0)
    return out.getvalue()


def random_actions(spec: ActionSpec, rng: Rng) -> Tensor:
    """An even draw a row: indices (B,), or components (B, n) within their bounds."""
    if spec.kind == "discrete":
        return rng.integers(spec.size)
    low, high = torch.tensor(spec.low), torch.tensor(spec.high)
    return low + rng.uniform(spec.size) * (high - low)


def export(options: ExportOptions) -> int:
    """Write the world folder, or the policy into one. Returns 0."""
    run = read_json(options.run_folder / "run.json")
    record = read_json(options.run_folder / "record.json")
    kind = (run.get("family"), run.get("part"))
    if kind == ("policy", None):
        from models.training.policy_export import export_policy

        print(export_policy(options, run, record))
        return 0
    if kind == ("dreamer", "agent"):
        from models.training.agent_export import export_agent

        if options.dream:
            from models.training.dreamer_run import export_world as export_dream

            export_dream(options, run, record)
        print(export_agent(options, run, record))
        return 0
    if kind == ("dreamer", None):
        from models.training.dreamer_run import export_world as export_dream

        folder = export_dream(options, run, record)
    else:
        folder = export_world(options)
    print(
        f"{folder.path}: {folder.name}; `reverie eval {folder.path}` measures it, `reverie atlas {folder.path}` maps "
        f"it, `reverie play {folder.path}` plays it"
    )
    return 0


def kept_agent(world: Path, spec: WorldSpec) -> Path | None:
    """The agent of the world that is replaced, where it can play the new one too: it knows frames, not weights."""
    path = world / POLICY
    try:
        read_policy(path).policy.check(spec)
    except ValueError:
        return None
    return path


def export_world(options: ExportOptions) -> WorldFolder:
    run, record = read_json(options.run_folder / "run.json"), read_json(options.run_folder / "record.json")
    config = DiamondConfig.from_dict(run["config"])
    denoiser, rew_end = averaged_weights(options.run_folder, config)
    env = run["env"]
    spec = WorldSpec(
        name=options.out.name,
        family=run["family"],
        height=config.height,
        width=config.width,
        actions=action_spec(env),
        context=config.denoiser.context,
        fps=fps(env),
        action_repeat=action_repeat(env),
        termination="the game is over",
    )
    world = DiamondWorld(spec, denoiser, rew_end, GAME_SETTINGS)
    store = EpisodeStore(options.data or Path("data") / env["game"])
    starts = choose_starts(store.episodes("heldout"), options.starts, START_FRAMES)
    provenance = {"env": env, "preset": run["preset"], "seed": run["seed"], **record}
    manifest = Manifest(run["family"], config.to_dict(), asdict(GAME_SETTINGS), spec, provenance)
    agent = kept_agent(options.out, spec)
    objects = tuple(env.get("objects", ()))
    text = card(manifest, read_policy(agent) if agent else None, tools_section(objects))
    extras = {"README.md": text.encode(), "preview.gif": preview(world, starts)} | shipped_probe(store, objects)
    if agent:
        extras[POLICY] = agent.read_bytes()
    return write_world_folder(options.out, manifest, world.weights(), starts, extras)
