"""The training pipeline of the DIAMOND family: its two tasks over stored episodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.data.env_meta import PER_EPISODE
from models.data.segments import SegmentId, Segments, SegmentSampler, cat_segments, find_events, read_segment
from models.data.store import EpisodeStore
from models.diamond.config import DiamondConfig
from models.diamond.denoiser import Denoiser
from models.diamond.loss import denoiser_loss, draw_noise, rew_end_loss
from models.diamond.rew_end import RewEndModel
from models.diffusion.sampler import SamplerConfig, sample, standard_noise
from models.nn.pixels import to_bytes, to_float
from models.nn.weights import place
from models.training.loop import TrainConfig
from models.training.measures import moving_psnr, psnr, squared_error

REW_END_STEPS = 19
"""Segment length of the reward and termination model: horizon 15 plus 4 context frames."""
VALIDATION_SEGMENTS = 64

TRAIN = {
    ("paper", "denoiser"): TrainConfig(steps=407_600),
    ("paper", "rew_end"): TrainConfig(steps=407_600, clip=100.0),
    ("small", "denoiser"): TrainConfig(steps=6_500, batch=24, lr=1e-3, schedule="cosine", ema=0.997),
    ("small", "rew_end"): TrainConfig(steps=1_200, batch=16, lr=1e-3, schedule="cosine", clip=10.0, ema=0.99),
    ("small_long", "denoiser"): TrainConfig(steps=850, batch=24, lr=4e-4, warmup=30, schedule="cosine", ema=0.99),
    ("small_long", "rew_end"): TrainConfig(steps=1_200, batch=16, lr=1e-3, schedule="cosine", clip=10.0, ema=0.99),
    ("tiny", "denoiser"): TrainConfig(steps=100, batch=4, lr=1e-3, warmup=5, ema=0.9),
    ("tiny", "rew_end"): TrainConfig(steps=100, batch=4, lr=1e-3, warmup=5, clip=10.0, ema=0.9),
}
"""The paper's schedule is 10 000 updates in the first epoch and 400 in each of 994 more."""


class SegmentTask:
    """What both tasks share: seeded segments from the training split, fixed ones from the held-out split."""

    def __init__(
        self,
        store: EpisodeStore,
        batch: int,
        steps: int,
        seed: int,
        device: torch.device,
        *,
        beyond_end: bool = False,
        event_share: float = 0.0,
    ) -> None:
        self.device = device
        self.episodes = store.episodes("train")
        self.sampler = SegmentSampler(
            [len(e) for e in self.episodes],
            batch,
            steps,
            seed=seed,
            beyond_end=beyond_end,
            events=find_events(self.episodes) if event_share else (),
            event_share=event_share,
        )
        self.generator = torch.Generator().manual_seed(seed + 1)
        heldout = store.episodes("heldout")
        self.heldout = self.fixed_segments(heldout, steps, beyond_end)

    def fixed_segments(self, episodes: list[Any], steps: int, beyond_end: bool) -> Segments:
        lengths = [len(e) for e in episodes]
        draw = SegmentSampler(lengths, VALIDATION_SEGMENTS, steps, seed=0, beyond_end=beyond_end).draw()
        return cat_segments([read_segment(episodes[i.episode], i.start, i.stop) for i in draw])

    def batch(self) -> Segments:
        return self.read(self.sampler.draw())

    def read(self, ids: list[SegmentId]) -> Segments:
        return cat_segments([read_segment(self.episodes[i.episode], i.start, i.stop) for i in ids])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"generator": self.generator.get_state()}, {"sampler": self.sampler.state()}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        self.generator.set_state(tensors["generator"].clone())
        self.sampler.restore(info["sampler"])


