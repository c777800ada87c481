"""Configurations of the DIAMOND family (arXiv 2405.12399): the paper's and a small one for a laptop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from models.diffusion.sampler import SamplerConfig
from models.nn.config import strict
from models.nn.precision import PRECISIONS

LOUDEST = 0.5
"""Most context noise: pixels of a game that differ are seldom further apart."""


def check_levels(name: str, depths: tuple[int, ...], channels: tuple[int, ...], attn: tuple[int, ...], p: int) -> None:
    if not len(depths) == len(channels) == len(attn) > 0:
        raise ValueError(
            f"{name}: got depths {depths}, channels {channels}, attn_depths {attn}, expected equal lengths"
        )
    if min(*depths, *channels, p) < 1:
        raise ValueError(f"{name}: got depths {depths}, channels {channels}, patch {p}, expected at least 1 of each")


@dataclass(frozen=True)
class DenoiserConfig:
    """The next-frame denoiser. ``patch`` > 1 works on pixel-unshuffled frames at 1 / patch of the resolution."""

    context: int = 4
    cond: int = 256
    depths: tuple[int, ...] = (2, 2, 2, 2)
    channels: tuple[int, ...] = (64, 64, 64, 64)
    attn_depths: tuple[int, ...] = (0, 0, 0, 0)
    patch: int = 1
    sigma_data: float = 0.5
    sigma_offset: float = 0.3

    def __post_init__(self) -> None:
        check_levels("denoiser", self.depths, self.channels, self.attn_depths, self.patch)
        if min(self.context, self.cond) < 1 or self.cond % self.context or self.cond % 2:
            raise ValueError(f"denoiser.cond: got {self.cond}, expected an even multiple of context {self.context}")


@dataclass(frozen=True)
class RewEndConfig:
    """The recurrent model of reward sign and termination.

    event_share: share of training segments drawn around a reward or a termination (0 in the paper: rare ones take
    long).
    difference_gain: where above 0 the network sees gain * (next frame - frame) in place of the next frame, so that a
    point on the score or a one-pixel ball stands out from the background (0 in the paper).
    bottleneck: where above 0 the feature map is squeezed to this many channels and batch-normalised before the LSTM,
    and the logits get a linear shortcut from it (0 in the paper). Without it the LSTM's gates, fed by thousands of
    features of a constant background, saturate long before they learn of the few that mark an event.
    """

    lstm_dim: int = 512
    cond: int = 128
    depths: tuple[int, ...] = (2, 2, 2, 2)
    channels: tuple[int, ...] = (32, 32, 32, 32)
    attn_depths: tuple[int, ...] = (0, 0, 0, 0)
    patch: int = 1
    event_share: float = 0.0
    difference_gain: float = 0.0
    bottleneck: int = 0

    def __post_init__(self) -> None:
        check_levels("rew_end", self.depths, self.channels, self.attn_depths, self.patch)


@dataclass(frozen=True)
class LossConfig:
    """The denoiser's training objective: levels exp(N(loc, scale)) within [sigma_min, sigma_max].

    autoregressive_steps: frames predicted from the model's own output after the first one.
    autoregressive_from: share of the training that predicts one frame only, before those steps begin (0 in the paper).
    motion_weight: extra weight of pixels that differ from the frame before (0 in the paper). It also favours, where the
    future is unsure, that a moving object is there rather than faded, since the weight depends on the target.
    """

    loc: float = -0.4
    scale: float = 1.2
    sigma_min: float = 2e-3
    sigma_max: float = 20.0
    autoregressive_steps: int = 1
    autoregressive_from: float = 0.0
    motion_weight: float = 0.0


@dataclass(frozen=True)
class DiamondConfig:
    """Everything that shapes a DIAMOND world's networks and their training."""

    num_actions: int
    height: int = 64
    width: int = 64
    denoiser: DenoiserConfig = DenoiserConfig()
    rew_end: RewEndConfig = RewEndConfig()
    loss: LossConfig = LossConfig()

    def __post_init__(self) -> None:
        if self.num_actions < 1:
            raise ValueError(f"num_actions: got {self.num_actions}, expected at least 1")
        for part in (self.denoiser, self.rew_end):
            if self.height % part.patch or self.width % part.patch:
                raise ValueError(
                    f"frame size: got {self.height} x {self.width}, expected multiples of patch {part.patch}"
                )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DiamondConfig:
        """Strict: unknown and missing keys are errors that name them."""
        parts = {"denoiser": DenoiserConfig, "rew_end": RewEndConfig, "loss": LossConfig}
        plain = {key: strict(parts[key], value, key) if key in parts else value for key, value in values.items()}
        return strict(cls, plain, "config")


@dataclass(frozen=True)
class DiamondSettings(SamplerConfig):
    """Live settings of a playing DIAMOND world: its sampler, and how it takes its events.

    sample_events False takes the likeliest reward and termination instead of drawing them. context_noise: the deviation
    of the noise that is added to the past frames, of pixels from -1 to 1, each time the denoiser is given them; what is
    remembered stays clean.
    """

    sample_events: bool = True
    precision: str = "auto"
    context_noise: float = field(default=0.0, metadata={"low": 0.0, "high": LOUDEST})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.context_noise <= LOUDEST:
            raise ValueError(f"context_noise: got {self.context_noise}, expected 0 to {LOUDEST}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: got {self.precision!r}, expected one of {PRECISIONS}")

    def changed(self, changes: dict[str, Any]) -> DiamondSettings:
        """With some settings changed. Raises ValueError on an unknown name or a bad value."""
        names = [entry.name for entry in fields(self)]
        if unknown := sorted(set(changes) - set(names)):
            raise ValueError(f"settings: got unknown {unknown}, expected some of {names}")
        return replace(self, **changes)


def paper(num_actions: int) -> DiamondConfig:
    """Atari-100k, as published: 4.4 M parameters of denoiser, 5.9 M of reward and termination."""
    return DiamondConfig(num_actions)


def small(num_actions: int) -> DiamondConfig:
    """For a laptop: patch 2 costs about a tenth of the paper's denoiser at the same resolution."""
    return DiamondConfig(
        num_actions,
        denoiser=DenoiserConfig(cond=128, channels=(64, 64, 96), depths=(2, 2, 2), attn_depths=(0, 0, 0), patch=2),
        rew_end=RewEndConfig(
            lstm_dim=128,
            cond=64,
            depths=(1, 1),
            channels=(32, 48),
            attn_depths=(0, 0),
            patch=4,
            event_share=0.5,
            difference_gain=4.0,
            bottleneck=8,
        ),
        loss=LossConfig(loc=0.4, scale=1.3, autoregressive_from=0.45, motion_weight=8.0),
    )


def tiny(num_actions: int) -> DiamondConfig:
    """For tests: trains a step in milliseconds."""
    return replace(
        small(num_actions),
        denoiser=DenoiserConfig(cond=16, channels=(16, 16), depths=(1, 1), attn_depths=(0, 0), patch=4),
        rew_end=RewEndConfig(lstm_dim=16, cond=16, depths=(1, 1), channels=(8, 8), attn_depths=(0, 0), patch=8),
    )


def small_long(num_actions: int) -> DiamondConfig:
    """A second stage for ``small``: every update predicts four frames, three of them from its own output."""
    config = small(num_actions)
    return replace(config, loss=replace(config.loss, autoregressive_steps=3, autoregressive_from=0.0))


PRESETS = {"paper": paper, "small": small, "small_long": small_long, "tiny": tiny}
