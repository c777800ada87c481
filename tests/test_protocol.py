"""The protocol: the same bytes for everyone, and nothing but clear errors for all other bytes."""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.server.errors import CLOSE_CODES, ServerError
from engine.server.protocol import (
    CODECS,
    EVENTS,
    HEADER_BYTES,
    MAX_LINK,
    MAX_MESSAGE,
    MAX_MOTION,
    PROTOCOL,
    VERBS,
    Ack,
    Axis,
    Blur,
    ClientMessage,
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
    ViewsMessage,
    decode_client,
    decode_server,
    encode_client,
    encode_event,
    encode_frame,
    encode_pong,
    encode_views,
)

GOLDEN = json.loads((Path(__file__).parent / "golden/protocol/messages.json").read_text(encoding="utf-8"))
DOCS = (Path(__file__).parents[1] / "docs/protocol.md").read_text(encoding="utf-8")
KINDS: dict[str, type[Any]] = {
    "HELLO": Hello,
    "CONTROL": Control,
    "KEY": Key,
    "MOUSE": Mouse,
    "BLUR": Blur,
    "ACK": Ack,
    "PING": Ping,
    "FRAME": FrameMessage,
    "EVENT": Event,
    "PONG": Pong,
    "AXIS": Axis,
    "VIEWS": ViewsMessage,
}
HELLO = {"protocol": 2, "world": None, "start": None, "seed": None, "replay": None, "resume": None, "pictures": ["png"]}


def text(kind: int, data: Any) -> bytes:
    """A message of JSON, valid or not."""
    return bytes([kind]) + (data if isinstance(data, str) else json.dumps(data)).encode("utf-8", "surrogatepass")


def refused(data: bytes) -> ServerError:
    with pytest.raises(ServerError) as caught:
        decode_client(data)
    return caught.value


def plain(message: Any) -> dict[str, Any]:
    """A message as the golden file writes it."""
    match message:
        case Hello():
            value = {"protocol": PROTOCOL, **asdict(message)}
        case Control():
            value = {"id": message.id, "do": message.do, **message.args}
        case FrameMessage():
            value = {**asdict(message.header), "picture": message.picture.hex()}
        case ViewsMessage():
            value = {"seq": message.seq, "views": message.views, "data": message.data.hex()}
        case Event():
            value = {"event": message.name, **message.fields}
        case _:
            value = asdict(message)
    return json.loads(json.dumps({k: None if v != v else v for k, v in value.items()}))


@pytest.mark.parametrize("row", GOLDEN["client"], ids=lambda row: f"{row['kind']} {row['value'].get('do', '')}")
def test_client_messages_are_as_recorded(row: dict[str, Any]) -> None:
    """Catches: a change of layout by which a page that is open already would press other buttons."""
    message = decode_client(bytes.fromhex(row["hex"]))
    assert type(message) is KINDS[row["kind"]]
    assert plain(message) == row["value"]
    assert encode_client(message).hex() == row["hex"]


@pytest.mark.parametrize("row", GOLDEN["server"], ids=lambda row: f"{row['kind']} {row['value'].get('event', '')}")
def test_server_messages_are_as_recorded(row: dict[str, Any]) -> None:
    """Catches: fields of a header that moved, which a page would draw as a frame of nonsense."""
    message = decode_server(bytes.fromhex(row["hex"]))
    assert type(message) is KINDS[row["kind"]]
    assert plain(message) == row["value"]
    match message:
        case FrameMessage():
            again = encode_frame(message.header, message.picture)
        case Event():
            again = encode_event(message.name, **message.fields)
        case Pong():
            again = encode_pong(message.time)
        case ViewsMessage():
            again = encode_views(message.seq, message.views, message.data)
    assert again.hex() == row["hex"]


def test_everything_is_recorded() -> None:
    """Catches: a new order or event without a recorded example, which the page's own tests would not see."""
    rows = GOLDEN["client"] + GOLDEN["server"]
    assert GOLDEN["protocol"] == PROTOCOL
    assert {row["kind"] for row in rows} == set(KINDS)
    assert {row["value"]["do"] for row in rows if row["kind"] == "CONTROL"} == set(VERBS)
    assert {row["value"]["event"] for row in rows if row["kind"] == "EVENT"} == set(EVENTS)
    assert {row["value"]["codec"] for row in rows if row["kind"] == "FRAME"} == set(CODECS)


