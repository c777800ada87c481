"""What the player asks of the workbench: where it is played, lockstep, questions about the moment, flags."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from app.desktop.bindings import Command
from app.desktop.game import Game
from app.desktop.toasts import Toasts
from engine.controllers import STICKY, Controller, HumanController, RandomController
from engine.opening import play_episode
from engine.runner import Reply, Shown
from engine.session import Real, Session
from models.types import View

Study = Generator[Any, None, tuple[View, ...]]
PLACES: dict[Real, str] = {
    False: "The dream",
    True: "The real game",
    "grounded": "The dream, told what the real game does",
    "lockstep": "Lockstep: reality and dream under the same actions",
}
"""Where it can be played, in the order of the key, and what it is called."""
QUESTIONS = {
    "every_action": "Every action's future",
    "seeds": "The same future, other chances",
    "unsure": "Where it is unsure",
    "check": "A check of this world",
}
"""Studies, and what they are called."""


class Workbench:
    """Turns keys into commands of the runner. look: opens the band of views."""

    def __init__(self, game: Game, toasts: Toasts, look: Callable[[], None]) -> None:
        self.game, self.toasts, self._look = game, toasts, look
        self.runner = game.runner
        self.studied: tuple[str, ...] = ()
        """Names of the views that the last study ended in."""
        self._asked = self._left = self._answered = 0  # studies: asked for, no longer wanted, answered
        self.commands: dict[str, Callable[[Shown, Command], None]] = {
            "lockstep": lambda shown, _: self._go(shown, False if shown.lockstep else "lockstep"),
            "place": lambda shown, _: self._go(shown, self._next_place(shown)),
            "beside": lambda shown, _: self._next_beside(shown),
            "anchor": lambda shown, _: self._anchor(shown),
            "clear": lambda shown, _: self._clear(),
            **dict.fromkeys(QUESTIONS, self._ask),
        }

    def hear(self, reply: Reply) -> bool:
        """Tell the player what came of a command without an error; False: it was not one of these."""
        match reply.command:
            case "real_game":
                if reply.value == "lockstep":
                    self._look()
                self.toasts.add(PLACES[reply.value], topic="place")
            case "beside":
                other = reply.value["against"]
                self.toasts.add(f"{other} in the same lockstep" if other else "No other world beside", topic="place")
            case "anchor":
                self.toasts.add("The dream goes on from reality", topic="place")
            case "study":
                self._answered += 1
                self.studied = tuple(reply.value["views"])
                self.toasts.add(f"{reply.value['study']}: see below, a click makes it large", topic="study")
            case "study_clear":
                self.studied = ()
                self.toasts.add("The answers are put away", topic="study")
            case "flag":
                self.toasts.add(f"Flagged as {reply.value.id}\nreverie glitches leads back to it", "good")
            case _:
                return False
        return True

    def expected(self, reply: Reply) -> bool:
        """Whether an error says only that a study was left for something else."""
        if reply.command != "study":
            return False
        self._answered += 1
        return self._answered <= self._left

    def flag(self, note: str) -> None:
        """Keep the present moment, the seconds before it and the note."""
        self.runner.flag(note)

    def _go(self, shown: Shown, place: Real) -> None:
        """Play there; who plays stays the same."""
        if place == "lockstep":
            self.toasts.add("Lockstep begins ...", topic="place")
        self._left = self._asked
        self.runner.real_game(place)
        self._hand_over(shown, place)

    def _hand_over(self, shown: Shown, place: Real) -> None:
        """Who has played plays on in another session; a lockstep under an episode is played by that."""
        if place == "lockstep" and self.game.episode:
            self.runner.call("episode", play_episode)
            return
        players: dict[str, Controller | None] = {"random": RandomController(sticky=STICKY), "agent": self.game.agent}
        self.runner.controller(players.get(shown.controller) or HumanController())

    def _next_beside(self, shown: Shown) -> None:
        """Another world, or none, in a lockstep that begins anew."""
        beside = self.game.beside
        if beside is None or not beside.names:
            self.toasts.add("There is no other world with these frames and actions", topic="place")
            return
        name = beside.after(shown.against if shown.lockstep else "")
        self.toasts.add(f"{name or 'Lockstep'} begins ...", topic="place")
        self._left = self._asked
        self.runner.beside(lambda: beside.make(name))
        if not shown.lockstep:
            self.runner.real_game("lockstep")
        self._hand_over(shown, "lockstep")

    def _next_place(self, shown: Shown) -> Real:
        places = [place for place in PLACES if place != "grounded" or self.game.observes]
        return places[(places.index(place_of(shown)) + 1) % len(places)]

    def _anchor(self, shown: Shown) -> None:
        if shown.lockstep:
            self.runner.anchor()
        else:
            self.toasts.add("Only in lockstep there is a reality to go back to; T begins it", topic="place")

    def _ask(self, shown: Shown, command: Command) -> None:
        """Ask a question about the present moment; its views come into the band."""
        name = QUESTIONS[command.name]
        self._look()
        self.toasts.add(f"{name} ...", topic="study")
        self._left = self._asked
        self._asked += 1
        self.runner.study(name, maker_of(command.name))

    def _clear(self) -> None:
        self._left = self._asked
        self.runner.study_clear()


def place_of(shown: Shown) -> Real:
    """Where it is played."""
    if shown.lockstep:
        return "lockstep"
    return "grounded" if shown.grounded else shown.real


def maker_of(question: str) -> Callable[[Session], Study]:
    """What answers a question about a session's present moment."""
    from engine import studies

    match question:
        case "every_action":
            return studies.every_action
        case "seeds":
            return studies.seeds
        case "unsure":
            return _unsure
        case _:
            return studies.check_world


def _unsure(session: Session) -> Study:
    """Where the next frame varies, and how surprising the real one was where there is one."""
    from engine import studies

    views = yield from studies.unsure(session)
    return (*views, *((yield from studies.surprise(session)) if studies.knows_reality(session) else ()))
