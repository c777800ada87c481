"""Where random numbers come from: whoever samples is handed a source, so a run can be repeated or forced."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Draws(Protocol):
    """A source of float32 noise; the shape asked for includes the batch."""

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        ...

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers."""
        ...


class TorchDraws:
    """Draws from one generator, for training.

    Numbers are drawn on the generator's own device and then moved, so a generator of the processor gives the same ones
    whatever ``device`` is.
    """

    def __init__(self, generator: torch.Generator, device: torch.device | str = "cpu") -> None:
        self.generator = generator
        self.device = torch.device(device)

    def uniform(self, *shape: int) -> Tensor:
        """float32 in [0, 1)."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device).to(self.device)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal float32."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device).to(self.device)
