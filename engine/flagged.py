"""The last seconds before a glitch as episodes: what was real where that was seen, else what was dreamed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.glimpse import Glimpse
from engine.moment import Moment
from engine.session import bare_hash
from models.data.env_meta import DREAMED, FLAGGED
from models.data.episode import Episode


def write_episodes(glimpse: Glimpse, folder: Path) -> tuple[str, ...]:
    """Write the episodes of a glimpse into a folder; their names. None of a single step: none are written.

    Raises OSError where they cannot be written.
    """
    names = []
    for number, episode in enumerate(episodes_of(glimpse)):
        name = f"episode-{number:03d}.safetensors"
        episode.write(folder / name)
        names.append(name)
    return tuple(names)


def episodes_of(glimpse: Glimpse) -> list[Episode]:
    """The episodes, oldest first. Rewards are those of the session: the real game's, or their signs."""
    truth, moments = glimpse.truth, glimpse.moments
    if truth is not None:
        frames, (env, places) = list(glimpse.seen), truth.read()
    else:
        frames = [torch.from_numpy(moment.frame.image).permute(2, 0, 1) for moment in moments]
        env = env_of(glimpse.world, glimpse.world_hash)
        places = torch.zeros(len(moments), len(env.get("objects", ())), 3)
    found = []
    for run in runs_of(moments, edits_show=truth is None):
        meta = {**env, "seed": moments[run[0]].past.seed, "policy": DREAMED if truth is None else FLAGGED}
        found.append(_episode([moments[k] for k in run], torch.stack([frames[k] for k in run]), places[run], meta))
    return found


def runs_of(moments: Sequence[Moment], edits_show: bool) -> list[list[int]]:
    """Indices of moments that followed each other by steps, in runs of at least one step.

    A run ends where a new start is, and where the world said it was over. An edit is no step: it is left out, or begins
    a run where it changed the frame (``edits_show``).
    """
    runs: list[list[int]] = [[]]
    for k, moment in enumerate(moments):
        changed = moment.past.edit is not None
        if changed and not edits_show and runs[-1]:
            continue
        if changed or moment.past.action is None or (runs[-1] and moments[runs[-1][-1]].frame.over):
            runs.append([])
        runs[-1].append(k)
    return [run for run in runs if len(run) > 1]


def env_of(name: str, world_hash: str) -> dict[str, Any]:
    """The settings of the game that a world was learned from; nothing where that world is not found by its name."""
    from models.checkpoint import WorldError, open_world_folder
    from models.library import find_world

    try:
        folder = open_world_folder(find_world(name))
    except WorldError:
        return {}
    if folder.hash != bare_hash(world_hash):
        return {}
    env: dict[str, Any] = folder.manifest.provenance.get("env", {})
    return {key: value for key, value in env.items() if key not in ("height", "width")}


def _episode(moments: list[Moment], frames: Tensor, places: Tensor, meta: dict[str, Any]) -> Episode:
    after = moments[1:]
    discrete = isinstance(after[0].frame.action, int)
    actions = torch.tensor([m.frame.action for m in after], dtype=torch.int64 if discrete else torch.float32)
    ends = torch.zeros(2, len(after), dtype=torch.bool)
    ends[0 if after[-1].frame.terminated else 1, -1] = True
    rewards = torch.tensor([m.frame.reward for m in after], dtype=torch.float32)
    return Episode(frames.cpu().contiguous(), actions, rewards, ends[0], ends[1], places.float().contiguous(), meta)
