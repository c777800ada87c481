"""What ships with Reverie: every world opens, dreams and is small; every agent acts in its world."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models.checkpoint import open_world_folder
from models.library import SHIPPED, build_world
from models.policies.disk import AGENTS, POLICY, read_policy
from models.study.atlas import ATLAS, Atlas
from models.training.probe_cache import PROBE, open_probe
from models.training.tools_card import atlas_rows
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


@pytest.mark.parametrize("path", WORLDS, ids=name)
def test_a_world_has_a_map(path: Path) -> None:
    """Catches: a map of other weights, a large one, one that calls real play adrift and a broken dream near, or whose
    card says other numbers."""
    folder, atlas = open_world_folder(path), Atlas.read(path / ATLAS)
    assert atlas.world == folder.hash and (path / ATLAS).stat().st_size <= 1.5 * MIB
    assert atlas.thumbnails.shape == (1024, 3, 64, 64)
    found = atlas.note["told_apart"]
    assert found["beyond"] < 0.15 and set(found["free_dream"]) == {"15", "50"}
    rows = atlas_rows(found)
    assert all(f"| {what} | {share} |" in (path / "README.md").read_text() for what, share in rows)
    world, starts = build_world(folder, torch.device("cpu")), folder.starts()
    rng, first = Rng.seeded(range(8)), Context(starts.frames[:8], starts.actions[:8])
    real = world.latent(world.initial(first, rng))  # type: ignore[attr-defined]
    assert float(atlas.drift(real).median()) < 1.2
    assert float(atlas.drift(real + 3 * atlas.scale).min()) > 1.5
    assert torch.equal(atlas.nearest(real)[0].sort(1).values, atlas.nearest(real)[0])


@pytest.mark.parametrize("path", [path for path in WORLDS if "pong" in path.name], ids=name)
def test_a_probe_sees_what_the_world_begins_with(path: Path) -> None:
    """Catches: a shipped probe of other objects, another size, or one that finds nothing."""
    probe, folder = open_probe(path / PROBE), open_world_folder(path)
    assert probe.names == tuple(folder.manifest.provenance["env"]["objects"])
    frames = folder.starts().frames[:, -1]
    assert float(probe.find(frames).present.float().mean()) > 0.95, "starts are chosen so that all is visible"
    assert not bool(probe.find(torch.zeros_like(frames[:1])).present.any())
    assert "own paddle" in (path / "README.md").read_text()


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
