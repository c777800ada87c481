"""One study at a time: long work on the session in play that ends in views."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from engine.errors import ReverieError
from engine.session import Session
from models.types import View

Slices = Generator[Any, None, tuple[View, ...]]
"""Work done a ``next`` at a time, which returns what there is to see."""
GiveJob = Callable[[Generator[Any, None, Any]], Future[Any]]
"""Has slices done in turn with play, see ``Device.job``."""


@dataclass(frozen=True, eq=False)
class Study:
    """A study under way: its name, the session it is of, and its result."""

    name: str
    session: Session
    result: Future[tuple[View, ...]]

    def cancelled(self, why: str) -> ReverieError:
        return ReverieError(f"study {self.name}: cancelled, got {why}; ask for it again")


class Desk:
    """Where the study under way lies. It may be taken away from any thread; who takes it answers for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._study: Study | None = None

    @property
    def study(self) -> Study | None:
        return self._study

    def put(self, study: Study) -> None:
        with self._lock:
            self._study = study

    def take(self, only: Study | None = None) -> Study | None:
        """Take the study away (``only``: this one), None where there is none."""
        with self._lock:
            study = self._study
            if study is None or (only is not None and study is not only):
                return None
            self._study = None
            return study
