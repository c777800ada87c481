"""Pictures of frames: the same pixels where no loss was promised, and a choice by what was measured."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from engine.server import pictures
from engine.server.messages import CODECS, Codec
from engine.server.pictures import LOSSLESS, LOSSLESS_BYTES, Picture, choose_codec, encode, take_picture

ALL = tuple(CODECS)


def noise(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """An image that no format can shrink."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int = 48, width: int = 80) -> np.ndarray:
    """A red ramp from left to right, a green one downwards, little blue."""
    image = np.full((height, width, 3), 30, dtype=np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None]
    image[..., 1] = np.linspace(255, 0, height)[:, None]
    return image


def decoded(data: bytes) -> tuple[str, np.ndarray]:
    with Image.open(io.BytesIO(data)) as picture:
        return str(picture.format).lower(), np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize(
    "image", [noise(), smooth(), noise(1, 1), noise(3, 500)], ids=["noise", "smooth", "1x1", "wide"]
)
def test_without_loss(codec: Codec, image: np.ndarray) -> None:
    """Catches: red and blue swapped, rows that are mirrored, a lossy format taken for a lossless one."""
    kind, pixels = decoded(encode(image, codec))
    assert kind == codec
    assert np.array_equal(pixels, image)


def test_jpeg_keeps_colours() -> None:
    """Catches: red and blue swapped where pixels need not be equal; halved colour, which smears the ball."""
    kind, pixels = decoded(encode(smooth(), "jpeg"))
    assert kind == "jpeg"
    assert np.abs(pixels.astype(int) - smooth()).max() < 12
    dots = np.zeros((32, 32, 3), dtype=np.uint8)
    dots[::4, ::4] = (255, 0, 0)
    seen = decoded(encode(dots, "jpeg"))[1][::4, ::4].astype(int)
    assert (seen[..., 0] - seen[..., 2]).min() > 180


def test_views_of_arrays() -> None:
    """Catches: an encoder that reads the memory behind a cut or mirrored array instead of its pixels."""
    image = noise(40, 40)[4:20:2, ::-1]
    for codec in LOSSLESS:
        assert np.array_equal(decoded(encode(image, codec))[1], image)


def test_what_is_no_image() -> None:
    """Catches: floats or channels-first frames that come out as some picture."""
    for image in (np.zeros((3, 8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8), np.uint8)):
        with pytest.raises(ValueError, match=r"image: got .*, expected \(H, W, 3\) uint8"):
            encode(image, "png")
    with pytest.raises(ValueError, match="codec: got 'gif'"):
        encode(noise(), "gif")  # type: ignore[arg-type]


def test_a_picture_tells_its_time() -> None:
    """Catches: milliseconds told as seconds, or bytes of another format than named."""
    picture = take_picture(noise(), "webp")
    assert picture.codec == decoded(picture.data)[0]
    assert picture.ms >= 0.01


def test_small_frames_lose_nothing() -> None:
    """Catches: a game of few pixels shown with the smears of JPEG, though JPEG is smaller and quicker to make."""
    image = smooth(64, 64) ^ (noise() & 3)
    assert len(encode(image, "jpeg")) < min(len(encode(image, codec)) for codec in LOSSLESS)
    assert choose_codec([image], ALL) in LOSSLESS


def test_large_frames_become_jpeg() -> None:
    """Catches: frames of a hundred kilobytes, which a slow connection shows late; one small frame among them."""
    assert len(encode(noise(100, 100), "png")) > LOSSLESS_BYTES
    assert choose_codec([smooth(), noise(100, 100)], ALL) == "jpeg"
    assert choose_codec([noise(100, 100)], ["png", "webp"]) in LOSSLESS


@pytest.mark.parametrize("codec", ALL)
def test_what_a_client_takes(codec: Codec) -> None:
    """Catches: a format that the client said it cannot show."""
    assert choose_codec([noise()], [codec, "avif"]) == codec
    assert choose_codec([noise(200, 200)], (codec,)) == codec


@pytest.mark.parametrize(
    ("png", "webp", "chosen"),
    [
        ((4000, 1.0), (2000, 1.0), "webp"),
        ((4000, 0.1), (3900, 0.2), "png"),
        ((4000, 0.1), (2000, 0.2), "webp"),
        ((2000, 0.2), (2000, 5.0), "png"),
        ((LOSSLESS_BYTES + 1, 0.1), (LOSSLESS_BYTES, 50.0), "webp"),
        ((LOSSLESS_BYTES, 50.0), (LOSSLESS_BYTES + 1, 0.1), "png"),
        ((LOSSLESS_BYTES + 1, 0.1), (LOSSLESS_BYTES + 1, 0.1), "jpeg"),
    ],
)
def test_the_choice_is_by_bytes_and_time(
    monkeypatch: pytest.MonkeyPatch, png: tuple[int, float], webp: tuple[int, float], chosen: str
) -> None:
    """Catches: a choice that looks at bytes alone, at time alone, or past the limit."""
    cost = {"png": png, "webp": webp, "jpeg": (10, 0.01)}

    def fake(image: np.ndarray, codec: Codec) -> Picture:
        return Picture(codec, bytes(cost[codec][0]), cost[codec][1])

    monkeypatch.setattr(pictures, "take_picture", fake)
    assert choose_codec([noise(), noise()], ALL) == chosen


@pytest.mark.parametrize(("images", "accepted"), [([], ALL), ([noise()], []), ([noise()], ["avif"])])
def test_nothing_to_choose_from(images: Sequence[np.ndarray], accepted: Sequence[str]) -> None:
    """Catches: a format made up where none can be right."""
    with pytest.raises(ValueError, match="choose_codec: got"):
        choose_codec(images, accepted)
