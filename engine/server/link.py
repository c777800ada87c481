"""Replay links: an episode as text for an address, short enough to paste.

The text is base64url of a version byte and a zlib stream of: 16 bytes that stand for all frames, a JSON header, a zero
byte, the actions one after the other. A link holds no frames: the world dreams them again.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.errors import ReverieError
from engine.history import Action, History, Past
from engine.history_codec import EDITED, FORMAT, decode_history, encode_history
from engine.server.arguments import MAX_LINK, MAX_LIST, MAX_NAME, is_setting, is_text, is_whole, show
from engine.server.errors import ServerError
from engine.server.json_text import dump_json, load_json

VERSION = 1
MAX_TICKS = 20_000
"""Frames of the longest episode that makes a link, its start included."""
MAX_INFLATED = 1_000_000
"""Bytes that a link may inflate to."""
MAX_COMPONENTS = 256
"""Numbers of one continuous action."""
MAX_NESTED = 10_000
"""Brackets in the header: a change of settings takes two."""
MAX_HASH = 300
"""Characters of what names a world: its hash, where it plays, and the hash of a world beside it."""
CHECK_BYTES = 16
DISCRETE, CONTINUOUS = ("u1", "u2"), ("f4", "f8")
"""Types of actions, the shortest first: the first that holds all of them exactly is taken."""
TEXT = re.compile(r"[A-Za-z0-9_-]+")
FROM_HISTORY = ("world", "world_hash", "settings", "horizon", "controller", "made_with")
"""What of a history's JSON data goes into the header as it is."""
EDITS = "edits"
"""A key of the header where the episode has edits, as in a history's JSON data."""
KEYS = {*FROM_HISTORY, "start", "type", "components"}


@dataclass(frozen=True)
class Link:
    """What a link says. history: one episode, its first tick the start, all digests b"": unknown one by one.

    check: 16 bytes that stand for the digests of all its frames, see ``check_of``.
    """

    history: History
    check: bytes

    def matches(self, history: History) -> bool:
        """Whether a history that ends with this episode, played again, showed the same in every frame."""
        return self.check == check_of(history.ticks[-len(self.history.ticks) :])


def check_of(ticks: Sequence[Past]) -> bytes:
    """16 bytes of the sha256 of the ticks' digests."""
    return hashlib.sha256(b"".join(tick.digest for tick in ticks)).digest()[:CHECK_BYTES]


def make_link(history: History) -> str:
    """The text for a history's last episode, up to its last tick. Raises ServerError (link) when it is too long."""
    episode = history.since(len(history.ticks) - 1)
    if not all(tick.digest for tick in episode.ticks):
        raise ValueError("make_link: got ticks without digests (those of a link), expected ticks that were played")
    if len(episode.ticks) > MAX_TICKS:
        raise _bad(f"an episode of {len(episode.ticks)} frames", f"at most {MAX_TICKS}; save a replay file instead")
    data = encode_history(episode)
    kind, components, packed = _pack([tick.action for tick in episode.ticks[1:]])
    header = {key: data[key] for key in FROM_HISTORY}
    header |= {"start": data["starts"][0], "type": kind, "components": components}
    header |= {EDITS: data[EDITS]} if EDITS in data else {}
    payload = check_of(episode.ticks) + dump_json(header) + b"\0" + packed
    text = base64.urlsafe_b64encode(bytes([VERSION]) + zlib.compress(payload, 9)).decode().rstrip("=")
    if len(text) > MAX_LINK:
        raise _bad(f"{len(text)} characters", f"at most {MAX_LINK}; save a replay file instead")
    return text


def read_link(text: str) -> Link:
    """The link in a text, or in a whole address ending in ``replay=`` and the text.

    Raises ServerError (link) for whatever is no link: cut, damaged, of a newer version, beyond the limits. Whether the
    world has such starts, settings and actions shows when it is played.
    """
    payload = _inflate(text.rpartition("replay=")[2].partition("&")[0].strip())
    check, rest = payload[:CHECK_BYTES], payload[CHECK_BYTES:]
    packed_header, _, packed = rest.partition(b"\0")
    try:
        header = load_json(packed_header, MAX_NESTED)
    except ValueError as error:
        raise _bad(f"a header that is no JSON ({str(error)[:80]})", "a replay link") from error
    _check_header(header)
    actions = _unpack(header["type"], header["components"], packed)
    digests = bytes(8 * (len(actions) + 1))
    edits = {EDITS: header[EDITS]} if EDITS in header else {}
    data = {key: header[key] for key in FROM_HISTORY} | {
        "format": EDITED if edits else FORMAT,
        **edits,
        "first": 0,
        "actions": [None, *actions],
        "starts": [header["start"]],
        "digests": digests.hex(),
        "sha256": hashlib.sha256(digests).hexdigest(),
    }
    try:
        history = decode_history(data, "link")
    except ReverieError as error:
        raise ServerError("link", str(error)[:300]) from error
    return Link(replace(history, ticks=_without_digests(history.ticks)), check)


