"""Writing a file so that it is either whole or not there, with errors a user can read."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import ReverieError
from models.files import write_atomic


def write_file(path: Path, content: bytes | str) -> None:
    """``models.files.write_atomic``; raises ReverieError where it cannot."""
    try:
        write_atomic(path, content)
    except OSError as error:
        raise _explained(path, error) from error


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path``, for programs that write files themselves (ffmpeg).

    It is renamed to ``path`` when the block ends well and removed when it does not. An OSError becomes a ReverieError.
    """
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        beside = Path(name)
        os.close(descriptor)
        beside.chmod(0o644)
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


@contextmanager
def new_folder(parent: Path) -> Iterator[Path]:
    """A hidden folder in ``parent`` to fill and to rename; it is gone where the block fails before that.

    An OSError becomes a ReverieError.
    """
    beside: Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=parent, prefix=".new."))
        beside.chmod(0o755)
        yield beside
    except OSError as error:
        raise _explained(parent, error) from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _explained(path: Path, error: OSError) -> ReverieError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why, remedy = "the disk is full", "free some space or choose another folder"
    else:
        why, remedy = error.strerror or str(error), "check the folder and its permissions, or choose another"
    return ReverieError(f"{path}: could not be written: {why}; {remedy}. What was there before is untouched")
