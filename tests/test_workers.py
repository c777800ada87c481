"""PyTorch's worker threads: who holds them, and who must not."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.lockstep import LockstepWorld
from models.nn.heap import keep_freed_memory
from models.nn.workers import release_workers
from models.training.probe import Sightings
from models.world import Rng
from tests.counting import starts
from tests.lockstep_worlds import Counter, DreamtCounting, RealCounting
from tests.test_packed import world_of
from tests.tiny_worlds import random_starts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="GNU's OpenMP and C library")


def threads_now() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def settled() -> int:
    """How many threads there are once it has been the same for a while: those that were let go take a moment to end."""
    count, since = threads_now(), time.monotonic()
    while time.monotonic() < since + 0.3:
        time.sleep(0.02)
        if threads_now() != count:
            count, since = threads_now(), time.monotonic()
    return count


def workers_after(work: Callable[[], object]) -> int:
    """The workers that a thread of its own holds once it has done its work, with two threads to compute with."""
    held: list[int] = []

    def run() -> None:
        torch.set_num_threads(2)
        before = settled()
        work()
        held.append(settled() - before)

    count = torch.get_num_threads()
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    torch.set_num_threads(count)
    return held[0]


def compute() -> None:
    torch.rand(1_000_000).add_(1)


def test_workers_are_let_go() -> None:
    """Catches: a call that reaches another OpenMP than PyTorch's, and leaves every later step half as fast."""
    assert workers_after(compute) > 0
    assert workers_after(lambda: (compute(), release_workers())) == 0


def test_starting_a_dream_leaves_no_workers() -> None:
    """Catches: players whose dreams are started by other threads than the one that plays them, each leaving workers
    behind that slow it down."""
    world = world_of("fp32")
    assert workers_after(lambda: world.initial(random_starts(world.spec, 1), Rng.seeded([0]))) == 0


def test_computing_goes_on_after_the_workers_left() -> None:
    """Catches: workers taken away for good, or the number of threads changed with them."""
    count, x = torch.get_num_threads(), torch.rand(1_000_000)
    before = x.sum()
    release_workers()
    assert torch.get_num_threads() == count
    assert torch.equal(x.sum(), before)


def test_freed_memory_is_kept() -> None:
    """Catches: names of the C library's parameters that it does not know, so that nothing would change."""
    assert keep_freed_memory()


class Busy(Counter):
    """Computes with workers, as a probe's network does."""

    def find(self, frames: Tensor) -> Sightings:
        compute()
        return super().find(frames)


def test_whoever_begins_a_lockstep_holds_no_workers() -> None:
    """Catches: workers of the probe, held by the thread that opened a lockstep, which make its steps twice as long."""
    probe: Any = Busy()
    world = LockstepWorld(RealCounting(), [DreamtCounting()], probe=probe)
    assert workers_after(lambda: probe.find(starts().frames)) > 0, "there is something to let go of"
    assert workers_after(lambda: world.initial(starts(), Rng.seeded(range(len(starts().frames))))) == 0
