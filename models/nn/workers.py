"""PyTorch's worker threads on a processor."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

SOFT_PAUSE = 1
"""omp_pause_soft of OpenMP 5.0: resources go, settings stay."""


@cache
def openmp() -> ctypes.CDLL | None:
    """The GNU OpenMP library that PyTorch has loaded; None where there is none."""
    if sys.platform != "linux":
        return None
    import torch

    shipped = Path(torch.__file__).parent.glob("lib/libgomp*")
    for name in ("libgomp.so.1", *map(str, shipped)):
        try:
            return ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
        except OSError:  # not loaded under this name
            continue
    return None


def release_workers() -> bool:
    """Let go of the workers that the calling thread's computations have started; its next one starts them anew.

    GNU's OpenMP keeps workers for every thread that has ever computed. As soon as all of them are more than the
    processors, no worker waits actively any more, each of the hundreds of parallel pieces of a step wakes sleeping
    threads, and play takes almost twice as long: for good, once a world has been loaded by one thread and is played by
    another. So a thread that has computed and may not go on to calls this. Returns False where nothing was done.
    """
    library = openmp()
    pause = getattr(library, "omp_pause_resource_all", None)
    return pause is not None and pause(SOFT_PAUSE) == 0
