"""What one sees who looks inside: what a study has found, the world's own views, and those of the past."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.moment import Frame, Moment
from engine.session import Session
from engine.workbench import Trace
from models.types import View

NOTHING: tuple[View, ...] = ()


class Looks:
    """Keeps the views of the moment looked at last; those that did not change stay the same objects. For one thread."""

    def __init__(self) -> None:
        self._trace = Trace()
        self._pinned: tuple[Session, tuple[View, ...]] | None = None
        self._own: tuple[Moment, tuple[View, ...]] | None = None
        self._dressed: tuple[tuple[Any, ...], Frame] | None = None  # the frame with all its views, and what made it

    def frame(self, session: Session, quick: bool = False) -> Frame:
        """The session's present frame with all views, a study's first. quick: see ``own``."""
        own, pinned = self.own(session, quick), self.pinned(session)
        made_of = (session.moment, own, pinned)
        if self._dressed is None or any(a is not b for a, b in zip(made_of, self._dressed[0], strict=True)):
            views = (*pinned, *own, *self._trace.views(session))
            self._dressed = made_of, replace(session.frame, views=views) if views else session.frame
        return self._dressed[1]

    def own(self, session: Session, quick: bool = False) -> tuple[View, ...]:
        """The world's views of the present moment: those of its step, made again where nobody looked at it then.

        quick: where they are not known, only what follows from the state, and nothing is kept.
        """
        if self._own is not None and self._own[0] is session.moment:
            return self._own[1]
        if quick:
            return session.inside()
        self.came(session.moment, session.look())
        return self.own(session)

    def came(self, moment: Moment, views: tuple[View, ...]) -> None:
        """These are the world's views of a moment."""
        self._own = moment, views

    def pinned(self, session: Session) -> tuple[View, ...]:
        """What the last study of a session has found."""
        return self._pinned[1] if self._pinned is not None and self._pinned[0] is session else NOTHING

    def pin(self, session: Session, views: tuple[View, ...]) -> None:
        """Show these views of the session first from now on, until there are others."""
        self._pinned = session, views

    def settle(self, session: Session) -> None:
        """This session is in play: what was found of another one is forgotten."""
        if self._pinned is not None and self._pinned[0] is not session:
            self._pinned = None
