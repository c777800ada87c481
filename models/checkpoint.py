"""A world on disk: a folder of world.json and safetensors files, written atomically, read strictly.

world.json           format, family and its config, settings, spec, provenance, quality
model.safetensors    weights (float32, bfloat16 or float16)
starts.safetensors   real contexts to start from: frames (N, L, 3, H, W) uint8, actions (N, L - 1)
README.md, preview.gif
policy.safetensors   an agent that plays the world, where it has one (models/policies/disk.py)
probe.safetensors    reads objects from its frames, where its game has labels (models/training/probe_cache.py)
atlas.safetensors    a map of its latents (models/study/atlas.py)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic
from models.types import ActionSpec, Context, WorldSpec

FORMAT = 1
MODEL, STARTS, MANIFEST = "model.safetensors", "starts.safetensors", "world.json"


class WorldError(ValueError):
    """A folder that is not an intact world: names the file, what was got and what was expected."""


@dataclass(frozen=True)
class Manifest:
    """world.json."""

    family: str
    config: dict[str, Any]
    settings: dict[str, Any]
    """Live settings the world opens with."""
    spec: WorldSpec
    provenance: dict[str, Any] = field(default_factory=dict)
    """Environment and its settings, data, steps, wall time, hardware."""
    quality: dict[str, Any] = field(default_factory=dict)
    """Measured on held-out episodes, with the settings of the measurement."""
    format: int = FORMAT


@dataclass(frozen=True)
class WorldFolder:
    """An opened world folder: its manifest is read, its tensors are read when asked for."""

    path: Path
    manifest: Manifest
    hash: str
    """sha256 over what decides its frames: family, config, spec and the weights' file."""

    @property
    def name(self) -> str:
        return self.manifest.spec.name

    def weights(self) -> dict[str, Tensor]:
        """All weights as float32. Raises WorldError."""
        return {name: t.float() for name, t in read_tensors(self.path / MODEL).items()}

    def starts(self) -> Context:
        """All starts, one a row. Raises WorldError."""
        path = self.path / STARTS
        tensors = read_tensors(path)
        if set(tensors) != {"frames", "actions"}:
            raise WorldError(f"{path}: got tensors {sorted(tensors)}, expected actions and frames")
        try:
            return Context(tensors["frames"], tensors["actions"]).check(self.manifest.spec)
        except ValueError as error:
            raise WorldError(f"{path}: {error}") from error

    def with_quality(self, quality: dict[str, Any]) -> WorldFolder:
        """Store measured quality in world.json; the world itself, and so its hash, stays."""
        values = {f.name: getattr(self.manifest, f.name) for f in fields(Manifest)} | {"quality": quality}
        write_atomic(self.path / MANIFEST, manifest_json(Manifest(**values)))
        return open_world_folder(self.path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file. Raises WorldError when it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        found = f"{path.stat().st_size} bytes that are no safetensors file" if path.exists() else "no such file"
        raise WorldError(
            f"{path}: got {found} ({error}), expected an intact file; restore or export it again"
        ) from error


def strict_fields(cls: type, values: Any, where: str) -> dict[str, Any]:
    """Values for a dataclass from JSON: exactly its fields, lists as tuples. Raises WorldError."""
    names = {f.name for f in fields(cls)}
    if not isinstance(values, dict) or set(values) != names:
        got = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise WorldError(f"{where}: got keys {got}, expected exactly {sorted(names)}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def manifest_json(manifest: Manifest) -> str:
    return json.dumps(asdict(manifest), indent=1) + "\n"


def read_manifest(path: Path) -> Manifest:
    """Read world.json strictly. Raises WorldError."""
    try:
        values = json.loads(path.read_text())
    except OSError as error:
        raise WorldError(f"{path}: got no readable file ({error.strerror}), expected a world's description") from error
    except ValueError as error:
        raise WorldError(f"{path}: got text that is no JSON ({error}), expected a world's description") from error
    if not isinstance(values, dict) or "format" not in values:
        raise WorldError(f"{path}: got no world's description (no key 'format')")
    if values["format"] != FORMAT:
        hint = (
            "update Reverie to open it"
            if isinstance(values["format"], int) and values["format"] > FORMAT
            else "export it again"
        )
        raise WorldError(f"{path}: got format {values['format']!r}, expected {FORMAT}; {hint}")
    top = strict_fields(Manifest, values, str(path))
    for key in ("config", "settings", "provenance", "quality"):
        if not isinstance(top[key], dict):
            raise WorldError(f"{path}: {key}: got {top[key]!r}, expected an object")
    spec = strict_fields(WorldSpec, top["spec"], f"{path}: spec")
    try:
        spec["actions"] = ActionSpec(**strict_fields(ActionSpec, spec["actions"], f"{path}: spec.actions"))
        top["spec"] = WorldSpec(**spec)
        return Manifest(**top)
    except WorldError:
        raise
    except (TypeError, ValueError) as error:
        raise WorldError(f"{path}: {error}") from error


def world_hash(manifest: Manifest, model: Path) -> str:
    decisive = {"family": manifest.family, "config": manifest.config, "spec": asdict(manifest.spec)}
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    try:
        with model.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise WorldError(f"{model}: got no readable file ({error.strerror}), expected the world's weights") from error
    return digest.hexdigest()


def open_world_folder(path: Path | str) -> WorldFolder:
    """Open a world folder. Raises WorldError naming the file, the key, what was got and what was expected."""
    path = Path(path)
    if not path.is_dir():
        raise WorldError(f"{path}: got no folder, expected a world folder with {MANIFEST}")
    manifest = read_manifest(path / MANIFEST)
    return WorldFolder(path, manifest, world_hash(manifest, path / MODEL))


def write_world_folder(
    path: Path, manifest: Manifest, weights: dict[str, Tensor], starts: Context, extras: dict[str, bytes]
) -> WorldFolder:
    """Write a whole world atomically; an existing world of that path is replaced only when the new one is complete.

    Weights are stored as bfloat16; extras are further files by name (README.md, preview.gif). Raises WorldError, and
    touches nothing, when the path holds something else than a world.
    """
    path = Path(path)
    if path.exists() and not (path / MANIFEST).exists() and (not path.is_dir() or any(path.iterdir())):
        raise WorldError(f"{path}: got a file or folder that is no world, expected a world to replace or a new name")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        half = {name: t.detach().cpu().to(torch.bfloat16).contiguous() for name, t in weights.items()}
        write_atomic(beside / MODEL, save(half))
        write_atomic(
            beside / STARTS, save({"frames": starts.frames.contiguous(), "actions": starts.actions.contiguous()})
        )
        write_atomic(beside / MANIFEST, manifest_json(manifest))
        for name, content in extras.items():
            write_atomic(beside / name, content)
        os.chmod(beside, 0o755)
        swap_folder(beside, path)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return open_world_folder(path)


def swap_folder(new: Path, path: Path) -> None:
    """Put ``new`` in the place of ``path``; where that fails, what was there comes back."""
    old = new.with_name(f"{new.name}.old")
    if path.exists():
        os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        if old.exists():
            os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
