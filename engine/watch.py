"""The alarms of a lockstep while it is played, and the slow checks behind them, a slice now and then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from engine.lockstep import LockstepWorld
from engine.moment import Moment
from engine.session import Session

if TYPE_CHECKING:
    from engine.alarms import Alarm, Alarms

PATIENCE_S, SHARE = 0.5, 8
"""A slice that no gap between two ticks is long enough for is done after so long all the same, and after so many times
what the last one took."""
logger = logging.getLogger(__name__)


class Watch:
    """Listens to the session in play; silent where that is no lockstep. For the device's thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._alarms: Alarms | None = None
        self._session: Session | None = None
        self._heard: Moment | None = None
        self._slices: Generator[Any, None, Any] | None = None
        self._result: Future[Any] | None = None
        self._ended = clock()
        self._slice_s = 0.0
        self._failed = False

    @property
    def now(self) -> tuple[Alarm, ...]:
        """The alarms that are on."""
        return () if self._alarms is None else tuple(self._alarms.now)

    def hear(self, session: Session) -> None:
        """Take note of the session's present moment, once."""
        if session is not self._session:
            self._begin(session)
        if self._alarms is not None and session.moment is not self._heard:
            self._heard = session.moment
            self._alarms.hear(session)

    def slices(self, idle_s: float) -> Generator[None, None, None] | None:
        """As many slices of the slow checks as fit into ``idle_s`` seconds; None where none does, or none is left over
        from the last time."""
        waits = self._result is not None and not self._result.done()
        if self._alarms is None or self._failed or waits:
            return None
        late = self._clock() - self._ended > max(PATIENCE_S, SHARE * self._slice_s)
        return self._run(self._clock() + idle_s) if self._slice_s < idle_s or late else None

    def given(self, result: Future[Any]) -> None:
        """The slices were handed in; the next ones wait for them."""
        self._result = result

    def _begin(self, session: Session) -> None:
        self._close()
        self._session, self._heard, self._alarms, self._failed = session, None, None, False
        if isinstance(session.world, LockstepWorld) and not session.world.told:
            from engine.alarms import Alarms

            self._alarms = Alarms()

    def _run(self, until: float) -> Generator[None, None, None]:
        session = self._session
        while session is self._session and self._next():
            if self._ended + self._slice_s > until:
                return
            yield

    def _next(self) -> bool:
        """Do one slice; whether there was any."""
        session, alarms, begin = self._session, self._alarms, self._clock()
        if session is None or alarms is None:
            return False
        try:
            if self._slices is None:
                self._slices = alarms.background(session)
            if self._slices is None:
                return False
            next(self._slices)
        except StopIteration:
            self._slices = None
        except Exception:  # a check that fails must not end play
            logger.exception("the checks beside play have ended")
            self._failed = True
            self._close()
            return False
        self._ended = self._clock()
        self._slice_s = self._ended - begin
        return True

    def _close(self) -> None:
        if self._slices is not None:
            self._slices.close()
        self._slices = None
