"""What ships with Reverie: every world opens, dreams and is small; every agent acts in its world."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.checkpoint import open_world_folder
from models.library import SHIPPED, build_world
from models.policies.disk import AGENTS, POLICY, read_policy
from models.types import Context
from models.world import Rng

WORLDS = sorted(path.parent for path in SHIPPED.glob("*/world.json"))
LONE = sorted(path.parent for path in AGENTS.glob(f"*/{POLICY}"))
MIB = 2**20


def name(path: Path) -> str:
    return path.name


def test_there_are_some() -> None:
    """Catches: tests of nothing, because the folders were not found."""
    assert {"pong", "pong-dreamer", "car_racing", "doom-basic"} <= {path.name for path in WORLDS}
    assert "cartpole-swingup" in {path.name for path in LONE}


@pytest.mark.parametrize("path", WORLDS, ids=name)
def test_a_world_dreams(path: Path) -> None:
    """Catches: a shipped world that no longer opens, is not finite, stands still whatever is done, or has grown."""
    assert sum(file.stat().st_size for file in path.iterdir()) <= 16 * MIB
    folder = open_world_folder(path)
    assert folder.manifest.quality, "it was measured"
    assert folder.name in (path / "README.md").read_text()
    world, starts = build_world(folder, torch.device("cpu")), folder.starts()
    spec, first = world.spec, Context(starts.frames[:2], starts.actions[:2])
    rng = Rng.seeded((1, 2))
    state = world.initial(first, rng)
    if spec.actions.kind == "discrete":
        one, other = torch.zeros(2, dtype=torch.int64), torch.full((2,), spec.actions.size - 1)
    else:
        one, other = (torch.tensor([bound, bound]) for bound in (spec.actions.low, spec.actions.high))
    shown = []
    for action in (one, other):
        now, twin = state, rng.clone()
        for _ in range(6):
            now, seen = world.step(now, action, twin)
            assert bool(seen.reward.isfinite().all())
        shown.append(seen.frame)
    assert not torch.equal(shown[0], first.frames[:, -1]), "it moves"
    assert not torch.equal(*shown), "the action matters"


@pytest.mark.parametrize("path", [path for path in WORLDS if (path / POLICY).exists()], ids=name)
def test_an_agent_plays_in_its_world(path: Path) -> None:
    """Catches: an agent of other actions or pictures than its world's, or one that was never measured."""
    folder, found = open_world_folder(path), read_policy(path / POLICY)
    assert found.quality["real_game"]["agent"]["games"] >= 20
    policy, starts = found.policy.check(folder.manifest.spec), folder.starts()
    carry, rng = policy.initial(2), Rng.seeded((1, 2))
    for t in range(4):
        carry, action = policy.act(carry, starts.frames[:2, t], rng)
        folder.manifest.spec.actions.check(action, 2)


@pytest.mark.parametrize("path", LONE, ids=name)
def test_a_lone_agent_opens(path: Path) -> None:
    """Catches: an agent without a world that no longer opens, or whose card says other numbers than its file."""
    found = read_policy(path / POLICY)
    row = found.quality["real_game"]["agent"]
    assert row["games"] >= 20 and row["mean"] > found.quality["real_game"]["random"]["mean"]
    assert f"{row['mean']:.1f} ± {row['error']:.1f}" in (path / "README.md").read_text()
