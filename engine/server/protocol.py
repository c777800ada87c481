"""The one place where bytes become messages, and messages bytes. Described in docs/protocol.md.

All numbers are little-endian; the first byte of a message is its kind.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engine.server.arguments import MAX_LINK, PROTOCOL, VERBS, read_control, read_hello, show
from engine.server.errors import CLOSE_CODES, ServerError
from engine.server.json_text import dump_json, load_json
from engine.server.messages import (
    ALARMS,
    CODECS,
    EVENTS,
    FLAGS,
    FLOATS,
    WIDE,
    Ack,
    Axis,
    Blur,
    ClientMessage,
    Codec,
    Control,
    Event,
    FrameHeader,
    FrameMessage,
    Hello,
    Key,
    Mouse,
    Ping,
    Pong,
    Resume,
    ServerMessage,
    ViewsMessage,
)

__all__ = [
    "CLOSE_CODES",
    "CODECS",
    "EVENTS",
    "HEADER_BYTES",
    "MAX_LINK",
    "MAX_MESSAGE",
    "MAX_MOTION",
    "PATH",
    "PROTOCOL",
    "VERBS",
    "Ack",
    "Axis",
    "Blur",
    "ClientMessage",
    "Codec",
    "Control",
    "Event",
    "FrameHeader",
    "FrameMessage",
    "Hello",
    "Key",
    "Mouse",
    "Ping",
    "Pong",
    "Resume",
    "ServerError",
    "ServerMessage",
    "ViewsMessage",
    "decode_client",
    "decode_server",
    "encode_client",
    "encode_event",
    "encode_frame",
    "encode_pong",
    "encode_views",
]

PATH = "/api/play"
"""Where the WebSocket is."""
MAX_MESSAGE = 65_536
"""Bytes of a client's message."""
MAX_NESTED = 64
"""Opening brackets in the JSON of a client's message, within text too."""
MAX_MOTION = 10_000.0
"""Pixels of one MOUSE message, each way."""

HELLO, CONTROL, KEY, MOUSE, BLUR, ACK, PING, AXIS = range(0x01, 0x09)
FRAME, EVENT, PONG, VIEWS = range(0x81, 0x85)
LAYOUTS = {KEY: "<BBBd", MOUSE: "<Bffd", BLUR: "<Bd", ACK: "<BI", PING: "<Bd", PONG: "<Bd", AXIS: "<BBfd"}
"""Messages of fixed size, with their kind."""
HEADER = struct.Struct("<BBHIIIIIHHHHdfffffffHH")
HEADER_BYTES = HEADER.size
FLOAT_MAX = float.fromhex("0x1.fffffep127")


def decode_client(data: bytes) -> ClientMessage:
    """The message in a client's bytes.

    Raises ServerError and nothing else. Fatal: what is no message of this protocol (protocol, version, too_large) and
    any HELLO that is not valid. Not fatal: a value out of range (bad_value), an unknown order (unsupported); those of a
    CONTROL carry its ``id``, by which it is answered.
    """
    if len(data) > MAX_MESSAGE:
        got = f"got {len(data)} bytes, expected at most {MAX_MESSAGE}"
        raise ServerError("too_large", f"message: {got}; send less at a time", True)
    kind = data[0] if data else None
    if kind == HELLO:
        return read_hello(_json("HELLO", data))
    if kind == CONTROL:
        return read_control(_json("CONTROL", data))
    if kind == KEY:
        _, down, button, time = _unpack("KEY", KEY, data)
        if down > 1:
            raise ServerError("bad_value", f"KEY: got {down}, expected 0 (up) or 1 (down)")
        return Key(down == 1, button, _time("KEY", time))
    if kind == MOUSE:
        _, dx, dy, time = _unpack("MOUSE", MOUSE, data)
        if not (abs(dx) <= MAX_MOTION and abs(dy) <= MAX_MOTION):
            raise ServerError("bad_value", f"MOUSE: got ({dx}, {dy}), expected up to {MAX_MOTION:.0f} pixels each way")
        return Mouse(dx, dy, _time("MOUSE", time))
    if kind == BLUR:
        return Blur(_time("BLUR", _unpack("BLUR", BLUR, data)[1]))
    if kind == ACK:
        return Ack(_unpack("ACK", ACK, data)[1])
    if kind == PING:
        return Ping(_time("PING", _unpack("PING", PING, data)[1]))
    if kind == AXIS:
        _, axis, value, time = _unpack("AXIS", AXIS, data)
        if not -1 <= value <= 1:
            raise ServerError("bad_value", f"AXIS: got {value}, expected -1 to 1")
        return Axis(axis, value, _time("AXIS", time))
    raise _broken("message", f"the kind {kind}", f"one from {HELLO} to {AXIS}")


def encode_client(message: ClientMessage) -> bytes:
    """The bytes of a client's message."""
    match message:
        case Hello():
            return _text(HELLO, {"protocol": PROTOCOL, **asdict(message)})
        case Control():
            return _text(CONTROL, {"id": message.id, "do": message.do, **message.args})
        case Key():
            return struct.pack(LAYOUTS[KEY], KEY, message.down, message.button, message.time)
        case Mouse():
            return struct.pack(LAYOUTS[MOUSE], MOUSE, message.dx, message.dy, message.time)
        case Blur():
            return struct.pack(LAYOUTS[BLUR], BLUR, message.time)
        case Ack():
            return struct.pack(LAYOUTS[ACK], ACK, message.seq)
        case Ping():
            return struct.pack(LAYOUTS[PING], PING, message.time)
        case Axis():
            return struct.pack(LAYOUTS[AXIS], AXIS, message.axis, message.value, message.time)


