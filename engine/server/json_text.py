"""JSON objects as text on a wire: written without NaN, read with suspicion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def dump_json(fields: Mapping[str, Any]) -> bytes:
    """Compact ASCII JSON; NaN and infinite numbers become null. Raises TypeError for what JSON cannot hold."""
    try:
        text = json.dumps(fields, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(fields), separators=(",", ":"))
    return text.encode()


def load_json(data: bytes, nested: int | None = None) -> dict[str, Any]:
    """The object in UTF-8 JSON.

    Raises ValueError: no JSON, no object, a key given twice, NaN or infinity, more than ``nested`` opening brackets
    (those within text are counted too, which bounds the depth at the price of one look).
    """
    if nested is not None and data.count(b"[") + data.count(b"{") > nested:
        raise ValueError(f"more than {nested} brackets")
    try:
        value = json.loads(data.decode(), parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _finite(value: Any) -> Any:
    """The same data with None for NaN and infinite numbers."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return found
