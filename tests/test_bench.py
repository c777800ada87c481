"""The benchmark's report (its numbers are not tested: they are the machine's)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from engine import bench_lockstep as timed
from engine.bench import bench
from engine.errors import ReverieError
from models.types import Context, Prediction
from models.world import Rng
from tests.counting import CountingSettings, CountingState, CountingWorld, Loaded, loaded, starts
from tests.lockstep_worlds import RealCounting
from tests.tiny_worlds import random_starts, tiny_world


@dataclass(frozen=True)
class Precise(CountingSettings):
    precision: str = "bf16"


class Coarse(CountingWorld):
    """Knows two precisions; the second is 2 levels off."""

    def with_settings(self, **changes: Any) -> Coarse:
        if changes["precision"] not in ("fp32", "bf16"):
            raise ValueError("precision")
        return Coarse(settings=Precise(**changes))

    def step(
        self, state: CountingState, action: torch.Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountingState, Prediction]:
        after, seen = super().step(state, action, rng, inspect=inspect)
        frame = seen.frame.clone()
        frame[:, 0] += 2 * (self.settings == Precise())
        return after, Prediction(frame, seen.reward, seen.terminated)


def report(world: Any, contexts: Context) -> dict[str, object]:
    return bench(Loaded(world, contexts), seconds=0.05, threads=1)  # type: ignore[arg-type]


def test_paths_side_by_side() -> None:
    """Paths measured on different noise would seem to differ; threads must be put back."""
    before = torch.get_num_threads()
    found = report(Coarse(settings=Precise()), starts())
    assert torch.get_num_threads() == before
    assert found["threads"] == 1
    paths = found["paths"]
    assert isinstance(paths, dict)
    assert {name: path["difference"] for name, path in paths.items()} == {"eager fp32": 0, "eager bf16": 2}
    assert all(path["steps"] > 0 and path["fps"] > 0 and path["p50_ms"] <= path["p95_ms"] for path in paths.values())


def test_a_world_with_one_path() -> None:
    """A world that offers no precisions must be measured all the same."""
    assert list(report(CountingWorld(), starts())["paths"]) == ["as loaded"]  # type: ignore[call-overload]


def test_packed_paths_beside_the_networks_themselves() -> None:
    """Packed kernels measured against themselves would hide how far they are off; PyTorch counts none of their work."""
    world = tiny_world()
    paths = report(world, random_starts(world.spec, 2))["paths"]
    assert list(paths) == ["eager fp32", "packed fp32", "packed bf16"]  # type: ignore[call-overload]
    assert len({path["gflop"] for path in paths.values()}) == 1  # type: ignore[attr-defined]
    assert all(path["gflop"] > 0 for path in paths.values())  # type: ignore[attr-defined]


def test_dreams_in_one_batch() -> None:
    """Catches: frames of a batch counted as one, a single dream measured in the batch's place."""
    found = bench(Loaded(CountingWorld(), starts()), seconds=0.05, threads=1, dreams=8)["dreams"]  # type: ignore[arg-type]
    assert found["count"] == 8
    assert found["fps"] == pytest.approx(8000 / found["p50_ms"])
    assert found["one_fps"] == pytest.approx(1000 / found["one_p50_ms"])
    assert found["ratio"] == pytest.approx(found["fps"] / found["one_fps"])
    assert "dreams" not in report(CountingWorld(), starts())


def test_lockstep_is_played_beside_the_dream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a lockstep that is measured without its real game, or a part that is left out."""
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: RealCounting())
    monkeypatch.setattr(timed, "WARM_UP_S", 0.1)
    found = timed.bench_lockstep(loaded(), seconds=0.4, against=loaded())
    assert list(found["parts"]) == ["dream", "lockstep", "lockstep, looked into", "beside counting, looked into"]
    assert all(0 < part["fps"] <= 2 * found["fps"] for part in found["parts"].values())
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: None)
    with pytest.raises(ReverieError, match="no real game"):
        timed.bench_lockstep(loaded(), seconds=0.1)
