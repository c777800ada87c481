"""A world's live settings as a client sees them, and the changes it may make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from engine.server.errors import ServerError
from engine.server.limits import Limits
from models.nn.precision import PRECISIONS

CHOICES: Mapping[str, tuple[str, ...]] = {"precision": PRECISIONS}
"""What settings that are a word may be, by name; the world itself is the judge."""
BOUNDS: Mapping[str, tuple[float, float]] = {"temperature": (0.0, 2.0)}
"""Settings that any world which has them takes within the same bounds, by name."""
STEPS = "steps"
"""The setting of a world that samples which decides what a frame costs."""


def values_of(settings: Any) -> dict[str, Any]:
    """A settings dataclass as JSON data by name; {} for a world without any."""
    return asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else {}


def dials_of(settings: Any, limits: Limits) -> list[dict[str, Any]]:
    """Every setting: name, kind (int, float, bool, choice, list), value, low and high (None: no bound), choices."""
    found = []
    bounds = bounds_of(settings)
    for name, value in values_of(settings).items():
        kind = _kind(value)
        dial = {"name": name, "kind": kind, "value": value, "low": None, "high": None}
        if name in bounds and kind in ("int", "float"):
            dial |= dict(zip(("low", "high"), bounds[name], strict=True))
        if name == STEPS and kind == "int":
            dial |= {"low": 1, "high": limits.max_sampler_steps}
        if kind == "choice":
            dial["choices"] = list(CHOICES.get(name, (value,)))
        found.append(dial)
    return found


def bounds_of(settings: Any) -> dict[str, tuple[float, float]]:
    """Least and greatest value of settings, by name: those of BOUNDS, and of fields whose metadata has low and high."""
    if not is_dataclass(settings):
        return {}
    found = {}
    for field in fields(settings):
        low, high = field.metadata.get("low"), field.metadata.get("high")
        if low is not None and high is not None:
            found[field.name] = (low, high)
        elif field.name in BOUNDS:
            found[field.name] = BOUNDS[field.name]
    return found


def check_changes(settings: Any, changes: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The changes with values of the settings' own types (lists as tuples); the world judges them further.

    Raises ServerError bad_value: an unknown name, another type, more sampler steps than allowed; unsupported: a world
    without settings.
    """
    if not is_dataclass(settings) or not fields(settings):
        raise ServerError("unsupported", "settings: got changes for a world without settings, expected none")
    now = values_of(settings)
    checked = {}
    for name, value in changes.items():
        if name not in now:
            known = ", ".join(now)
            raise ServerError("bad_value", f"settings: got the name {name[:60]!r}, expected one of {known}")
        checked[name] = _typed(name, value, _kind(now[name]))
    steps = checked.get(STEPS)
    if isinstance(steps, int) and not 1 <= steps <= limits.max_sampler_steps:
        raise ServerError(
            "bad_value", f"settings.steps: got {steps}, expected 1 to {limits.max_sampler_steps} on this server"
        )
    return checked


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "int" if isinstance(value, int) else "float"
    return "choice" if isinstance(value, str) else "list"


def _typed(name: str, value: Any, kind: str) -> Any:
    got = _kind(value)
    if kind == "float" and got == "int":
        return float(value)
    if kind == "int" and got == "float" and value.is_integer():
        return int(value)
    if got != kind:
        raise ServerError("bad_value", f"settings.{name}: got {value!r:.60}, expected a value of kind {kind}")
    return tuple(value) if kind == "list" else value
