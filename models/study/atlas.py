"""The atlas of a world: where in its latent space real play lies, so that one can see how far a dream has left it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic
from models.study.thumbnails import SIDE, pictures_of, sheet

FORMAT = 1
ATLAS = "atlas.safetensors"
"""Its name in a world's folder."""
CLOUD, AXES = 1024, 32
"""States of real play in an atlas, and numbers kept of each, at most."""
NEAREST = 5
"""Neighbours whose mean distance says how far from real play a state is."""
QUANTILES = 101
USUAL = 95
"""The percentile of held-out real play whose distance is drift 1."""
PICTURES = 800_000
"""Bytes of the thumbnails, at most."""
LARGEST = 3 * 2**20
FLOATS, HALVES = ("mean", "scale", "weights", "distances"), ("axes", "points")
"""Tensors kept in full and in half precision."""
DEEPEST = 65_536
"""Numbers in a latent, at most."""


@dataclass(frozen=True, eq=False)
class Atlas:
    """A map of the latents of real play, of one world's weights.

    A latent is standardised, then written in the first principal axes of real play, and what they leave over is one
    number more: its length. Each is weighed, so that no axis outshouts the others; distances are Euclidean in these
    numbers. Everything lies on the CPU.
    """

    world: str
    """The hash of the world whose latents these are."""
    mean: Tensor
    """(D,) float32."""
    scale: Tensor
    """(D,) float32, above 0."""
    axes: Tensor
    """(D, A) float32, orthonormal columns, A from 2 to AXES."""
    weights: Tensor
    """(A + 1,) float32, above 0."""
    points: Tensor
    """(m, A + 1) float32: real play of the training episodes in these numbers."""
    distances: Tensor
    """(QUANTILES,) float32, rising: percentiles of the distance of held-out real play to its nearest points."""
    thumbnails: Tensor
    """(m, 3, h, w) uint8: the frame of each point."""
    note: dict[str, Any] = field(default_factory=dict)
    """What it was made of, and how well it tells real play from what is not, as JSON values."""

    def __post_init__(self) -> None:
        d, a = self.axes.shape if self.axes.ndim == 2 else (0, 0)
        m = self.points.shape[0] if self.points.ndim == 2 else 0
        if not (0 < d <= DEEPEST and 2 <= a <= AXES and NEAREST <= m <= CLOUD):
            raise ValueError(
                f"atlas: got axes {tuple(self.axes.shape)} and {m} points, expected (D, 2 to {AXES}) and "
                f"{NEAREST} to {CLOUD}"
            )
        want: dict[str, tuple[int, ...]] = {"mean": (d,), "scale": (d,), "axes": (d, a), "weights": (a + 1,)}
        want |= {"points": (m, a + 1), "distances": (QUANTILES,)}
        for name, shape in want.items():
            tensor = getattr(self, name)
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32 or not bool(tensor.isfinite().all()):
                got = f"{tuple(tensor.shape)} {tensor.dtype}"
                raise ValueError(f"atlas: {name}: got {got}, expected finite numbers {shape} torch.float32")
        if not (bool((self.scale > 0).all()) and bool((self.weights > 0).all()) and self.unit > 0):
            raise ValueError("atlas: got a scale, a weight or a usual distance of 0, expected more than 0")
        pictures = self.thumbnails
        if pictures.shape[:2] != (m, 3) or pictures.ndim != 4 or pictures.dtype != torch.uint8:
            got = f"{tuple(pictures.shape)} {pictures.dtype}"
            raise ValueError(f"atlas: thumbnails: got {got}, expected ({m}, 3, h, w) torch.uint8")

    @property
    def cloud(self) -> Tensor:
        """Coordinates of real play on the map: (m, 2) float32."""
        return self.points[:, :2]

    @property
    def unit(self) -> float:
        """The distance that is drift 1."""
        return float(self.distances[USUAL])

    def place(self, latent: Tensor) -> Tensor:
        """Latents (B, D) to the numbers (B, A + 1) in which distances are taken. Raises ValueError for another D."""
        if latent.ndim != 2 or latent.shape[1] != len(self.mean):
            raise ValueError(f"latent: got shape {tuple(latent.shape)}, expected (B, {len(self.mean)}) as in the atlas")
        centred = (latent.detach().cpu().float() - self.mean) / self.scale
        known = centred @ self.axes
        rest = (centred.square().sum(1) - known.square().sum(1)).clamp(min=0).sqrt()
        return torch.cat([known, rest[:, None]], dim=1) * self.weights

    def coordinates(self, latent: Tensor) -> Tensor:
        """Where latents (B, D) are on the map: (B, 2) float32, along the first two principal axes of real play."""
        return self.place(latent)[:, :2]

    def drift(self, latent: Tensor) -> Tensor:
        """How far from real play: (B,) float32, 1 the distance that 95 % of held-out real play does not exceed."""
        return distance(self.place(latent), self.points) / self.unit

    def nearest(self, latent: Tensor, k: int = NEAREST) -> tuple[Tensor, Tensor]:
        """The k nearest frames of real play, nearest first: distances (B, k) in units of drift, (B, k, 3, h, w)."""
        if not 1 <= k <= len(self.points):
            raise ValueError(f"nearest: got k {k}, expected 1 to {len(self.points)}")
        found = between(self.place(latent), self.points).topk(k, largest=False)
        return found.values / self.unit, self.thumbnails[found.indices]

    def write(self, path: Path) -> None:
        """Write atomically; axes and points are kept in half precision, thumbnails as one picture."""
        write_atomic(path, self.content())

    def content(self) -> bytes:
        """The bytes of the file. Raises ValueError where it would be larger than any atlas may be."""
        picture = torch.frombuffer(bytearray(sheet(self.thumbnails, PICTURES)), dtype=torch.uint8)
        tensors = {name: getattr(self, name).contiguous() for name in FLOATS}
        halves = {name: getattr(self, name).half().contiguous() for name in HALVES}
        info = {"format": str(FORMAT), "world": self.world, "note": json.dumps(self.note)}
        info["thumbnails"] = json.dumps(list(self.thumbnails.shape))
        data = save({**tensors, **halves, "thumbnails": picture}, metadata=info)
        if len(data) > LARGEST:
            raise ValueError(f"atlas: got {len(data)} bytes, expected at most {LARGEST}; take fewer frames")
        return data

    @classmethod
    def read(cls, path: Path) -> Atlas:
        """Read strictly. Raises ValueError naming the file where it is missing, damaged or no atlas."""
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError(f"got {path.stat().st_size} bytes, expected at most {LARGEST}")
            with safe_open(path, framework="pt") as file:
                info, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in set(file.keys())}
            return cls.parse(info, tensors)
        except (SafetensorError, OSError, ValueError) as error:
            raise ValueError(
                f"{path}: got no atlas ({error}), expected one as `reverie atlas` writes it; remove it or make it anew"
            ) from error

    @classmethod
    def parse(cls, info: dict[str, str], tensors: dict[str, Tensor]) -> Atlas:
        """An atlas from a file's metadata and tensors. Raises ValueError for whatever does not fit."""
        names = {*FLOATS, *HALVES, "thumbnails"}
        if info.get("format") != str(FORMAT):
            raise ValueError(f"got format {info.get('format')!r}, expected {FORMAT}")
        if set(tensors) != names or not {"world", "note", "thumbnails"} <= set(info):
            raise ValueError(f"got tensors {sorted(tensors)} and metadata {sorted(info)}, expected {sorted(names)}")
        shape, note, picture = json.loads(info["thumbnails"]), json.loads(info["note"]), tensors["thumbnails"]
        if not (isinstance(note, dict) and isinstance(shape, list) and all(type(side) is int for side in shape)):
            raise ValueError(f"got thumbnails {shape!r:.100} and note {note!r:.100}, expected a shape and an object")
        m = tensors["points"].shape[0] if tensors["points"].ndim == 2 else 0
        if len(shape) != 4 or shape[:2] != [m, 3] or not all(0 < side <= SIDE for side in shape[2:]) or m > CLOUD:
            raise ValueError(f"got thumbnails of shape {shape}, expected at most ({min(m, CLOUD)}, 3, {SIDE}, {SIDE})")
        if picture.ndim != 1 or picture.dtype != torch.uint8:
            raise ValueError(f"thumbnails: got {tuple(picture.shape)} {picture.dtype}, expected a picture's bytes")
        pictures = pictures_of(picture.numpy().tobytes(), m, shape[2], shape[3])
        floats = {name: tensors[name].float() for name in names - {"thumbnails"}}
        return cls(world=info["world"], thumbnails=pictures, note=note, **floats)


def between(here: Tensor, points: Tensor) -> Tensor:
    """Euclidean distances of (B, P) to (m, P): (B, m)."""
    return torch.cdist(here, points, compute_mode="donot_use_mm_for_euclid_dist")


def distance(here: Tensor, points: Tensor) -> Tensor:
    """The mean distance of (B, P) to its NEAREST points of (m, P): (B,)."""
    return between(here, points).topk(NEAREST, largest=False).values.mean(1)
