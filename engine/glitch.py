"""One flagged glitch: the folder that holds it, and what its glitch.json says."""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import ReverieError
from engine.recorder import replay_beside
from engine.session import PREFIXES, Real

FORMAT = 1
ABOUT, MOMENT, FILM, CLIP = "glitch.json", "moment.safetensors", "film.safetensors", "clip.mp4"
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAX_ABOUT = 1_000_000
"""Bytes of the largest glitch.json."""
LATEST = 1 << 40
"""No number in a glitch.json is larger: Unix times, frames, seconds."""
KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("world", "world_hash", "note", "beside"), (str,)),
    **dict.fromkeys(("index", "steps"), (int,)),
    **dict.fromkeys(("seconds", "at"), (int, float)),
    **dict.fromkeys(("alarms", "episodes"), (list,)),
    "mode": (bool, str),
    "truth": (bool,),
    "sha256": (dict,),
}
"""Of the values in a glitch.json."""


@dataclass(frozen=True)
class Glitch:
    """A flagged glitch, as its glitch.json tells.

    world, world_hash: the session's. mode: where it played, see ``engine.session``. index: of the flagged frame since
    its start. steps: kept that led to it; seconds: of game time. at: when, Unix time. alarms: (name, text) of those
    that were on. truth: whether what was seen beside the dream is the real game. beside: the file of the episode that
    the dream was beside, "" without one. episodes: files with what was seen. sha256: of every other file.
    """

    path: Path
    world: str
    world_hash: str
    mode: Real
    note: str
    index: int
    steps: int
    seconds: float
    at: float
    alarms: tuple[tuple[str, str], ...]
    truth: bool
    beside: str
    episodes: tuple[str, ...]
    sha256: dict[str, str]

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def clip(self) -> Path:
        """The clip of the last seconds: reality, dream and their difference side by side where both were seen."""
        return self.path / CLIP

    @property
    def replay(self) -> Path:
        return replay_beside(self.clip)

    def check(self) -> Glitch:
        """Return self if every file is there and undamaged, else raise ReverieError."""
        for file, digest in self.sha256.items():
            path = self.path / file
            if not path.is_file() or sha256_of(path) != digest:
                got = "another file than was written" if path.is_file() else "no such file"
                raise ReverieError(f"{path}: got {got}, expected that of the glitch; the glitch is damaged: remove it")
        return self


def read_about(path: Path) -> Glitch:
    """What a glitch's folder says of it. Raises ReverieError: no such glitch, a damaged one, one of a newer format."""
    about = path / ABOUT
    try:
        if about.stat().st_size > MAX_ABOUT:
            raise ValueError(f"{about.stat().st_size} bytes")
        data = json.loads(about.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ReverieError(f"{path}: got no {ABOUT} there, expected a glitch; `reverie glitches` lists them") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ReverieError(
            f"{about}: got a file that cannot be read ({error}), expected a glitch; remove it"
        ) from error
    version = data.get("format") if isinstance(data, dict) else None
    if version != FORMAT or isinstance(version, bool):
        raise ReverieError(f"{about}: got format {version!r}, expected {FORMAT}; a newer Reverie may read it")
    problem = _problem(data)
    if problem:
        raise ReverieError(f"{about}: got {problem}, expected what Reverie writes; the glitch is damaged: remove it")
    values = {key: value for key, value in data.items() if key != "format"}
    alarms = tuple((name, text) for name, text in data["alarms"])
    return Glitch(path=path, **{**values, "alarms": alarms, "episodes": tuple(data["episodes"])})


def printable(text: str) -> str:
    """A text without what no file or terminal takes: control characters but line ends and tabs, and half characters."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _problem(data: dict[str, Any]) -> str | None:
    """What of a glitch.json's data does not fit; None where all does."""
    keys = {field.name for field in fields(Glitch)} - {"path"} | {"format"}
    if set(data) != keys:
        return f"the keys {str(sorted(set(data) ^ keys))[:200]} too many or too few"
    for key, kinds in KINDS.items():
        if not isinstance(data[key], kinds) or (isinstance(data[key], bool) and bool not in kinds):
            return f"{key} {str(data[key])[:60]!r}"
    for key in ("index", "steps", "seconds", "at"):
        if not 0 <= data[key] <= LATEST or not math.isfinite(data[key]):
            return f"{key} {str(data[key])[:60]!r}"
    if data["mode"] not in tuple(PREFIXES):
        return f"mode {str(data['mode'])[:60]!r}"
    names = [*data["episodes"], *data["sha256"]]
    if not all(isinstance(name, str) and ID.fullmatch(name) for name in names):
        return "names of files that are none"
    if not {MOMENT, FILM, CLIP, *data["episodes"]} <= set(data["sha256"]):
        return f"the files {sorted(data['sha256'])}"
    pairs = [
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) for t in pair) for pair in data["alarms"]
    ]
    if not all(pairs):
        return "alarms that are none"
    texts = [*(data[key] for key in ("world", "world_hash", "note", "beside")), *(t for p in data["alarms"] for t in p)]
    return None if all(printable(text) == text for text in texts) else "a text with characters that are none"