def test_documented_offsets() -> None:
    """Catches: a document that sends the writer of another client to the wrong bytes."""
    rows = re.findall(r"^\| (\d+) \| (u8|u16|u32|f32|f64) \| ([\w, `]+?) \|", DOCS, re.M)
    kinds = {"u8": "B", "u16": "H", "u32": "I", "f32": "f", "f64": "d"}
    data = bytes.fromhex(next(row for row in GOLDEN["server"] if row["kind"] == "FRAME")["hex"])
    message = decode_server(data)
    assert isinstance(message, FrameMessage)
    end = 0
    for offset, kind, name in ((int(o), kinds[k], n.strip("`")) for o, k, n in rows):
        assert offset == end, f"{name}: got offset {offset}, expected {end}"
        end = offset + struct.calcsize(kind)
        (value,) = struct.unpack_from(f"<{kind}", data, offset)
        header = {"kind": 0x81, "flags": 0b000101, "alarms": 0b01, "reserved": 0}
        header |= asdict(message.header) | {"codec": CODECS[message.header.codec]}
        assert value == header[name], f"{name}: got {value}, expected {header[name]}"
    assert end == HEADER_BYTES == 72


def test_documented_words() -> None:
    """Catches: an order, an event or an error that the document does not know, or knows by another number."""
    for name in (*VERBS, *EVENTS, *CODECS):
        assert f"`{name}`" in DOCS
    assert {code: int(number) for number, code in re.findall(r"^\| (44\d\d) \| `(\w+)` \|", DOCS, re.M)} == CLOSE_CODES


def test_close_codes() -> None:
    """Catches: two errors that a page could not tell apart, or one outside the range it looks at."""
    assert len(set(CLOSE_CODES.values())) == len(CLOSE_CODES)
    assert all(4400 <= code <= 4429 for code in CLOSE_CODES.values())
    assert ServerError("rate", "slower", True).close_code == 4429
    with pytest.raises(ValueError, match="got the code 'oops'"):
        ServerError("oops", "?")


@pytest.mark.parametrize("version", [0, 1, 3, "2", None, True, 2.0, [2]])
def test_another_version(version: Any) -> None:
    """Catches: a page of another version being let in, or told something else than to reload."""
    error = refused(text(1, {"protocol": version, "novelty": 1}))
    assert (error.code, error.fatal) == ("version", True)
    assert "expected 2; reload the page" in str(error)


def test_what_may_be_left_out() -> None:
    """Catches: absent keys that come out as KeyError later, instead of None."""
    assert decode_client(text(1, {"protocol": 2, "pictures": ["webp", "avif"]})) == Hello(pictures=("webp",))
    message = decode_client(text(2, {"id": 0, "do": "start"}))
    assert message == Control(0, "start", {"start": None, "seed": None})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world": 3}, "HELLO.world: got 3"),
        ({"world": ""}, "HELLO.world: got ''"),
        ({"world": "a" * 101}, "expected printable text of 1 to 100"),
        ({"world": "a\n"}, "HELLO.world"),
        ({"world": "\ud800"}, "HELLO.world"),
        ({"start": -1}, "HELLO.start: got -1"),
        ({"start": True}, "HELLO.start: got True"),
        ({"start": 0.0}, "HELLO.start: got 0.0"),
        ({"seed": 2**53}, "HELLO.seed"),
        ({"replay": "a" * (MAX_LINK + 1)}, "HELLO.replay"),
        ({"resume": "me"}, "HELLO.resume: got 'me'"),
        ({"resume": {"session": "a"}}, "HELLO.resume.key: got None"),
        ({"resume": {"session": "a", "key": "b", "c": 1}}, "HELLO.resume: got the key 'c'"),
        ({"pictures": []}, "HELLO.pictures"),
        ({"pictures": ["avif"]}, "HELLO.pictures"),
        ({"pictures": "png"}, "HELLO.pictures"),
        ({"pictures": None}, "HELLO.pictures: got None"),
        ({"pictures": [["png"]]}, "HELLO.pictures"),
        ({"pictures": ["png"] * 33}, "HELLO.pictures"),
        ({"name": "x"}, "HELLO: got the key 'name'"),
    ],
)
def test_bad_hellos(change: dict[str, Any], words: str) -> None:
    """Catches: a session opened with a value that fails only later, deep inside."""
    error = refused(text(1, HELLO | change))
    assert (error.code, error.fatal) == ("bad_value", True)
    assert words in str(error)


