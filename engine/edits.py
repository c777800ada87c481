"""Small changes of a view by hand: from what a face sends to the view's whole new value."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from engine.errors import ReverieError
from engine.history_codec import LARGEST
from models.types import View

Change = tuple[int, float]
"""Where in a view (an index into its values, row by row) and the number that goes there."""


def editable(views: Sequence[View], name: str) -> View:
    """The view of that name. Raises ReverieError where there is none, or it cannot be edited."""
    view = next((view for view in views if view.name == name), None)
    if view is None:
        known = ", ".join(v.name for v in views if v.editable) or "none here: step once while looking inside"
        raise ReverieError(f"edit: got the view {name[:60]!r}, expected one of those shown that can be edited: {known}")
    if not view.editable:
        raise ReverieError(f"edit: got the view {name!r}, which only shows; expected one that can be edited")
    return view


def changed(view: View, changes: Sequence[Change]) -> Tensor:
    """The view's value (1, ...) float32 with the changes made.

    In a one_hot_grid the row of each index becomes one-hot there, whatever the number. Raises ReverieError: no change,
    an index that the view does not have, a number that is too large or none.
    """
    value = view.value.detach().float().cpu().clone()
    flat = value.reshape(-1)
    if not changes:
        raise ReverieError(f"edit {view.name}: got no changes, expected at least one")
    for index, number in changes:
        if not 0 <= index < len(flat):
            raise ReverieError(f"edit {view.name}: got the index {index}, expected 0 to {len(flat) - 1}")
        if not (math.isfinite(number) and abs(number) <= LARGEST):
            raise ReverieError(f"edit {view.name}: got {number}, expected a number within ±{LARGEST:g}")
        if view.kind == "one_hot_grid":
            wide = value.shape[-1]
            flat[index - index % wide : index - index % wide + wide] = 0
            number = 1.0
        flat[index] = number
    return value
