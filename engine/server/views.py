"""Looks inside a world as messages: what each kind of view is sent as. The bytes: docs/protocol.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.server.messages import Codec
from engine.server.pictures import encode
from engine.server.protocol import encode_views
from models.types import View

MOST_BYTES = 1 << 20
"""What the views of one frame may take together; those beyond are left out."""
MOST_LABELS = 64


class Looks:
    """The looks inside that one connection is sent, in the order in which they are; not thread-safe.

    A view that is the very one of the look before is not sent again: what was asked once stands there for minutes.
    """

    def __init__(self) -> None:
        self._sent: Mapping[str, View] = {}

    def message(self, seq: int, views: Sequence[View], codec: Codec) -> bytes:
        """The message of a frame's views (of a batch of 1 each), in order, as many as fit; the first of a name."""
        told: list[dict[str, Any]] = []
        parts: list[bytes] = []
        size, sent = 0, dict[str, View]()
        for view in views:
            if view.name in sent:
                continue
            same = self._sent.get(view.name) is view
            facts, data = ({"name": view.name, "same": True}, b"") if same else view_data(view, codec)
            if size + len(data) > MOST_BYTES:
                continue
            told.append({**facts, "offset": size, "bytes": len(data)})
            parts.append(data)
            size += len(data)
            sent[view.name] = view
        self._sent = sent
        return encode_views(seq, told, b"".join(parts))


def view_data(view: View, codec: Codec) -> tuple[dict[str, Any], bytes]:
    """What is told of a view, and its values as bytes: film strips and grids of pictures as one, the others as numbers.

    feature_maps are rounded to 256 levels from ``low`` to ``high``; all else is sent as it is, in 32 bits.
    """
    value = view.value[0].detach().cpu().numpy()
    facts: dict[str, Any] = {
        "name": view.name,
        "kind": view.kind,
        "shape": list(value.shape),
        "labels": list(view.labels[:MOST_LABELS]),
        "columns": list(view.columns[:MOST_LABELS]),
        "editable": view.editable,
    }
    if view.kind == "film_strip":
        strip = np.ascontiguousarray(value.transpose(2, 0, 3, 1).reshape(value.shape[2], -1, 3))
        return {**facts, "type": codec}, encode(strip, codec)
    if view.kind == "picture_grid":
        rows, columns, _, height, width = value.shape
        grid = value.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
        return {**facts, "type": codec}, encode(np.ascontiguousarray(grid), codec)
    if view.kind == "feature_maps":
        low, high, levels = rounded(value)
        return {**facts, "type": "u1", "low": low, "high": high}, levels.tobytes()
    return {**facts, "type": "f4"}, np.ascontiguousarray(value, "<f4").tobytes()


def rounded(value: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Least and greatest value, and uint8 levels between them."""
    value = np.nan_to_num(value.astype(np.float32))
    low, high = float(value.min()), float(value.max())
    levels = (value - low) * (255 / (high - low) if high > low else 0.0)
    return low, high, np.rint(levels).astype(np.uint8)
