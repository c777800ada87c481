"""A world's actions as the family's networks see them: one-hot vectors, or components in [-1, 1]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.rssm.config import SpaceConfig
from models.types import ActionSpec


def bounds(spec: ActionSpec) -> tuple[Tensor, Tensor]:
    """low and high (n,) float32."""
    return torch.tensor(spec.low), torch.tensor(spec.high)


def to_vector(spec: ActionSpec, action: Tensor) -> Tensor:
    """(..., A) float32 of actions (...) int64, or of (..., n) float32 within the spec's bounds."""
    if spec.kind == "discrete":
        return F.one_hot(action.long(), spec.size).float()
    low, high = (bound.to(action.device) for bound in bounds(spec))
    return 2 * (action.float() - low) / (high - low) - 1


def from_vector(spec: ActionSpec, vector: Tensor) -> Tensor:
    """The inverse of ``to_vector``; components beyond [-1, 1] are clipped, and what rounding puts beyond the bounds."""
    if spec.kind == "discrete":
        return vector.argmax(-1)
    low, high = (bound.to(vector.device) for bound in bounds(spec))
    return (low + (vector.clamp(-1, 1) + 1) / 2 * (high - low)).clamp(low, high)


def space_of(spec: ActionSpec, image: tuple[int, ...] = (), vectors: tuple[tuple[str, int], ...] = ()) -> SpaceConfig:
    """The space of a world with such actions that shows such observations."""
    return SpaceConfig(image, vectors, spec.size, spec.kind == "discrete")
