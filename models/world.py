"""The one contract of Reverie: a world model takes a state and an action and gives the next state and what it shows.

A state is a frozen dataclass of tensors whose first dimension is the batch, nothing else. That alone makes rewind
(keep old states), fork (clone), save (tensors to disk), lockstep and batching of players (cat, one step, split) the
same mechanism for every family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from models.types import Context, Prediction, WorldSpec

State = TypeVar("State")


class Rng:
    """Randomness of a batch: one CPU generator a row.

    A row's draws depend on its own generator alone, never on who shares the batch, nor on the device.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = list(generators)

    @classmethod
    def seeded(cls, seeds: Sequence[int]) -> Rng:
        """One generator a row, from one seed a row."""
        return cls([torch.Generator().manual_seed(int(seed)) for seed in seeds])

    def __len__(self) -> int:
        return len(self.generators)

    def check(self, batch: int) -> Rng:
        """Return self if it has one generator for each row of a batch, else raise ValueError (got, expected)."""
        if len(self) != batch:
            raise ValueError(f"rng: got {len(self)} generators, expected one for each of {batch} rows")
        return self

    def normal(self, *shape: int) -> Tensor:
        """Standard normals (B, *shape) float32, row b from generator b."""
        return torch.stack([torch.randn(shape, generator=g) for g in self.generators])

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), row b from generator b: (B, *shape) float32; (B,) without a shape."""
        return torch.stack([torch.rand(shape, generator=g) for g in self.generators])

    def categorical(self, probs: Tensor) -> Tensor:
        """One index a row from (B, n) probabilities, by inversion of one uniform draw a row: (B,) int64."""
        cumulative = probs.double().cumsum(-1)
        draw = self.uniform().double().to(probs.device) * cumulative[:, -1]
        return (cumulative <= draw[:, None]).sum(-1).clamp(max=probs.shape[-1] - 1)

    def integers(self, high: int) -> Tensor:
        """One integer a row in [0, high): (B,) int64."""
        return torch.cat([torch.randint(high, (1,), generator=g) for g in self.generators])

    def state(self) -> Tensor:
        """All generators as (B, k) uint8, to be stored in a save."""
        return torch.stack([g.get_state() for g in self.generators])

    @classmethod
    def from_state(cls, state: Tensor) -> Rng:
        """The inverse of ``state``. Raises ValueError when it is not a generator's state."""
        generators = []
        for row in state.unbind(0):
            generator = torch.Generator()
            try:
                generator.set_state(row.cpu().clone())  # PyTorch reads a view's storage from its start, and crashes
            except (RuntimeError, TypeError) as error:
                raise ValueError(
                    f"rng state: got {tuple(row.shape)} {row.dtype}, expected a generator's bytes"
                ) from error
            generators.append(generator)
        return cls(generators)

    def clone(self) -> Rng:
        return Rng.from_state(self.state())

    @classmethod
    def cat(cls, rngs: Sequence[Rng]) -> Rng:
        """Rows of all, sharing their generators: stepping the batch advances each row's own."""
        return cls([g for rng in rngs for g in rng.generators])

    def split(self) -> list[Rng]:
        """One Rng a row, sharing the generators."""
        return [Rng([g]) for g in self.generators]


class WorldModel(Protocol[State]):
    """A world that can be played. Implementations hold weights and settings, never a player's state."""

    @property
    def spec(self) -> WorldSpec: ...

    @property
    def settings(self) -> Any:
        """The family's frozen dataclass of live settings (sampler steps, temperature, ...)."""
        ...

    def with_settings(self, **changes: Any) -> WorldModel[State]:
        """The same world, sharing weights, under other settings. Raises ValueError on an unknown or invalid one."""
        ...

    def initial(self, context: Context, rng: Rng) -> State:
        """The state after the context's last frame."""
        ...

    def step(self, state: State, action: Tensor, rng: Rng, *, inspect: bool = False) -> tuple[State, Prediction]:
        """Take ``action`` at the state's last frame. Never changes ``state``; advances ``rng``."""
        ...

    def frame(self, state: State) -> Tensor:
        """The last frame of a state, (B, 3, H, W) uint8: what is seen before the next ``step``."""
        ...

    def edit(self, state: State, name: str, value: Tensor) -> State:
        """The state with the view ``name`` set to ``value``. Raises ValueError where the family cannot."""
        ...


class Observing(WorldModel[State], Protocol[State]):
    """A world that can be told what really happened, to go on from there; not every family can."""

    def observe(
        self, state: State, action: Tensor, frame: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[State, Prediction]:
        """Take ``action``, which really led to ``frame`` (B, 3, H, W) uint8; the state then knows that frame.

        The prediction is what the world expected to see, before it was told. Never changes ``state``; advances ``rng``.
        Raises ValueError for an action or a frame that does not fit the spec.
        """
        ...


def check_frame(frame: Tensor, spec: WorldSpec, batch: int) -> Tensor:
    """Return ``frame`` if it is a batch of frames of a world, else raise ValueError (got, expected)."""
    want = (batch, 3, spec.height, spec.width)
    if tuple(frame.shape) != want or frame.dtype != torch.uint8:
        raise ValueError(f"frame: got {tuple(frame.shape)} {frame.dtype}, expected {want} torch.uint8")
    return frame


def state_tensors(state: Any) -> dict[str, Tensor]:
    """A state's tensors by field name, in the order of its fields."""
    return {field.name: getattr(state, field.name) for field in fields(state)}


def clone_state(state: State) -> State:
    """A state that shares no memory with the given one."""
    return type(state)(**{name: tensor.clone() for name, tensor in state_tensors(state).items()})


def cat_states(states: Sequence[State]) -> State:
    """One batch of all rows, in order."""
    rows = [state_tensors(state) for state in states]
    return type(states[0])(**{name: torch.cat([row[name] for row in rows]) for name in rows[0]})


def split_state(state: State) -> list[State]:
    """One state of batch 1 a row, each with memory of its own."""
    tensors = state_tensors(state)
    batch = next(iter(tensors.values())).shape[0]
    return [type(state)(**{name: t[b : b + 1].clone() for name, t in tensors.items()}) for b in range(batch)]