@pytest.mark.parametrize(
    "order",
    [
        {"do": "pause", "why": 1},
        {"do": "speed"},
        {"do": "speed", "factor": 0.049},
        {"do": "speed", "factor": 16.1},
        {"do": "speed", "factor": True},
        {"do": "speed", "factor": "1"},
        {"do": "speed", "factor": None},
        {"do": "rewind", "hold": 1},
        {"do": "scrub", "frames": 100_001},
        {"do": "scrub", "frames": 1.5},
        {"do": "go_to", "position": -1},
        {"do": "save", "slot": 0},
        {"do": "save", "slot": 10},
        {"do": "load", "slot": True},
        {"do": "branch", "index": -1},
        {"do": "start", "start": 0, "seed": 2**53},
        {"do": "controller", "name": "../human"},
        {"do": "controller", "name": ["human"]},
        {"do": "real", "on": "yes"},
        {"do": "inspect", "on": 1},
        {"do": "edit", "view": "stoch"},
        {"do": "edit", "view": "stoch", "changes": []},
        {"do": "edit", "view": "stoch", "changes": [[-1, 1]]},
        {"do": "edit", "view": "stoch", "changes": [[0]]},
        {"do": "edit", "view": "stoch", "changes": [[0, "1"]]},
        {"do": "edit", "view": "", "changes": [[0, 1]]},
        {"do": "edit", "view": "stoch", "changes": [[0, 1]] * 17},
        {"do": "settings", "changes": {}},
        {"do": "settings", "changes": []},
        {"do": "settings", "changes": {"steps": None}},
        {"do": "settings", "changes": {"steps": {"a": 1}}},
        {"do": "settings", "changes": {"steps": [[1]]}},
        {"do": "settings", "changes": {"": 1}},
        {"do": "settings", "changes": {"steps": 2**53}},
        {"do": "settings", "changes": {"steps": [1] * 33}},
        {"do": "settings", "changes": {"mode": "a" * 201}},
        {"do": "settings", "changes": {f"s{k}": 1 for k in range(33)}},
        {"do": "horizon", "frames": 0},
        {"do": "world", "name": None},
        {"do": "world", "name": "pong\0"},
        {"do": "record", "format": "avi", "seconds": 3},
        {"do": "record", "format": "gif", "seconds": 601},
        {"do": "replay", "link": ""},
        {"do": "replay", "link": "a" * (MAX_LINK + 1)},
        {"do": "visible", "on": 0},
    ],
    ids=lambda order: json.dumps(order)[:60],
)
def test_bad_orders(order: dict[str, Any]) -> None:
    """Catches: a value out of range that reaches the game, ends the connection, or is answered to nobody."""
    error = refused(text(2, {"id": 7, **order}))
    assert (error.code, error.fatal, error.id, error.do) == ("bad_value", False, 7, order["do"])
    assert re.match(rf"{order['do']}[.:]", str(error)), str(error)
    assert len(str(error)) < 300


