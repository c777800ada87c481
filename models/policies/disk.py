"""A policy on disk: one safetensors file beside a world, written atomically, read strictly.

Its header holds, under ``reverie_policy``, JSON with the keys format, kind, config, provenance and quality.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic
from models.types import WorldSpec
from models.world import Rng

FORMAT = 1
POLICY = "policy.safetensors"
"""The file's name in a world's folder."""
HEADER = "reverie_policy"
KEYS = {"format", "kind", "config", "provenance", "quality"}
KINDS = {"pixels": "models.policies.pixels:PixelPolicy", "dreamer": "models.rssm.policy:DreamerPolicy"}
"""Each kind's class."""
AGENTS = Path(__file__).resolve().parents[2] / "assets" / "agents"
"""Agents that ship without a world, a folder each."""


class PolicyError(ValueError):
    """A file that is not an intact policy: names the file, what was got and what was expected."""


class SavedPolicy(Protocol):
    """What can be kept in a file, and plays: ``initial`` gives a memory, ``act`` the next one and the actions."""

    @property
    def kind(self) -> str: ...

    def header(self) -> dict[str, Any]:
        """Everything but the weights, as JSON values. The class's ``load(header, weights, where)`` is the inverse."""
        ...

    def weights(self) -> dict[str, Tensor]: ...

    def check(self, spec: WorldSpec) -> SavedPolicy:
        """Return self if it can play in such a world, else raise ValueError."""
        ...

    def initial(self, batch: int) -> dict[str, Tensor]: ...

    def act(self, carry: Mapping[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]: ...


@dataclass(frozen=True)
class PolicyFile:
    """A policy, and what is known of it: how it was trained, and how well it plays."""

    policy: SavedPolicy
    provenance: dict[str, Any]
    quality: dict[str, Any]


def find_agent(name_or_path: str | Path) -> Path | None:
    """The policy's file of an agent that ships with Reverie, or in a folder; None where there is none."""
    for folder in (AGENTS / str(name_or_path), Path(name_or_path)):
        if (folder / POLICY).is_file():
            return folder / POLICY
    return None


def write_policy(path: Path, policy: SavedPolicy, provenance: dict[str, Any], quality: dict[str, Any]) -> None:
    """Write atomically; weights as float16. Raises OSError when the file cannot be written."""
    header = {"format": FORMAT, "kind": policy.kind, "config": policy.header()}
    header |= {"provenance": provenance, "quality": quality}
    weights = {name: t.detach().cpu().to(torch.float16).contiguous() for name, t in policy.weights().items()}
    write_atomic(path, save(weights, metadata={HEADER: json.dumps(header)}))


def read_policy(path: Path) -> PolicyFile:
    """Read a policy onto the CPU, weights as float32. Raises PolicyError."""
    header, weights = _read(path)
    if set(header) != KEYS:
        raise PolicyError(f"{path}: got keys {sorted(header)}, expected exactly {sorted(KEYS)}")
    if not isinstance(header["kind"], str) or header["kind"] not in KINDS:
        known = " or ".join(repr(kind) for kind in sorted(KINDS))
        raise PolicyError(f"{path}: got a policy of kind {header['kind']!r}, expected {known}; update Reverie")
    if not isinstance(header["provenance"], dict) or not isinstance(header["quality"], dict):
        raise PolicyError(f"{path}: got provenance or quality that is no object, expected objects")
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise PolicyError(f"{path}: got weights that are not finite, expected numbers; export it again")
    module, name = KINDS[header["kind"]].split(":")
    try:
        policy: SavedPolicy = getattr(importlib.import_module(module), name).load(header["config"], weights, str(path))
    except (ValueError, RuntimeError, TypeError) as error:
        raise PolicyError(f"{path}: {error}") from error
    return PolicyFile(policy, header["provenance"], header["quality"])


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
