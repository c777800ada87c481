"""Games side by side, in this process and in processes of their own: the same steps, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from models.envs.adapter import GameEnv
from models.envs.counting import CountingEnv
from models.envs.vector_batch import ProcessEnvs, Rows, SerialEnvs

ROOT = Path(__file__).parents[1]


class Fragile(CountingEnv):
    """Fails at the third step: with an error, or by ending its process."""

    deadly = False

    def step(self, action: object):  # type: ignore[no-untyped-def]
        if self.count == 2:
            if self.deadly:
                os._exit(3)
            raise RuntimeError("the disc is scratched")
        return super().step(action)


class Deadly(Fragile):
    deadly = True


def fragile(game: str, size: int) -> GameEnv:
    return Fragile(size)


def deadly(game: str, size: int) -> GameEnv:
    return Deadly(size)


def run(rows: Rows) -> list[torch.Tensor]:
    """Six steps of two rows, in which one restarts."""
    out = [rows.reset()]
    for t in range(6):
        after = rows.step(torch.tensor([t % 3, 2]), {1: 99} if t == 3 else None)
        out += [after.frames, after.rewards, after.terminated, after.truncated]
    return [*out, rows.reset_row(0, 5)]


def test_processes_play_as_one_process_does() -> None:
    """Catches: rows swapped on their way back, seeds that differ, a restart that also takes its action."""
    with SerialEnvs("counting", 2, 8, seed=4) as serial, ProcessEnvs("counting", 2, 8, seed=4) as parallel:
        mine, theirs = run(serial), run(parallel)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)
        for name in ("game", "actions", "fps", "action_repeat", "observes", "obs_shape", "settings"):
            assert getattr(serial, name) == getattr(parallel, name)
    assert serial.obs_shape == (3, 8, 8)
    restarted = mine[1 + 4 * 3 : 5 + 4 * 3]
    assert restarted[0][1, 0, 0, 0] == 0, "the first frame of an episode"
    assert restarted[1].tolist() == [-1.0, 0.0]


def test_vectors_come_through_pipes() -> None:
    """Catches: vectors in another type or shape from a process than from this one; continuous actions lost."""
    acts = torch.tensor([[0.5], [-2.5]])
    with SerialEnvs("gym_Pendulum-v1", 2) as serial, ProcessEnvs("gym_Pendulum-v1", 2) as parallel:
        assert torch.equal(serial.reset([3, 4]), parallel.reset([3, 4]))
        assert torch.equal(serial.step(acts).frames, parallel.step(acts).frames)
        assert parallel.obs_shape == (3,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (fragile, "environment 0 failed: RuntimeError: the disc is scratched"),
        (deadly, r"environment 0 is gone \(exit code 3\)"),
    ],
)
def test_a_lost_worker_gives_one_error(make, message: str) -> None:  # type: ignore[no-untyped-def]
    """Catches: a training that waits for ever for a process that died; the others left running."""
    rows = ProcessEnvs("counting", 2, 8, make=make)
    workers = [psutil.Process(worker.pid) for worker in rows.workers]
    rows.reset()
    with pytest.raises(ChildProcessError, match=message):
        for _ in range(3):
            rows.step(torch.tensor([1, 1]))
    assert not any(worker.is_running() for worker in workers)
    with pytest.raises(ValueError, match="closed"):
        rows.step(torch.tensor([1, 1]))
    rows.close()


def test_refusals_come_back_as_they_are() -> None:
    """Catches: a misspelt game reported as a dead process."""
    with pytest.raises(ValueError, match="^game: got 'pongg'"):
        ProcessEnvs("pongg", 1)
    with pytest.raises(ValueError, match="expected at least 1"):
        SerialEnvs("counting", 0)
    with SerialEnvs("counting", 2, 8) as rows, pytest.raises(ValueError, match="seeds: got 1, expected 2"):
        rows.reset([1])


def test_workers_of_a_killed_parent_stop() -> None:
    """Catches: processes that stay for ever after the training was killed."""
    code = (
        "import time\nfrom models.envs.vector_batch import ProcessEnvs\n"
        "if __name__ == '__main__':\n"
        "    rows = ProcessEnvs('counting', 2, 8)\n    rows.reset()\n"
        "    print(*[w.pid for w in rows.workers], flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        _, alive = psutil.wait_procs(workers, timeout=1)
        parent.kill()
        assert len(alive) == 2, "Ctrl-C is the parent's matter"
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
