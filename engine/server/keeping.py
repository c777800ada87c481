"""Clips and saves for a player to take along, and saves that players bring."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import ReverieError
from engine.history import History, made_here
from engine.moment import Frame, Moment
from engine.recorder import record
from engine.replay import reach
from engine.saves import read_save, write_save
from engine.server.downloads import Downloads
from engine.server.errors import ServerError
from engine.server.limits import MB
from engine.server.memory import moment_bytes
from engine.session import Session
from engine.transition import advance
from models.types import WorldSpec
from models.world import state_tensors

if TYPE_CHECKING:
    from engine.loading import LoadedWorld

HISTORY_BYTES = 4 * MB
"""Of the history in a save that a player brings: hours of play."""
HISTORY_GROWS = 16
"""A history in memory takes at most about that many times the bytes of its file."""
MOST_REPLAYED = 20_000
"""Ticks of the longest episode in a save of the real game: it is played again."""


@dataclass(frozen=True)
class Kept:
    """Where a session stands, taken on the device's thread in no time; all else follows from it elsewhere.

    world: the name under which it is offered. frames: the last ones of a clip, oldest first.
    """

    world: str
    world_hash: str
    fps: float
    moment: Moment
    frames: tuple[Frame, ...] = ()

    def history(self, count: int | None = None) -> History:
        """The past of the moment: all of it, or what leads from a start through the last ``count`` frames."""
        nodes, node = [self.moment.past], self.moment.past.before
        while node is not None and not (count is not None and len(nodes) >= count and nodes[-1].action is None):
            nodes.append(node)
            node = node.before
        first = 0 if count is None else len(nodes) - count
        return History(self.world, self.world_hash, tuple(reversed(nodes)), first, made_here())


def kept(session: Session, world: str, seconds: float | None = None) -> Kept:
    """Where a session stands; with the frames of the last ``seconds``, as far as they are kept."""
    frames = () if seconds is None else tuple(session.recent(seconds))
    return Kept(world, session.world_hash, session.world.spec.fps, session.moment, frames)


def keep_clip(downloads: Downloads, clip: Kept, format: str) -> dict[str, Any]:
    """Write a clip and its replay; their addresses. Takes seconds. Raises ReverieError where it cannot be written."""
    path = downloads.place() / f"{_stem(clip.world)}.{format}"
    video, replay = record(path, clip.frames, clip.history(len(clip.frames)), clip.fps)
    names = {"name": video.name, "replay_name": replay.name, "frames": len(clip.frames)}
    return {"url": downloads.offer(video), "replay_url": downloads.offer(replay), **names}


def keep_save(downloads: Downloads, save: Kept) -> dict[str, Any]:
    """Write a save; its address. Raises ReverieError where it cannot be written."""
    path = downloads.place() / f"{_stem(save.world)}.safetensors"
    write_save(path, save.moment, save.history())
    return {"url": downloads.offer(path), "name": path.name}


def read_upload(path: Path, like: Moment, here: History, spec: WorldSpec) -> Moment:
    """The moment in a save that a player brought; ``like`` and ``here`` as of ``read_save``, ``spec`` the world's.

    Whatever could fail or cost later is checked now. Raises ServerError: too_large; bad_value where it is no save, a
    damaged one, or not of this world.
    """
    size, most = path.stat().st_size, moment_bytes(like) + HISTORY_BYTES
    if size > most:
        raise ServerError("too_large", f"save: got {size} bytes, expected at most {most} for this world")
    try:
        moment = read_save(path, like, here)
    except ReverieError as error:
        raise ServerError("bad_value", str(error).replace(str(path), "save")) from error
    except Exception as error:
        raise ServerError("bad_value", f"save: got a file that is no whole save ({type(error).__name__})") from error
    _check_tensors(moment, like, spec)
    _check_frame(moment.frame, spec)
    return moment


def replayed(save: Moment, world_hash: str, loaded: LoadedWorld, under: Path | None = None) -> Moment:
    """The same moment of the real game, its episode played again; takes seconds where that was long.

    under: the file of the recorded episode that it is a lockstep with.
    The emulator's state in a file is never given to an emulator: those do not check it, and a forged one ends the
    process. Raises ServerError: too_large; bad_value where the episode does not lead to the save's frame.
    """
    history = Kept("real game", world_hash, 0.0, save).history(1)
    if len(history.ticks) > MOST_REPLAYED:
        got = f"an episode of {len(history.ticks)} frames in the real game"
        raise ServerError("too_large", f"save: got {got}, expected at most {MOST_REPLAYED}")
    try:
        reached = reach(history, loaded, under)
    except Exception as error:
        raise ServerError("bad_value", f"save: got an episode that cannot be played again ({error!s:.200})") from error
    if reached.past.digest != save.past.digest:
        raise ServerError("bad_value", "save: got an episode that leads to another frame, expected the one saved")
    return replace(reached, player_rng=save.player_rng, carry=save.carry, carrier=save.carrier)


def enter(session: Session, moment: Moment, world_hash: str) -> Frame:
    """Go to a moment from outside; it joins the timeline. The memory of a controller is kept where it fits.

    Raises ServerError, bad_value: another world meanwhile, or a moment that cannot be stepped on from, which would fail
    the steps of those who share them.
    """
    if session.world_hash != world_hash:
        raise ServerError("bad_value", "save: got another world meanwhile, expected the one it was checked for")
    controller = session.controller
    expected = controller.initial(session.world.spec)
    fits = moment.carrier == controller.name and _kinds(moment.carry) == _kinds(expected)
    kept = moment if fits else replace(moment, carry=expected, carrier=controller.name)
    try:
        noop = session.given(session.world.spec.actions.noops(1))
        advance(session.world, kept, replace(noop, player_rng=kept.player_rng), horizon=None)
    except Exception as error:
        raise ServerError(
            "bad_value", f"save: got a moment that cannot be played on ({type(error).__name__})"
        ) from error
    return session.apply(kept)


def _check_tensors(moment: Moment, like: Moment, spec: WorldSpec) -> None:
    """Raises ServerError where shapes or types are not those of ``like``, or past actions are not the world's."""
    state, past = state_tensors(moment.state), state_tensors(moment.state).get("actions")
    got, expected = _kinds(state), _kinds(state_tensors(like.state))
    if got != expected:
        raise ServerError("bad_value", f"save: got the state {got}, expected {expected}")
    for name in ("rng", "player_rng"):
        got, expected = _kinds({name: getattr(moment, name)}), _kinds({name: getattr(like, name)})
        if got != expected:
            raise ServerError("bad_value", f"save: got the generator {got}, expected {expected}")
    if past is not None and spec.actions.kind == "discrete" and bool(((past < 0) | (past >= spec.actions.size)).any()):
        raise _bad("actions", past.flatten().tolist(), "actions of this world")


