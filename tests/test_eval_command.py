"""`reverie eval`, whole: what it stores, what it refuses, what an interruption leaves."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoint import Manifest, WorldError, open_world_folder, write_world_folder
from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.diamond.config import DiamondSettings, tiny
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.world import DiamondWorld
from models.training import evaluate as evaluation
from models.training import probe_cache, probe_training
from models.training.drift import open_loop
from models.training.one_step import measure_steps
from models.training.options import EvalOptions
from models.training.rollout import Place, context_at
from models.types import ActionSpec, WorldSpec
from tests.counting import CountingWorld
from tests.oracle_worlds import played, quiet, real
from tests.stores import counting_episode, fill_counting_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world of the smallest sort and a store of real play: world/ and data/."""
    top = tmp_path_factory.mktemp("world")
    store = EpisodeStore(top / "data")
    store.add(0, played().episode)
    store.add(9, played().episode)
    config, settings = tiny(6), DiamondSettings(steps=1)
    spec = WorldSpec("dreamt", "diamond", 64, 64, ActionSpec(real().spec.actions.names), 4, 15.0, 4)
    torch.manual_seed(0)
    denoiser, rew_end = Denoiser(config.denoiser, 6), RewEndModel(config.rew_end, 6, 64, 64)
    world = DiamondWorld(spec, denoiser.eval(), rew_end.eval(), settings)
    context = context_at(store.episodes("heldout"), [Place(0, 20)], 8)
    manifest = Manifest("diamond", config.to_dict(), asdict(settings), spec, {"env": {"env": "atari", "game": "pong"}})
    write_world_folder(top / "world", manifest, world.weights(), context, {})
    return top


def test_the_whole_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: numbers that JSON cannot hold, a card that is not written, or a world whose hash changes when measured."""
    monkeypatch.setattr(evaluation, "PROBE_STEPS", 2)
    monkeypatch.setattr(evaluation, "PROBE_FRAMES", 20)
    monkeypatch.setattr(evaluation, "STEPS", 4)
    monkeypatch.setattr(probe_training, "CALIBRATION", 64)
    monkeypatch.setattr(probe_cache, "POOL", 64)
    before = open_world_folder(folder / "world")
    options = EvalOptions(str(folder / "world"), data=folder / "data", segments=2, save=False)
    assert evaluation.evaluate(options) == 0
    assert open_world_folder(folder / "world").manifest.quality == {}
    assert not (folder / "world" / "README.md").exists()
    assert evaluation.evaluate(EvalOptions(str(folder / "world"), data=folder / "data", segments=2)) == 0
    measured = open_world_folder(folder / "world")
    parts = {"measured_on", "one_step", "events", "drift", "objects", "probe", "action_accuracy", "free_dream"}
    assert set(measured.manifest.quality) == parts
    json.loads((folder / "world" / "world.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert measured.hash == before.hash
    assert measured.manifest.quality["measured_on"]["settings"]["steps"] == 1
    assert "one-step PSNR" in (folder / "world" / "README.md").read_text()
    assert "action accuracy" in capsys.readouterr().out


def test_interrupted_nothing_is_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: Ctrl-C leaves half of the numbers, or a traceback."""

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    before = (folder / "world" / "world.json").read_bytes()
    monkeypatch.setattr(evaluation, "measure", interrupted)
    assert evaluation.evaluate(EvalOptions(str(folder / "world"), data=folder / "data")) == 130
    assert (folder / "world" / "world.json").read_bytes() == before


def test_errors_at_the_boundary(folder: Path, tmp_path: Path) -> None:
    """Bug: data of another game measured as if it fitted, or an unknown world that ends in a traceback."""
    fill_counting_store(tmp_path / "counting", 10)
    world = str(folder / "world")
    with pytest.raises(ValueError, match=r"expected \(3, 64, 64\) and \('NOOP'.*--data"):
        evaluation.evaluate(EvalOptions(world, data=tmp_path / "counting"))
    with pytest.raises(FileNotFoundError, match="reverie collect"):
        evaluation.evaluate(EvalOptions(world, data=tmp_path / "nothing"))
    with pytest.raises(WorldError, match="got 'no such world'.*reverie worlds"):
        evaluation.evaluate(EvalOptions("no such world", data=tmp_path))
    with pytest.raises(ValueError, match="segments: got 0"):
        evaluation.evaluate(EvalOptions(world, segments=0))


def test_episodes_too_short_say_so(tmp_path: Path) -> None:
    """Bug: an empty draw ends in a division by zero."""
    store = EpisodeStore(tmp_path)
    short: Episode = counting_episode(0, steps=4)
    store.add(9, short)
    with pytest.raises(ValueError, match="no held-out episode of 16 steps"):
        measure_steps(CountingWorld(), store.episodes("heldout"), 16, 4, 0, quiet)
    with pytest.raises(ValueError, match="no held-out episode of 16 steps"):
        open_loop(CountingWorld(), store.episodes("heldout"), 16, 4, 0, quiet)
