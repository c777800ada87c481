"""Behaviour cloning: a policy from pixels learns what an expert does, from stored episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data.episode import EpisodeFile
from models.data.segments import SegmentSampler, read_segment
from models.data.store import EpisodeStore
from models.nn.pixels import to_float
from models.nn.weights import place
from models.policies.pixels import NONE, PixelConfig, PixelNet
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
    last = ["" if action == NONE else meta["actions"][action] for action in last_actions(episode).tolist()]
    return torch.tensor([meta["actions"].index(name) for name in teacher(places, last, episode.header.shape[-1])])


def last_actions(episode: EpisodeFile) -> Tensor:
    """The action before each step, (T,) int64; NONE before the first."""
    return torch.cat([torch.tensor([NONE]), episode.slice("actions", 0, len(episode) - 1)])


@dataclass(frozen=True)
class Lesson:
    """Frames (B, N, 3, H, W) uint8, the actions before (B,) int64, and the actions to learn (B,) int64."""

    frames: Tensor
    last: Tensor
    labels: Tensor


class Lessons:
    """Everything there is to learn from some episodes, one lesson a step."""

    def __init__(self, episodes: Sequence[EpisodeFile], frames: int) -> None:
        self.episodes, self.frames = list(episodes), frames
        self.labels = [labels_of(episode) for episode in self.episodes]
        self.last = [last_actions(episode) for episode in self.episodes]

    @property
    def lengths(self) -> list[int]:
        return [len(labels) for labels in self.labels]

    def at(self, steps: Sequence[tuple[int, int]]) -> Lesson:
        """The lessons at pairs of an episode's index and a step in it."""
        return Lesson(
            torch.cat([stack_at(self.episodes[e], t, self.frames) for e, t in steps]),
            torch.stack([self.last[e][t] for e, t in steps]),
            torch.stack([self.labels[e][t] for e, t in steps]),
        )


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
        self.lessons = Lessons(expert_episodes(store, "train"), config.frames)
        self.sampler = SegmentSampler(self.lessons.lengths, batch, 1, seed=seed)
        with seeded(seed):
            model = PixelNet(config)
        model.mean.copy_(to_float(drawn(self.lessons, MEAN_FRAMES).frames[:, -1]).mean(0))
        place(model, device)
        self.model: PixelNet = model
        self.network: nn.Module = model
        self.heldout = drawn(Lessons(expert_episodes(store, "heldout"), config.frames), VALIDATION_FRAMES)

    def batch(self) -> Lesson:
        return self.lessons.at([(i.episode, i.stop - 1) for i in self.sampler.draw()])

    def loss(self, batch: Lesson, progress: float) -> tuple[Tensor, dict[str, float]]:
        labels = batch.labels.to(self.device)
        logits = self.model(batch.frames.to(self.device), batch.last.to(self.device))
        loss = F.cross_entropy(logits, labels)
        agreement = (logits.argmax(-1) == labels).float().mean()
        return loss, {"loss": float(loss.detach()), "agreement": float(agreement)}

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        rows = zip(self.heldout.frames.split(ROWS), self.heldout.last.split(ROWS), strict=True)
        logits = torch.cat([model(frames.to(self.device), last.to(self.device)).cpu() for frames, last in rows])
        agreement = (logits.argmax(-1) == self.heldout.labels).float().mean()
        return {"loss": float(F.cross_entropy(logits, self.heldout.labels)), "agreement": float(agreement)}, None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {"sampler": self.sampler.state()}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        self.sampler.restore(info["sampler"])


def drawn(lessons: Lessons, count: int) -> Lesson:
    """Seeded lessons, always the same ones of the same episodes."""
    draw = SegmentSampler(lessons.lengths, count, 1, seed=0).draw()
    return lessons.at([(i.episode, i.stop - 1) for i in draw])
