"""A world on disk: what is written comes back, what is damaged is refused by name, a failed write leaves the old
world."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from models import checkpoint
from models.checkpoint import MODEL, STARTS, WorldError, open_world_folder
from tests.tiny_worlds import random_starts, tiny_config, tiny_world, write_tiny


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny").path


def test_round_trip(path: Path) -> None:
    """Catches: a weight, a start or a word of the description that does not come back."""
    folder, world = open_world_folder(path), tiny_world()
    assert folder.manifest.spec == world.spec
    assert folder.manifest.config == json.loads(json.dumps(tiny_config().to_dict()))
    assert folder.name == "tiny"
    weights = folder.weights()
    assert set(weights) == set(world.weights())
    for name, tensor in world.weights().items():
        assert torch.equal(weights[name], tensor.to(torch.bfloat16).float()), name
    starts, want = folder.starts(), random_starts(world.spec, 3)
    assert torch.equal(starts.frames, want.frames)
    assert torch.equal(starts.actions, want.actions)
    assert (path / "README.md").read_text() == "# Tiny\n"
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")], "nothing is left beside it"


def test_hash_tells_worlds_apart(path: Path, tmp_path: Path) -> None:
    """Catches: a replay played in another world than it was recorded in, or refused because the world was measured."""
    before = open_world_folder(path).hash
    assert write_tiny(tmp_path / "again").hash == before
    measured = open_world_folder(path).with_quality({"one_step": {"psnr": 40.0}})
    assert measured.hash == before
    assert measured.manifest.quality == {"one_step": {"psnr": 40.0}}
    weights = load_file(path / MODEL)
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, path / MODEL)
    assert open_world_folder(path).hash != before


def test_what_a_world_brings_along_is_not_the_world(path: Path) -> None:
    """Catches: replays refused because a map or a probe was added; a map of old weights left beside new ones."""
    before = open_world_folder(path).hash
    for name in ("probe.safetensors", "atlas.safetensors", "policy.safetensors"):
        (path / name).write_bytes(b"anything")
    assert open_world_folder(path).hash == before
    write_tiny(path, quality={"new": {}})
    assert {p.name for p in path.iterdir()} == {"world.json", MODEL, STARTS, "README.md"}


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads((path / "world.json").read_text())
    change(values)
    (path / "world.json").write_text(json.dumps(values))


BAD_JSON: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown key": (lambda v: v.update(colour="red"), "colour"),
    "missing key": (lambda v: v.pop("settings"), r"expected exactly .*'settings'"),
    "unknown key of the spec": (lambda v: v["spec"].update(depth=3), "spec: .*depth"),
    "missing action names": (lambda v: v["spec"]["actions"].pop("names"), r"spec\.actions: .*expected exactly"),
    "repeated action": (lambda v: v["spec"]["actions"].update(names=["A", "A"]), "distinct names"),
    "size of nothing": (lambda v: v["spec"].update(height=0), "height: got 0, expected at least 1"),
    "size in words": (lambda v: v["spec"].update(height="tall"), "world.json"),
    "newer format": (lambda v: v.update(format=99), "got format 99, expected 1; update Reverie"),
    "format in words": (lambda v: v.update(format="one"), "got format 'one', expected 1"),
    "config is a list": (lambda v: v.update(config=[1]), r"config: got .*expected an object"),
    "quality is null": (lambda v: v.update(quality=None), "quality: got None, expected an object"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_description_is_refused(path: Path, name: str) -> None:
    """Catches: a world opened half, with defaults for what was not understood; an error that does not say where."""
    change, message = BAD_JSON[name]
    rewrite(path, change)
    with pytest.raises(WorldError, match=message) as caught:
        open_world_folder(path)
    assert str(path / "world.json") in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"name": "x"}'])
def test_no_description_is_refused(path: Path, text: str) -> None:
    """Catches: a truncated or foreign world.json answered by a traceback."""
    (path / "world.json").write_text(text)
    with pytest.raises(WorldError, match=r"world\.json"):
        open_world_folder(path)


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    """Catches: a folder of something else, a file, or nothing at all answered by a traceback."""
    with pytest.raises(WorldError, match="got no folder"):
        open_world_folder(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorldError, match="got no folder"):
        open_world_folder(tmp_path / "file")
    with pytest.raises(WorldError, match=r"world\.json: got no readable file"):
        open_world_folder(tmp_path)


@pytest.mark.parametrize("name", [MODEL, STARTS])
def test_damaged_tensors_are_refused(path: Path, name: str) -> None:
    """Catches: a download that stopped half-way, and a missing file."""
    file = path / name
    file.write_bytes(file.read_bytes()[:100])
    folder = open_world_folder(path)
    read = folder.weights if name == MODEL else folder.starts
    with pytest.raises(WorldError, match="got 100 bytes that are no safetensors file") as caught:
        read()
    assert str(file) in str(caught.value)
    file.unlink()
    with pytest.raises(WorldError, match="got no"):
        folder = open_world_folder(path)
        (folder.weights if name == MODEL else folder.starts)()


def test_starts_must_fit_the_world(path: Path) -> None:
    """Catches: starts of another resolution, which the network would only find out itself."""
    starts = load_file(path / STARTS)
    save_file({**starts, "frames": starts["frames"][..., :8].contiguous()}, path / STARTS)
    with pytest.raises(WorldError, match=r"starts\.safetensors: context frames: got .*expected"):
        open_world_folder(path).starts()
    save_file({"pictures": starts["frames"]}, path / STARTS)
    with pytest.raises(WorldError, match=r"got tensors \['pictures'\], expected actions and frames"):
        open_world_folder(path).starts()


def contents(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_full_disk_keeps_the_old_world(path: Path, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Catches: an export that fails half-way and leaves neither the old world nor the new one."""
    before, left = contents(path), [writes]
    original = checkpoint.write_atomic

    def limited(target: Path, content: bytes | str) -> None:
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        original(target, content)

    monkeypatch.setattr(checkpoint, "write_atomic", limited)
    with pytest.raises(OSError, match="No space left"):
        write_tiny(path, quality={"new": {}})
    assert contents(path) == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_failed_swap_brings_the_old_world_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: the old world moved out of the way for good when the new one cannot take its place."""
    before, replace = contents(path), os.replace

    def stubborn(source: Path, target: Path) -> None:
        if Path(target) == path and not str(source).endswith(".old"):
            raise PermissionError(errno.EACCES, "no")
        replace(source, target)

    monkeypatch.setattr(os, "replace", stubborn)
    with pytest.raises(PermissionError):
        write_tiny(path, quality={"new": {}})
    assert contents(path) == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_world_is_replaced(path: Path) -> None:
    """Catches: files of the old world that linger in the new one."""
    (path / "policy.safetensors").write_bytes(b"old")
    write_tiny(path, quality={"new": {}})
    assert open_world_folder(path).manifest.quality == {"new": {}}
    assert not (path / "policy.safetensors").exists()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_only_worlds_are_replaced(path: Path, tmp_path: Path) -> None:
    """Catches: an export to a folder of worlds, or to somebody's documents, that deletes what was there."""
    for target in (tmp_path, tmp_path / "notes"):
        target.mkdir(exist_ok=True)
        (target / "notes.txt").write_text("dear diary")
        with pytest.raises(WorldError, match="no world"):
            write_tiny(target)
        assert (target / "notes.txt").read_text() == "dear diary"
    assert path.exists()
    (tmp_path / "empty").mkdir()
    write_tiny(tmp_path / "empty")
