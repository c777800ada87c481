"""The device thread: paced ticks, commands between them, finished frames out."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from engine.controllers import Controller
from engine.controls import Controls
from engine.mailbox import Mailbox
from engine.player import Player
from engine.recorder import record
from engine.session import Session
from engine.shown import Shown

__all__ = ["Reply", "Runner", "Shown"]


@dataclass(frozen=True)
class Reply:
    """What came of a command: its value, or the error it ended with. A tick that failed answers as ``tick``."""

    command: str
    value: Any = None
    error: Exception | None = None


class Runner:
    """Plays sessions on a thread of its own.

    The commands (``pause`` to ``call``) may be given from any thread and return at once: they wait in a lossless queue,
    run between two ticks, and answer with a Reply named like the method. Finished frames go to a mailbox where the
    newest wins. A tick that fails pauses play and answers with its error. real: makes the real game's session, when
    first asked for. rewind_step: frames a tick while rewind is held. wait_at_end: pause where a person's episode ends,
    instead of going on to the next start.
    """

    def __init__(
        self,
        session: Session,
        controls: Controls,
        *,
        real: Callable[[], Session] | None = None,
        rewind_step: int = 2,
        paused: bool = False,
        wait_at_end: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._player = Player(session, controls, real, rewind_step, wait_at_end, clock)
        self._player.paused = paused
        self._closing = False
        self._commands: queue.SimpleQueue[tuple[str, Callable[[], Any]]] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        self._mailbox: Mailbox[Shown] = Mailbox()
        self._writers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="reverie-device", daemon=True)

    # -- life

    def start(self) -> Self:
        """Start the thread; the present frame is shown at once."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End after the tick that is going on and the recordings being written. May be called twice."""
        self._send("close", lambda: setattr(self, "_closing", True))
        if self._thread.ident is not None:
            self._thread.join()
        for writer in self._writers:
            writer.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    # -- what comes out

    def latest(self, timeout_s: float = 0.0) -> Shown | None:
        """The newest frame nobody has taken yet; None when none came within ``timeout_s`` seconds."""
        return self._mailbox.take(timeout_s)

    def replies(self) -> list[Reply]:
        """All replies nobody has taken yet, oldest first."""
        taken: list[Reply] = []
        while (reply := self.reply()) is not None:
            taken.append(reply)
        return taken

    def reply(self, timeout_s: float = 0.0) -> Reply | None:
        """The oldest reply not yet taken; None when none came within ``timeout_s`` seconds."""
        try:
            return self._replies.get(timeout=timeout_s) if timeout_s > 0 else self._replies.get_nowait()
        except queue.Empty:
            return None

    # -- commands

    def pause(self) -> None:
        self._send("pause", lambda: self._player.pause(True))

    def resume(self) -> None:
        self._send("resume", lambda: self._player.pause(False))

    def step(self) -> None:
        """Pause, and play one tick."""
        self._send("step", self._player.step)

    def speed(self, factor: float) -> None:
        """Game time runs ``factor`` times as fast, or as fast as the world can."""
        self._send("speed", lambda: setattr(self._player.pacer, "speed", factor))

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
        self.call("save_to", lambda session: session.save_to(path))

    def load_from(self, path: Path | str) -> None:
        self.call("load_from", lambda session: session.load_from(path))

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

    def inspect(self, on: bool) -> None:
        """Whether frames carry the world's views."""
        self._send("inspect", lambda: setattr(self._player, "inspect", on))

    def real_game(self, on: bool) -> None:
        """Play the real game instead, and back: each goes on where it was left. Replies an error without one."""
        self._send("real_game", lambda: self._player.to_real(on))

    def record(self, path: Path | str, seconds: float = 30.0, scale: int | None = None) -> None:
        """Write the last ``seconds`` to an MP4 or GIF and a replay file beside it, on a thread of its own.

        Replies the two paths when they are written.
        """
        self._send("record", lambda: self._record(Path(path), seconds, scale))

    def call(self, name: str, function: Callable[[Session], Any]) -> None:
        """Run ``function`` on the session in play, between two ticks; replies its result under ``name``."""
        self._send(name, lambda: function(self._player.session))

    # -- the device thread

    def _send(self, name: str, command: Callable[[], Any]) -> None:
        self._commands.put((name, command))

    def _run(self) -> None:
        try:
            self._mailbox.put(self._player.shown())
            while not self._closing:
                self._serve()
                if not self._closing:
                    self._advance()
        except Exception as error:
            self._replies.put(Reply("runner", error=error))

    def _serve(self) -> None:
        """Run commands until a tick is due; while nothing moves, until something does."""
        while not self._closing:
            wait = self._player.pacer.remaining() if self._player.moving else None
            try:
                name, command = self._commands.get_nowait() if wait == 0 else self._commands.get(timeout=wait)
            except queue.Empty:
                return
            self._execute(name, command)

    def _execute(self, name: str, command: Callable[[], Any]) -> None:
        try:
            value = command()
        except Exception as error:
            self._replies.put(Reply(name, error=error))
            return
        if name != "close":
            self._mailbox.put(value if isinstance(value, Shown) else self._player.shown())
        if name not in ("close", "record"):
            self._replies.put(Reply(name, value))

    def _advance(self) -> None:
        try:
            self._mailbox.put(self._player.advance())
        except Exception as error:
            self._player.pause(True)
            self._mailbox.put(self._player.shown())
            self._replies.put(Reply("tick", error=error))

    def _record(self, path: Path, seconds: float, scale: int | None) -> None:
        session = self._player.session
        frames, history, fps = session.recent(seconds), session.history, session.world.spec.fps
        clip = history.since(len(history.ticks) - len(frames))

        def write() -> None:
            try:
                self._replies.put(Reply("record", record(path, frames, clip, fps, scale)))
            except Exception as error:
                self._replies.put(Reply("record", error=error))

        writer = threading.Thread(target=write, name="reverie-recorder")
        self._writers = [thread for thread in self._writers if thread.is_alive()] + [writer]
        writer.start()
