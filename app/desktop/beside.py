"""Which worlds can be played in one lockstep with another."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from engine.session import Session

if TYPE_CHECKING:
    from engine.loading import LoadedWorld


class Beside:
    """The worlds of the same frames and actions as ``loaded``, by name.

    begin: makes a lockstep session with another world beside, or None. device: where that one runs.
    """

    def __init__(self, loaded: LoadedWorld, begin: Callable[[LoadedWorld | None], Session], device: str) -> None:
        self._loaded, self._begin, self._device = loaded, begin, device

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Those that can be named; the world itself is none of them."""
        from engine.loading import list_worlds

        ours = self._loaded.world.spec
        found = [folder for folder in list_worlds() if folder.hash != self._loaded.hash]
        specs = {folder.path.name: folder.manifest.spec for folder in found}
        return tuple(
            name
            for name, spec in specs.items()
            if (spec.height, spec.width, spec.actions) == (ours.height, ours.width, ours.actions)
        )

    def after(self, name: str) -> str:
        """The next one; "" after the last, and where there is none."""
        names = ("", *self.names)
        return names[(names.index(name) + 1) % len(names)] if name in names else ""

    def make(self, name: str) -> Session:
        """A lockstep session with that world beside; without one for "". Takes seconds. Raises ReverieError."""
        from engine.loading import load_world

        return self._begin(load_world(name, device=self._device) if name else None)
