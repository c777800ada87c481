"""Behaviour cloning: a policy from pixels learns what an expert does, from stored episodes."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.episode import EpisodeFile
from models.data.segments import SegmentId, SegmentSampler, read_segment
from models.data.store import EpisodeStore
from models.nn.pixels import to_float
from models.nn.weights import place
from models.policies.pixels import PixelConfig, PixelNet
from models.training.diamond import episode_settings, seeded
from models.training.loop import TrainConfig
from models.training.teachers import TEACHERS

VALIDATION_FRAMES = 2048
MEAN_FRAMES = 512
ROWS = 256
"""Rows a batch when nothing is learned."""

TRAIN = {
    "small": TrainConfig(steps=4_000, batch=64, lr=1e-3, schedule="cosine", ema=0.995),
    "tiny": TrainConfig(steps=20, batch=4, lr=1e-3, warmup=5, ema=0.9),
}
SIZES: dict[str, dict[str, Any]] = {"small": {}, "tiny": {"frames": 3, "channels": (4, 6), "hidden": 8}}
"""What the presets change of a ``PixelConfig``."""


def policy_config(store: EpisodeStore, preset: str) -> PixelConfig:
    """The preset's network for a store's game. Raises ValueError for an unknown preset."""
    if preset not in TRAIN:
        raise ValueError(f"preset: got {preset!r}, expected one of {sorted(TRAIN)}")
    env = episode_settings(store)
    return PixelConfig(tuple(env["actions"]), env["height"], env["width"], **SIZES[preset])


def expert_episodes(store: EpisodeStore, split: str) -> list[EpisodeFile]:
    """A split's episodes by the game's expert. Raises ValueError when there is none."""
    experts = [e for e in store.episodes(split) if e.header.meta["policy"] == "expert"]
    if not experts:
        raise ValueError(
            f"{store.folder}/{split}: got no episode played by an expert, expected at least one to learn from; "
            "`reverie collect` with --policy expert adds some, of games that have one"
        )
    return experts


def labels_of(episode: EpisodeFile) -> Tensor:
    """The action to learn at each step, (T,) int64: the teacher's where the game has one, else the one taken."""
    meta = episode.header.meta
    teacher = TEACHERS.get(meta["game"])
    if teacher is None:
        return episode.slice("actions", 0, len(episode))
    places = episode.slice("objects", 0, len(episode)).numpy()
    return torch.tensor([meta["actions"].index(name) for name in teacher(places, episode.header.shape[-1])])


def stack_at(episode: EpisodeFile, step: int, frames: int) -> Tensor:
    """The last frames up to a step, (1, N, 3, H, W) uint8; before the first frame comes the first frame again."""
    segment = read_segment(episode, step + 1 - frames, step + 1)
    first = int(segment.mask[0].int().argmax())
    segment.frames[0, :first] = segment.frames[0, first]
    return segment.frames


class CloneTask:
    """Says which action the expert takes, from the last frames; seeded frames of the training split's experts."""

    name = "policy"

    def __init__(self, config: PixelConfig, store: EpisodeStore, batch: int, seed: int, device: torch.device) -> None:
        self.config, self.device = config, device
        self.episodes = expert_episodes(store, "train")
        self.labels = [labels_of(episode) for episode in self.episodes]
        lengths = [len(episode) for episode in self.episodes]
        self.sampler = SegmentSampler(lengths, batch, 1, seed=seed)
        with seeded(seed):
            model = PixelNet(config)
        draw = SegmentSampler(lengths, MEAN_FRAMES, 1, seed=0).draw()
        model.mean.copy_(to_float(torch.cat([self.stack(i)[:, -1] for i in draw])).mean(0))
        place(model, device)
        self.model: PixelNet = model
        self.network: nn.Module = model
        heldout = expert_episodes(store, "heldout")
        self.heldout = drawn(heldout, [labels_of(episode) for episode in heldout], config.frames, VALIDATION_FRAMES)

    def stack(self, at: SegmentId) -> Tensor:
        return stack_at(self.episodes[at.episode], at.stop - 1, self.config.frames)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Frames (B, N, 3, H, W) uint8 and the expert's actions (B,) int64."""
        draw = self.sampler.draw()
        labels = torch.stack([self.labels[i.episode][i.stop - 1] for i in draw])
        return torch.cat([self.stack(i) for i in draw]).to(self.device), labels.to(self.device)

    def loss(self, batch: tuple[Tensor, Tensor], progress: float) -> tuple[Tensor, dict[str, float]]:
        frames, labels = batch
        logits = self.model(frames)
        loss = F.cross_entropy(logits, labels)
        return loss, {"loss": float(loss.detach()), "agreement": float((logits.argmax(-1) == labels).float().mean())}

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        frames, labels = self.heldout
        logits = torch.cat([model(rows.to(self.device)).cpu() for rows in frames.split(ROWS)])
        agreement = (logits.argmax(-1) == labels).float().mean()
        return {"loss": float(F.cross_entropy(logits, labels)), "agreement": float(agreement)}, None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {"sampler": self.sampler.state()}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        self.sampler.restore(info["sampler"])


def drawn(episodes: list[EpisodeFile], labels: list[Tensor], frames: int, count: int) -> tuple[Tensor, Tensor]:
    """Seeded stacks (count, N, 3, H, W) uint8 of episodes, and their labels (count,)."""
    draw = SegmentSampler([len(e) for e in episodes], count, 1, seed=0).draw()
    stacks = torch.cat([stack_at(episodes[i.episode], i.stop - 1, frames) for i in draw])
    return stacks, torch.stack([labels[i.episode][i.stop - 1] for i in draw])
