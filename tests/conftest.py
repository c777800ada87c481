"""Shared by all tests: no display, one thread, and small data made once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def counting_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 20 played-through episodes of the counting game, 16 x 16 pixels: 18 to train on, 2 held out."""
    from tests.stores import fill_counting_store

    return fill_counting_store(tmp_path_factory.mktemp("counting"), episodes=20, size=16)
