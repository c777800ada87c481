"""The look of the window: a calm dark one. Colours are (r, g, b), sizes are pixels at scale 1."""

from __future__ import annotations

Colour = tuple[int, int, int]

BACKGROUND: Colour = (13, 15, 19)
STAGE: Colour = (8, 9, 12)
PANEL: Colour = (20, 23, 29)
RAISED: Colour = (31, 35, 43)
LINE: Colour = (42, 47, 57)
TEXT: Colour = (230, 233, 239)
MUTED: Colour = (148, 156, 171)
FAINT: Colour = (92, 99, 113)
ACCENT: Colour = (126, 164, 247)
GOOD: Colour = (134, 210, 146)
BAD: Colour = (240, 138, 128)
WARM: Colour = (233, 196, 116)
FORK: Colour = (196, 150, 232)
CLASH: Colour = (255, 120, 190)
FLAG: Colour = (120, 220, 226)

TINY, SMALL, BODY, HEAD, BIG = 11, 12, 14, 18, 34
SMALLEST_TEXT = 10


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """``share`` (0 to 1) of ``other`` over ``one``."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
