"""Replay files: the past of a session as JSON, dreamt again bit for bit on the same machine and build."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from engine.errors import ReverieError
from engine.files import write_file
from engine.history import History, Past, frame_digest, made_here
from engine.history_codec import decode_history, encode_history
from engine.moment import Frame, Moment

if TYPE_CHECKING:
    from engine.loading import LoadedWorld
    from engine.session import Session


def write_replay(path: Path | str, history: History) -> None:
    """Write a history (``session.history``, or a part of it by ``since``) atomically."""
    write_file(Path(path), json.dumps(encode_history(history)))


def read_replay(path: Path | str) -> History:
    """The history in a file. Raises ReverieError: no such file, not a replay, a damaged one, a newer format."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReverieError(f"{path}: got no such file, expected a replay; check the name") from error
    except OSError as error:
        raise ReverieError(f"{path}: got a file that cannot be read ({error.strerror}), expected a replay") from error
    except ValueError as error:
        raise ReverieError(f"{path}: got a file that is not JSON ({error}), expected a replay file") from error
    return decode_history(data, str(path))


def play_replay(
    replay: History,
    loaded: LoadedWorld,
    check: bool = True,
    *,
    against: LoadedWorld | None = None,
    episode: Path | str | None = None,
) -> Iterator[Frame]:
    """Dream a history again, every frame from its beginning (the recording of interest begins at ``replay.first``).

    check: compare every frame with the one recorded. against, episode: what was beside the world in a lockstep; another
    world is found by itself where it can be named. Raises ReverieError: another world's replay, or one that needs what
    is not given, actions the world does not have, the first frame that differs.
    """
    session = open_for(replay, loaded, against=against, episode=episode)
    for k, tick in enumerate(replay.ticks):
        frame = _play(session, tick, k)
        if check and frame_digest(frame.image, frame.reward, frame.terminated) != tick.digest:
            raise ReverieError(
                f"replay: got another frame than the one recorded, at frame {k} of {len(replay.ticks)}; expected the "
                f"same bits. Recorded with {dict(replay.made_with or {})}, played with {made_here()}; "
                "play it unchecked, or on the machine and build that recorded it"
            )
        yield frame


def reach(replay: History, loaded: LoadedWorld, episode: Path | None = None) -> Moment:
    """The moment that a history leads to, played again and unchecked. Raises ReverieError where it does not fit."""
    session = open_for(replay, loaded, episode=episode)
    for k, tick in enumerate(replay.ticks):
        _play(session, tick, k)
    return session.moment


def open_for(
    replay: History,
    loaded: LoadedWorld,
    *,
    against: LoadedWorld | None = None,
    episode: Path | str | None = None,
) -> Session:
    """A session like the one recorded, at its beginning; the arguments are those of ``play_replay``."""
    from engine.loading import world_of_hash
    from engine.session import Session, bare_hash, episode_hash, other_hash, real_of

    wanted = replay.world_hash
    if bare_hash(wanted) != loaded.hash:
        raise ReverieError(
            f"replay: got one of the world {replay.world} ({wanted[:12]}), expected one of "
            f"{loaded.world.spec.name} ({loaded.hash[:12]}); open the world it was recorded in"
        )
    other = other_hash(wanted)
    if other and against is None:
        against = world_of_hash(other)
    if (other or None) != (against and against.hash):
        raise ReverieError(
            f"replay: got {against.hash[:12] if against else 'nothing'} as the world beside it, expected "
            f"{other[:12] or 'none'}; open the world it was recorded beside"
        )
    if bool(episode_hash(wanted)) != bool(episode):
        what = "an episode" if episode else "no episode"
        raise ReverieError(f"replay: got {what} to play it under, expected what it was recorded under")
    session = Session.open(loaded, real=real_of(wanted), against=against, episode=episode, rewind_s=0)
    if session.world_hash != wanted:
        raise ReverieError(
            f"replay: got the episode {episode_hash(session.world_hash)}, expected {episode_hash(wanted)}; "
            "give the episode it was recorded under"
        )
    return session


def _play(session: Session, tick: Past, k: int) -> Frame:
    spec = session.world.spec.actions
    try:
        session.horizon = tick.horizon
        session.adopt(tick.settings)
        if tick.action is None:
            return session.new_start(tick.start, tick.seed)
        if tick.edit is not None:
            return session.apply_edit(tick.edit)
        return session.step(torch.tensor([tick.action], dtype=spec.dtype), tick.controller)
    except (ValueError, TypeError) as error:
        raise ReverieError(f"replay: frame {k}: {error}; the replay does not fit this world") from error
