"""The worlds that a server offers: each is opened once, and all its players share the weights."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.controllers import Controller, agent_for
from engine.errors import ReverieError
from engine.loading import DEFAULT_WORLD, LoadedWorld, load_world, real_world_for
from engine.moment import image_of
from engine.server.errors import ServerError
from engine.server.memory import moment_bytes
from engine.server.pad import Keys, Pad, no_keys, pad_of
from engine.session import Session
from models.checkpoint import WorldError, open_world_folder
from models.library import find_world, world_paths
from models.types import WorldSpec

if TYPE_CHECKING:
    from engine.server.messages import Codec

PREVIEW, CARD = "preview.gif", "README.md"
SAMPLES = 4
"""Frames by which a world's picture format is chosen."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listing:
    """A world on offer, as its folder describes it: nothing of it is loaded.

    name: by which players ask for it. card: the text of its README.md (Markdown), "" without one. preview: a GIF.
    quality: as measured, see the world's folder.
    """

    name: str
    title: str
    spec: WorldSpec
    hash: str
    card: str = ""
    preview: Path | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Shelved:
    """A world that is open.

    pad: its buttons and the keys that press them. agent: plays from pixels; None without one. real: whether its real
    game can be played here. moment_bytes: what a moment of it takes in memory.
    """

    listing: Listing
    loaded: LoadedWorld
    pad: Pad
    agent: Controller | None
    real: bool
    moment_bytes: int
    _codecs: dict[tuple[Codec, ...], Codec] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.listing.name

    @property
    def spec(self) -> WorldSpec:
        return self.loaded.world.spec

    @property
    def starts(self) -> int:
        return self.loaded.starts.frames.shape[0]

    def codec(self, accepted: tuple[Codec, ...]) -> Codec:
        """The picture format for a client that shows ``accepted``, measured once on frames of this world.

        The first time takes milliseconds: not for the device's thread.
        """
        if accepted not in self._codecs:
            from engine.server.pictures import choose_codec

            frames = self.loaded.starts.frames[:SAMPLES, -1]
            self._codecs[accepted] = choose_codec([image_of(frame[None]) for frame in frames], accepted)
        return self._codecs[accepted]


class Shelf:
    """Worlds by name.

    names: of worlds, or paths of their folders (chosen by whoever runs the server); None: all that can be named here.
    The first is the default, or DEFAULT_WORLD where all are offered. keymap_of: a world's name to its keymap: key name
    -> button, button -> label. A name that a player gives is looked up among the names on offer, nothing else.
    Raises ReverieError: a world that is not there or damaged, or none at all.
    """

    def __init__(
        self,
        names: Sequence[str | Path] | None = None,
        device: str = "cpu",
        keymap_of: Callable[[str], Keys] = no_keys,
        *,
        open_worlds: Mapping[str, LoadedWorld] | None = None,
    ) -> None:
        self._device, self._keymap_of = device, keymap_of
        self._listings: dict[str, Listing] = {}
        self._sources: dict[str, Path | LoadedWorld] = {}
        for name, loaded in (open_worlds or {}).items():
            self._put(_listing_of(name, loaded), loaded)
        if open_worlds is None:
            self._find(names)
        self._open: dict[str, Shelved] = {}
        self._locks = {name: threading.Lock() for name in self._listings}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._listings)

    @property
    def default(self) -> str:
        """The world of players who ask for none."""
        return DEFAULT_WORLD if DEFAULT_WORLD in self._listings and not self._chosen else next(iter(self._listings))

    def listings(self) -> list[Listing]:
        """All worlds on offer, in order of their names."""
        return [self._listings[name] for name in sorted(self._listings)]

    def listing(self, name: str) -> Listing:
        """One world on offer. Raises ServerError: unknown_world."""
        try:
            return self._listings[name]
        except KeyError:
            offer = ", ".join(sorted(self._listings))
            raise ServerError("unknown_world", f"world: got {name[:60]!r}, expected one of {offer}") from None

    def by_hash(self, hash: str) -> str | None:
        """The name of the world with this hash; None when it is not on offer."""
        return next((listing.name for listing in self._listings.values() if listing.hash == hash), None)

    def rivals(self, name: str) -> tuple[str, ...]:
        """Names of the other worlds of the same size and actions, in order: those that can stand beside it."""
        like = _kind(self.listing(name).spec)
        return tuple(
            other for other in sorted(self._listings) if other != name and _kind(self._listings[other].spec) == like
        )

    def open(self, name: str) -> Shelved:
        """The world, loaded by the first who asks: that takes seconds, never call it on the device thread.

        Raises ServerError unknown_world; ReverieError where the folder is damaged.
        """
        self.listing(name)
        with self._locks[name]:
            if name not in self._open:
                self._open[name] = self._load(name)
            return self._open[name]

    # -- inside

    _chosen = False

    def _find(self, names: Sequence[str | Path] | None) -> None:
        self._chosen = bool(names)
        for name in names or ():
            try:
                path = find_world(name)
                self._put(_listing_at(path), path)
            except WorldError as error:
                raise ReverieError(str(error)) from error
        for path in world_paths().values() if not names else ():
            try:
                self._put(_listing_at(path), path)
            except WorldError as error:
                logger.warning("left out a damaged world: %s", error)
        if not self._listings:
            raise ReverieError("worlds: got none to offer, expected at least one; `reverie worlds` lists them")

    def _put(self, listing: Listing, source: Path | LoadedWorld) -> None:
        self._listings[listing.name], self._sources[listing.name] = listing, source

    def _load(self, name: str) -> Shelved:
        source, listing = self._sources[name], self._listings[name]
        loaded = load_world(source, device=self._device) if isinstance(source, Path) else source
        session = Session.open(loaded, rewind_s=0)
        pad = pad_of(loaded.world.spec.actions, *self._keymap_of(name))
        return Shelved(listing, loaded, pad, _agent_of(loaded), _has_real(loaded), moment_bytes(session.moment))


def _kind(spec: WorldSpec) -> tuple[object, ...]:
    """What two worlds have to share to be played under the same actions."""
    return spec.height, spec.width, spec.actions.names, spec.actions.kind, spec.action_repeat


def _listing_at(path: Path) -> Listing:
    folder = open_world_folder(path)
    card, preview = path / CARD, path / PREVIEW
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    return Listing(
        name=path.resolve().name,
        title=_title(text, folder.name),
        spec=folder.manifest.spec,
        hash=folder.hash,
        card=text,
        preview=preview if preview.is_file() else None,
        quality=folder.manifest.quality,
    )


def _listing_of(name: str, loaded: LoadedWorld) -> Listing:
    return Listing(name, name.capitalize(), loaded.world.spec, loaded.hash)


def _title(card: str, name: str) -> str:
    """The card's heading, else the name."""
    first = card.lstrip().split("\n", maxsplit=1)[0]
    return first.removeprefix("# ").strip() if first.startswith("# ") else name.capitalize()


def _agent_of(loaded: LoadedWorld) -> Controller | None:
    """The world's agent; a damaged one is reported in the log and left out."""
    try:
        return agent_for(loaded)
    except (ReverieError, ValueError) as error:
        logger.warning("%s: left out its agent: %s", loaded.world.spec.name, error)
        return None


def _has_real(loaded: LoadedWorld) -> bool:
    """Whether the real game can be opened here."""
    try:
        return real_world_for(loaded) is not None
    except Exception as error:
        logger.info("%s: the real game cannot be played here: %s", loaded.world.spec.name, error)
        return False
