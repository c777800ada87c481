"""A gallery: several dreams from one start, side by side. Rolled out in small slices, between the ticks of players."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.batcher import Turn, take_turns
from engine.controllers import Controller
from engine.controls import Input
from engine.errors import ReverieError
from engine.history import History
from engine.history_codec import encode_history
from engine.moment import Frame
from engine.session import Session

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

FORMAT = 1
MAX_ROLLOUTS, MAX_FRAMES = 16, 600
"""Most dreams in a gallery, and most frames of each: about 120 MB of frames of 64 x 64 pixels."""


@dataclass(frozen=True)
class Rollout:
    """One dream. frames: the start's own and one a step; fewer than asked for where the episode ended."""

    seed: int
    controller: str
    frames: tuple[Frame, ...]
    history: History


@dataclass(frozen=True)
class Grid:
    """All dreams of a gallery, in the order of their seeds. fps: of the world."""

    world: str
    start: int
    fps: float
    rollouts: tuple[Rollout, ...]


@dataclass(frozen=True)
class Progress:
    """Frames dreamt so far, of how many; those an ended episode leaves out count as dreamt."""

    done: int
    total: int


@dataclass
class _Row:
    """A dream under way: its session and the frames it gave, the start's own first."""

    session: Session
    seed: int
    frames: list[Frame] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.frames[-1].over


def rollouts(
    loaded: LoadedWorld,
    start: int,
    seeds: Sequence[int],
    controllers: Sequence[Controller],
    frames: int,
    rows: Callable[[], int] = lambda: MAX_ROLLOUTS,
) -> Generator[Progress, None, Grid]:
    """Dream ``frames`` steps from one start, once for every seed; the generator's return value is the grid.

    The dream of ``seeds[k]`` is played by ``controllers[k % len(controllers)]``. Each ``next`` is one batched step of
    ``rows()`` dreams at most, asked anew each time. Raises ReverieError for numbers out of bounds, at once; what a
    world or a controller raises comes from ``next``.
    """
    starts = loaded.starts.frames.shape[0]
    _within("start", start, 0, starts - 1)
    _within("dreams", len(seeds), 1, MAX_ROLLOUTS)
    _within("frames", frames, 1, MAX_FRAMES)
    for seed in seeds:
        _within("seed", seed, 0, 2**63 - 1)
    if not controllers:
        raise ReverieError("controllers: got none, expected at least one; choose who plays")
    return _roll(loaded, start, seeds, controllers, frames, rows)


def encode_grid(grid: Grid) -> dict[str, Any]:
    """JSON data of a gallery. ``replay`` of each dream is the whole content of a replay file."""
    return {
        "format": FORMAT,
        "world": grid.world,
        "start": grid.start,
        "dreams": [
            {
                "seed": rollout.seed,
                "controller": rollout.controller,
                "return": rollout.frames[-1].total,
                "ended": rollout.frames[-1].terminated,
                "replay": encode_history(rollout.history),
            }
            for rollout in grid.rollouts
        ],
    }


def _roll(
    loaded: LoadedWorld,
    start: int,
    seeds: Sequence[int],
    controllers: Sequence[Controller],
    frames: int,
    rows: Callable[[], int],
) -> Generator[Progress, None, Grid]:
    dreams = [_open(loaded, start, seed, controllers[k % len(controllers)]) for k, seed in enumerate(seeds)]
    total = frames * len(dreams)
    while waiting := [row for row in dreams if not row.over and len(row.frames) <= frames]:
        waiting.sort(key=lambda row: len(row.frames))
        _step(waiting[: max(1, rows())])
        yield Progress(sum(frames if row.over else len(row.frames) - 1 for row in dreams), total)
    name, fps = dreams[0].session.history.world, loaded.world.spec.fps
    return Grid(name, start, fps, tuple(_rollout(row) for row in dreams))


def _open(loaded: LoadedWorld, start: int, seed: int, controller: Controller) -> _Row:
    session = Session.open(loaded, start=start, seed=seed, rewind_s=0)
    session.auto_restart = False
    session.controller = controller
    return _Row(session, seed, [session.frame])


def _step(dreams: Sequence[_Row]) -> None:
    turns = [Turn(row.session, Input(), False) for row in dreams]
    for row, result in zip(dreams, take_turns(turns, max_batch=len(turns)), strict=True):
        if isinstance(result, Exception):
            raise result
        row.frames.append(result)


def _rollout(row: _Row) -> Rollout:
    return Rollout(row.seed, row.session.controller.name, tuple(row.frames), row.session.history)


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ReverieError(f"{name}: got {value}, expected a whole number from {low} to {high}")
