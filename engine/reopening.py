"""A flagged glitch opened again: a session that stands exactly where it was flagged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from engine.film import read_film
from engine.glitch import FILM, MOMENT, Glitch
from engine.history import History
from engine.moment import Frame, Moment
from engine.saves import read_save
from engine.session import Session, bare_hash, episode_hash, other_hash

if TYPE_CHECKING:
    from engine.loading import LoadedWorld


def session_of(
    glitch: Glitch,
    loaded: LoadedWorld | None = None,
    against: LoadedWorld | None = None,
    *,
    device: str = "cpu",
    rewind_s: float = 60.0,
) -> Session:
    """A session at the flagged moment, with its past, settings and horizon; the seconds before can be rewound over.

    loaded, against: the worlds, where they are open already; else they are found by name or by hash. Takes seconds.
    Raises ReverieError: a world, a game or an episode that is not here any more, a damaged glitch.
    """
    loaded = loaded or world_of(glitch, bare_hash(glitch.world_hash), device)
    other = other_hash(glitch.world_hash)
    if other and against is None:
        against = world_of(glitch, other, device)
    options: dict[str, Any] = {"against": against} if against is not None else {}
    if episode_hash(glitch.world_hash):
        if not Path(glitch.beside).is_file():
            raise ReverieError(
                f"{glitch.id}: got no {glitch.beside or 'episode'}, expected the file it was flagged under"
            )
        options["episode"] = glitch.beside
    session = Session.open(loaded, real=glitch.mode, rewind_s=rewind_s, **options)
    enter(session, moments_of(glitch, session.moment, session.history))
    return session


def moments_of(glitch: Glitch, like: Moment, here: History) -> tuple[Moment, ...]:
    """The moments that a glitch holds, oldest first, the flagged one last; ``like`` and ``here`` as of ``read_save``.

    Raises ReverieError: a damaged glitch, or one of another world.
    """
    now = read_save(glitch.path / MOMENT, like, here)
    return (*read_film(glitch.path / FILM, now), now)


def enter(session: Session, moments: Sequence[Moment]) -> Frame:
    """Go through moments to the last one, under its settings and its horizon. Raises ReverieError: they do not fit."""
    past = moments[-1].past
    try:
        session.adopt(past.settings)
    except ValueError as error:
        raise ReverieError(f"glitch: {error}; it is of another version of the world") from error
    session.horizon = past.horizon
    frame = session.frame
    for moment in moments:
        frame = session.apply(moment)
    return frame


def world_of(glitch: Glitch, world_hash: str, device: str = "cpu") -> LoadedWorld:
    """The world of that hash, open. Raises ReverieError: it is not here."""
    from engine.loading import load_world

    return load_world(world_path(glitch, world_hash), device)


def world_path(glitch: Glitch, world_hash: str) -> Path:
    """The folder of the world of that hash: the one of the glitch's name for it, or any other that can be named.

    Raises ReverieError: it is not here.
    """
    from engine.loading import list_worlds
    from models.checkpoint import WorldError, open_world_folder
    from models.library import find_world

    try:
        named = [open_world_folder(find_world(glitch.world))]
    except WorldError:
        named = []
    for folder in (*named, *list_worlds()):
        if folder.hash == world_hash:
            return folder.path
    raise ReverieError(
        f"{glitch.id}: got no world {world_hash[:12]} here (flagged in {glitch.world}), expected the very one; "
        "put its folder where REVERIE_WORLDS says"
    )
