"""Replay of real play for training online: one stream of steps an environment, windows of it, and what was learned of
each step."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from models.files import write_atomic

CHUNK_ROWS = 4096
"""Steps of all streams together that share one file on disk."""


@dataclass(frozen=True)
class Field:
    """One entry of a step: its shape, and how it is kept. ``rewritten``: training replaces it later (latents)."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    rewritten: bool = False


@dataclass(frozen=True)
class Windows:
    """Windows of successive steps: data (B, length, ...) by name, their streams (B,) and first steps (B,) int64."""

    data: dict[str, Tensor]
    stream: Tensor
    start: Tensor


class Replay:
    """Streams of equal progress, the newest ``capacity`` steps of all together, in memory.

    A window is ``length`` successive steps of one stream, beginning at any step; it may cross the ends of episodes.
    Every ``length``-th window is also queued, so that new play is trained on at once; after the queue windows are drawn
    uniformly (spec of Dreamer V3's replay). Memory is claimed as it fills.
    """

    def __init__(
        self,
        fields: Mapping[str, Field],
        streams: int,
        length: int,
        capacity: int,
        *,
        online: bool = True,
        seed: int = 0,
    ) -> None:
        if streams < 1 or length < 1 or capacity < streams * length:
            raise ValueError(
                f"replay: got {streams} streams, windows of {length} and room for {capacity} steps, "
                f"expected room for at least one window a stream"
            )
        for name in ("is_first", "is_last"):
            if name not in fields:
                raise ValueError(f"replay: got fields {sorted(fields)}, expected {name} among them")
        self.fields, self.streams, self.length, self.online = dict(fields), streams, length, online
        self.ring = capacity // streams
        self.chunk = max(1, CHUNK_ROWS // streams)
        self.data = {
            name: torch.zeros(streams * self.ring, *field.shape, dtype=field.dtype) for name, field in fields.items()
        }
        self.generator = torch.Generator().manual_seed(seed)
        self.count = 0
        """Steps a stream was given so far; step t lives in row t % ring."""
        self.queue: deque[tuple[int, int]] = deque()
        self.written: set[int] = set()

    @property
    def oldest(self) -> int:
        return max(0, self.count - self.ring)

    @property
    def windows(self) -> int:
        """How many windows can be drawn now."""
        return self.streams * max(0, self.count - self.oldest - self.length + 1)

    def rows(self, step: int) -> Tensor:
        """The rows of every stream at one step."""
        return torch.arange(self.streams) * self.ring + step % self.ring

    def newest(self, steps: int, name: str) -> Tensor:
        """One field of the newest steps of every stream, (streams, n, ...) with n at most ``steps``."""
        first = max(self.oldest, self.count - steps)
        return torch.stack([self.data[name][self.rows(step)] for step in range(first, self.count)], 1)

    def add(self, step: Mapping[str, Tensor]) -> None:
        """Append one step a stream: (streams, ...) for every field."""
        if set(step) != set(self.fields):
            raise ValueError(f"replay: got a step with {sorted(step)}, expected {sorted(self.fields)}")
        rows = self.rows(self.count)
        for name, value in step.items():
            self.data[name][rows] = value.to(self.fields[name].dtype)
        last = self.count
        self.count += 1
        if self.online and last >= self.length and last % self.length == 0:
            self.queue.extend((stream, last - self.length + 1) for stream in range(self.streams))

    def sample(self, batch: int) -> Windows:
        """Queued windows first, the rest drawn uniformly with replacement. Raises ValueError while there is none."""
        if not self.windows:
            raise ValueError(f"replay: got {self.count} steps a stream, expected at least {self.length} to draw from")
        chosen: list[tuple[int, int]] = []
        while self.queue and len(chosen) < batch:
            stream, start = self.queue.popleft()
            if start >= self.oldest:
                chosen.append((stream, start))
        each = self.windows // self.streams
        drawn = torch.randint(self.windows, (batch - len(chosen),), generator=self.generator)
        begun = torch.tensor(chosen, dtype=torch.int64).reshape(-1, 2)
        streams = torch.cat([begun[:, 0], drawn // each])
        return self.read(streams, torch.cat([begun[:, 1], self.oldest + drawn % each]))

    def read(self, streams: Tensor, starts: Tensor) -> Windows:
        """The windows that begin at the given steps.

        Their first step is marked first; a step before a first one is marked last, so that an episode that was
        abandoned ends.
        """
        rows = self.indices(streams, starts, 0)
        data = {
            name: values.index_select(0, rows.flatten()).unflatten(0, rows.shape) for name, values in self.data.items()
        }
        data["is_last"][:, :-1] |= data["is_first"][:, 1:]
        data["is_first"][:, 0] = True
        return Windows(data, streams, starts)

    def indices(self, streams: Tensor, starts: Tensor, skip: int) -> Tensor:
        steps = starts[:, None] + torch.arange(skip, self.length)
        return streams[:, None] * self.ring + steps % self.ring

    def rewrite(self, windows: Windows, values: Mapping[str, Tensor], skip: int) -> None:
        """Replace fields of the windows' steps from the ``skip``-th on: (B, length - skip, ...) by name.

        Steps that were dropped meanwhile are left out; of windows that overlap the last one counts.
        """
        rows = self.indices(windows.stream, windows.start, skip)
        kept = (windows.start[:, None] + torch.arange(skip, self.length)) >= self.oldest
        where = rows[kept].numpy()
        for name, value in values.items():
            if not self.fields[name].rewritten:
                raise ValueError(f"replay: got new values of {name!r}, expected a field that may be rewritten")
            self.data[name].numpy()[where] = value.detach().cpu().to(self.fields[name].dtype)[kept].numpy()

    def save(self, folder: Path) -> dict[str, Any]:
        """Write what is new as files in ``folder``; returns what ``restore`` needs, as JSON values.

        Files that an older state names stay as they are: ``prune`` them when the new state is safe.
        """
        files: dict[str, int] = {}
        for index in range(self.oldest // self.chunk, -(-self.count // self.chunk)):
            whole = (index + 1) * self.chunk <= self.count
            name = f"steps-{index:06d}.safetensors" if whole else f"tail-{self.count:09d}.safetensors"
            files[name] = index
            if not whole or index not in self.written:
                self.write(folder / name, index, rewritten=False)
            if whole:
                self.written.add(index)
        latents = self.write_latents(folder)
        return {
            "count": self.count,
            "queue": [list(entry) for entry in self.queue],
            "generator": self.generator.get_state().tolist(),
            "files": files,
            "latents": latents,
        }

    def write_latents(self, folder: Path) -> dict[str, int]:
        """All rewritten fields, one file a chunk, named by the count so that older ones stay."""
        if not any(field.rewritten for field in self.fields.values()) or not self.count:
            return {}
        indices = range(self.oldest // self.chunk, -(-self.count // self.chunk))
        files = {f"latents-{self.count:09d}-{index:06d}.safetensors": index for index in indices}
        for name, index in files.items():
            self.write(folder / name, index, rewritten=True)
        return files

    def span(self, index: int) -> tuple[int, int]:
        """The kept steps of a chunk: from, to."""
        return max(index * self.chunk, self.oldest), min((index + 1) * self.chunk, self.count)

    def chunk_rows(self, begin: int, end: int) -> Tensor:
        steps = torch.arange(begin, end)
        return (torch.arange(self.streams)[:, None] * self.ring + steps % self.ring).flatten()

    def write(self, path: Path, index: int, *, rewritten: bool) -> None:
        begin, end = self.span(index)
        rows = self.chunk_rows(begin, end)
        tensors = {
            name: self.data[name].index_select(0, rows).unflatten(0, (self.streams, end - begin))
            for name, field in self.fields.items()
            if field.rewritten == rewritten
        }
        write_atomic(path, save(tensors, metadata={"begin": str(begin)}))

    def restore(self, folder: Path, info: Mapping[str, Any]) -> None:
        """The inverse of ``save``. Raises ValueError when a file is missing, damaged or of another replay."""
        self.count = int(info["count"])
        self.queue = deque((int(stream), int(start)) for stream, start in info["queue"])
        self.generator.set_state(torch.tensor(info["generator"], dtype=torch.uint8))
        self.written = set()
        for names in (info["files"], info["latents"]):
            for name, index in names.items():
                self.load(folder / name, index)
        self.written = {index for name, index in info["files"].items() if name.startswith("steps-")}

    def load(self, path: Path, index: int) -> None:
        begin, end = self.span(index)
        try:
            with safe_open(path, framework="pt") as file:
                first = int((file.metadata() or {})["begin"])
                for name in file.keys():  # noqa: SIM118
                    values = file.get_tensor(name)[:, begin - first :]
                    want = (self.streams, end - begin, *self.fields[name].shape)
                    if tuple(values.shape) != want:
                        raise ValueError(f"{path}: got {name} of {tuple(values.shape)}, expected {want}")
                    self.data[name][self.chunk_rows(begin, end)] = values.flatten(0, 1)
        except (SafetensorError, OSError, KeyError) as error:
            raise ValueError(
                f"{path}: got no intact part of the replay ({error}), expected one; train into another folder"
            ) from error

    def prune(self, folder: Path, info: Mapping[str, Any]) -> None:
        """Remove the files that the given state does not name, and what a killed process left half written."""
        named = {*info["files"], *info["latents"]}
        for path in [*folder.glob("*.safetensors"), *folder.glob(".*.part")]:
            if path.name not in named:
                path.unlink()
