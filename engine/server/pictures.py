"""Frames as picture files: PNG and WebP without loss, JPEG where those grow too large. The rule: docs/protocol.md."""

from __future__ import annotations

import io
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.server.messages import CODECS, Codec

LOSSLESS: tuple[Codec, ...] = ("png", "webp")
LOSSLESS_BYTES = 24 * 1024
"""The largest a frame may be without loss, where the client takes JPEG instead."""
BYTES_PER_MS = 2500.0
"""A connection of 20 Mbit/s: what a byte costs beside the time of encoding it."""
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Picture:
    """An encoded frame, and the milliseconds that took."""

    codec: Codec
    data: bytes
    ms: float


def encode(image: np.ndarray, codec: Codec) -> bytes:
    """The file of an image (H, W, 3) uint8. Raises ValueError for any other array or codec."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: got {image.shape} {image.dtype}, expected (H, W, 3) uint8")
    if codec == "webp":
        return _webp(image)
    import cv2

    if codec == "png":
        return _opencv(".png", image, [])
    if codec == "jpeg":
        full_colour = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
        return _opencv(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, *full_colour])
    raise ValueError(f"codec: got {codec!r}, expected one of {', '.join(CODECS)}")


def take_picture(image: np.ndarray, codec: Codec) -> Picture:
    """``encode``, timed."""
    begin = time.perf_counter()
    data = encode(image, codec)
    return Picture(codec, data, (time.perf_counter() - begin) * 1000)


def choose_codec(images: Sequence[np.ndarray], accepted: Collection[str]) -> Codec:
    """The format for frames like ``images`` (each (H, W, 3) uint8, real ones of the world) of those a client takes.

    Without loss while the largest frame has up to LOSSLESS_BYTES, of such formats the one that costs the least time to
    encode and to send over BYTES_PER_MS; else JPEG. Raises ValueError without images or without a known format.
    """
    known: list[Codec] = [codec for codec in CODECS if codec in accepted]
    if not known or not len(images):
        raise ValueError(
            f"choose_codec: got {len(images)} images and {sorted(accepted)}, expected some of {list(CODECS)}"
        )
    if len(known) == 1:
        return known[0]
    tried = {codec: _try(images, codec) for codec in LOSSLESS if codec in known}
    small = {codec: cost for codec, (largest, cost) in tried.items() if largest <= LOSSLESS_BYTES}
    if not small and "jpeg" in known:
        return "jpeg"
    costs = small or {codec: cost for codec, (_, cost) in tried.items()}
    return min(costs, key=costs.__getitem__)


def _try(images: Sequence[np.ndarray], codec: Codec) -> tuple[int, float]:
    """Bytes of the largest picture; milliseconds to encode (the quickest, so that hiccups fall out) and send one."""
    encode(images[0], codec)
    pictures = [take_picture(image, codec) for image in images]
    sizes = [len(picture.data) for picture in pictures]
    return max(sizes), min(picture.ms for picture in pictures) + sum(sizes) / len(sizes) / BYTES_PER_MS


def _webp(image: np.ndarray) -> bytes:
    """Pillow's quickest lossless WebP: OpenCV has only the thorough one, over ten times as slow."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()


def _opencv(extension: str, image: np.ndarray, options: Sequence[int]) -> bytes:
    import cv2

    done, data = cv2.imencode(extension, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise ValueError(f"image: got {image.shape}, expected one that OpenCV writes as {extension}")
    encoded: Any = data.tobytes()
    return bytes(encoded)
