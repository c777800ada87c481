"""Worlds by name and by path, and clear errors for those that cannot be opened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import ReverieError
from engine.loading import list_worlds, load_world, real_world_for
from models import library
from models.checkpoint import MODEL
from models.envs.replayed_world import ReplayedWorld
from models.library import world_paths
from models.world import Rng
from tests.tiny_worlds import tiny_world, write_tiny


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the worlds tiny and other, the only one that is searched."""
    for name in ("tiny", "other"):
        write_tiny(tmp_path / name)
    monkeypatch.setattr(library, "SHIPPED", tmp_path)
    monkeypatch.delenv("REVERIE_WORLDS", raising=False)
    return tmp_path


def test_loaded_world_plays(worlds: Path) -> None:
    """Catches: weights or settings of a folder that do not reach the world: it must play as the one it was written
    from."""
    loaded = load_world("tiny")
    saved = tiny_world()
    with torch.no_grad():
        for part in (saved.denoiser, saved.rew_end):
            for tensor in part.state_dict().values():
                tensor.copy_(tensor.to(torch.bfloat16).float())
    frames = []
    for world in (loaded.world, saved):
        rng = Rng.seeded([1, 2, 3])
        state = world.initial(loaded.starts, rng)
        for t in range(2):
            state, prediction = world.step(state, torch.tensor([t, 1, 2]), rng)
        frames.append(prediction.frame)
    assert torch.equal(*frames)
    assert loaded.world.settings == saved.settings
    assert loaded.folder is not None
    assert loaded.hash == loaded.folder.hash


def test_world_by_path(worlds: Path) -> None:
    """Catches: a world that can be opened only from where worlds are shipped."""
    assert load_world(worlds / "tiny").hash == load_world("tiny").hash
    assert load_world(str(worlds / "tiny")).hash == load_world("tiny").hash


def test_unknown_world_names_the_nearest(worlds: Path) -> None:
    """Catches: a misspelt world answered without the one that was meant."""
    with pytest.raises(ReverieError, match=r"got 'tinny', .*did you mean tiny\?"):
        load_world("tinny")
    with pytest.raises(ReverieError, match=r"there are other, tiny; `reverie worlds`"):
        load_world("zzzzzz")


def test_own_folders_come_first(worlds: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any) -> None:
    """Catches: a user's own world hidden by a shipped one of the same name, or only the first of two folders
    searched."""
    mine, more = tmp_path_factory.mktemp("mine"), tmp_path_factory.mktemp("more")
    write_tiny(mine / "tiny", quality={"mine": {}})
    write_tiny(more / "third")
    monkeypatch.setenv("REVERIE_WORLDS", os.pathsep.join([str(mine), str(more)]))
    assert set(world_paths()) == {"tiny", "third", "other"}
    folder = load_world("tiny").folder
    assert folder is not None
    assert folder.manifest.quality == {"mine": {}}


def test_damaged_world_is_reported_and_left_out(worlds: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Catches: one bad world that hides all others from `reverie worlds`, or that is not mentioned."""
    (worlds / "other" / "world.json").write_text("{")
    (worlds / ".part").mkdir()
    (worlds / ".part" / "world.json").write_text("{")
    assert [folder.name for folder in list_worlds()] == ["tiny"]
    assert str(worlds / "other" / "world.json") in caplog.text
    assert ".part" not in caplog.text
    with pytest.raises(ReverieError, match=r"other/world\.json"):
        load_world("other")


def test_weights_must_fit_strictly(worlds: Path) -> None:
    """Catches: a missing, unknown or misshapen weight that leaves a part of the network random."""
    file = worlds / "tiny" / MODEL
    weights = load_file(file)
    name = "denoiser.inner_model.conv_out.bias"
    rest = {key: tensor for key, tensor in weights.items() if key != name}
    save_file(rest, file)
    with pytest.raises(ReverieError, match="missing tensors .*conv_out.bias"):
        load_world("tiny")
    save_file({**weights, "denoiser.extra": torch.zeros(1)}, file)
    with pytest.raises(ReverieError, match="unknown tensors .*extra"):
        load_world("tiny")
    save_file({**weights, "policy.extra": torch.zeros(1)}, file)
    with pytest.raises(ReverieError, match="unknown tensors .*policy.extra"):
        load_world("tiny")
    save_file({**rest, name: torch.zeros(7, dtype=torch.bfloat16)}, file)
    with pytest.raises(ReverieError, match=r"got shape \(7,\) of .*conv_out.bias, expected \(48,\)"):
        load_world("tiny")


BAD = {
    "unknown family": (("family",), "nosuch", "got family 'nosuch', expected one of diamond"),
    "unknown config key": (("config", "denoiser", "colour"), 3, "unknown keys .*colour"),
    "config of words": (("config", "denoiser", "cond"), "wide", "tiny"),
    "no channels": (("config", "denoiser", "channels"), [16, 0], "expected at least 1"),
    "no context": (("config", "denoiser", "context"), 0, "expected an even multiple"),
    "another size": (("config", "height"), 32, "expected the size, actions and context"),
    "unknown setting": (("settings", "stepps"), 3, "unknown .*stepps"),
    "impossible setting": (("settings", "steps"), 0, "sampler steps: got 0, expected at least 1"),
    "setting of words": (("settings", "steps"), "three", "tiny"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_are_refused(worlds: Path, name: str) -> None:
    """Catches: a description that is valid JSON but no world, answered by a traceback from inside the family."""
    (*keys, last), value, message = BAD[name]
    file = worlds / "tiny" / "world.json"
    values = json.loads(file.read_text())
    part = values
    for key in keys:
        part = part[key]
    part[last] = value
    file.write_text(json.dumps(values))
    with pytest.raises(ReverieError, match=message) as caught:
        load_world("tiny")
    assert str(worlds / "tiny") in str(caught.value)


def test_real_game_of_a_world(worlds: Path) -> None:
    """Catches: the real game offered for a world that has none here, or of another size than the dream."""
    assert real_world_for(load_world("tiny")) is None
    env = {"env": "atari", "game": "pong"}
    write_tiny(worlds / "tiny", provenance={"env": env})
    real = real_world_for(load_world("tiny"))
    assert real is not None
    assert (real.spec.height, real.spec.width, real.spec.context) == (16, 16, 4)


def test_real_game_that_is_replayed(worlds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a game that only Atari's loader can open; one started just to see that it is there; one offered whose
    package is missing."""
    write_tiny(worlds / "tiny", provenance={"env": {"env": "vizdoom", "game": "vizdoom_basic"}})
    loaded = load_world("tiny")
    monkeypatch.setattr("models.envs.adapter.find_spec", lambda name: True)
    real = real_world_for(loaded)
    assert isinstance(real, ReplayedWorld)
    assert (real.game, real.signed, real.seats) == ("vizdoom_basic", True, [])
    assert real.spec.actions == loaded.world.spec.actions
    monkeypatch.setattr("models.envs.adapter.find_spec", lambda name: None)
    assert real_world_for(loaded) is None
