"""What the player asks of the window becomes commands to the runner; replies become messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.desktop.bindings import Command
from app.desktop.game import Game
from app.desktop.toasts import Kind, Toasts
from app.desktop.workbench import Workbench
from app.settings import Settings
from engine.controllers import STICKY, Controller, HumanController, RandomController
from engine.errors import ReverieError
from engine.runner import Reply, Shown
from engine.session import Session

SPEEDS = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0)
HORIZONS = (15, 50, 100, 250, 500, 1000, 2500)
QUIET = frozenset(
    [
        "pause",
        "resume",
        "step",
        "rewind",
        "scrub",
        "speed",
        "settings",
        "horizon",
        "new_start",
        "controller",
        "again",
        "go_to",
        "inspect",
        "edit",
    ]
)
HOTTEST, WARMER = 2.0, 0.1


class Pilot:
    """The player's choices of one running game. ``shown`` is the newest frame the window has taken.

    look: see Workbench.
    """

    def __init__(self, game: Game, toasts: Toasts, settings: Settings, look: Callable[[], None] = lambda: None) -> None:
        self.game, self.toasts, self.settings = game, toasts, settings
        self.workbench = Workbench(game, toasts, look)
        self.runner = game.runner
        self.shown: Shown | None = None
        self._changing = 0
        self._commands: dict[str, Callable[[Shown, Command], None]] = {
            "pause": lambda shown, _: self.runner.resume() if shown.paused else self.runner.pause(),
            "step": lambda shown, _: self.runner.step(),
            "slower": lambda shown, _: self._speed(shown.speed, -1),
            "faster": lambda shown, _: self._speed(shown.speed, 1),
            "normal_speed": lambda shown, _: self._speed(1.0, 0),
            "rewind": self._rewind,
            "forward": lambda shown, _: self.runner.scrub(max(1, round(game.fps / 5))),
            "new_start": lambda shown, _: self._begin(),
            "seed": lambda shown, _: self._begin(shown.start, shown.seed + 1 if shown.seed < 2**63 - 1 else 0),
            "fork": lambda shown, _: self.runner.fork(),
            "branch": self._branch,
            "controller": lambda shown, _: self._next_controller(shown),
            "fewer_steps": lambda shown, _: self._sampler(shown, -1),
            "more_steps": lambda shown, _: self._sampler(shown, 1),
            "cooler": lambda shown, _: self._temperature(shown, -WARMER),
            "hotter": lambda shown, _: self._temperature(shown, WARMER),
            "undo": lambda shown, _: self.undo(),
            "shorter": lambda shown, _: self._horizon(shown, -1),
            "longer": lambda shown, _: self._horizon(shown, 1),
            "save": lambda shown, command: self.runner.save_to(self._slot(shown, command.number)),
            "load": self._load,
            "clip": lambda shown, _: self._record(".mp4"),
            "gif": lambda shown, _: self._record(".gif"),
            **self.workbench.commands,
        }

    def obey(self, command: Command) -> bool:
        """Carry out one command; False when it is the window's own matter."""
        action = self._commands.get(command.name)
        if action is None:
            return False
        if self.shown is not None and (command.down or command.name == "rewind"):
            action(self.shown, command)
        return True

    def edit(self, view: str, index: int, value: float) -> None:
        """Change one value of a view that is shown."""
        self.runner.edit(view, [(index, value)])

    def setting(self, name: str, value: float) -> None:
        """Change a setting of the world, unless it is that already."""
        if self.shown is not None and getattr(self.shown.settings, name, None) != value:
            self.runner.settings(**{name: value})

    def undo(self) -> None:
        """Go to the moment before the last edit."""
        line = self.shown.timeline if self.shown is not None else None
        edits = [m.position for m in line.marks if m.kind == "edit" and m.position <= line.cursor] if line else []
        if edits:
            self.go_to(max(0, edits[-1] - 1))
        self.toasts.add("The edit is taken back" if edits else "There is no edit to take back", topic="edit")

    def go_to(self, position: int) -> None:
        """Pause, and move to a place on the timeline."""

        def move(session: Session) -> None:
            away = position - session.timeline.cursor
            (session.forward if away > 0 else session.rewind)(abs(away))

        self.runner.pause()
        self.runner.call("go_to", move)

    def take(self, shown: Shown) -> None:
        """A new frame has come: a watched replay hands over at its end."""
        before, self.shown = self.shown, shown
        if before is not None and (before.controller, shown.controller) == ("replay", "human") and not self._changing:
            self.toasts.add("The replay is over: you play", topic="controller")

    def hear(self, reply: Reply) -> None:
        """Tell the player what came of a command. Raises the error that ended the runner."""
        if reply.command in ("controller", "again"):
            self._changing = max(0, self._changing - 1)
        if reply.error is not None:
            if reply.command == "runner":
                raise reply.error
            if self.workbench.expected(reply):
                return
            self.toasts.add(explain(reply.error), "error")
            return
        if reply.command in QUIET or self.workbench.hear(reply):
            return
        text = self._news(reply.command, reply.value)
        if text:
            kind: Kind = "good" if reply.command in ("record", "save_to") else "note"
            self.toasts.add(text, kind, topic="record" if reply.command == "record" else "")

    def _news(self, command: str, value: Any) -> str:
        match command:
            case "record":
                clip, actions = value
                return f"Saved {clip}\nand its actions, {actions.name}"
            case "save_to":
                return "Saved"
            case "load_from":
                return "Loaded; Backspace leads back"
            case "fork":
                return f"Forked: this is branch {value + 1}; B goes to the next"
            case _:
                return ""

    # -- time

    def _speed(self, now: float, change: int) -> None:
        nearest = min(range(len(SPEEDS)), key=lambda k: abs(SPEEDS[k] - now))
        speed = SPEEDS[min(max(nearest + change, 0), len(SPEEDS) - 1)]
        self.runner.speed(speed)
        self.toasts.add(f"Speed {speed:g}×", topic="speed")

    def _rewind(self, shown: Shown, command: Command) -> None:
        if command.down and shown.frame.over:
            self.runner.resume()
        self.runner.rewind(command.down)

    def _begin(self, start: int | None = None, seed: int | None = None) -> None:
        self.runner.new_start(start, seed)
        if self.shown is not None and self.shown.frame.over:
            self.runner.resume()

    # -- the dream

    def _branch(self, shown: Shown, _: Command) -> None:
        if shown.branches == 1:
            self.toasts.add("There is one branch only; F makes another", topic="branch")
            return
        self.runner.branch(shown.branch + 1)
        self.toasts.add(f"Branch {(shown.branch + 1) % shown.branches + 1} of {shown.branches}", topic="branch")

    def _next_controller(self, shown: Shown) -> None:
        """human -> random -> the agent -> the same actions again -> human, wherever it is played."""
        if self._changing:
            return  # what is shown is not yet what was asked for
        if shown.controller == "human":
            self._hand_to(RandomController(sticky=STICKY), "Chance plays")
        elif shown.controller == "random" and self.game.agent is not None:
            self._hand_to(self.game.agent, "The agent plays")
        elif shown.controller in ("random", "agent") and shown.frame.index:
            self._changing += 1
            self.runner.again()
            self.toasts.add("This episode again, from its start", topic="controller")
        else:
            self._hand_to(HumanController(), "You play")

    def _hand_to(self, controller: Controller, news: str) -> None:
        self._changing += 1
        self.runner.controller(controller)
        self.toasts.add(news, topic="controller")

    def _sampler(self, shown: Shown, change: int) -> None:
        steps = getattr(shown.settings, "steps", None)
        if not isinstance(steps, int):
            self.toasts.add("This world has no sampler steps to change", topic="sampler")
            return
        steps = max(1, steps + change)
        self.runner.settings(steps=steps)
        self.toasts.add(f"Sampler: {steps} {'step' if steps == 1 else 'steps'}", topic="sampler")

    def _temperature(self, shown: Shown, change: float) -> None:
        now = getattr(shown.settings, "temperature", None)
        if not isinstance(now, float):
            self.toasts.add("This world has no temperature", topic="temperature")
            return
        wanted = round(min(max(now + change, 0.0), HOTTEST), 2)
        self.runner.settings(temperature=wanted)
        self.toasts.add(f"Temperature {wanted:g}", topic="temperature")

    def _horizon(self, shown: Shown, change: int) -> None:
        now = shown.horizon
        if change > 0:
            frames = None if now is None else next((frames for frames in HORIZONS if frames > now), None)
        else:
            frames = next((f for f in reversed(HORIZONS) if now is None or f < now), HORIZONS[0])
        self.runner.horizon(frames)
        self.toasts.add(f"Horizon: {frames} frames" if frames else "Horizon: off", topic="horizon")

    # -- keeping

    def _slot(self, shown: Shown, number: int) -> Path:
        where = "-lockstep" if shown.lockstep else "-grounded" if shown.grounded else "-real" if shown.real else ""
        where = f"{where}-{shown.against}" if shown.lockstep and shown.against else where
        where = f"{where}-{shown.episode.replace('/', '-')}" if shown.episode else where
        world = f"{self.game.name}{where}"
        return Path(self.settings.saves) / world / f"slot-{number}.safetensors"

    def _load(self, shown: Shown, command: Command) -> None:
        path = self._slot(shown, command.number)
        if path.exists():
            self.runner.load_from(path)
        else:
            self.toasts.add(f"Slot {command.number} is empty; Ctrl+{command.number} saves to it", topic="slot")

    def _record(self, suffix: str) -> None:
        self.toasts.add(f"Writing the last {self.settings.clip_seconds:g} s …", topic="record")
        self.runner.record(self.new_file(suffix), self.settings.clip_seconds)

    def new_file(self, suffix: str) -> Path:
        """A name in the dreams folder that is not taken."""
        stem = f"{self.game.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder = Path(self.settings.dreams)
        names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
        return next(folder / f"{name}{suffix}" for name in names if not any(folder.glob(f"{name}.*")))


def explain(error: Exception) -> str:
    """An error as a message: those meant for the user as they are, others with their kind."""
    meant = isinstance(error, (ReverieError, ValueError))
    return str(error) if meant and str(error) else f"{type(error).__name__}: {error}"
