"""The world models of the RSSM family learned from stored episodes, without an agent: the task of the training loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from models.data.episode import EpisodeFile
from models.data.sequences import Sequences, SequenceSampler, cat_sequences, read_sequence
from models.data.store import EpisodeStore
from models.nn.draws import TorchDraws
from models.nn.pixels import to_bytes
from models.nn.weights import place
from models.rssm.actions import space_of, to_vector
from models.rssm.config import LossConfig, RssmConfig, SpaceConfig, cpu, v1, v2, v3
from models.rssm.core import RssmState
from models.rssm.layers import ImageNormAct
from models.rssm.model import Batch, RssmModel
from models.training.diamond import seeded, strips
from models.training.loop import TrainConfig
from models.training.measures import moving_psnr, psnr
from models.types import ActionSpec

VALIDATION_ROWS = 32
VALIDATION_CONTEXT = 16
"""Frames seen before the dream begins, in validation."""
DREAM = 8
"""Dreamed frames in validation."""


@dataclass(frozen=True)
class WorldTraining:
    """How a preset's world is trained offline: the optimiser's numbers, and how windows are drawn."""

    train: TrainConfig
    length: int = 64
    end_share: float = 0.0
    event_share: float = 0.0


def cpu_world(space: SpaceConfig) -> RssmConfig:
    """For play on a laptop: a wider decoder than ``cpu``; pixels, above all moving ones, outweigh predictability.

    With the published weights the few pixels of a ball are not worth what it costs to keep them in the latent, and
    learning stays with the mean picture for long.
    """
    config = cpu(space, units=192, deter=768, classes=24, depth=16)
    net, loss = replace(config.net, centred=True), LossConfig(dyn=0.1, rep=0.02, motion_weight=8.0)
    return replace(config, net=net, loss=loss)


def cpu_tiny(space: SpaceConfig) -> RssmConfig:
    """For tests: an update in milliseconds."""
    return cpu(space, units=16, deter=32, classes=4, depth=2)


CPU = TrainConfig(3000, 12, lr=6e-4, clip=1e9, schedule="cosine", ema=0.995)
PUBLISHED = TrainConfig(25_000, 16, lr=4e-5, warmup=1000, clip=1e9)
WORLDS = {
    "cpu_world": (cpu_world, WorldTraining(CPU, 40, 0.08, 0.17)),
    "cpu_tiny": (cpu_tiny, WorldTraining(replace(CPU, steps=50, batch=4, warmup=5, ema=0.9), 8)),
    "size12m": (lambda space: v3(space, "size12m"), WorldTraining(PUBLISHED)),
    "size200m": (lambda space: v3(space), WorldTraining(PUBLISHED)),
    "v2": (lambda space: v2(space), WorldTraining(TrainConfig(50_000, 16, lr=2e-4, warmup=0, clip=100.0), 50)),
    "v1": (v1, WorldTraining(TrainConfig(50_000, 50, lr=6e-4, warmup=0, clip=100.0), 50)),
}
"""Presets of `reverie train dreamer --data`: the network, and its training. V1 and V2 learn with AdamW here."""


def to_batch(sequences: Sequences, spec: ActionSpec, device: torch.device) -> Batch:
    """Windows as the networks see them: they begin from the initial state, whatever came before."""
    reset = sequences.is_first.clone()
    reset[:, 0] = True
    batch = Batch(
        obs={"image": sequences.frames},
        action=to_vector(spec, sequences.actions) * (~sequences.is_last[..., None]),
        reward=sequences.rewards,
        is_first=reset,
        is_last=sequences.is_last,
        terminated=sequences.terminated,
        prev_action=to_vector(spec, sequences.before),
    )
    return batch.to(device)


class WorldTask:
    """Learn to predict stored play: the whole objective of the world model, in one backward pass."""

    name = "world"

    def __init__(
        self,
        config: RssmConfig,
        spec: ActionSpec,
        store: EpisodeStore,
        training: WorldTraining,
        batch: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self.config, self.spec, self.device, self.length = config, spec, device, training.length
        self.episodes = store.episodes("train")
        self.sampler = SequenceSampler(
            [len(e) for e in self.episodes],
            batch,
            training.length,
            seed=seed,
            end_share=training.end_share,
            events=rewarded(self.episodes) if training.event_share else (),
            event_share=training.event_share,
        )
        self.generator = torch.Generator().manual_seed(seed + 1)
        with seeded(seed):
            model = RssmModel(config)
        model.set_mean(mean_picture(self.episodes))
        place(model, device)
        self.model: RssmModel = model
        self.network = model
        self.heldout = self.fixed(store.episodes("heldout"))

    def fixed(self, episodes: list[EpisodeFile]) -> Sequences:
        """The same held-out windows in every validation."""
        length = VALIDATION_CONTEXT + DREAM
        sampler = SequenceSampler([len(e) for e in episodes], VALIDATION_ROWS, length, seed=0)
        return cat_sequences([read_sequence(episodes[e], s, length) for e, s in sampler.draw()])

    def batch(self) -> Batch:
        rows = [read_sequence(self.episodes[e], s, self.length) for e, s in self.sampler.draw()]
        return to_batch(cat_sequences(rows), self.spec, self.device)

    def loss(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, float]]:
        total, _, scalars = self.model.loss(batch, TorchDraws(self.generator, self.device))
        return total, {"loss": float(total.detach()), **scalars}

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        """After 16 real frames: PSNR of the next dreamed one beside copying the last, and of the eighth."""
        assert isinstance(model, RssmModel)
        batch = to_batch(self.heldout, self.spec, self.device)
        frames = self.heldout.frames
        dreamed = dream(model, batch, VALIDATION_CONTEXT, TorchDraws(torch.Generator().manual_seed(0), self.device))
        last, first, end = frames[:, VALIDATION_CONTEXT - 1], frames[:, VALIDATION_CONTEXT], frames[:, -1]
        measures = {
            "psnr": psnr(dreamed[:, 0], first),
            "copy_psnr": psnr(last, first),
            "moving_psnr": moving_psnr(dreamed[:, 0], last, first),
            "copy_moving_psnr": moving_psnr(last, last, first),
            f"moving_psnr_{DREAM}": moving_psnr(dreamed[:, -1], last, end),
            f"copy_moving_psnr_{DREAM}": moving_psnr(last, last, end),
        }
        return measures, strips(last, end, dreamed[:, -1])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"generator": self.generator.get_state()}, {"sampler": self.sampler.state()}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        self.generator.set_state(tensors["generator"].clone())
        self.sampler.restore(info["sampler"])


def compile_images(model: nn.Module) -> None:
    """Compile the norms and activations between the convolutions, which cost as much as those; half a minute."""
    for module in model.modules():
        if isinstance(module, ImageNormAct):
            module.compile(dynamic=False)


def mean_picture(episodes: list[EpisodeFile], frames: int = 1024) -> Tensor:
    """(3, H, W) float32 in [0, 1] of about ``frames`` frames, spread over all episodes."""
    each = max(1, frames // len(episodes))
    total, count = torch.zeros(episodes[0].header.shape), 0
    for episode in episodes:
        for t in torch.linspace(0, len(episode), each).long().tolist():
            total += episode.slice("frames", t, t + 1)[0].float() / 255
            count += 1
    return total / count


def rewarded(episodes: list[EpisodeFile]) -> list[tuple[int, int]]:
    """The frames that a reward arrived with, as (episode, frame)."""
    found: list[tuple[int, int]] = []
    for number, episode in enumerate(episodes):
        steps = episode.slice("rewards", 0, len(episode)).nonzero()[:, 0].tolist()
        found.extend((number, step + 1) for step in steps)
    return found


@torch.no_grad()
def dream(model: RssmModel, batch: Batch, context: int, draws: TorchDraws) -> Tensor:
    """Frames (B, T - context, 3, H, W) uint8 dreamed under a batch's actions after its first ``context`` frames."""
    head = Batch(
        obs={name: value[:, :context] for name, value in batch.obs.items()},
        action=batch.action[:, :context],
        reward=batch.reward[:, :context],
        is_first=batch.is_first[:, :context],
        is_last=batch.is_last[:, :context],
        terminated=batch.terminated[:, :context],
        prev_action=batch.prev_action,
    )
    seen, _ = model.observe(head, draws)
    state = RssmState(seen.deter[:, -1], seen.stoch[:, -1])
    frames = []
    for step in range(context, batch.reward.shape[1]):
        state, _ = model.rssm.img_step(state, batch.action[:, step - 1], draws)
        frames.append(model.dec(state.deter[:, None], state.stoch[:, None])["image"][:, 0])
    return to_bytes(torch.stack(frames, dim=1).float() * 2 - 1, nearest=True).cpu()


def space_for(spec: ActionSpec, height: int, width: int) -> SpaceConfig:
    """The space of a world that shows pictures."""
    return space_of(spec, image=(height, width, 3))
