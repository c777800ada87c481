"""Loading weights strictly, and placing them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def load_weights(model: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Load strictly: an unknown, missing or misshapen tensor raises ValueError naming it, got and expected."""
    wanted = model.state_dict()
    unknown, missing = sorted(set(tensors) - set(wanted)), sorted(set(wanted) - set(tensors))
    if unknown or missing:
        raise ValueError(
            f"{where}: got unknown tensors {unknown[:5]}, missing tensors {missing[:5]}, expected {len(wanted)}"
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape:
            got, want = tuple(tensor.shape), tuple(wanted[name].shape)
            raise ValueError(f"{where}: got shape {got} of {name}, expected {want}")
    model.load_state_dict(tensors)


def place(model: nn.Module, device: torch.device) -> None:
    """Move a model to its device, with channels last in memory, as its convolutions run fastest."""
    model.to(device)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