def _inflate(text: str) -> bytes:
    if len(text) > MAX_LINK:
        raise _bad(f"{len(text)} characters", f"at most {MAX_LINK}")
    if not TEXT.fullmatch(text) or len(text) % 4 == 1:
        raise _bad(f"{text[:40]!r}, {len(text)} characters", "letters, digits, - and _ of a whole link")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if data[0] != VERSION:
        raise _bad(f"version {data[0]}", f"{VERSION}; a newer Reverie may read it")
    stream = zlib.decompressobj()
    try:
        payload = stream.decompress(data[1:], MAX_INFLATED)
    except zlib.error as error:
        raise _bad("damaged text", "a whole link") from error
    if not stream.eof or stream.unused_data:
        raise _bad("text that was cut, or too much of it", f"a whole link of up to {MAX_INFLATED} bytes inflated")
    return payload


def _check_header(header: dict[str, Any]) -> None:
    """Raises ServerError where a value is not what ``decode_history`` may be given."""
    if set(header) - {EDITS} != KEYS:
        raise _bad(f"the keys {show(sorted(header))}", f"exactly {', '.join(sorted(KEYS))}")
    for key, limit in (("world", MAX_NAME), ("world_hash", MAX_HASH)):
        if not is_text(header[key], limit):
            raise _bad(f"{key} {show(header[key])}", f"a text of up to {limit} characters")
    start = header["start"]
    if not (isinstance(start, list) and len(start) == 2 and all(map(is_whole, start)) and max(start) < 2**63):
        raise _bad(f"start {show(start)}", "[start, seed], whole numbers below 2**63")
    made = header["made_with"]
    if not _are_settings(made):
        raise _bad(f"made_with {show(made)}", "a few plain values")
    _check_values(header, "settings", _are_settings)
    _check_values(header, "controller", lambda value: is_text(value, MAX_NAME))
    _check_values(header, "horizon", lambda value: value is None or (is_whole(value) and 0 < value < 2**31))


def _are_settings(value: Any) -> bool:
    return isinstance(value, dict) and len(value) <= MAX_LIST and all(map(is_setting, value.items()))


def _check_values(header: dict[str, Any], key: str, valid: Callable[[Any], bool]) -> None:
    changes = header[key]
    pairs = isinstance(changes, list) and all(isinstance(change, list) and len(change) == 2 for change in changes)
    if not pairs or not all(valid(value) for _, value in changes):
        raise _bad(f"{key} {show(changes)}", "pairs [tick, value] with values of its kind")


def _pack(actions: Sequence[Action | None]) -> tuple[str, int, bytes]:
    """Type of the numbers as NumPy names it, numbers an action (0: indices), and their little-endian bytes."""
    array = np.array(list(actions))
    components = array.shape[1] if array.ndim == 2 else 0
    with np.errstate(over="ignore"):
        for kind in CONTINUOUS if components else DISCRETE:
            packed = array.astype(f"<{kind}")
            if np.array_equal(packed, array):
                return kind, components, packed.tobytes()
    raise ValueError(f"make_link: got actions of type {array.dtype}, expected indices below 65536, or finite numbers")


def _unpack(kind: Any, components: Any, packed: bytes) -> list[Any]:
    """The inverse of ``_pack``, with continuous actions as lists."""
    if not (is_whole(components) and 0 <= components <= MAX_COMPONENTS):
        raise _bad(f"actions of {show(components)} numbers", f"0 to {MAX_COMPONENTS}")
    if not (isinstance(kind, str) and kind in (CONTINUOUS if components else DISCRETE)):
        raise _bad(f"actions of type {show(kind)}", "indices or numbers")
    count, over = divmod(len(packed), int(kind[1]) * max(1, components))
    if over or count >= MAX_TICKS:
        raise _bad(f"{len(packed)} bytes of actions", f"whole actions, fewer than {MAX_TICKS}")
    values = np.frombuffer(packed, f"<{kind}")
    if not np.isfinite(values).all():
        raise _bad("an action that is not finite", "finite numbers")
    return (values.reshape(count, components) if components else values).tolist()


def _without_digests(ticks: Sequence[Past]) -> tuple[Past, ...]:
    node: Past | None = None
    found = []
    for tick in ticks:
        node = replace(tick, before=node, digest=b"")
        found.append(node)
    return tuple(found)


def _bad(got: str, expected: str) -> ServerError:
    return ServerError("link", f"link: got {got}, expected {expected}")
