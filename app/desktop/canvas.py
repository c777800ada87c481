"""Drawing on a Pygame surface: text, smooth round boxes, key caps. Everything that costs is cached."""

from __future__ import annotations

from functools import lru_cache

import pygame

from app.desktop import theme
from app.desktop.theme import Colour
from app.paths import ASSETS

FONTS = {False: ASSETS / "fonts" / "Inter-Regular.otf", True: ASSETS / "fonts" / "Inter-SemiBold.otf"}
_SMOOTH = 4


@lru_cache(maxsize=64)
def _font(size: int, bold: bool) -> pygame.font.Font:
    return pygame.font.Font(FONTS[bold], size)


@lru_cache(maxsize=1024)
def _text(text: str, size: int, bold: bool, colour: Colour) -> pygame.Surface:
    return _font(size, bold).render(text, True, colour)


@lru_cache(maxsize=256)
def _rounded(size: tuple[int, int], radius: int, colour: tuple[int, ...]) -> pygame.Surface:
    """An antialiased rounded box: drawn large, then shrunk."""
    width, height = size
    large = pygame.Surface((width * _SMOOTH, height * _SMOOTH), pygame.SRCALPHA)
    large.fill((*colour[:3], 0))
    pygame.draw.rect(large, colour, large.get_rect(), border_radius=radius * _SMOOTH)
    return pygame.transform.smoothscale(large, size)


def forget() -> None:
    """Drop every cached font and surface: they die with Pygame's modules."""
    for cache in (_font, _text, _rounded):
        cache.cache_clear()


class Canvas:
    """A surface and the scale at which sizes are drawn on it."""

    def __init__(self, surface: pygame.Surface, scale: float = 1.0) -> None:
        self.surface = surface
        self.scale = scale

    def px(self, size: float) -> int:
        """A length at this canvas's scale, at least 1."""
        return max(1, round(size * self.scale))

    def points(self, size: int) -> int:
        """A text size at this canvas's scale, never too small to read."""
        return max(theme.SMALLEST_TEXT, round(size * self.scale))

    def line_height(self, size: int = theme.BODY) -> int:
        return round(self.points(size) * 1.5)

    def measure(self, text: str, size: int = theme.BODY, *, bold: bool = False) -> tuple[int, int]:
        return _font(self.points(size), bold).size(text)

    def fitted(self, text: str, width: int, size: int = theme.BODY, *, bold: bool = False) -> str:
        """``text``, cut with an ellipsis where it is wider than ``width``."""
        if self.measure(text, size, bold=bold)[0] <= width:
            return text
        while text and self.measure(text + "…", size, bold=bold)[0] > width:
            text = text[:-1]
        return text.rstrip() + "…"

    def text(
        self,
        text: str,
        at: tuple[int, int],
        size: int = theme.BODY,
        colour: Colour = theme.TEXT,
        *,
        bold: bool = False,
        anchor: str = "topleft",
    ) -> pygame.Rect:
        """Draw one line with its ``anchor`` (a Rect attribute such as midleft) at ``at``; the box it takes."""
        image = _text(text, self.points(size), bold, colour)
        box = image.get_rect(**{anchor: at})
        self.surface.blit(image, box)
        return box

    def box(self, rect: pygame.Rect, colour: tuple[int, ...], radius: float = 8) -> None:
        """A filled box with smooth round corners; ``colour`` may carry an alpha."""
        if rect.width <= 0 or rect.height <= 0:
            return
        corner = min(self.px(radius), rect.width // 2, rect.height // 2)
        self.surface.blit(_rounded(rect.size, corner, tuple(colour)), rect)

    def dot(self, centre: tuple[int, int], radius: float, colour: Colour) -> None:
        side = max(2, 2 * self.px(radius))
        rect = pygame.Rect(0, 0, side, side)
        rect.center = centre
        self.box(rect, colour, radius)

    def keycap(self, text: str, at: tuple[int, int], size: int = theme.SMALL, *, lit: bool = False) -> pygame.Rect:
        """A key's cap with its left middle at ``at``, ``lit`` while pressed; the box it takes."""
        height = self.measure(text, size, bold=True)[1] + self.px(6)
        box = pygame.Rect(0, 0, self.keycap_width(text, size), height)
        box.midleft = at
        self.box(box, theme.ACCENT if lit else theme.LINE, 5)
        face = box.inflate(-2, -2)
        face.height -= 1
        self.box(face, theme.mix(theme.RAISED, theme.ACCENT, 0.3) if lit else theme.RAISED, 4)
        self.text(text, (box.centerx, box.centery - 1), size, theme.TEXT, bold=True, anchor="center")
        return box

    def keycap_width(self, text: str, size: int = theme.SMALL) -> int:
        width, height = self.measure(text, size, bold=True)
        return max(width + self.px(12), height + self.px(6))

    def button(self, at: tuple[int, int], text: str) -> pygame.Rect:
        """A button with its right middle at ``at``; the box it takes."""
        width, height = self.measure(text, theme.SMALL, bold=True)
        box = pygame.Rect(0, 0, width + self.px(20), height + self.px(8))
        box.midright = at
        self.box(box, theme.RAISED, 6)
        self.text(text, box.center, theme.SMALL, theme.TEXT, bold=True, anchor="center")
        return box

    def veil(self, rect: pygame.Rect, alpha: int) -> None:
        """Darken ``rect`` (alpha 0 to 255)."""
        shade = pygame.Surface(rect.size, pygame.SRCALPHA)
        shade.fill((*theme.BACKGROUND, alpha))
        self.surface.blit(shade, rect)
