"""One player's seat at a device: what can be asked of it from any thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engine.commands import LATER
from engine.controllers import Controller
from engine.edits import Change
from engine.history import History
from engine.outlet import Reply
from engine.place import Place
from engine.recorder import record
from engine.saves import read_save, write_save
from engine.session import Real, Session
from engine.studying import Slices

__all__ = ["Reply", "Seat"]


class Seat(Place):
    """A player's sessions, as a device plays them.

    The commands (``pause`` to ``call``) may be given from any thread and return at once: they wait in a lossless queue,
    run between two steps of the device in the order given, and answer with a Reply named like the method. Finished
    frames go to a mailbox where the newest wins. A tick that fails pauses play and answers with its error. real,
    grounded, lockstep: make the sessions of the other ways to play, when first asked for. rewind_step: frames a tick
    while rewind is held. wait_at_end: pause where a person's episode ends, or one from disk, instead of going on to the
    next start. notify: called whenever a frame or a reply is there to be taken, mostly from the device's thread; it
    must return at once.
    """

    def pause(self) -> None:
        self._send("pause", lambda: self._player.pause(True))

    def resume(self) -> None:
        self._send("resume", lambda: self._player.pause(False))

    def step(self) -> None:
        """Pause, and play one tick."""
        self._send("step", self._step)

    def speed(self, factor: float) -> None:
        """Game time runs ``factor`` times as fast, or as fast as the world can."""
        self._send("speed", lambda: self._player.set_speed(factor))

    def rewind(self, hold: bool) -> None:
        """While held, time runs backwards over what is kept; then play goes on from there."""
        self._send("rewind", lambda: self._player.rewind(hold))

    def scrub(self, frames: int) -> None:
        """Pause, and move by ``frames`` in what is kept: back when negative, forward when positive."""
        self._send("scrub", lambda: self._player.scrub(frames))

    def save(self, slot: str) -> None:
        self.call("save", lambda session: session.save(slot))

    def load(self, slot: str) -> None:
        self.call("load", lambda session: session.load(slot))

    def save_to(self, path: Path | str) -> None:
        """Write the present moment to a file."""
        self.call("save_to", lambda session: self._save_to(session, Path(path)))

    def load_from(self, path: Path | str) -> None:
        """Go to the moment in a file."""
        self.call("load_from", lambda session: self._load_from(session, Path(path)))

    def fork(self) -> None:
        """Go on in a copy; the original stays as it is, as another branch. Replies the new branch's index."""
        self._send("fork", self._player.fork)

    def branch(self, index: int) -> None:
        """Play branch ``index`` (modulo their number); replies it."""
        self._send("branch", lambda: self._player.to_branch(index))

    def new_start(self, start: int | None = None, seed: int | None = None) -> None:
        self.call("new_start", lambda session: session.new_start(start, seed))

    def settings(self, **changes: Any) -> None:
        """Change the world's settings live; replies those in force."""
        self.call("settings", lambda session: session.settings(**changes))

    def horizon(self, frames: int | None) -> None:
        self.call("horizon", lambda session: setattr(session, "horizon", frames))

    def controller(self, controller: Controller) -> None:
        self.call("controller", lambda session: setattr(session, "controller", controller))

    def again(self) -> None:
        """Play the present episode's actions again from its start, then hand over; replies how many there are."""
        self._send("again", self._player.again)

    def playback(self, history: History) -> None:
        """Play a recorded past through as it was, then pause.

        Replies a PlaybackSummary once it is over: at its end, or earlier where the player leaves it.
        """
        self._send("playback", lambda: self._play_back(history))

    def inspect(self, on: bool) -> None:
        """Whether frames carry the world's views."""
        self._send("inspect", lambda: setattr(self._player, "inspect", on))

    def edit(self, view: str, changes: Sequence[Change]) -> None:
        """Pause, and change values of one of the views shown (see ``engine.edits``); rewinding by one undoes it."""
        self._send("edit", lambda: self._player.edit(view, changes))

    def real_game(self, on: Real) -> None:
        """Play the real game instead, the dream grounded in it or both in lockstep, and back: each where it was left.

        Replies an error without one.
        """
        self._send("real_game", lambda: self._real_game(on))

    def beside(self, make: Callable[[], Session]) -> None:
        """Let the session that ``make`` makes, on a thread of its own, be the lockstep's from now on, in place of any
        other: with another world beside, or under an episode. Replies the name of the world beside, as ``against``."""
        self._send("beside", lambda: self._commands.aside("beside", make, self._put_beside))

    def anchor(self) -> None:
        """Have the dreams of a lockstep begin again from reality, while play goes on; rewinding by one undoes it."""
        self._send("anchor", self._player.anchor)

    def study(self, name: str, make: Callable[[Session], Slices]) -> None:
        """Have long work done on the present moment, in slices beside play; the views it ends in are then shown.

        make: gets a session that stays at the moment, and gives the slices. Replies the study's name and those of its
        views when it is done; an error where it fails or is cancelled, by another study, ``study_clear`` or another
        session in play.
        """
        self._send("study", lambda: self._begin_study(name, make))

    def study_clear(self) -> None:
        """Cancel the study under way, and show the last one's views no more."""
        self._send("study_clear", self._clear_study)

    def flag(self, note: str = "") -> None:
        """Keep the present moment, the seconds before it and a note as a glitch; replies the Glitch when it is written.

        It is written on a thread of its own; meanwhile other commands are obeyed.
        """
        self._send("flag", lambda: self._flag(note))

    def suspend(self, on: bool) -> None:
        """No ticks and no frames of them until it is taken back; commands are still obeyed."""
        self._send("suspend", lambda: self._suspend(on))

    def record(self, path: Path | str, seconds: float = 30.0, scale: int | None = None) -> None:
        """Write the last ``seconds`` to an MP4 or GIF and a replay file beside it, on a thread of its own.

        Replies the two paths when they are written; meanwhile other commands are obeyed.
        """
        self._send("record", lambda: self._record(Path(path), seconds, scale))

    def call(self, name: str, function: Callable[[Session], Any]) -> None:
        """Run ``function`` on the session in play, between two ticks; replies its result under ``name``."""
        self._send(name, lambda: function(self._player.session))

    # -- inside

    def _play_back(self, history: History) -> object:
        self._player.play_back(history)
        return LATER

    def _real_game(self, on: Real) -> object:
        make = self._player.maker(on)
        if make is not None:
            return self._commands.aside("real_game", make, lambda session: self._player.to_real(on, session))
        return self._player.to_real(on)

    def _save_to(self, session: Session, path: Path) -> object:
        moment, history = session.moment, session.history
        return self._commands.aside("save_to", lambda: write_save(path, moment, history))

    def _load_from(self, session: Session, path: Path) -> object:
        moment, history = session.moment, session.history
        return self._commands.aside("load_from", lambda: read_save(path, moment, history), session.apply)

    def _put_beside(self, session: Session) -> dict[str, str]:
        self._player.put_beside(session)
        return {"against": session.against}

    def _flag(self, note: str) -> object:
        from engine.glitches import glimpse_of, keep_glitch

        glimpse = glimpse_of(self.session, note, alarms=self._player.watch.now)
        self.session.mark("flag")
        self.put(self._player.shown())

        def keep() -> None:
            try:
                self.answer(Reply("flag", keep_glitch(glimpse)))
            except Exception as error:
                self.answer(Reply("flag", error=error))

        self._commands.thread(keep)
        return LATER

    def _record(self, path: Path, seconds: float, scale: int | None) -> object:
        session = self._player.session
        frames, history, fps = session.recent(seconds), session.history, session.world.spec.fps
        clip = history.since(len(history.ticks) - len(frames))

        def write() -> None:
            try:
                self.answer(Reply("record", record(path, frames, clip, fps, scale)))
            except Exception as error:
                self.answer(Reply("record", error=error))

        self._commands.thread(write)
        return LATER
