"""From held buttons and mouse motion to one action: a thread-safe latch, and the mapping onto a world's ActionSpec."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from models.types import ActionSpec

OPPOSITES = (("up", "down"), ("left", "right"))
ALE_NAME = re.compile(r"(up|down)?(left|right)?(fire)?")


@dataclass(frozen=True)
class Input:
    """What a player holds in one tick: lower-case button names, and the mouse's motion (x right, y down, pixels).

    axes: how far sticks lean, by the lower-case name of an action's component, -1 to 1; none stands for 0.
    """

    buttons: frozenset[str] = frozenset()
    mouse: tuple[float, float] = (0.0, 0.0)
    axes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Latch:
    """What one look at the controls finds.

    since: the clock's time in seconds of the oldest event that no latch has taken yet, None without one. stamp: that
    event's time on the clock of whoever sent it, where it came with one.
    """

    input: Input
    since: float | None = None
    stamp: float | None = None


class Controls:
    """The latch between a face's events (any thread) and the session's ticks (another).

    A button pressed and released between two latches still counts once. Of two opposite buttons (up and down, left and
    right, ``x`` and ``-x``) the one pressed last wins. Button names are case-insensitive.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sources: dict[str, set[object]] = {}
        self._pressed: dict[str, int] = {}
        self._tapped: set[str] = set()
        self._count = itertools.count()
        self._mouse = (0.0, 0.0)
        self._axes: dict[str, float] = {}
        self._since: float | None = None
        self._stamp: float | None = None

    def press(self, button: str, source: object = None, stamp: float | None = None) -> None:
        """Hold ``button``. Several sources (two keys of one button) hold it until each has released it.

        stamp: when this happened, on the sender's own clock; given back by the latch that takes it.
        """
        button = button.lower()
        with self._lock:
            sources = self._sources.setdefault(button, set())
            if source in sources:
                return
            sources.add(source)
            self._tapped.add(button)
            self._pressed[button] = next(self._count)
            self._touch(stamp)

    def release(self, button: str, source: object = None, stamp: float | None = None) -> None:
        """Let go of ``button``; nothing happens when it was not held."""
        button = button.lower()
        with self._lock:
            sources = self._sources.get(button, set())
            if source in sources:
                sources.remove(source)
                self._touch(stamp)
            if not sources:
                self._sources.pop(button, None)

    def move(self, dx: float, dy: float, stamp: float | None = None) -> None:
        """Add mouse motion in pixels."""
        with self._lock:
            self._mouse = (self._mouse[0] + dx, self._mouse[1] + dy)
            self._touch(stamp)

    def lean(self, axis: str, value: float, stamp: float | None = None) -> None:
        """A stick stands at ``value``, -1 to 1, for the component ``axis``, until it is told otherwise."""
        axis, value = axis.lower(), min(max(value, -1.0), 1.0)
        with self._lock:
            if self._axes.get(axis, 0.0) == value:
                return
            self._axes.pop(axis, None)
            if value:
                self._axes[axis] = value
            self._touch(stamp)

    def clear(self) -> None:
        """Let go of everything and forget what was tapped (the window lost its focus)."""
        with self._lock:
            self._sources.clear()
            self._tapped.clear()
            self._axes.clear()
            self._mouse, self._since, self._stamp = (0.0, 0.0), None, None

    def untimed(self) -> None:
        """Keep what is held and tapped, but forget since when: time that nobody played is not the input's delay."""
        with self._lock:
            self._since = self._stamp = None

    def latch(self) -> Input:
        """What is held now or was tapped since the last latch, and the mouse motion summed since then."""
        return self.latch_timed().input

    def latch_timed(self) -> Latch:
        """The latch, and since when its oldest event that no latch has taken yet has waited."""
        with self._lock:
            buttons = set(self._sources) | self._tapped
            for first, second in [*OPPOSITES, *((b[1:], b) for b in buttons if b.startswith("-"))]:
                if first in buttons and second in buttons:
                    buttons.discard(min(first, second, key=self._pressed.__getitem__))
            latch = Latch(Input(frozenset(buttons), self._mouse, tuple(self._axes.items())), self._since, self._stamp)
            self._tapped.clear()
            self._mouse, self._since, self._stamp = (0.0, 0.0), None, None
        return latch

    def _touch(self, stamp: float | None) -> None:
        if self._since is None:
            self._since = self._clock()
        if self._stamp is None:
            self._stamp = stamp


def action_for(spec: ActionSpec, input: Input) -> Tensor:
    """The action of an input: (1,) int64 when discrete, else (1, n) float32.

    Discrete: ALE's naming (up, down, left, right, fire combine to names such as UPRIGHTFIRE); the longest combination
    fully held that the world has wins, the first of ``spec.names`` among equals; a button may also be named like an
    action; nothing held is the no-op. Otherwise: a button named like a component sets it to its high bound, ``-name``
    to its low one; a stick that leans sets its component to that share of the bound, where no button does; the mouse
    goes to ``mouse_x`` and ``mouse_y``, clipped into their bounds.
    """
    buttons = frozenset(button.lower() for button in input.buttons)
    if spec.kind == "discrete":
        return torch.tensor([_discrete(spec, buttons)], dtype=torch.int64)
    action = spec.noops(1)
    mouse = dict(zip(("mouse_x", "mouse_y"), input.mouse, strict=True))
    axes = dict(input.axes)
    for i, name in enumerate(map(str.lower, spec.names)):
        if name in axes:
            lean = axes[name] * (spec.high[i] if axes[name] > 0 else -spec.low[i])
            action[0, i] = min(max(lean, spec.low[i]), spec.high[i])
        if name in mouse:
            action[0, i] = min(max(mouse[name], spec.low[i]), spec.high[i])
        if name in buttons:
            action[0, i] = spec.high[i]
        elif f"-{name}" in buttons:
            action[0, i] = spec.low[i]
    return action


def _discrete(spec: ActionSpec, buttons: frozenset[str]) -> int:
    best, held = spec.noop, 0
    for index, (name, parts) in enumerate(_combinations(spec.names)):
        if len(parts) > held and (parts <= buttons or name in buttons):
            best, held = index, len(parts)
    return best


@lru_cache(maxsize=64)
def _combinations(names: tuple[str, ...]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Every name in lower case with the buttons it takes: upfire takes up and fire, jump takes jump."""
    pairs = []
    for name in map(str.lower, names):
        match = ALE_NAME.fullmatch(name)
        parts = [part for part in match.groups() if part] if match else [name]
        pairs.append((name, frozenset(parts)))
    return tuple(pairs)