class DenoiserTask(SegmentTask):
    """Predict the next frames from noisy ones (arXiv 2405.12399, section 3.1)."""

    name = "denoiser"

    def __init__(self, config: DiamondConfig, store: EpisodeStore, batch: int, seed: int, device: torch.device) -> None:
        self.config = config
        self.predicted = 1 + config.loss.autoregressive_steps
        steps = config.denoiser.context + self.predicted
        super().__init__(store, batch, steps, seed, device)
        with seeded(seed):
            model = Denoiser(config.denoiser, config.num_actions)
        place(model, device)
        self.model: Denoiser = model
        self.network = self.model.inner_model

    def loss(self, batch: Segments, progress: float) -> tuple[Tensor, dict[str, float]]:
        predicted = self.predicted if progress >= self.config.loss.autoregressive_from else 1
        frames = padded_float(batch, self.device)
        noise = draw_noise(frames, predicted, self.generator)
        actions, mask = batch.actions.to(self.device), batch.mask.to(self.device)
        return denoiser_loss(self.model, self.config.loss, frames, actions, mask, noise)

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        """One-step PSNR with the default sampler beside copying the last frame, and strips of eight predictions."""
        assert isinstance(model, Denoiser)
        n = self.config.denoiser.context
        frames, actions = self.heldout.frames[:, : n + 1], self.heldout.actions[:, :n].to(self.device)
        context = to_float(frames[:, :n].to(self.device))
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(context[:, 0].shape, generator=generator).to(self.device)
        path = sample(
            lambda x, s: model.denoise(x, s, context, actions), x, standard_noise(x, generator), SamplerConfig()
        )
        guess, last, truth = to_bytes(path[-1], nearest=True).cpu(), frames[:, n - 1], frames[:, n]
        measures = {
            "psnr": psnr(guess, truth),
            "copy_psnr": psnr(last, truth),
            "moving_psnr": moving_psnr(guess, last, truth),
            "copy_moving_psnr": moving_psnr(last, last, truth),
        }
        return measures, strips(last, truth, guess)


class RewEndTask(SegmentTask):
    """Predict reward sign and termination of each transition (arXiv 2405.12399, section 3.2)."""

    name = "rew_end"

    def __init__(self, config: DiamondConfig, store: EpisodeStore, batch: int, seed: int, device: torch.device) -> None:
        share = config.rew_end.event_share
        super().__init__(store, batch, REW_END_STEPS, seed, device, beyond_end=True, event_share=share)
        with seeded(seed):
            model = RewEndModel(config.rew_end, config.num_actions, config.height, config.width)
        place(model, device)
        self.model: RewEndModel = model
        self.network = self.model.encoder

    def loss(self, batch: Segments, progress: float) -> tuple[Tensor, dict[str, float]]:
        return self.loss_of(self.model, batch)

    def loss_of(self, model: RewEndModel, batch: Segments) -> tuple[Tensor, dict[str, float]]:
        to = self.device
        return rew_end_loss(
            model,
            padded_float(batch, to),
            batch.actions.to(to),
            batch.rewards.to(to),
            batch.terminated.to(to),
            batch.mask.to(to),
            to_float(batch.final_frames.to(to)),
        )

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        assert isinstance(model, RewEndModel)
        return self.loss_of(model, self.heldout)[1], None


def padded_float(batch: Segments, device: torch.device) -> Tensor:
    """A batch's frames as floats; padding is 0, mid grey, as in the published code."""
    return to_float(batch.frames.to(device)) * batch.mask.to(device)[..., None, None, None]


def strips(last: Tensor, truth: Tensor, guess: Tensor, rows: int = 8) -> Tensor:
    """Rows of context, truth, dream and error, (3, rows * H, 4 * W) uint8."""
    error = squared_error(guess, truth).sqrt().mul(4).clamp(max=255).to(torch.uint8)
    error = error[:, None].expand_as(truth)
    cells = torch.cat([last, truth, guess, error], dim=-1)[:rows]
    return torch.cat(list(cells), dim=-2)


class seeded:  # noqa: N801
    """Inside, the default generator starts from a seed; outside it is as it was."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.before = torch.get_rng_state()
        torch.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self.before)


def episode_settings(store: EpisodeStore) -> dict[str, Any]:
    """The environment's settings of a store. Raises ValueError when its episodes differ in settings or resolution."""
    headers = store.scan("train")[0]
    if not headers:
        store.episodes("train")
    first = {key: value for key, value in headers[0].meta.items() if key not in PER_EPISODE}
    for header in headers:
        mine = {key: value for key, value in header.meta.items() if key not in PER_EPISODE}
        if header.shape != headers[0].shape or mine != first:
            raise ValueError(
                f"{header.path}: got other settings or resolution than {headers[0].path}, expected the same"
            )
    return {**first, "height": headers[0].shape[1], "width": headers[0].shape[2]}


def data_summary(store: EpisodeStore) -> dict[str, Any]:
    """What the data is, for a world's provenance."""
    summary = {split: store.summary(split) for split in ("train", "heldout")}
    policies = [header.meta["policy"] for header in store.scan("train")[0]]
    kinds, counts = np.unique(policies, return_counts=True)
    return {
        "train_steps": summary["train"].steps,
        "train_episodes": summary["train"].episodes,
        "heldout_steps": summary["heldout"].steps,
        "policies": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
    }
