"""Figures drawn beside play: on a thread of their own, a few a second."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from models.types import View, ViewKind

logger = logging.getLogger(__name__)
PLOTTED: frozenset[ViewKind] = frozenset(("curves", "path", "heat_map", "matrix"))
"""The kinds of views that are drawn as figures."""
PERIOD_S = 1 / 3
"""No figure is drawn more often."""
REST = 1.5
"""After a figure the thread rests so many times as long as that took, a period at most: play comes first."""

Draw = Callable[[View, int, int, float], np.ndarray]


Order = tuple[View, tuple[int, int], float]
"""A view, the size and the scale of its figure."""


@dataclass(frozen=True)
class Figure:
    """A view's figure as it was drawn last. image (h, w, 3) uint8, None where the view could not be drawn."""

    view: View
    size: tuple[int, int]
    scale: float
    image: np.ndarray | None
    at: float


class Plots:
    """Figures of views by name. All but ``close`` is for the window's thread; ``draw`` runs on another.

    draw(view, width, height, scale) gives (height, width, 3) uint8, with letters ``scale`` times as large as usual.
    clock in seconds.
    """

    def __init__(self, draw: Draw | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._draw, self._clock = draw or draw_figure, clock
        self._turn = threading.Condition()
        self._wanted: dict[str, Order] = {}
        self._done: dict[str, Figure] = {}
        self._fresh = self._closing = False
        self._rested_at = float("-inf")
        self._thread: threading.Thread | None = None

    def figure(self, view: View, size: tuple[int, int], scale: float = 1.0) -> Figure | None:
        """The newest figure of the view's name, maybe of a moment ago or another size; None where there is none yet.

        Asks for one of this view, unless it is drawn already.
        """
        with self._turn:
            done = self._done.get(view.name)
            if done is None or done.view is not view or (done.size, done.scale) != (size, scale):
                self._wanted[view.name] = view, size, scale
                self._start()
                self._turn.notify()
            return done

    def fresh(self) -> bool:
        """Whether a figure was finished since this was asked last."""
        with self._turn:
            fresh, self._fresh = self._fresh, False
            return fresh

    def close(self) -> None:
        """End the thread after the figure it draws. Works twice."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join()

    # -- the thread

    def _start(self) -> None:
        if self._thread is None and not self._closing:
            self._thread = threading.Thread(target=self._run, name="reverie-plots", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (turn := self._next()) is not None:
            view, size, scale = turn
            began = self._clock()
            image = self._drawn(view, size, scale)
            now = self._clock()
            with self._turn:
                self._done[view.name] = Figure(view, size, scale, image, now)
                self._fresh, self._rested_at = True, now + min(REST * (now - began), PERIOD_S)

    def _next(self) -> Order | None:
        """Wait for what is due longest; None at the end."""
        with self._turn:
            while not self._closing:
                if not self._wanted:
                    self._turn.wait()
                    continue
                ended = {name: done.at for name, done in self._done.items() if name in self._wanted}
                name, at = next_turn(self._wanted, ended, self._rested_at)
                wait = at - self._clock()
                if wait <= 0:
                    return self._wanted.pop(name)
                self._turn.wait(wait)
            return None

    def _drawn(self, view: View, size: tuple[int, int], scale: float) -> np.ndarray | None:
        try:
            return self._draw(view, *size, scale)
        except Exception:  # a view that no figure can be made of must not end the others
            logger.exception("the view %s could not be drawn", view.name)
            return None


def next_turn(wanted: Iterable[str], ended: Mapping[str, float], rested_at: float) -> tuple[str, float]:
    """Which of the figures wanted comes next, and when: the one that was drawn longest ago, or never.

    ended: when those that were drawn were ended; rested_at: when the thread has rested.
    """
    name = min(wanted, key=lambda name: ended.get(name, float("-inf")))
    return name, max(rested_at, ended.get(name, float("-inf")) + PERIOD_S)


def draw_figure(view: View, width: int, height: int, scale: float) -> np.ndarray:
    from engine.figures import figure

    return figure(view, width, height, dark=True, scale=scale, titled=False)
