"""What a world brings along for the workbench: found, kept apart from the world, left out where it is damaged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.loading import LoadedWorld, load_world
from engine.tools import tools_of
from models.checkpoint import open_world_folder
from models.data.store import EpisodeStore
from models.study.atlas import ATLAS
from models.study.atlas_build import RealStates, chart
from models.training import probe_cache
from models.training.probe import Probe
from models.training.probe_cache import PROBE, open_probe, probe_bytes, shipped_probe
from models.training.tools_card import tools_card, tools_section
from tests.counting import loaded as counting
from tests.test_probe import NAMES, episode
from tests.tiny_worlds import SIZE, write_tiny


def put_atlas(path: Path, world: str | None = None) -> None:
    """A map of two random numbers, of the world in that folder or of another."""
    latents = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    frames = torch.zeros(20, 3, 8, 8, dtype=torch.uint8)
    made = chart(RealStates(latents[:20], frames), latents[20:], world or open_world_folder(path).hash)
    made.write(path / ATLAS)


def put_probe(path: Path, side: int = SIZE) -> Probe:
    probe = Probe(("paddle", "ball"), side, side)
    probe.bar.copy_(torch.tensor([0.5, -0.5]))
    (path / PROBE).write_bytes(probe_bytes(probe, "key"))
    return probe


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny").path


def opened(path: Path) -> LoadedWorld:
    return load_world(path)


def test_both_are_found_and_the_world_stays_the_same(path: Path) -> None:
    """Catches: replays of a world refused because somebody mapped it."""
    before = open_world_folder(path).hash
    assert (tools_of(opened(path)).probe, tools_of(opened(path)).atlas) == (None, None)
    probe = put_probe(path)
    put_atlas(path)
    found = tools_of(opened(path))
    assert found.probe is not None and found.atlas is not None
    assert found.probe.names == ("paddle", "ball") and torch.equal(found.probe.bar, probe.bar)
    assert open_world_folder(path).hash == before
    frames = torch.zeros(2, 3, SIZE, SIZE, dtype=torch.uint8)
    assert torch.equal(found.probe.find(frames).places, probe.eval().find(frames).places)


def test_files_are_read_once_until_they_change(path: Path) -> None:
    """Catches: a tenth of a second for every player who joins, or a map that was made anew and is not seen."""
    put_atlas(path)
    first = tools_of(opened(path))
    assert tools_of(opened(path)) is first
    put_probe(path)
    again = tools_of(opened(path))
    assert again is not first and again.probe is not None


@pytest.mark.parametrize("name", [ATLAS, PROBE])
def test_a_damaged_tool_is_one_warning_and_the_rest_stays(
    path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches: a world that cannot be played because its map is damaged, or a log full of the same line."""
    put_atlas(path)
    put_probe(path)
    (path / name).write_bytes((path / name).read_bytes()[:300])
    with caplog.at_level(logging.WARNING):
        found = [tools_of(opened(path)) for _ in range(3)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(path / name) in caplog.text
    assert all((tools.atlas is None) == (name == ATLAS) for tools in found)
    assert all((tools.probe is None) == (name == PROBE) for tools in found)
    with caplog.at_level(logging.ERROR):
        assert tools_card(open_world_folder(path)).count(ATLAS) <= 1


def test_tools_of_another_world_are_left_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Catches: distances in the latent space of weights that are no more, or objects read at another size."""
    put_atlas(path, "0123456789abcdef")
    put_probe(path, 2 * SIZE)
    found = tools_of(opened(path))
    assert found.probe is None and found.atlas is None
    assert "`reverie atlas` makes one" in caplog.text and "expected 16 x 16" in caplog.text


def test_a_world_without_a_folder_has_none() -> None:
    """Catches: a world of a test, or of a notebook, that cannot be played."""
    found = tools_of(counting())
    assert found.probe is None and found.atlas is None


def rewritten(path: Path, **changes: str) -> None:
    with safe_open(path, framework="pt") as file:
        info = file.metadata() | changes
    save_file(load_file(path), path, metadata=info)


BAD = {
    "no names": ({"names": "[]"}, "names: got"),
    "names of numbers": ({"names": "[1]"}, "names: got"),
    "a giant frame": ({"shape": "[99999, 99999]"}, "shape: got"),
    "half a shape": ({"shape": "[64]"}, "shape: got"),
    "no json": ({"shape": "{"}, "Expecting"),
    "more objects": ({"names": json.dumps(["a", "b", "c"])}, "got shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_probe_that_does_not_fit_is_refused(path: Path, name: str) -> None:
    """Catches: memory for a giant map of logits, or a probe whose names are shifted against what it reads."""
    changes, said = BAD[name]
    put_probe(path)
    rewritten(path / PROBE, **changes)
    with pytest.raises(ValueError, match=r"probe\.safetensors: got no object probe") as caught:
        open_probe(path / PROBE)
    assert said in str(caught.value)


def test_export_ships_the_stores_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a world without eyes though its data has labels, or another probe than its measures were made with."""
    monkeypatch.setattr(probe_cache, "POOL", 20)
    monkeypatch.setattr(probe_cache, "STEPS", 2)
    store = EpisodeStore(tmp_path)
    store.add(0, episode(0))
    files = shipped_probe(store, NAMES)
    assert set(files) == {PROBE}
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / PROBE).write_bytes(files[PROBE])
    shipped, kept = open_probe(tmp_path / "world" / PROBE), open_probe(tmp_path / PROBE)
    assert shipped.names == NAMES
    pairs = zip(shipped.state_dict().values(), kept.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert shipped_probe(store, ()) == {}


def test_the_card_says_what_there_is() -> None:
    """Catches: an empty section, numbers without their meaning, or a share that was not measured shown as one."""
    assert tools_section(()) == ""
    text = tools_section(("ball",), {"train_moments": 9, "train_episodes": 2, "told_apart": {"erased": {"ball": None}}})
    assert "ball." in text and "9 moments of 2 episodes" in text and "| ball painted over | - |" in text
