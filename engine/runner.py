"""One player with a device of its own: what a window on the same machine plays with."""

from __future__ import annotations

import threading
from typing import Any, Self

from engine.controls import Controls
from engine.device import Device
from engine.seat import Reply, Seat
from engine.session import Session
from engine.shown import Shown

__all__ = ["Reply", "Runner", "Shown"]


class Runner(Seat):
    """A seat that brings its own thread; the arguments are Seat's."""

    def __init__(self, session: Session, controls: Controls, **options: Any) -> None:
        super().__init__(session, controls, **options)
        self._device = Device(max_batch=1, clock=self._clock)

    def start(self) -> Self:
        """Start the thread; the present frame is shown at once."""
        self._device.add(self)
        self._device.start()
        return self

    def close(self) -> None:
        """End after the tick that is going on, the commands given and the recordings being written. Works twice."""
        done = threading.Event()
        self._send("close", done.set)
        while self._device.alive and not done.wait(0.05):
            pass
        self._device.close()
        self.detach()
        self._commands.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        return self._device.alive
