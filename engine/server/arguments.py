"""What the JSON of a HELLO or a CONTROL message may hold: every key, its type and its range."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.server.errors import ServerError
from engine.server.messages import CODECS, Control, Hello, Resume

PROTOCOL = 2
"""The version of the protocol. It rises with every change that an older client could not live with."""
MAX_LINK = 60_000
"""Characters of a replay link's text: it has to fit a HELLO."""
MAX_NAME = 100
"""Characters of a name: of a world, a setting, a session."""
MAX_TEXT = 200
"""Characters of a setting's value."""
MAX_LIST = 32
"""Values of one setting, and settings in one message."""
MAX_EDITS = 16
"""Values of a view that one order changes."""
MAX_NOTE = 200
"""Characters of the note on a glitch."""
STUDIES = ("every_action", "sequences", "seeds", "unsure", "check", "clear")
"""What can be asked of the present moment; ``clear`` takes back what was asked."""
MAX_SEQUENCES, MAX_ACTIONS = 8, 32
"""Action sequences of one study, and actions of each."""
MAX_COUNT = 64
"""Samples, or seeds, of one study: what the server allows is less, see its limits."""
MAX_WHOLE = 2**53 - 1
"""The largest whole number that JSON carries exactly between all languages."""


@dataclass(frozen=True)
class Argument:
    """One key's value: whether it is valid, what was expected in words, and whether null (or its absence) will do."""

    valid: Callable[[Any], bool]
    expected: str
    optional: bool = False


def whole(low: int, high: int, optional: bool = False) -> Argument:
    return Argument(lambda v: is_whole(v) and low <= v <= high, f"a whole number from {low} to {high}", optional)


def number(low: float, high: float) -> Argument:
    return Argument(lambda v: _is_number(v) and low <= v <= high, f"a number from {low} to {high}")


def choice(*names: str) -> Argument:
    return Argument(lambda v: isinstance(v, str) and v in names, f"one of {', '.join(names)}")


def text(limit: int, optional: bool = False) -> Argument:
    return Argument(lambda v: is_text(v, limit), f"printable text of 1 to {limit} characters", optional)


FLAG = Argument(lambda v: isinstance(v, bool), "true or false")
REAL = Argument(lambda v: isinstance(v, bool) or v in ("grounded", "lockstep"), 'true, false, "grounded" or "lockstep"')
START = whole(0, 2**31 - 1, optional=True)
SEED = whole(0, MAX_WHOLE, optional=True)
SLOT = whole(1, 9)
CHANGES = Argument(
    lambda v: isinstance(v, dict) and 0 < len(v) <= MAX_LIST and all(map(is_setting, v.items())),
    f"an object of 1 to {MAX_LIST} settings, each true, false, a number, text or a list of such",
)
EDITS = Argument(
    lambda v: isinstance(v, list) and 0 < len(v) <= MAX_EDITS and all(map(is_change, v)),
    f"a list of 1 to {MAX_EDITS} pairs, a whole number from 0 and a number",
)
SEQUENCES = Argument(
    lambda v: isinstance(v, list) and 0 < len(v) <= MAX_SEQUENCES and all(map(is_sequence, v)),
    f"a list of 1 to {MAX_SEQUENCES} lists of 1 to {MAX_ACTIONS} names of actions",
    optional=True,
)
ID = whole(0, MAX_WHOLE)

VERBS: Mapping[str, Mapping[str, Argument]] = {
    "pause": {},
    "resume": {},
    "step": {},
    "speed": {"factor": number(0.05, 16)},
    "rewind": {"hold": FLAG},
    "scrub": {"frames": whole(-100_000, 100_000)},
    "go_to": {"position": whole(0, 2**31 - 1)},
    "save": {"slot": SLOT},
    "load": {"slot": SLOT},
    "fork": {},
    "branch": {"index": whole(0, 65_535)},
    "start": {"start": START, "seed": SEED},
    "controller": {"name": choice("human", "random", "agent", "again")},
    "real": {
        "on": REAL,
        "against": text(MAX_NAME, optional=True),
        "episode": text(MAX_NAME, optional=True),
    },
    "anchor": {},
    "study": {
        "what": choice(*STUDIES),
        "frames": whole(1, MAX_ACTIONS, optional=True),
        "count": whole(2, MAX_COUNT, optional=True),
        "sequences": SEQUENCES,
    },
    "flag": {"note": text(MAX_NOTE, optional=True)},
    "glitch": {"name": text(MAX_NAME)},
    "inspect": {"on": FLAG},
    "edit": {"view": text(MAX_NAME), "changes": EDITS},
    "settings": {"changes": CHANGES},
    "horizon": {"frames": whole(1, 10_000_000, optional=True)},
    "world": {"name": text(MAX_NAME), "start": START, "seed": SEED},
    "record": {"format": choice("mp4", "gif"), "seconds": number(1, 600)},
    "link": {},
    "save_file": {},
    "replay": {"link": text(MAX_LINK)},
    "visible": {"on": FLAG},
    "bye": {},
}
"""Every order and its arguments."""

