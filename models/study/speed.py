"""How long a step of a world takes on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from models.training.rollout import Tick
from models.types import Context
from models.world import Rng, WorldModel

WARM_UP = 3
STEPS = 20
BATCHES = (1, 8)


@dataclass(frozen=True)
class Speed:
    """Of a step with so many rows: its median and 95th percentile in milliseconds, and rows a second at the median."""

    rows: int
    p50_ms: float
    p95_ms: float

    @property
    def rows_a_second(self) -> float:
        return 1000 * self.rows / self.p50_ms


def measure_speed(world: WorldModel[Any], context: Context, tick: Tick = lambda n: None) -> tuple[Speed, ...]:
    """Steps under the no-op from a context of batch 1, alone and as a batch of eight. Ticks once a step."""
    out = []
    for rows in BATCHES:
        rng = Rng.seeded(range(rows))
        repeated = (t.repeat(rows, *[1] * (t.ndim - 1)) for t in (context.frames, context.actions))
        state, action, times = world.initial(Context(*repeated), rng), world.spec.actions.noops(rows), []
        for step in range(WARM_UP + STEPS):
            begin = time.perf_counter()
            state, _ = world.step(state, action, rng)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if step >= WARM_UP:
                times.append(1000 * (time.perf_counter() - begin))
            tick(1)
        p50, p95 = np.percentile(times, (50, 95)).tolist()
        out.append(Speed(rows, p50, p95))
    return tuple(out)