def encode_frame(header: FrameHeader, picture: bytes) -> bytes:
    """The bytes of a frame; numbers too large for 32 bits of floating point become the largest there is."""
    flags = sum(getattr(header, name) << bit for bit, name in enumerate(FLAGS))
    alarms = sum(getattr(header, name) << bit for bit, name in enumerate(ALARMS))
    wide = (getattr(header, name) for name in WIDE)
    floats = (_single(getattr(header, name)) for name in FLOATS)
    echo = math.nan if header.echo is None else header.echo
    size = (header.width, header.height, header.branch, header.branches)
    return (
        HEADER.pack(FRAME, CODECS[header.codec], flags, alarms, *wide, *size, echo, *floats, header.batch, 0) + picture
    )


def encode_event(name: str, /, **fields: Any) -> bytes:
    """The bytes of an event: JSON of ``fields``, in which NaN and infinite numbers become null.

    Raises ValueError for a name that is not in EVENTS, TypeError for what JSON cannot hold.
    """
    if name not in EVENTS:
        raise ValueError(f"event: got {name!r}, expected one of {', '.join(EVENTS)}")
    return _text(EVENT, {"event": name, **fields})


def encode_pong(time: float) -> bytes:
    """The answer to ``Ping(time)``."""
    return struct.pack(LAYOUTS[PONG], PONG, time)


def encode_views(seq: int, views: Sequence[Mapping[str, Any]], data: bytes) -> bytes:
    """The bytes of the look inside that belongs to frame ``seq``; each of ``views`` names its part of ``data``."""
    told = dump_json({"seq": seq, "views": list(views)})
    return struct.pack("<BI", VIEWS, len(told)) + told + data


def decode_server(data: bytes) -> ServerMessage:
    """The message in a server's bytes. Raises ServerError (protocol) where they are none."""
    kind = data[0] if data else None
    if kind == FRAME:
        return _frame(data)
    if kind == EVENT:
        fields = _json("EVENT", data, None)
        name = fields.pop("event", None)
        if name not in EVENTS:
            raise _broken("EVENT", show(name), f"one of {', '.join(EVENTS)}")
        return Event(name, fields)
    if kind == PONG:
        return Pong(_unpack("PONG", PONG, data)[1])
    if kind == VIEWS:
        return _views(data)
    raise _broken("message", f"the kind {kind}", f"one from {FRAME} to {VIEWS}")


def _views(data: bytes) -> ViewsMessage:
    size = struct.unpack_from("<I", data, 1)[0] if len(data) >= 5 else len(data)
    if 5 + size > len(data):
        raise _broken("VIEWS", f"{len(data)} bytes", "a length, as many bytes of JSON, and the values")
    fields = _json("VIEWS", data[4 : 5 + size], None)
    seq, views, values = fields.get("seq"), fields.get("views"), data[5 + size :]
    if not isinstance(seq, int) or not isinstance(views, list) or not all(_has_part(view, values) for view in views):
        raise _broken("VIEWS", show(fields), "seq and views, each with its part of the values")
    return ViewsMessage(seq, tuple(views), values)


def _has_part(view: Any, values: bytes) -> bool:
    begin, size = (view.get("offset"), view.get("bytes")) if isinstance(view, dict) else (None, None)
    return isinstance(begin, int) and isinstance(size, int) and 0 <= begin <= begin + size <= len(values)


def _frame(data: bytes) -> FrameMessage:
    if len(data) < HEADER_BYTES:
        raise _broken("FRAME", f"{len(data)} bytes", f"a header of {HEADER_BYTES} and a picture")
    _, codec, flags, alarms, *rest, last = HEADER.unpack_from(data)
    names = {number: name for name, number in CODECS.items()}
    if codec not in names or last or flags >> len(FLAGS) or alarms >> len(ALARMS):
        got = f"codec {codec}, flags {flags:#x}, alarms {alarms:#x}, last {last}"
        raise _broken("FRAME", got, "those of this version")
    values: dict[str, Any] = dict(zip((*WIDE, "width", "height", "branch", "branches"), rest[:8], strict=True))
    values |= zip(FLOATS, rest[9:16], strict=True)
    values |= {name: bool(flags >> bit & 1) for bit, name in enumerate(FLAGS)}
    values |= {name: bool(alarms >> bit & 1) for bit, name in enumerate(ALARMS)}
    echo = None if math.isnan(rest[8]) else rest[8]
    return FrameMessage(FrameHeader(names[codec], **values, echo=echo, batch=rest[16]), data[HEADER_BYTES:])


def _unpack(name: str, kind: int, data: bytes) -> tuple[Any, ...]:
    size = struct.calcsize(LAYOUTS[kind])
    if len(data) != size:
        raise _broken(name, f"{len(data)} bytes", f"{size}")
    return struct.unpack(LAYOUTS[kind], data)


def _time(name: str, time: float) -> float:
    if not 0 <= time <= 2**53:
        raise ServerError("bad_value", f"{name}: got the time {time}, expected 0 to 2**53 milliseconds")
    return time


def _text(kind: int, fields: Mapping[str, Any]) -> bytes:
    return bytes((kind,)) + dump_json(fields)


def _json(name: str, data: bytes, nested: int | None = MAX_NESTED) -> dict[str, Any]:
    try:
        return load_json(data[1:], nested)
    except ValueError as error:
        raise _broken(name, f"no valid JSON ({str(error)[:100]})", "a JSON object in UTF-8") from error


def _single(value: float) -> float:
    """What 32 bits can hold of it."""
    return value if math.isnan(value) else max(-FLOAT_MAX, min(FLOAT_MAX, value))


def _broken(name: str, got: str, expected: str) -> ServerError:
    return ServerError("protocol", f"{name}: got {got}, expected {expected}; this is protocol {PROTOCOL}", True)