HELLO: Mapping[str, Argument] = {
    "world": text(MAX_NAME, optional=True),
    "start": START,
    "seed": SEED,
    "replay": text(MAX_LINK, optional=True),
    "resume": Argument(lambda v: isinstance(v, dict), "an object with session and key", optional=True),
    "pictures": Argument(
        lambda v: isinstance(v, list) and 0 < len(v) <= MAX_LIST and any(isinstance(c, str) and c in CODECS for c in v),
        f"a list with at least one of {', '.join(CODECS)}",
    ),
}
RESUME: Mapping[str, Argument] = {"session": text(MAX_NAME), "key": text(MAX_NAME)}


def read_hello(data: Mapping[str, Any]) -> Hello:
    """The HELLO of a JSON object. Raises ServerError, fatal: another version, or a value out of place."""
    version = data.get("protocol")
    if not is_whole(version) or version != PROTOCOL:
        raise ServerError(
            "version",
            f"HELLO.protocol: got {show(version)}, expected {PROTOCOL}; reload the page to get the client that fits",
            True,
        )
    try:
        rest = _read("HELLO", HELLO, {key: value for key, value in data.items() if key != "protocol"})
        resume = None if rest["resume"] is None else Resume(**_read("HELLO.resume", RESUME, rest["resume"]))
    except ValueError as error:
        raise ServerError("bad_value", str(error), True) from error
    pictures = tuple(codec for codec in CODECS if codec in rest["pictures"])
    return Hello(rest["world"], rest["start"], rest["seed"], rest["replay"], resume, pictures)


def read_control(data: Mapping[str, Any]) -> Control:
    """The CONTROL of a JSON object.

    Raises ServerError: fatal without an id to answer to, else with that id: an unknown order, a wrong argument.
    """
    id: Any = data.get("id")
    do: Any = data.get("do")
    if not ID.valid(id) or not isinstance(do, str):
        got = f"id {show(id)} and do {show(do)}"
        raise ServerError("protocol", f"CONTROL: got {got}, expected {ID.expected} and an order's name", True)
    if do not in VERBS:
        known = ", ".join(VERBS)
        raise ServerError("unsupported", f"CONTROL.do: got {show(do)}, expected one of {known}", id=id, do=do[:60])
    try:
        args = _read(do, VERBS[do], {key: value for key, value in data.items() if key not in ("id", "do")})
    except ValueError as error:
        raise ServerError("bad_value", str(error), id=id, do=do) from error
    return Control(id, do, args)


def show(value: Any) -> str:
    """A value from outside, short and printable, for a message."""
    got = repr(value)
    return got if len(got) <= 60 else got[:60] + "..."


def _read(name: str, arguments: Mapping[str, Argument], data: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, all of them, None where an optional one is absent. Raises ValueError: got, expected."""
    if unknown := sorted(set(data) - set(arguments)):
        raise ValueError(f"{name}: got the key {show(unknown[0])}, expected {', '.join(arguments) or 'no arguments'}")
    for key, argument in arguments.items():
        value = data.get(key)
        if not (argument.optional if value is None else argument.valid(value)):
            raise ValueError(f"{name}.{key}: got {show(value)}, expected {argument.expected}")
    return {key: data.get(key) for key in arguments}


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    """A number, no bool, that a double holds: neither NaN nor infinite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 <= value <= 1e300


def is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= limit and value.isprintable()


def is_setting(item: tuple[Any, Any]) -> bool:
    name, value = item
    values = value if isinstance(value, list) else [value]
    return is_text(name, MAX_NAME) and len(values) <= MAX_LIST and all(map(_is_scalar, values))


def is_change(change: Any) -> bool:
    """An index and the number that goes there."""
    return isinstance(change, list) and len(change) == 2 and START.valid(change[0]) and _is_number(change[1])


def is_sequence(value: Any) -> bool:
    """Some names of actions."""
    return isinstance(value, list) and 0 < len(value) <= MAX_ACTIONS and all(is_text(name, MAX_NAME) for name in value)


def _is_scalar(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    return is_text(value, MAX_TEXT) or (_is_number(value) and abs(value) <= MAX_WHOLE)
