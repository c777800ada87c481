"""`reverie train` and `reverie export` together: from stored episodes to a world that plays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engine.loading import load_world
from models.data.store import EpisodeStore
from models.training.checkpoint import read_checkpoint
from models.training.export import choose_starts, export
from models.training.loop import Loop, Outcome
from models.training.options import ExportOptions, TrainOptions
from models.training.train import train
from models.world import Rng
from tests.stores import fill_counting_store


def options(store: Path, out: Path, **changes: object) -> TrainOptions:
    values = {"family": "diamond", "data": store, "out": out, "preset": "tiny", "steps": 2, "batch": 2}
    return TrainOptions(**values | {"device": "cpu", "precision": "fp32"} | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(counting_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps of both parts, in two calls."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.diamond.VALIDATION_SEGMENTS", 2)
        assert train(options(counting_store, folder, part="denoiser")) == 0
        assert train(options(counting_store, folder)) == 0
    return folder


def test_record_says_what_was_done(run: Path, counting_store: Path) -> None:
    """Catches: provenance that is lost, or counts the second call only."""
    record = json.loads((run / "record.json").read_text())
    assert record["denoiser"]["steps"] == record["rew_end"]["steps"] == 2
    assert record["denoiser"]["samples"] == 4
    assert record["data"]["train_steps"] == EpisodeStore(counting_store).summary("train").steps
    assert record["data"]["policies"] == {"random": 18}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "got a run with seed 0, expected 1; .*--out"),
        ({"preset": "small"}, "got a run with preset 'tiny', expected 'small'"),
        ({"preset": "huge"}, "got 'huge', expected one of"),
        ({"max_minutes": 0.0}, "max_minutes: got 0.0"),
        ({"device": "tpu"}, "device: got 'tpu'"),
    ],
)
def test_other_options_are_refused(run: Path, counting_store: Path, changes: dict[str, object], message: str) -> None:
    """Catches: a run that goes on as something else than it began."""
    with pytest.raises(ValueError, match=message):
        train(options(counting_store, run, **changes))


def test_data_of_another_resolution_is_refused(run: Path, tmp_path: Path) -> None:
    """Catches: a network fed with frames of another size than it was built for."""
    other = fill_counting_store(tmp_path / "big", episodes=10, size=32)
    with pytest.raises(ValueError, match="got a run with (config|env)"):
        train(options(other, run))
    EpisodeStore(other).path(1).write_bytes(
        (fill_counting_store(tmp_path / "odd", 2, 24) / "train/000001.safetensors").read_bytes()
    )
    with pytest.raises(ValueError, match="got other settings or resolution"):
        train(options(other, tmp_path / "run"))
    with pytest.raises(ValueError, match="frame size: got 30 x 30, expected multiples of patch"):
        train(options(fill_counting_store(tmp_path / "uneven", 10, 30), tmp_path / "run"))


def test_exported_world_plays(run: Path, counting_store: Path, tmp_path: Path) -> None:
    """Catches: a world that is exported and cannot be opened, that has the raw weights instead of the averaged ones,
    or starts from episodes that training saw."""
    assert export(ExportOptions(run, tmp_path / "counting", data=counting_store, starts=3)) == 0
    loaded = load_world(tmp_path / "counting")
    assert loaded.folder is not None
    assert loaded.world.spec.name == "counting"
    assert loaded.world.spec.actions.names == ("NOOP", "RIGHT", "LEFT")
    average = read_checkpoint(run / "denoiser" / "checkpoint.safetensors")[0]["ema"]
    for name, tensor in average.items():
        assert torch.equal(loaded.folder.weights()[f"denoiser.{name}"], tensor.to(torch.bfloat16).float()), name
    rng = Rng.seeded([0, 1, 2])
    state = loaded.world.initial(loaded.starts, rng)
    _, prediction = loaded.world.step(state, torch.tensor([0, 1, 2]), rng)
    assert prediction.frame.shape == (3, 3, 16, 16)
    assert loaded.folder.manifest.provenance["env"]["game"] == "counting"
    assert (tmp_path / "counting" / "preview.gif").read_bytes()[:3] == b"GIF"
    assert "reverie play counting" in (tmp_path / "counting" / "README.md").read_text()
    heldout = EpisodeStore(counting_store).episodes("heldout")
    lengths = {int(e.slice("frames", 0, 1)[0, 2, 0, 0]) for e in heldout}
    assert set(loaded.starts.frames[:, :, 2, 0, 0].flatten().tolist()) <= lengths


def test_starts_are_aligned(counting_store: Path) -> None:
    """Catches: starts whose actions are shifted against their frames: the first steps of every game would be wrong."""
    starts = choose_starts(EpisodeStore(counting_store).episodes("heldout"), 5, 6)
    assert starts.frames.shape[:2] == (5, 6)
    assert torch.equal(starts.frames[:, 1:, 1, 0, 0].long(), starts.actions)


def test_folders_without_a_trained_run_are_refused(run: Path, counting_store: Path, tmp_path: Path) -> None:
    """Catches: a world of untrained networks, or a traceback, from a folder that is no finished run."""
    with pytest.raises(ValueError, match="expected a folder made by `reverie train`"):
        export(ExportOptions(tmp_path, tmp_path / "world", data=counting_store))
    half = tmp_path / "half"
    half.mkdir()
    for name in ("run.json", "record.json"):
        (half / name).write_bytes((run / name).read_bytes())
    with pytest.raises(ValueError, match="expected both parts trained; .*--part denoiser"):
        export(ExportOptions(half, tmp_path / "world", data=counting_store))
    assert not (tmp_path / "world").exists()


def test_a_second_stage_begins_from_the_first(
    run: Path, counting_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches: --init that is ignored, takes the raw weights for the averaged ones, or loses the other part."""
    monkeypatch.setattr("models.training.diamond.VALIDATION_SEGMENTS", 2)
    began = []
    monkeypatch.setattr("models.training.loop.Loop.run", lambda loop, *_: began.append(loop) or stopped(loop))
    second = tmp_path / "second"
    assert train(options(counting_store, second, part="denoiser", init=run)) == 0
    first = read_checkpoint(run / "denoiser" / "checkpoint.safetensors")[0]["ema"]
    assert all(torch.equal(first[name], value) for name, value in began[0].task.model.state_dict().items())
    parts = [(folder / "rew_end" / "checkpoint.safetensors").read_bytes() for folder in (run, second)]
    assert parts[0] == parts[1]
    record = json.loads((second / "record.json").read_text())
    assert record["stage_before"]["denoiser"]["steps"] == record["rew_end"]["steps"] == 2
    with pytest.raises(ValueError, match="--init: got .*expected a run"):
        train(options(counting_store, tmp_path / "third", init=tmp_path))


def stopped(loop: Loop) -> Outcome:
    return Outcome(loop.step, 0.0, finished=False, interrupted=False)
