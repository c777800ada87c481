"""Golden numbers, made by running the published DIAMOND code on a CPU in float32, and the networks they belong to.

In the .npz files a name ending in @u8 holds bytes k whose value is float32 k / 255 * 2 - 1. The .safetensors files hold
the random weights of small networks under the published names; every value is exact in float16.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.diamond.config import DenoiserConfig, RewEndConfig
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel

FOLDER = Path(__file__).parent / "golden" / "diamond"
DENOISERS = ("atari", "pad_attn", "odd_groups")


class Golden:
    """The arrays of one file, as tensors by name."""

    def __init__(self, name: str) -> None:
        with np.load(FOLDER / f"{name}.npz") as file:
            self.arrays = dict(file)

    def __contains__(self, name: str) -> bool:
        return name in self.arrays or f"{name}@u8" in self.arrays

    def __getitem__(self, name: str) -> Tensor:
        if f"{name}@u8" in self.arrays:
            levels = self.arrays[f"{name}@u8"].astype(np.float32)
            return torch.from_numpy(levels / np.float32(255) * 2 - 1)
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def bytes(self, name: str) -> Tensor:
        """The bytes of an array whose values are stored as bytes."""
        return torch.from_numpy(self.arrays[f"{name}@u8"])

    def names(self, name: str) -> list[str]:
        return [str(value) for value in self.arrays[name]]


@cache
def golden(name: str) -> Golden:
    return Golden(name)


@cache
def manifest() -> dict[str, Any]:
    return json.loads((FOLDER / "manifest_atari.json").read_text())


def weights(name: str, prefix: str) -> dict[str, Tensor]:
    tensors = load_file(FOLDER / f"{name}.safetensors")
    return {key.removeprefix(prefix): t.float() for key, t in tensors.items() if key.startswith(prefix)}


def denoiser(name: str) -> Denoiser:
    """The golden network atari, pad_attn or odd_groups."""
    values = manifest()["agent"]["denoiser"] if name == "atari" else manifest()["denoisers"][name]
    actions = manifest()["agent"]["num_actions"] if name == "atari" else values["num_actions"]
    depths, channels, attn = (tuple(values[key]) for key in ("depths", "channels", "attn"))
    model = Denoiser(DenoiserConfig(values["n"], values["cond"], depths, channels, attn), actions)
    file, prefix = ("atari_agent", "denoiser.") if name == "atari" else (name, "")
    model.load_state_dict(weights(file, prefix))
    return model


def rew_end() -> RewEndModel:
    """The golden model of reward and termination: 4 actions, 32 x 32."""
    values = manifest()["agent"]["rew_end"]
    depths, channels, attn = (tuple(values[key]) for key in ("depths", "channels", "attn"))
    model = RewEndModel(RewEndConfig(values["lstm_dim"], values["cond"], depths, channels, attn), 4, 32, 32)
    model.load_state_dict(weights("atari_agent", "rew_end_model."))
    return model


def assert_near(got: Tensor, want: Tensor, tolerance: float = 1e-5, what: str = "") -> None:
    """Same shape, and the greatest difference at most ``tolerance`` times the greatest wanted value (at least 1)."""
    assert got.shape == want.shape, f"{what}: got shape {tuple(got.shape)}, expected {tuple(want.shape)}"
    got, want = got.detach(), want.detach()
    difference = float((got - want).abs().max())
    allowed = tolerance * max(1.0, float(want.abs().max()))
    assert difference <= allowed, f"{what}: off by {difference:.3g}, allowed {allowed:.3g}"


def assert_levels(got: Tensor, want: Tensor, share: float = 0.002) -> None:
    """Quantised values in [-1, 1] agree but for one level in at most a ``share`` of the pixels."""
    assert got.shape == want.shape
    difference = (got - want).abs()
    assert float(difference.max()) <= 1.01 * 2 / 255
    assert float((difference > 1e-3).float().mean()) <= share
