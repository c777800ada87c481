"""The messages between a player's browser and the server, as plain values. Their bytes: ``engine.server.protocol``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Codec = Literal["png", "webp", "jpeg"]
CODECS: dict[Codec, int] = {"png": 1, "webp": 2, "jpeg": 3}
"""Picture formats and their numbers in a frame's header."""
EVENTS = ("welcome", "world", "state", "reply", "error", "playback", "bye")
"""Every name an event may have."""


@dataclass(frozen=True)
class Resume:
    """A session to go on with after a lost connection, and the key that its last welcome brought."""

    session: str
    key: str


@dataclass(frozen=True)
class Hello:
    """The first message: what to play, and the picture formats the client can show.

    world: by name; None: the server's default, or the one that ``replay`` (a link's text) is of. start, seed: of the
    first episode; None: the server chooses. resume: then all but ``pictures`` is ignored where the session still lives.
    """

    world: str | None = None
    start: int | None = None
    seed: int | None = None
    replay: str | None = None
    resume: Resume | None = None
    pictures: tuple[Codec, ...] = ("png",)


@dataclass(frozen=True)
class Control:
    """An order: answered by one ``reply`` event with the same id. args: all arguments of ``do``, validated, in full."""

    id: int
    do: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """Button ``button`` (index into the world's buttons) went down or up at ``time`` (ms, the client's clock)."""

    down: bool
    button: int
    time: float


@dataclass(frozen=True)
class Mouse:
    """Mouse motion in pixels (x right, y down) at ``time`` (ms, the client's clock)."""

    dx: float
    dy: float
    time: float


@dataclass(frozen=True)
class Axis:
    """Axis ``axis`` (index into the world's axes) leans by ``value``, -1 to 1; ``time`` in ms of the client's clock."""

    axis: int
    value: float
    time: float


@dataclass(frozen=True)
class Blur:
    """The client lost its focus at ``time`` (ms, the client's clock): all buttons are let go."""

    time: float


@dataclass(frozen=True)
class Ack:
    """Frame ``seq`` of this connection was drawn."""

    seq: int


@dataclass(frozen=True)
class Ping:
    """A question for the round trip's time: answered by a Pong with the same ``time`` (ms, the client's clock)."""

    time: float


ClientMessage = Hello | Control | Key | Mouse | Blur | Ack | Ping | Axis


@dataclass(frozen=True)
class FrameHeader:
    """What goes before a picture.

    seq: from 1, one more for each frame sent on this connection. index: steps since the episode's start. cursor,
    length: where play stands on the timeline, of how many frames. width, height: the picture's, in pixels. branch of
    branches. real: the real game; grounded: the dream told of every frame of it; lockstep: both, each on its own. late:
    the world cannot hold its speed. dropped: frames before this one were never sent. echo: client time (ms) of the
    oldest input that this frame answers; None: of none. model_ms, encode_ms, queue_ms (due until its step began): NaN
    where unknown. fps: ticks a second. reward of this tick, total: the return. speed: the factor asked for. batch:
    players in the model's step.
    """

    codec: Codec
    seq: int
    index: int
    width: int
    height: int
    cursor: int = 0
    length: int = 1
    branch: int = 0
    branches: int = 1
    paused: bool = False
    rewinding: bool = False
    terminated: bool = False
    truncated: bool = False
    real: bool = False
    replaying: bool = False
    grounded: bool = False
    lockstep: bool = False
    late: bool = False
    dropped: bool = False
    echo: float | None = None
    model_ms: float = math.nan
    encode_ms: float = math.nan
    queue_ms: float = math.nan
    fps: float = 0.0
    reward: float = 0.0
    total: float = 0.0
    speed: float = 1.0
    batch: int = 1

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ValueError(f"FrameHeader.codec: got {self.codec!r}, expected one of {', '.join(CODECS)}")
        for names, high in ((WIDE, 2**32 - 1), (NARROW, 2**16 - 1)):
            for name in names:
                if not 0 <= getattr(self, name) <= high:
                    raise ValueError(f"FrameHeader.{name}: got {getattr(self, name)}, expected 0 to {high}")


FLAGS = ("paused", "rewinding", "terminated", "truncated", "real", "replaying", "grounded", "lockstep")
"""Bits of a header's flags, from bit 0."""
ALARMS = ("late", "dropped")
"""Bits of a header's alarms, from bit 0."""
WIDE = ("seq", "index", "cursor", "length")
"""Fields of 32 bits, in the order of the header."""
NARROW = ("width", "height", "branch", "branches", "batch")
"""Fields of 16 bits."""
FLOATS = ("model_ms", "encode_ms", "queue_ms", "fps", "reward", "total", "speed")
"""Fields of 32 bits in floating point, in the order of the header."""


@dataclass(frozen=True)
class FrameMessage:
    """A frame: its header and the bytes of its picture."""

    header: FrameHeader
    picture: bytes


@dataclass(frozen=True)
class ViewsMessage:
    """The look inside that belongs to frame ``seq``: what is told of each view, and the bytes of all."""

    seq: int
    views: tuple[Mapping[str, Any], ...]
    data: bytes


@dataclass(frozen=True)
class Event:
    """Something the client is told, in order and without loss."""

    name: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pong:
    """The answer to a Ping: its ``time``."""

    time: float


ServerMessage = FrameMessage | ViewsMessage | Event | Pong
