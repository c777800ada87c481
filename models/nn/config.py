"""Configurations from JSON, strictly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
PLAIN = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}
"""JSON's values for a field of a type."""


def strict(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Build a dataclass from JSON values, lists as tuples.

    Raises ValueError: no object, unknown or missing keys, a value of another type than its field.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where}: got {type(values).__name__}, expected an object")
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise ValueError(
            f"{where}: got unknown keys {unknown}, missing keys {missing}, expected exactly {sorted(names)}"
        )
    hints = get_type_hints(cls)
    for key, value in values.items():
        if not fits(value, hints[key]):
            want = hints[key].__name__ if hints[key] in PLAIN else str(hints[key]).removeprefix("typing.")
            raise ValueError(f"{where}.{key}: got {value!r}, expected {want}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of a field's type; a list is a tuple, a whole number a float. Other types pass."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            return False
        kinds = [parts[0]] * len(value) if parts[-1] is Ellipsis else parts
        return len(kinds) == len(value) and all(fits(item, kind) for item, kind in zip(value, kinds, strict=True))
    if hint in PLAIN:
        return isinstance(value, PLAIN[hint]) and isinstance(value, bool) == (hint is bool)
    return True
