"""What the C library does with memory that tensors give back."""

from __future__ import annotations

import ctypes
import sys

MIB = 2**20
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's parameters (mallopt(3))."""


def keep_freed_memory(mib: int = 64) -> bool:
    """Have this process keep up to ``mib`` of freed memory for its next tensors, rather than hand it back at once.

    A network frees and takes maps of a few megabytes hundreds of times a step. By its defaults glibc returns them to
    the system each time, and the pages that come anew cost a step of eight rows some 30 ms of processor time. For the
    whole process; returns False where the C library is another one, and nothing changes.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(TRIM_THRESHOLD, mib * MIB)) and bool(mallopt(MMAP_THRESHOLD, mib * MIB // 4))
