"""How fast a world plays here, and what memory it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.controllers import RandomController
from engine.controls import Input
from engine.metrics import Meter
from engine.moment import Moment
from engine.session import Session
from models.world import Rng, WorldModel, cat_states, state_tensors

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

PRECISIONS = ("fp32", "bf16", "fp16")
WARM_UP = 3
MIB = 2**20


def bench(loaded: LoadedWorld, seconds: float = 10.0, threads: int | None = None, dreams: int = 0) -> dict[str, Any]:
    """Play ``seconds`` in all, on every path of the world (the precisions of its settings) side by side.

    threads: of torch while this runs; None leaves them. Returns: world, device, threads, peak_gflops (a float32 matrix
    product, measured), rss_mb, rewind_mb (what a minute of rewind keeps), and paths: for every name first_frame_ms,
    p50_ms, p95_ms, fps, steps, growth_mb (memory over the second half), gflop (of a step), peak_share (may
    pass 1 below float32), and difference (the largest of one step to the first path's, in levels of 255, same noise).
    dreams: as many seconds again for that many dreams in one batch beside a single one, the steps of the world as it
    was loaded, alternating; reported as dreams: count, fps, one_fps, ratio and both steps' p50_ms.
    """
    with _threads(threads):
        paths = _paths(loaded.world)
        peak = _peak_gflops(_device(loaded))
        first_image: np.ndarray | None = None
        report: dict[str, Any] = {}
        gflop = _gflop(next(iter(paths.values())), loaded)
        for name, world in paths.items():
            report[name], image = _measure(world, loaded, seconds / len(paths))
            report[name] |= {"gflop": gflop, "peak_share": gflop / (report[name]["p50_ms"] / 1000) / peak}
            first_image = image if first_image is None else first_image
            report[name]["difference"] = int(np.abs(image.astype(int) - first_image.astype(int)).max())
        batched = {"dreams": _batched(loaded, dreams, seconds)} if dreams else {}
        return {
            "world": loaded.world.spec.name,
            "device": str(_device(loaded)),
            "threads": torch.get_num_threads(),
            "peak_gflops": peak,
            "rss_mb": _rss() / MIB,
            "rewind_mb": _rewind_bytes(loaded) / MIB,
            "paths": report,
            **batched,
        }


def _paths(world: WorldModel[Any]) -> dict[str, WorldModel[Any]]:
    """The world under every precision it knows, the reference first; else as it is.

    Where packed twins of its networks play, the reference is the networks themselves in float32.
    """
    paths: dict[str, WorldModel[Any]] = {}
    packs = getattr(world, "packs", False)
    for precision in PRECISIONS if hasattr(world.settings, "precision") else ():
        try:
            found = world.with_settings(precision=precision)
        except ValueError:  # this world does not know that one
            continue
        if packs and not paths:
            paths[f"eager {precision}"] = found.as_reference()  # type: ignore[attr-defined]
        paths[f"{'packed' if packs else 'eager'} {precision}"] = found
    return paths or {"as loaded": world}


def _gflop(world: WorldModel[Any], loaded: LoadedWorld) -> float:
    """Of one step, counted on the first path: PyTorch's counter does not know the packed kernels."""
    session = Session(world, loaded.starts, world_hash=loaded.hash, rewind_s=0)
    with FlopCounterMode(display=False) as counter:
        session.step(world.spec.actions.noops(1))
    return counter.get_total_flops() / 1e9


def _measure(world: WorldModel[Any], loaded: LoadedWorld, seconds: float) -> tuple[dict[str, float], np.ndarray]:
    """The measures of one path, and the image of its first step."""
    begin = time.perf_counter()
    session = Session(world, loaded.starts, world_hash=loaded.hash, rewind_s=1.0)
    image = session.step(world.spec.actions.noops(1)).image
    first_ms = (time.perf_counter() - begin) * 1000
    session.controller, session.auto_restart = RandomController(), False
    for _ in range(WARM_UP):
        session.tick(Input())
    meter, half_rss = Meter(size=100_000), _rss()
    begin = now = time.perf_counter()
    halved = False
    while now - begin < seconds or not len(meter):
        session.tick(Input())
        then, now = now, time.perf_counter()
        meter.add((now - then) * 1000)
        if not halved and now - begin > seconds / 2:
            halved, half_rss = True, _rss()
    return {
        "first_frame_ms": first_ms,
        "p50_ms": meter.p50,
        "p95_ms": meter.p95,
        "fps": len(meter) / (now - begin),
        "steps": len(meter),
        "growth_mb": (_rss() - half_rss) / MIB,
    }, image


def _batched(loaded: LoadedWorld, count: int, seconds: float) -> dict[str, float]:
    """Many dreams in a step of the world beside one; no session around either."""
    world, moment = loaded.world, _moment(loaded)
    meters = {rows: Meter(size=100_000) for rows in (1, count)}
    plays = {}
    for rows in meters:
        plays[rows] = cat_states([moment.state] * rows), Rng.seeded(range(rows)), world.spec.actions.noops(rows)
    begin, round_ = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds or round_ <= WARM_UP:
        for rows, meter in meters.items():
            state, rng, action = plays[rows]
            then = time.perf_counter()
            state, _ = world.step(state, action, rng)
            if round_ >= WARM_UP:
                meter.add((time.perf_counter() - then) * 1000)
            plays[rows] = state, rng, action
        round_ += 1
    one, many = (1000 * rows / meter.p50 for rows, meter in meters.items())
    p50s = {"one_p50_ms": meters[1].p50, "p50_ms": meters[count].p50}
    return {"count": count, "fps": many, "one_fps": one, "ratio": many / one, **p50s}


def _peak_gflops(device: torch.device, size: int = 1024, tries: int = 20) -> float:
    """The best of a few float32 matrix products."""
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    best = float("inf")
    for _ in range(tries):
        begin = time.perf_counter()
        (a @ b)[0, 0].item()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best / 1e9


def _moment(loaded: LoadedWorld) -> Moment:
    return Session(loaded.world, loaded.starts, world_hash=loaded.hash, rewind_s=0).moment


def _device(loaded: LoadedWorld) -> torch.device:
    return next(iter(state_tensors(_moment(loaded).state).values())).device


def _rewind_bytes(loaded: LoadedWorld) -> float:
    """What a minute of rewind keeps."""
    moment, fps = _moment(loaded), loaded.world.spec.fps
    tensors = [*state_tensors(moment.state).values(), moment.rng, moment.player_rng, *moment.carry.values()]
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors) + moment.frame.image.nbytes
    return 60.0 * fps * size


def _rss() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
