"""A policy that plays from pixels: a small convolutional network over the last frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.pixels import to_float
from models.nn.weights import load_weights
from models.types import WorldSpec
from models.world import Rng

KIND = "pixels"
NONE = -1
"""No action was taken yet."""


@dataclass(frozen=True)
class PixelConfig:
    """A network over the last ``frames`` frames; every convolution halves height and width."""

    actions: tuple[str, ...]
    height: int = 64
    width: int = 64
    frames: int = 4
    channels: tuple[int, ...] = (24, 32, 48)
    hidden: int = 96
    gain: float = 4.0
    """By what the difference to the mean frame is enlarged: a moving object is a few pixels of a still picture."""

    def __post_init__(self) -> None:
        sizes = (self.height, self.width, self.frames, self.hidden, *self.channels)
        if not all(isinstance(size, int) and 1 <= size <= 4096 for size in sizes) or not self.channels:
            raise ValueError(f"policy: got {self}, expected whole numbers from 1 to 4096 and at least one convolution")
        named = len(set(self.actions)) == len(self.actions) > 0 and all(isinstance(name, str) for name in self.actions)
        if not named or not 0 < self.gain <= 1000:
            raise ValueError(f"policy: got {self}, expected distinct action names and a gain above 0, up to 1000")
        step = 2 ** len(self.channels)
        if self.height % step or self.width % step:
            raise ValueError(f"policy: got frames of {self.height} x {self.width}, expected multiples of {step}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> PixelConfig:
        """The inverse of ``to_dict``, from JSON. Raises ValueError unless it has exactly these keys."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            got = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise ValueError(f"policy config: got keys {got}, expected exactly {sorted(names)}")
        tuples: dict[str, Any] = {k: tuple(value) if isinstance(value, list) else value for k, value in values.items()}
        try:
            return cls(**tuples)
        except TypeError as error:
            raise ValueError(f"policy config: got {values} ({error}), expected numbers and lists of them") from error


class PixelNet(nn.Module):
    """Frames and the last action in, a logit an action out.

    ``mean`` is the average frame of the training data, in [-1, 1]. The last action is told since the frames do not show
    yet what it does: an Atari paddle answers over two steps.
    """

    mean: Tensor

    def __init__(self, config: PixelConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(3, config.height, config.width))
        before = (3 * config.frames, *config.channels)
        kernels = (5, *(3 for _ in config.channels[1:]))
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride=2, padding=kernel // 2)
            for a, b, kernel in zip(before, config.channels, kernels, strict=False)
        )
        shrink = 2 ** len(config.channels)
        cells = (config.height // shrink) * (config.width // shrink)
        self.hidden = nn.Linear(cells * config.channels[-1] + len(config.actions) + 1, config.hidden)
        self.out = nn.Linear(config.hidden, len(config.actions))

    def forward(self, frames: Tensor, last: Tensor) -> Tensor:
        """Logits (B, A) float32 of frames (B, N, 3, H, W) uint8, oldest first, and the action before, (B,) int64.

        -1 is no action: the newest frame is an episode's first.
        """
        x = (to_float(frames) - self.mean).mul(self.config.gain).flatten(1, 2)
        for conv in self.convs:
            x = F.relu(conv(x))
        told = F.one_hot(last + 1, len(self.config.actions) + 1).to(x.dtype)
        logits: Tensor = self.out(F.relu(self.hidden(torch.cat([x.flatten(1), told], dim=1))))
        return logits.float()


class PixelPolicy:
    """Plays discrete actions by a network's logits; keeps nothing, its memory is the carry.

    temperature: 0 takes the likeliest action, 1 draws as the network says.
    """

    kind = KIND

    def __init__(self, network: PixelNet, temperature: float = 0.0) -> None:
        if not temperature >= 0:
            raise ValueError(f"temperature: got {temperature}, expected 0 or more")
        self.network, self.config, self.temperature = network.eval().requires_grad_(False), network.config, temperature

    def header(self) -> dict[str, Any]:
        """The configuration as JSON values."""
        return self.config.to_dict()

    def weights(self) -> dict[str, Tensor]:
        return self.network.state_dict()

    @classmethod
    def load(cls, header: Any, weights: dict[str, Tensor], where: str) -> PixelPolicy:
        """The inverse of ``header`` and ``weights``. Raises ValueError on what does not fit."""
        network = PixelNet(PixelConfig.from_dict(header))
        load_weights(network, weights, where)
        return cls(network)

    def check(self, spec: WorldSpec) -> PixelPolicy:
        """Return self if it can play in such a world, else raise ValueError (got, expected)."""
        actions = (spec.actions.kind, spec.actions.names, spec.height, spec.width)
        own = ("discrete", self.config.actions, self.config.height, self.config.width)
        if actions != own:
            raise ValueError(f"policy: got the world {spec.name} with {actions}, expected one with {own}")
        return self

    def initial(self, batch: int) -> dict[str, Tensor]:
        """The memory at a new start: frames (B, N - 1, 3, H, W) uint8 before the present one, and the last action."""
        c = self.config
        return {
            "frames": torch.zeros(batch, c.frames - 1, 3, c.height, c.width, dtype=torch.uint8),
            "last": torch.full((batch,), NONE, dtype=torch.int64),
        }

    def act(self, carry: Mapping[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
        """The memory after, and actions (B,) int64, for the present frames (B, 3, H, W) uint8. Changes no argument.

        Before the first frame comes the first frame again. Only with a temperature ``rng`` is drawn from, once a row.
        """
        last = carry["last"]
        begun = (last != NONE)[:, None, None, None, None]
        frames = torch.cat([torch.where(begun, carry["frames"], obs[:, None]), obs[:, None]], dim=1)
        with torch.no_grad():
            logits = self.network(frames, last)
        if self.temperature == 0:
            action = logits.argmax(-1)
        else:
            action = rng.check(len(obs)).categorical((logits / self.temperature).softmax(-1))
        return {"frames": frames[:, 1:].clone(), "last": action}, action
