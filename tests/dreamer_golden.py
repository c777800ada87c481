"""Golden numbers of the Dreamer family, made by running the published code on a CPU in float32.

tests/golden/dreamer holds them: .npz files whose names are slash-separated paths, and JSON.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden" / "dreamer"


class Arrays:
    """The arrays of one file by name; ``at(prefix)`` is the part below a prefix."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays = arrays

    def __getitem__(self, name: str) -> Tensor:
        """Fresh tensors: tests may change them."""
        return torch.from_numpy(np.array(self.arrays[name]))

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def names(self) -> list[str]:
        return list(self.arrays)

    def json(self, name: str) -> Any:
        """A value that is stored as JSON text."""
        return json.loads(str(self.arrays[name]))

    def at(self, prefix: str) -> Arrays:
        start = f"{prefix}/"
        return Arrays({name.removeprefix(start): a for name, a in self.arrays.items() if name.startswith(start)})

    def tensors(self) -> dict[str, Tensor]:
        return {name: self[name] for name in self.arrays}


@cache
def dreamer(name: str) -> Arrays:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return Arrays(dict(file))


@cache
def dreamer_json(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def assert_close(got: Tensor, want: Tensor, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    """Same shape and values; for gradients of whole networks take rtol 1e-3, atol 1e-5."""
    torch.testing.assert_close(got.detach().float(), want.float(), rtol=rtol, atol=atol)
