"""Writing files so that a killed process or a full disk never leaves half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write beside, flush to disk, rename. On failure the old file stays and nothing is left beside it.

    Raises OSError naming the path, with what to do when the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException as error:
        Path(beside).unlink(missing_ok=True)
        if isinstance(error, OSError):
            advice = "free some disk space and run the command again; nothing written before is lost"
            raise OSError(
                error.errno, f"could not write {len(data)} bytes to {path}: {error.strerror}; {advice}"
            ) from error
        raise
