"""Configurations from JSON, strictly."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def strict(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Build a dataclass from JSON values, lists as tuples. Unknown or missing keys raise ValueError."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if set(values) != names:
        unknown, missing = sorted(set(values) - names), sorted(names - set(values))
        raise ValueError(
            f"{where}: got unknown keys {unknown}, missing keys {missing}, expected exactly {sorted(names)}"
        )
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})
