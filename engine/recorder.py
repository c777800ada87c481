"""Frames to a clip (MP4 or GIF), with the actions beside it as a replay file."""

from __future__ import annotations

import contextlib
import errno
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from engine.errors import ReverieError
from engine.files import atomic_path
from engine.history import History
from engine.moment import Frame
from engine.replay import write_replay

SUFFIXES = (".mp4", ".gif")
SIDE = 512
"""A clip's shorter side is the largest whole multiple of the world's below this many pixels."""


class ClipWriter(Protocol):
    def add(self, image: np.ndarray) -> None:
        """Append one picture (H, W, 3) uint8."""
        ...


def record(
    path: Path, frames: Sequence[Frame], history: History, fps: float, scale: int | None = None
) -> tuple[Path, Path]:
    """Write ``frames`` to a clip and ``history`` to a replay file beside it; returns both paths.

    scale: pixels a side of each pixel; None picks one. Raises ReverieError: an unknown kind of file, a full disk.
    """
    with open_clip(path, fps, scale) as clip:
        for frame in frames:
            clip.add(frame.image)
    beside = replay_beside(path)
    write_replay(beside, history)
    return path, beside


def replay_beside(path: Path) -> Path:
    """Where the replay of a clip lies: dream.mp4 and dream.replay.json."""
    return path.with_suffix(".replay.json")


@contextmanager
def open_clip(path: Path, fps: float, scale: int | None = None) -> Iterator[ClipWriter]:
    """A writer of pictures to ``path``, .mp4 or .gif; the file appears whole when the block ends well, or not at all.

    MP4 goes to disk as it comes; a GIF is kept in memory until its end. Raises ReverieError where it cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ReverieError(f"{path}: got a clip of kind {path.suffix or 'none'}, expected .mp4 or .gif")
    if scale is not None and scale < 1:
        raise ReverieError(f"scale: got {scale}, expected a whole number from 1")
    with atomic_path(path) as beside:
        clip: _Mp4 | _Gif = (_Mp4 if path.suffix.lower() == ".mp4" else _Gif)(beside, fps, scale)
        with clip:
            yield clip


def enlarge(image: np.ndarray, scale: int | None) -> np.ndarray:
    """(H, W, 3) to (H * scale, W * scale, 3), nearest; an automatic scale when None."""
    scale = scale or max(1, SIDE // min(image.shape[:2]))
    return image.repeat(scale, axis=0).repeat(scale, axis=1)


class _Clip:
    def __init__(self, path: Path, fps: float, scale: int | None) -> None:
        self._path, self._fps, self._scale = path, fps, scale

    def __enter__(self) -> Any:
        return self


class _Mp4(_Clip):
    """H.264 by ffmpeg, one picture at a time. In a session of its own, so that Ctrl-C does not end it before us."""

    _process: subprocess.Popen[bytes] | None = None

    def add(self, image: np.ndarray) -> None:
        image = enlarge(image, self._scale)
        height, width = image.shape[:2]
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # H.264 halves colour
        if self._process is None:
            self._process = self._open(image.shape[1], image.shape[0])
        assert self._process.stdin
        try:
            self._process.stdin.write(np.ascontiguousarray(image).data)
        except BrokenPipeError:
            self._close(self._process)
            raise

    def _open(self, width: int, height: int) -> subprocess.Popen[bytes]:
        import imageio_ffmpeg

        try:
            ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise ReverieError(
                f"ffmpeg: got none ({error}), expected one to write MP4; write a .gif instead"
            ) from error
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(self._fps), "-i", "-"]
        h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "16", "-preset", "veryfast", "-tune", "animation"]
        command = [ffmpeg, "-y", "-v", "error", *raw, "-an", *h264, "-movflags", "+faststart", str(self._path)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=self._log, start_new_session=True)

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        """Let ffmpeg end the file. Raises OSError with its words when it could not."""
        with contextlib.suppress(BrokenPipeError):
            process.communicate()
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip()
        if process.returncode:
            full = "No space left" in words
            raise OSError(errno.ENOSPC if full else errno.EIO, words or f"ffmpeg ended with {process.returncode}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._process is None:
            if kind is None:
                raise ReverieError("clip: got no picture, expected at least one")
            return
        try:
            if kind is None:
                self._close(self._process)
        finally:
            self._process.kill()
            self._process.communicate()
            self._log.close()


class _Gif(_Clip):
    """Animated GIF by Pillow; its times are whole hundredths of a second, so durations vary to keep the mean."""

    def __init__(self, path: Path, fps: float, scale: int | None) -> None:
        super().__init__(path, fps, scale)
        self._pictures: list[Any] = []

    def add(self, image: np.ndarray) -> None:
        from PIL import Image

        self._pictures.append(Image.fromarray(enlarge(image, self._scale)).quantize(256, dither=Image.Dither.NONE))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            return
        if not self._pictures:
            raise ReverieError("clip: got no picture, expected at least one")
        ends = [round(100 * (k + 1) / self._fps) for k in range(len(self._pictures))]
        durations = [10 * max(2, end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
        first, *rest = self._pictures
        first.save(self._path, save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
