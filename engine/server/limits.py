"""How much of the machine players may take, all of them together and each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

MB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """What a hub allows. All numbers are above 0.

    players: sessions at a time, those kept for a lost connection included. message_rate, message_burst: messages a
    second of one connection, on average and at once (a long message counts as several). idle_s: without input by a
    person until a session is suspended. silent_s: a sent frame without an ACK until it is suspended. resume_s: how long
    a session is kept for a lost connection. hello_s: until a new connection has to have said HELLO. file_s: how long
    files offered for download are kept.
    memory_mb, session_mb: for the moments kept to go back to, of all sessions and of each. rewind_s: of game time kept,
    less where ``session_mb`` does not hold it. branches: of one session. max_sampler_steps: of a world that samples.
    clip_s: the longest recording. upload_mb: the largest save that is taken. studies: players who have something asked
    of the present moment worked out at a time; study_frames, study_samples: the longest future of one, and the most
    samples or seeds. flags: glitches that one session may keep.
    """

    players: int = 16
    message_rate: float = 240.0
    message_burst: float = 480.0
    idle_s: float = 600.0
    silent_s: float = 5.0
    resume_s: float = 60.0
    hello_s: float = 5.0
    file_s: float = 600.0
    memory_mb: float = 2048.0
    session_mb: float = 512.0
    rewind_s: float = 30.0
    branches: int = 8
    max_sampler_steps: int = 16
    clip_s: float = 60.0
    upload_mb: float = 64.0
    studies: int = 4
    study_frames: int = 32
    study_samples: int = 16
    flags: int = 50

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < float("inf"):
                raise ValueError(f"Limits.{name}: got {value}, expected a number above 0")
        for name in ("players", "branches", "max_sampler_steps", "studies", "study_frames", "study_samples", "flags"):
            if getattr(self, name) != int(getattr(self, name)):
                raise ValueError(f"Limits.{name}: got {getattr(self, name)}, expected a whole number")
        if self.session_mb > self.memory_mb:
            raise ValueError(f"Limits.session_mb: got {self.session_mb}, expected at most memory_mb, {self.memory_mb}")

    def told(self) -> dict[str, Any]:
        """Those that a client has to know, as JSON data."""
        names = ("players", "message_rate", "idle_s", "resume_s", "rewind_s", "branches", "max_sampler_steps", "clip_s")
        return {name: getattr(self, name) for name in (*names, "study_frames", "study_samples")}


class Bucket:
    """Tokens that come back with time: what somebody may still do. Not thread-safe."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = burst, clock()

    def take(self, tokens: float = 1.0) -> bool:
        """Take tokens if there are enough; whether there were."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < tokens:
            return False
        self._left -= tokens
        return True
