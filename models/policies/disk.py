"""A policy on disk: one safetensors file beside a world, written atomically, read strictly.

Its header holds, under ``reverie_policy``, JSON with the keys format, kind, config, provenance and quality.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic
from models.nn.weights import load_weights
from models.policies.pixels import KIND, PixelConfig, PixelNet, PixelPolicy

FORMAT = 1
POLICY = "policy.safetensors"
"""The file's name in a world's folder."""
HEADER = "reverie_policy"
KEYS = {"format", "kind", "config", "provenance", "quality"}


class PolicyError(ValueError):
    """A file that is not an intact policy: names the file, what was got and what was expected."""


@dataclass(frozen=True)
class PolicyFile:
    """A policy, and what is known of it: how it was trained, and how well it plays."""

    policy: PixelPolicy
    provenance: dict[str, Any]
    quality: dict[str, Any]


def write_policy(path: Path, network: PixelNet, provenance: dict[str, Any], quality: dict[str, Any]) -> None:
    """Write atomically; weights as float16. Raises OSError when the file cannot be written."""
    header = {"format": FORMAT, "kind": KIND, "config": network.config.to_dict()}
    header |= {"provenance": provenance, "quality": quality}
    weights = {name: t.detach().cpu().to(torch.float16).contiguous() for name, t in network.state_dict().items()}
    write_atomic(path, save(weights, metadata={HEADER: json.dumps(header)}))


def read_policy(path: Path) -> PolicyFile:
    """Read a policy onto the CPU, weights as float32. Raises PolicyError."""
    header, weights = _read(path)
    if set(header) != KEYS:
        raise PolicyError(f"{path}: got keys {sorted(header)}, expected exactly {sorted(KEYS)}")
    if header["kind"] != KIND:
        raise PolicyError(f"{path}: got a policy of kind {header['kind']!r}, expected {KIND!r}; update Reverie")
    if not isinstance(header["provenance"], dict) or not isinstance(header["quality"], dict):
        raise PolicyError(f"{path}: got provenance or quality that is no object, expected objects")
    try:
        network = PixelNet(PixelConfig.from_dict(header["config"]))
        load_weights(network, weights, str(path))
    except (ValueError, RuntimeError) as error:
        raise PolicyError(f"{path}: {error}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise PolicyError(f"{path}: got weights that are not finite, expected numbers; export it again")
    return PolicyFile(PixelPolicy(network), header["provenance"], header["quality"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        found = f"{path.stat().st_size} bytes that are no safetensors file" if path.exists() else "no such file"
        raise PolicyError(f"{path}: got {found} ({error}), expected a policy; restore or export it again") from error
    try:
        header = json.loads(metadata[HEADER])
        version = header["format"]
    except (KeyError, ValueError, TypeError) as error:
        raise PolicyError(f"{path}: got a foreign safetensors file, expected a policy of Reverie") from error
    if version != FORMAT:
        raise PolicyError(f"{path}: got a policy of format {version!r}, expected {FORMAT}; update Reverie")
    return header, weights