def test_an_unknown_order() -> None:
    """Catches: an order from a newer page ending play, or staying without an answer."""
    error = refused(text(2, {"id": 7, "do": "fly"}))
    assert (error.code, error.fatal, error.id, error.do) == ("unsupported", False, 7, "fly")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x08",
        b"\x81" + bytes(71),
        b"\x01",
        b"\x01\xff\xfe",
        b"\x02{}",
        text(2, {"do": "pause"}),
        text(2, {"id": "1", "do": "pause"}),
        text(2, {"id": True, "do": "pause"}),
        text(2, {"id": -1, "do": "pause"}),
        text(2, {"id": 1, "do": ["pause"]}),
        text(2, []),
        text(2, "null"),
        text(2, '{"id":1,"do":"pause","id":1}'),
        text(2, '{"id":1,"do":"speed","factor":NaN}'),
        text(2, '{"id":1,"do":"speed","factor":-Infinity}'),
        text(2, '{"id":1,"do":"pause"} {}'),
        text(2, '{"id":' + "9" * 5000 + ',"do":"pause"}'),
        text(2, "[" * 60_000),
        text(2, '{"a":' * 10_000 + "1" + "}" * 10_000),
        struct.pack("<BBB", 3, 1, 0),
        struct.pack("<BBBd", 3, 1, 0, 1.0) + b"\0",
        struct.pack("<Bff", 4, 1, 0),
        struct.pack("<B", 5),
        struct.pack("<BQ", 6, 1),
        struct.pack("<Bf", 7, 1.0),
        struct.pack("<BBf", 8, 0, 1.0),
    ],
    ids=lambda data: data[:24].hex(),
)
def test_what_is_no_message(data: bytes) -> None:
    """Catches: broken bytes that come out as another exception, or that a broken client may go on sending."""
    error = refused(data)
    assert (error.code, error.fatal, error.id) == ("protocol", True, None)
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<BBBd", 3, 2, 0, 1.0),
        struct.pack("<BBBd", 3, 1, 0, math.nan),
        struct.pack("<BBBd", 3, 1, 0, -1.0),
        struct.pack("<Bffd", 4, math.nan, 0, 1.0),
        struct.pack("<Bffd", 4, 0, math.inf, 1.0),
        struct.pack("<Bffd", 4, MAX_MOTION + 1, 0, 1.0),
        struct.pack("<Bd", 5, math.inf),
        struct.pack("<Bd", 7, math.nan),
        struct.pack("<BBfd", 8, 0, math.nan, 1.0),
        struct.pack("<BBfd", 8, 0, -1.5, 1.0),
        struct.pack("<BBfd", 8, 0, 1.0, math.inf),
        text(2, '{"id":1,"do":"speed","factor":1e999}'),
    ],
    ids=lambda data: data.hex(),
)
def test_values_that_are_none(data: bytes) -> None:
    """Catches: a NaN that goes into the mouse's sum, or into a time, and stays there."""
    error = refused(data)
    assert (error.code, error.fatal) == ("bad_value", False)


def test_giant_messages() -> None:
    """Catches: work on a message before its size is looked at."""
    error = refused(b"\x02" + b"[" * MAX_MESSAGE)
    assert (error.code, error.fatal) == ("too_large", True)
    link = "a" * MAX_LINK
    assert decode_client(encode_client(Hello("w" * 100, replay=link, resume=Resume("s" * 100, "k" * 100)))) == Hello(
        "w" * 100, replay=link, resume=Resume("s" * 100, "k" * 100)
    )


def test_events_are_json_for_everyone() -> None:
    """Catches: NaN in an event, which no browser parses; a field called ``name`` that cannot be sent."""
    data = encode_event("world", name="pong", fps=math.nan, quality={"psnr": [math.inf, 1.5]}, size=(64, 64))
    assert data[0] == 0x82
    fields = {"name": "pong", "fps": None, "quality": {"psnr": [None, 1.5]}, "size": [64, 64]}
    assert decode_server(data) == Event("world", fields)
    with pytest.raises(ValueError, match="event: got 'weather'"):
        encode_event("weather")


def test_headers_are_checked() -> None:
    """Catches: a frame sent with numbers that its header cannot hold, which would fail in the sender's thread."""
    with pytest.raises(ValueError, match="FrameHeader.codec: got 'gif'"):
        FrameHeader("gif", 1, 0, 64, 64)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="FrameHeader.width: got 65536, expected 0 to 65535"):
        FrameHeader("png", 1, 0, 65_536, 64)
    huge = decode_server(encode_frame(FrameHeader("png", 1, 0, 64, 64, total=1e300, reward=-math.inf), b""))
    assert isinstance(huge, FrameMessage)
    assert (huge.header.total, huge.header.reward) == (3.4028234663852886e38, -3.4028234663852886e38)
    assert math.isnan(huge.header.model_ms)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x81" + bytes(70),
        b"\x81" + bytes(71),
        b"\x82[]",
        b"\x83\0",
        b"\x84",
        b"\x84\1\0\0\0",
        b"\x84\2\0\0\0{}",
    ],
)
def test_what_no_server_sends(data: bytes) -> None:
    """Catches: a client in Python that fails with another exception than the protocol's own."""
    with pytest.raises(ServerError, match="this is protocol 2"):
        decode_server(data)


