"""Dreaming without a window: a clip, its replay file, and a summary."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.controllers import Controller
from engine.controls import Input
from engine.errors import ReverieError
from engine.recorder import ClipWriter, open_clip, replay_beside
from engine.replay import write_replay
from engine.session import Real, Session

if TYPE_CHECKING:
    from rich.progress import Progress

    from engine.loading import LoadedWorld


@dataclass(frozen=True)
class DreamSummary:
    """frames: dreamt, starts not counted. returns: of every episode, the last one maybe unfinished. fps: frames a
    second of wall time, writing included. clip, replay: the files written, None without ``out``."""

    frames: int
    returns: tuple[float, ...]
    fps: float
    clip: Path | None = None
    replay: Path | None = None


def dream(
    loaded: LoadedWorld,
    steps: int,
    seed: int = 0,
    controller: Controller | None = None,
    out: Path | str | None = None,
    *,
    start: int = 0,
    horizon: int | None = None,
    scale: int | None = None,
    real: Real = False,
    progress: bool = True,
) -> DreamSummary:
    """Play ``steps`` steps as fast as they come and write them to ``out`` (.mp4 or .gif) with a replay file beside it.

    controller: None leaves the buttons alone (no-ops). real: the real game instead of the dream, or "grounded" in it.
    On Ctrl-C what was dreamt so far is written whole before KeyboardInterrupt goes on. Raises ReverieError as
    ``open_clip`` does.
    """
    if steps < 1:
        raise ReverieError(f"steps: got {steps}, expected at least 1")
    path = Path(out) if out is not None else None
    session = Session.open(loaded, real=real, seed=seed, start=start, horizon=horizon, rewind_s=0)
    if controller is not None:
        session.controller = controller
    returns: list[float] = []
    interrupted: KeyboardInterrupt | None = None
    begin = time.perf_counter()
    with open_clip(path, session.world.spec.fps, scale) if path else nullcontext() as clip:
        try:
            returns.extend(_roll(session, steps, clip, progress))
        except KeyboardInterrupt as error:
            interrupted = error
    seconds = time.perf_counter() - begin
    replay = replay_beside(path) if path else None
    if replay:
        write_replay(replay, session.history)
    if interrupted:
        raise interrupted
    return DreamSummary(steps, tuple(returns), steps / seconds, path, replay)


def _roll(session: Session, steps: int, clip: ClipWriter | None, progress: bool) -> Iterator[float]:
    """Play, and give the return of every episode that ends."""
    done, frame = 0, session.frame
    with _bar(progress) as bar:
        task = bar.add_task(f"dreaming {session.world.spec.name}", total=steps)
        while True:
            if clip:
                clip.add(frame.image)
            if frame.over or done == steps:
                yield frame.total
            if done == steps:
                return
            frame = session.tick(Input())
            done += frame.index > 0
            bar.update(task, completed=done)


@contextmanager
def _bar(visible: bool) -> Iterator[Progress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, disable=not visible) as bar:
        yield bar
