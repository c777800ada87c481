"""The episodes on disk that a server offers to play under, by name; no path comes from a player."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from engine.episodes import MOST, stored_episodes, title_of
from engine.server.errors import ServerError

if TYPE_CHECKING:
    from engine.server.shelf import Shelf

NAME = re.compile(r"(?:heldout|train|file)/[A-Za-z0-9_-]{1,80}")
"""What a name looks like: a split and a number, or, of a file that is in no store, what it is called."""


class Episodes:
    """Episodes by name, for each world on offer: those of its game's store, and ``extra``.

    extra: a file chosen by whoever runs the server, for its default world and those that can stand beside that.
    Thread-safe.
    """

    def __init__(self, shelf: Shelf, extra: Path | None = None) -> None:
        self._shelf, self._extra = shelf, extra
        self._lock = threading.Lock()
        self._known: dict[str, Path] = {}

    def offered(self, world: str) -> dict[str, Path]:
        """The files for a world, by name. Loads the world where nobody has yet."""
        stored = stored_episodes(self._shelf.open(world).loaded)
        if self._extra is None or world not in (self._shelf.default, *self._shelf.rivals(self._shelf.default)):
            return stored
        first = {name_of(self._extra): self._extra}
        return dict([*first.items(), *((name, path) for name, path in stored.items() if name not in first)][:MOST])

    def path(self, world: str, name: str) -> Path:
        """The file of a name. Raises ServerError, bad_value: no name, or none of those offered."""
        offered = self.offered(world) if NAME.fullmatch(name) else {}
        if name not in offered:
            some = ", ".join([*offered][:3]) or "one of the list"
            raise ServerError("bad_value", f"real.episode: got {name[:60]!r}, expected an episode on offer: {some} ...")
        return offered[name]

    def at(self, world: str, path: Path) -> str | None:
        """The name under which a file is offered; None where it is not."""
        found = path.resolve()
        return next((name for name, other in self.offered(world).items() if other.resolve() == found), None)

    def opened(self, fingerprint: str, path: Path) -> None:
        """An episode was opened: links that name it can be played from now on."""
        with self._lock:
            self._known[fingerprint] = path

    def file(self, fingerprint: str) -> Path | None:
        """The file of an episode that somebody has played under here; None where nobody has."""
        with self._lock:
            return self._known.get(fingerprint)

    def of(self, world: str, fingerprint: str) -> str | None:
        """Its name; None where nobody has played under it, or it is no longer offered."""
        path = self.file(fingerprint)
        return None if path is None else self.at(world, path)


def name_of(path: Path) -> str:
    """By which a file is offered, in a store or not."""
    title = title_of(path)
    return title if NAME.fullmatch(title) else f"file/{re.sub(r'[^A-Za-z0-9_-]+', '-', path.stem)[:80] or 'episode'}"
