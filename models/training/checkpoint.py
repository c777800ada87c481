"""A training checkpoint: one safetensors file with the weights, their average, the optimiser and all randomness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic

FORMAT = 1


class Stateful(Protocol):
    """An optimiser, or several that are kept as one."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, values: dict[str, Any], /) -> Any: ...


def optimizer_tensors(optimizer: Stateful) -> dict[str, Tensor]:
    """The optimiser's state as named tensors: INDEX.KEY in the order of its parameter groups."""
    states = optimizer.state_dict()["state"]
    return {f"{i}.{key}": value for i, entry in states.items() for key, value in entry.items()}


def load_optimizer(optimizer: Stateful, tensors: dict[str, Tensor]) -> None:
    """The inverse of ``optimizer_tensors``; learning rates stay as they are."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def write_checkpoint(path: Path, parts: dict[str, dict[str, Tensor]], info: dict[str, Any]) -> None:
    """Write groups of tensors (PART/NAME) and JSON values, atomically."""
    tensors = {
        f"{part}/{name}": t.detach().cpu().contiguous() for part, group in parts.items() for name, t in group.items()
    }
    write_atomic(path, save(tensors, metadata={"format": str(FORMAT), "info": json.dumps(info)}))


def read_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The inverse of ``write_checkpoint``. Raises ValueError on a damaged or foreign file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != str(FORMAT):
                raise ValueError(f"{path}: got checkpoint format {header.get('format')}, expected {FORMAT}")
            parts: dict[str, dict[str, Tensor]] = {}
            for key in file.keys():  # noqa: SIM118
                part, _, name = key.partition("/")
                parts.setdefault(part, {})[name] = file.get_tensor(key)
            return parts, json.loads(header["info"])
    except (SafetensorError, OSError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: got a damaged checkpoint ({error}); remove it to train from the start") from error
