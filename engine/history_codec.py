"""A history as plain JSON data, and back, strictly."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from engine.errors import ReverieError
from engine.history import Action, Edit, History, Past

FORMAT = 1
EDITED = 2
"""Format of a history with edits; one without is written as FORMAT, which an older Reverie reads."""
MAX_EDITS = 10_000
LARGEST = 1e6
"""Greatest number, either sign, of an edit from a file or a face."""
KEYS = {
    "format",
    "world",
    "world_hash",
    "first",
    "actions",
    "starts",
    "settings",
    "horizon",
    "controller",
    "digests",
    "sha256",
    "made_with",
}


def encode_history(history: History) -> dict[str, Any]:
    """JSON data of a history.

    actions: one a tick, null where a new start was made; starts: [start, seed] for every null, in order. settings,
    horizon, controller: [tick, value] wherever the value changes. digests: 16 hex digits a tick, see ``frame_digest``;
    sha256: of all digests. edits, where there are any: [tick, view, shape, data in base64] for every tick that is one.
    """
    ticks = history.ticks
    edits = [_edit_data(k, tick.edit) for k, tick in enumerate(ticks) if tick.edit is not None]
    return {
        "format": EDITED if edits else FORMAT,
        **({"edits": edits} if edits else {}),
        "world": history.world,
        "world_hash": history.world_hash,
        "first": history.first,
        "actions": [tick.action for tick in ticks],
        "starts": [[tick.start, tick.seed] for tick in ticks if tick.action is None],
        "settings": _changes(dict(tick.settings) for tick in ticks),
        "horizon": _changes(tick.horizon for tick in ticks),
        "controller": _changes(tick.controller for tick in ticks),
        "digests": b"".join(tick.digest for tick in ticks).hex(),
        "sha256": hashlib.sha256(b"".join(tick.digest for tick in ticks)).hexdigest(),
        "made_with": dict(history.made_with or {}),
    }


def decode_history(data: Any, source: str) -> History:
    """The inverse of ``encode_history``. Raises ReverieError naming ``source`` when the data is not such a history."""
    if not isinstance(data, dict):
        raise _bad(source, "the file", type(data).__name__, "a JSON object")
    version = data.get("format")
    if version not in (FORMAT, EDITED) or isinstance(version, bool):
        raise _bad(source, "format", version, f"{FORMAT}; a newer Reverie may read it")
    expected = KEYS | {"edits"} if version == EDITED else KEYS
    if set(data) != expected:
        wrong = sorted(set(data) ^ expected)
        raise _bad(source, "keys", wrong, f"exactly the keys of format {version}: these are missing or unknown")
    actions = [_action(source, action) for action in _check(source, data, "actions", list)]
    if not actions or actions[0] is not None:
        raise _bad(source, "actions", actions[:1], "a list that begins with null, the first start")
    count = len(actions)
    digests = _digests(source, data, count)
    starts = _starts(source, data, actions)
    settings = _spread(source, data, "settings", count, lambda value: isinstance(value, dict))
    horizon = _spread(source, data, "horizon", count, lambda value: value is None or (_whole(value) and value > 0))
    controller = _spread(source, data, "controller", count, lambda value: isinstance(value, str))
    edits = _edits(source, data, actions) if version == EDITED else {}
    first = _check(source, data, "first", int)
    if not 0 <= first < count:
        raise _bad(source, "first", first, f"a tick from 0 to {count - 1}")
    node: Past | None = None
    ticks = []
    for k in range(count):
        values = (actions[k], *starts[k], settings[k], horizon[k], controller[k], digests[k])
        node = Past(node, *values, edits.get(k))
        ticks.append(node)
    world, world_hash = _check(source, data, "world", str), _check(source, data, "world_hash", str)
    return History(world, world_hash, tuple(ticks), first, _check(source, data, "made_with", dict))


def _changes(values: Iterable[Any]) -> list[list[Any]]:
    found: list[list[Any]] = []
    for k, value in enumerate(values):
        if not found or found[-1][1] != value:
            found.append([k, value])
    return json.loads(json.dumps(found))


def _spread(source: str, data: dict[str, Any], key: str, count: int, valid: Callable[[Any], bool]) -> list[Any]:
    """[tick, value] wherever it changes, back to one value a tick."""
    changes = _check(source, data, key, list)
    ticks = [change[0] for change in changes if isinstance(change, list) and len(change) == 2 and _whole(change[0])]
    if len(ticks) != len(changes) or ticks[:1] != [0] or ticks != sorted(set(ticks)) or ticks[-1] >= count:
        raise _bad(source, key, changes[:3], "pairs [tick, value], ticks rising from 0")
    if not all(valid(change[1]) for change in changes):
        raise _bad(source, key, [change[1] for change in changes], "values of its kind")
    ends = [*ticks[1:], count]
    return [change[1] for change, end in zip(changes, ends, strict=True) for _ in range(end - change[0])]


def _starts(source: str, data: dict[str, Any], actions: list[Action | None]) -> list[tuple[int, int]]:
    starts = _check(source, data, "starts", list)
    pairs = [tuple(s) for s in starts if isinstance(s, list) and len(s) == 2 and all(_whole(v) and v >= 0 for v in s)]
    if len(pairs) != len(starts) or len(pairs) != actions.count(None):
        raise _bad(
            source, "starts", starts[:3], f"{actions.count(None)} pairs [start, seed], one for every null action"
        )
    remaining = iter(pairs)
    spread: list[Any] = []
    for action in actions:
        spread.append(next(remaining) if action is None else spread[-1])
    return spread


def _digests(source: str, data: dict[str, Any], count: int) -> list[bytes]:
    text = _check(source, data, "digests", str)
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != 8 * count:
        raise _bad(source, "digests", f"{len(text)} characters", f"16 hex digits for each of {count} ticks")
    if hashlib.sha256(raw).hexdigest() != data["sha256"]:
        raise _bad(source, "sha256", data["sha256"], "the sha256 of the digests: the file was damaged or edited")
    return [raw[8 * k : 8 * k + 8] for k in range(count)]


def _edit_data(tick: int, edit: Edit) -> list[Any]:
    return [tick, edit.name, list(edit.shape), base64.b64encode(edit.data).decode()]


def _edits(source: str, data: dict[str, Any], actions: list[Action | None]) -> dict[int, Edit]:
    """By tick, checked as far as that goes without the world."""
    rows = _check(source, data, "edits", list)
    found: dict[int, Edit] = {}
    if not 0 < len(rows) <= MAX_EDITS:
        raise _bad(source, "edits", f"{len(rows)} of them", f"1 to {MAX_EDITS}")
    for row in rows:
        try:
            tick, name, shape, text = row
            edit = Edit(name, tuple(shape), base64.b64decode(text, validate=True))
            valid = _whole(tick) and isinstance(name, str) and 0 < len(name) <= 100 and all(map(_whole, shape))
            if not (valid and 0 < tick < len(actions) and tick not in found and actions[tick] is not None):
                raise ValueError("a tick that is no step, or a view without a name")
            if not bool((edit.value().abs() <= LARGEST).all()):
                raise ValueError(f"numbers that are not within ±{LARGEST:g}")
        except (ValueError, TypeError, binascii.Error) as error:
            raise _bad(source, "edits", str(row)[:60], f"[tick, view, shape, data] of a tick ({error})") from error
        found[tick] = edit
    return found


def _action(source: str, action: Any) -> Action | None:
    if action is None or _whole(action):
        return action
    if isinstance(action, list) and all(isinstance(v, int | float) and not isinstance(v, bool) for v in action):
        return tuple(float(value) for value in action)
    raise _bad(source, "actions", action, "null, an index, or a list of numbers")


def _check(source: str, data: dict[str, Any], key: str, kind: type[Any]) -> Any:
    value = data[key]
    if not isinstance(value, kind) or (kind is int and not _whole(value)):
        raise _bad(source, key, repr(value)[:80], kind.__name__)
    return value


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bad(source: str, key: str, got: Any, expected: str) -> ReverieError:
    return ReverieError(f"{source}: {key}: got {got}, expected {expected}")