@pytest.mark.parametrize("position", [1, 3, 4, 7, 70, 71])
def test_frames_of_a_later_version(position: int) -> None:
    """Catches: bits that this version does not know, read as if they meant nothing."""
    data = bytearray(encode_frame(FrameHeader("png", 1, 0, 64, 64), b""))
    data[position] = 0x80
    with pytest.raises(ServerError, match="those of this version"):
        decode_server(bytes(data))


def decodes_or_refuses(data: bytes) -> None:
    """What decodes must encode and decode to the same again; anything but a ServerError fails the test."""
    message: ClientMessage | None = None
    told = ""
    try:
        message = decode_client(data)
    except ServerError as error:
        told = str(error)
        encode_event("error", code=error.code, message=told, fatal=error.fatal)
    assert len(told) < 700
    assert message is None or decode_client(encode_client(message)) == message


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", *(bytes([kind]) for kind in range(1, 9))]))
def test_random_bytes(data: bytes, kind: bytes) -> None:
    """Catches: bytes that raise something else than a ServerError, which would end the server's thread."""
    decodes_or_refuses(kind + data)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(GOLDEN["client"]), st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), max_size=4))
def test_mutated_messages(row: dict[str, Any], changes: list[tuple[int, int]]) -> None:
    """Catches: a nearly valid message that slips through half-checked."""
    data = bytearray.fromhex(row["hex"])
    for position, byte in changes:
        data[position % len(data)] = byte
    decodes_or_refuses(bytes(data))
    decodes_or_refuses(bytes(data[: len(data) // 2]))


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
INNER = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=4), PLAIN, max_size=2)
JSON = INNER | st.lists(INNER, max_size=3) | st.dictionaries(st.text(max_size=8), INNER, max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(VERBS)), st.data())
def test_orders_with_any_values(verb: str, data: st.DataObject) -> None:
    """Catches: a JSON value of an unforeseen type that raises TypeError inside the check."""
    args = {name: data.draw(JSON) for name in VERBS[verb]}
    decodes_or_refuses(text(2, {"id": 1, "do": verb, **args}))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(HELLO)), JSON))
def test_hellos_with_any_values(change: dict[str, Any]) -> None:
    """Catches: as above, for the first message, which strangers may send."""
    decodes_or_refuses(text(1, HELLO | change))


SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {name: st.integers(0, 2**32 - 1) for name in ("seq", "index", "cursor", "length")}
        | {name: st.integers(0, 2**16 - 1) for name in ("width", "height", "branch", "branches", "batch")}
        | dict.fromkeys(("model_ms", "encode_ms", "queue_ms", "fps", "reward", "total", "speed"), SINGLE)
        | {name: st.booleans() for name in ("paused", "rewinding", "terminated", "truncated")}
        | {name: st.booleans() for name in ("real", "replaying", "grounded", "lockstep", "late", "dropped")}
        | {"codec": st.sampled_from(list(CODECS)), "echo": st.none() | st.floats(0, 1e15)}
    ),
    st.binary(max_size=50),
)
def test_frames_come_back(values: dict[str, Any], picture: bytes) -> None:
    """Catches: two flags that share a bit, a field that is cut, a picture that begins a byte late."""
    header = FrameHeader(**values)
    assert decode_server(encode_frame(header, picture)) == FrameMessage(header, picture)


@settings(max_examples=100, deadline=None)
@given(
    st.booleans(), st.integers(0, 255), st.floats(0, 2**53), st.floats(-1e4, 1e4, width=32), st.integers(0, 2**32 - 1)
)
def test_input_comes_back(down: bool, button: int, time: float, motion: float, seq: int) -> None:
    """Catches: a key, a motion or a time that loses digits on its way."""
    for message in (Key(down, button, time), Mouse(motion, -motion, time), Blur(time), Ack(seq), Ping(time)):
        assert decode_client(encode_client(message)) == message
    assert decode_server(encode_pong(time)) == Pong(time)
