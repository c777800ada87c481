"""Files offered to players for a while: clips, replays, saves."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

PREFIX = "/api/files"
MOST_FILES, MOST_BYTES = 256, 1 << 30
"""Of all players together; over them the oldest go first."""


class Downloads:
    """A temporary folder, made when first needed, with one folder a file, each under a secret of its own. Thread-safe.

    A secret is looked up, never joined to a path. keep_s: how long a file is there.
    """

    def __init__(self, keep_s: float, clock: Callable[[], float]) -> None:
        self._keep_s, self._clock = keep_s, clock
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._files: dict[str, tuple[Path, float]] = {}

    def place(self) -> Path:
        """A new empty folder to write a file (or several) into, before they are offered."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="reverie-files-"))
            return Path(tempfile.mkdtemp(dir=self._folder))

    def offer(self, path: Path) -> str:
        """The address of a written file, for ``keep_s`` seconds from now."""
        token = secrets.token_urlsafe(18)
        with self._lock:
            self._files[token] = (path, self._clock())
        self.sweep()
        return f"{PREFIX}/{token}/{quote(path.name)}"

    def file(self, token: str) -> Path | None:
        """The file behind a secret; None where there is none, or no longer."""
        with self._lock:
            path, at = self._files.get(token, (None, 0.0))
        return path if path is not None and self._clock() - at <= self._keep_s and path.is_file() else None

    def sweep(self) -> None:
        """Remove files that are too old, or too many."""
        with self._lock:
            kept, total = 0, 0
            for token, (path, at) in reversed(list(self._files.items())):
                size = path.stat().st_size if path.is_file() else 0
                old = self._clock() - at > self._keep_s
                if old or (kept and (kept >= MOST_FILES or total + size > MOST_BYTES)):
                    self._remove(token)
                else:
                    kept, total = kept + 1, total + size

    def close(self) -> None:
        """Remove everything."""
        with self._lock:
            self._files.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def _remove(self, token: str) -> None:
        path, _ = self._files.pop(token)
        path.unlink(missing_ok=True)
        if not any(path.parent.glob("*")):
            shutil.rmtree(path.parent, ignore_errors=True)