def _check_frame(frame: Frame, spec: WorldSpec) -> None:
    """Raises ServerError where a value is not what a frame of this world holds."""
    shape = (spec.height, spec.width, 3)
    if frame.image.shape != shape or frame.image.dtype != "uint8":
        raise _bad("image", f"{frame.image.shape} {frame.image.dtype}", f"{shape} uint8")
    if not (_whole(frame.index) and 0 <= frame.index < 2**31):
        raise _bad("index", frame.index, "a whole number from 0")
    for name in ("reward", "total"):
        value = getattr(frame, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _bad(name, value, "a number")
    for name in ("terminated", "truncated"):
        if not isinstance(getattr(frame, name), bool):
            raise _bad(name, getattr(frame, name), "true or false")
    if not isinstance(frame.controller, str) or len(frame.controller) > 100 or frame.views != ():
        raise _bad("controller", frame.controller, "a name, and no views")
    actions = spec.actions
    if actions.kind == "discrete":
        valid = _whole(frame.action) and 0 <= frame.action < actions.size  # type: ignore[operator]
    else:
        valid = isinstance(frame.action, tuple) and len(frame.action) == actions.size
    if not valid:
        raise _bad("action", frame.action, "an action of this world")


def _kinds(tensors: Any) -> dict[str, tuple[Any, ...]]:
    return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(name: str, got: Any, expected: str) -> ServerError:
    return ServerError("bad_value", f"save: {name}: got {str(got)[:60]}, expected {expected}")


def _stem(world: str) -> str:
    """A file's name that any system takes: the world and the time."""
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', world)[:60] or 'world'}-{time.strftime('%Y%m%d-%H%M%S')}"
