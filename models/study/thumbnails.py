"""Many small pictures as one WebP sheet, as fine as fits into a number of bytes."""

from __future__ import annotations

import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 64
"""Pixels of a thumbnail's longer side, at most."""
QUALITIES = (100, 90, 80, 65, 50, 30, 10)
"""Tried in turn until the sheet is small enough; 100 is without any loss."""
COLUMNS = 32


def thumbnails(frames: Tensor) -> Tensor:
    """Frames (N, 3, H, W) uint8 made smaller by a whole number until no side is longer than SIDE pixels."""
    factor = math.ceil(max(frames.shape[-2:]) / SIDE)
    if factor == 1:
        return frames
    return F.avg_pool2d(frames.float(), factor).round().to(torch.uint8)


def sheet(pictures: Tensor, most: int) -> bytes:
    """Pictures (N, 3, h, w) uint8 as one WebP file of at most ``most`` bytes.

    Raises ValueError where even the coarsest is larger.
    """
    from PIL import Image

    n, _, h, w = pictures.shape
    rows = math.ceil(n / COLUMNS)
    blank = pictures.new_zeros(rows * COLUMNS - n, 3, h, w)
    grid = torch.cat([pictures, blank]).reshape(rows, COLUMNS, 3, h, w).permute(0, 3, 1, 4, 2)
    image = Image.fromarray(grid.reshape(rows * h, COLUMNS * w, 3).numpy())
    for quality in QUALITIES:
        out = io.BytesIO()
        image.save(out, "WEBP", lossless=quality == 100, quality=quality)
        if len(out.getvalue()) <= most:
            return out.getvalue()
    raise ValueError(f"thumbnails: got {n} pictures of {h} x {w}, expected fewer; they do not fit into {most} bytes")


def pictures_of(content: bytes, count: int, height: int, width: int) -> Tensor:
    """The inverse of ``sheet``: (count, 3, height, width) uint8. Raises ValueError for what is no such sheet."""
    from PIL import Image

    rows = math.ceil(count / COLUMNS)
    want = (COLUMNS * width, rows * height)
    try:
        with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
            if image.size != want:
                raise ValueError(f"got a sheet of {image.size} pixels, expected {want}")
            flat = torch.from_numpy(np.asarray(image.convert("RGB")).copy())
    except (OSError, SyntaxError) as error:
        raise ValueError(f"got {len(content)} bytes that are no sheet of pictures ({error})") from error
    grid = flat.reshape(rows, height, COLUMNS, width, 3).permute(0, 2, 4, 1, 3)
    return grid.reshape(rows * COLUMNS, 3, height, width)[:count].contiguous()
