"""Clips: what goes in comes out, and half a file never appears."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from engine.controllers import RandomController
from engine.errors import ReverieError
from engine.headless import dream
from engine.recorder import enlarge, open_clip, replay_beside
from engine.replay import play_replay, read_replay
from engine.session import Session
from tests.counting import loaded

WORLD = loaded(end=7)


def pictures(count: int) -> list[np.ndarray]:
    """Each of its own colour; an odd number of rows."""
    return [np.full((5, 6, 3), (40 + 30 * k, 128, 220 - 30 * k), dtype=np.uint8) for k in range(count)]


def write(path: Path, images: Sequence[Any], scale: int | None = None) -> None:
    with open_clip(path, fps=15, scale=scale) as clip:
        for image in images:
            clip.add(image)


def read(path: Path, height: int = 0, width: int = 0) -> list[np.ndarray]:
    """Every picture of a clip, (H, W, 3) uint8; the size is needed for MP4."""
    if path.suffix == ".gif":
        with Image.open(path) as gif:
            return [np.array(picture.convert("RGB")) for picture in ImageSequence.Iterator(gif)]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    return list(np.frombuffer(data, np.uint8).reshape(-1, height, width, 3))


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_clip_has_every_picture_in_order(tmp_path: Path, suffix: str) -> None:
    """A lost last frame, swapped colour channels or a wrong scale would show here."""
    path, given = tmp_path / "new" / f"clip{suffix}", pictures(6)
    write(path, given, scale=8)
    back = read(path, 40, 48)
    assert len(back) == 6
    assert back[0].shape == (40, 48, 3)
    for image, got in zip(given, back, strict=True):
        assert np.abs(got.astype(int) - enlarge(image, 8).astype(int)).mean() < 6


def test_gif_keeps_the_mean_rate(tmp_path: Path) -> None:
    """Rounding every duration of a 15 fps clip alike would play it 5 % too fast."""
    write(tmp_path / "a.gif", pictures(6) * 5, scale=1)
    with Image.open(tmp_path / "a.gif") as gif:
        assert sum(picture.info["duration"] for picture in ImageSequence.Iterator(gif)) == 2000


def test_enlarging_repeats_pixels() -> None:
    """Smoothing would blur the game; an automatic scale must be whole and fit."""
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert enlarge(image, 2)[:, :, 0].tolist() == [[0, 0, 3, 3], [0, 0, 3, 3], [6, 6, 9, 9], [6, 6, 9, 9]]
    assert enlarge(np.zeros((64, 64, 3), np.uint8), None).shape == (512, 512, 3)
    assert enlarge(np.zeros((1000, 900, 3), np.uint8), None).shape == (1000, 900, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_failed_clip_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """A crash in the middle must keep the clip of before and no rubbish beside it."""
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(b"before")
    with pytest.raises(AttributeError):
        write(path, [*pictures(1), None])
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_bad_clips(tmp_path: Path) -> None:
    """A kind we cannot write, no picture at all, or a folder that is a file must be said, not crash in ffmpeg."""
    with pytest.raises(ReverieError, match="got a clip of kind"), open_clip(tmp_path / "a.avi", 15):
        pass
    for suffix in (".mp4", ".gif"):
        with pytest.raises(ReverieError, match="got no picture"), open_clip(tmp_path / f"a{suffix}", 15):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ReverieError, match="could not be written"), open_clip(tmp_path / "file" / "a.gif", 15):
        pass


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running out of space must not look like a broken video."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ReverieError, match="the disk is full"), open_clip(tmp_path / "a.gif", 15) as clip:
        clip.add(pictures(1)[0])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 60])
def test_ffmpeg_that_fails_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """An encoder that fails while it ends the file, or in the middle, must not leave a broken video called finished."""
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\nhead -c 100 > /dev/null\necho 'No space left on device' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", lambda: str(fake))
    with pytest.raises(ReverieError, match=r"a\.mp4: could not be written: the disk is full"):
        write(tmp_path / "a.mp4", pictures(1) * count, scale=40)
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


def test_dream_writes_clip_and_replay(tmp_path: Path) -> None:
    """The replay beside a clip must be the clip's: same frames, starts included; steps are counted without starts."""
    out = tmp_path / "dream.mp4"
    summary = dream(WORLD, 20, seed=3, controller=RandomController(), out=out, progress=False)
    assert (summary.frames, summary.clip, summary.replay) == (20, out, tmp_path / "dream.replay.json")
    played = list(play_replay(read_replay(replay_beside(out)), WORLD))
    assert sum(frame.index > 0 for frame in played) == 20
    assert len(read(out, 512, 768)) == len(played) == 23
    assert summary.returns == tuple(
        f.total for f, g in zip(played, [*played[1:], None], strict=True) if not g or not g.index
    )


def test_ctrl_c_keeps_what_was_dreamt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted dream of an hour must leave its frames."""
    tick, count = Session.tick, 0

    def interrupt(*args: object, **options: object) -> object:
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        return tick(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "tick", interrupt)
    with pytest.raises(KeyboardInterrupt):
        dream(WORLD, 20, out=tmp_path / "a.gif", progress=False)
    assert len(read(tmp_path / "a.gif")) == 5
    assert len(read_replay(tmp_path / "a.replay.json").ticks) == 5
