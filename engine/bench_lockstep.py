"""Whether a world holds its game's speed in lockstep, alarms and looks inside included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from engine.controllers import RandomController
from engine.controls import Controls
from engine.errors import ReverieError
from engine.runner import Runner
from engine.session import Session

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

WARM_UP_S = 2.0
LOOK_S = 0.005


def bench_lockstep(loaded: LoadedWorld, seconds: float = 10.0, against: LoadedWorld | None = None) -> dict[str, Any]:
    """Play the dream alone, in lockstep, and looked into, ``seconds`` each, at the game's own speed under chance.

    against: another world beside it, a fourth part. Returns: world, threads, fps (the game's), and parts: by name the
    fps of steps that were held (new starts are none), and the p50_ms and p95_ms of a step. Raises ReverieError where
    there is no real game.
    """
    spec = loaded.world.spec
    parts: dict[str, tuple[Callable[[], Session], bool]] = {
        "dream": (lambda: Session.open(loaded), False),
        "lockstep": (lambda: Session.open(loaded, real="lockstep"), False),
        "lockstep, looked into": (lambda: Session.open(loaded, real="lockstep"), True),
    }
    if against is not None:
        name = f"beside {against.world.spec.name}, looked into"
        parts[name] = (lambda: Session.open(loaded, real="lockstep", against=against), True)
    measured = {name: _played(open_, inspect, seconds) for name, (open_, inspect) in parts.items()}
    return {"world": spec.name, "threads": torch.get_num_threads(), "fps": spec.fps, "parts": measured}


def _played(open_: Callable[[], Session], inspect: bool, seconds: float) -> dict[str, float]:
    session = open_()
    session.controller = RandomController(sticky=0.75)
    runner = Runner(session, Controls())
    runner.inspect(inspect)
    runner.start()
    try:
        frames, shown, since = 0, None, time.perf_counter()
        begin = since + WARM_UP_S
        while (now := time.perf_counter()) < begin + seconds:
            if error := next((r.error for r in runner.replies() if r.error is not None), None):
                raise error
            latest = runner.latest()
            if latest is not None and now >= begin and latest.batch:
                frames, shown = frames + 1, latest
            time.sleep(LOOK_S)
    finally:
        runner.close()
    if shown is None:
        raise ReverieError(f"bench: got no frame in {seconds:g} seconds, expected some; give it more --seconds")
    return {"fps": frames / seconds, "p50_ms": shown.step_ms, "p95_ms": shown.step_p95_ms}
