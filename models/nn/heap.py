"""What the C library does with memory that tensors give back."""

from __future__ import annotations

import ctypes
import sys

MIB = 2**20
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""Names of glibc's parameters (mallopt(3))."""


def keep_freed_memory(mib: int = 64) -> bool:
    """Have this process keep up to ``mib`` of freed memory for its next tensors, rather than hand it back at once.

    A network frees and takes maps of a few megabytes hundreds of times a step. By its defaults glibc returns them to
    the system each time, and the pages that come anew cost a step of eight rows some 30 ms of processor time. For the
    whole process; returns False where the C library is another one, and nothing changes.
    """
    return tell(TRIM_THRESHOLD, mib * MIB) and tell(MMAP_THRESHOLD, mib * MIB // 4)


def keep_all_freed_memory() -> bool:
    """The same without a limit, for a training, whose maps of a hundred megabytes come and go at every update.

    Its memory is that of its largest moment from then on.
    """
    return tell(TRIM_THRESHOLD, 2**31 - 1) and tell(MMAP_MAX, 0)


def tell(parameter: int, value: int) -> bool:
    """Set one of glibc's parameters; False where there is no glibc."""
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(parameter, value))
