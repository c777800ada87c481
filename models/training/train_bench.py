"""How fast the RSSM's world model trains here, beside a straightforward implementation, in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from models.nn.draws import TorchDraws
from models.nn.precision import arithmetic, fast_precision
from models.nn.weights import place
from models.rssm.config import RssmConfig, SpaceConfig
from models.rssm.model import Batch, RssmModel
from models.training.dreamer import WORLDS, compile_images
from models.training.laprop import LaProp
from models.training.reference_step import reference_loss

REFERENCE = "eager fp32"
ACTIONS = 6
WARM_UP = 2

Context = Callable[[], AbstractContextManager[Any]]


def bench_training(
    preset: str = "cpu_world", seconds: float = 30.0, threads: int | None = None, compiled: bool = False
) -> dict[str, Any]:
    """Train on noise, a step of every path in turn, until ``seconds`` have passed; all begin with the same weights.

    compiled: with a path whose image norms are compiled, as ``reverie train --compile`` has it. Returns preset,
    parameters, batch, length, threads, and paths: for every name the median step_ms, steps_per_s, how many, speedup
    over the eager float32 one, and the loss of the first step. Raises ValueError for an unknown preset.
    """
    if preset not in WORLDS:
        raise ValueError(f"preset: got {preset!r}, expected one of {sorted(WORLDS)}")
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        make, training = WORLDS[preset]
        config = make(SpaceConfig((64, 64, 3), (), ACTIONS, True))
        batch = noise_batch(config, training.train.batch, training.length)
        report = paths_of(config, batch, seconds, compiled)
        count = sum(p.numel() for p in RssmModel(config).parameters())
        shape = {"batch": training.train.batch, "length": training.length}
        return {"preset": preset, "parameters": count, **shape, "threads": torch.get_num_threads(), "paths": report}
    finally:
        torch.set_num_threads(before)


def noise_batch(config: RssmConfig, batch: int, length: int) -> Batch:
    """Sequences of noise, the same every time."""
    generator = torch.Generator().manual_seed(0)
    height, width, channels = config.space.image
    first, never = torch.zeros(batch, length, dtype=torch.bool), torch.zeros(batch, length, dtype=torch.bool)
    first[:, 0] = True
    shape = (batch, length, channels, height, width)
    return Batch(
        obs={"image": torch.randint(256, shape, generator=generator, dtype=torch.uint8)},
        action=torch.eye(ACTIONS)[torch.randint(ACTIONS, (batch, length), generator=generator)],
        reward=torch.zeros(batch, length),
        is_first=first,
        is_last=never,
        terminated=never.clone(),
        prev_action=torch.zeros(batch, ACTIONS),
    )


def paths_of(config: RssmConfig, batch: Batch, seconds: float, compiled: bool) -> dict[str, dict[str, float]]:
    cpu, model = torch.device("cpu"), RssmModel(config)
    best = fast_precision(cpu)
    kinds: dict[str, tuple[Context, bool]] = {"fp32": (nullcontext, False)}
    if best != "fp32":
        kinds[best] = (arithmetic(best, cpu), False)
    if compiled:
        kinds[f"{best} compiled"] = (arithmetic(best, cpu), True)
    steps = {REFERENCE: stepper(deepcopy(model), batch, None)}
    for name, (context, compiles) in kinds.items():
        mine = deepcopy(model)
        place(mine, cpu)
        if compiles:
            compile_images(mine)
        steps[name] = stepper(mine, batch, context)
    return measure(steps, seconds)


def stepper(model: RssmModel, batch: Batch, context: Context | None) -> Callable[[], float]:
    """One update; context: its arithmetic, or None for the straightforward implementation."""
    optimizer = LaProp(model.parameters(), lr=1e-4, warmup=0)
    draws = TorchDraws(torch.Generator().manual_seed(0))

    def loss() -> Tensor:
        if context is None:
            return reference_loss(model, batch)
        with context():
            return model.loss(batch, draws)[0]

    def step() -> float:
        total = loss()
        total.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(total.detach())

    return step


def measure(steps: dict[str, Callable[[], float]], seconds: float) -> dict[str, dict[str, float]]:
    """Every path's median, a step of each in turn, so that whatever else runs here slows all of them."""
    first = {name: step() for name, step in steps.items()}
    for _ in range(WARM_UP - 1):
        for step in steps.values():
            step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds or not times[REFERENCE]:
        for name, step in steps.items():
            then = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - then)
    medians = {name: statistics.median(found) for name, found in times.items()}
    return {
        name: {
            "step_ms": 1000 * medians[name],
            "steps_per_s": 1 / medians[name],
            "steps": len(times[name]),
            "speedup": medians[REFERENCE] / medians[name],
            "loss": first[name],
        }
        for name in steps
    }
