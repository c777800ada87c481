"""One picture of the whole window, drawn from data onto any surface."""

from __future__ import annotations

import pygame

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.game import REWIND_S, Game
from app.desktop.help import draw_help, help_groups
from app.desktop.inspector import Inspector
from app.desktop.layout import Layout, arrange
from app.desktop.overlays import draw_loading, draw_state
from app.desktop.panel import draw_panel
from app.desktop.status import Status
from app.desktop.timeline_bar import TimelineBar
from app.desktop.toasts import Toasts
from engine.runner import Shown


class Scene:
    """Draws a game at any window size; keeps what a pointer may hit."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.bar: TimelineBar | None = None
        self._groups = help_groups(game.keymap, game.action_names)

    def draw(
        self,
        surface: pygame.Surface,
        shown: Shown,
        status: Status,
        toasts: Toasts,
        *,
        panel: bool = True,
        help_page: int | None = None,
        inspector: Inspector | None = None,
    ) -> int:
        """Draw everything; returns how many pages the help has at this size (0 while it is hidden)."""
        inside = inspector is not None and inspector.open
        layout = arrange(surface.get_size(), self.game.picture, panel, inside)
        canvas = Canvas(surface, layout.scale)
        surface.fill(theme.BACKGROUND)
        self._picture(surface, shown, layout)
        if layout.panel is not None:
            draw_panel(canvas, layout.panel, status, side=layout.panel_is_side)
        if inspector is not None and layout.inside is not None:
            inspector.draw(canvas, layout.inside, shown)
        behind_s = (shown.timeline.length - 1 - shown.timeline.cursor) / self.game.fps
        draw_state(canvas, layout.picture.clip(layout.stage), status, behind_s)
        self.bar = TimelineBar(canvas, layout.timeline, shown.timeline, self.game.fps, REWIND_S)
        self.bar.draw()
        picture = layout.picture.clip(layout.stage)
        area = picture if picture.width >= canvas.px(300) else layout.stage
        toasts.draw(canvas, area.inflate(-2 * canvas.px(10), -2 * canvas.px(10)))
        if help_page is None:
            return 0
        return draw_help(canvas, surface.get_rect(), self._groups, help_page)

    def _picture(self, surface: pygame.Surface, shown: Shown, layout: Layout) -> None:
        image = pygame.image.frombuffer(shown.frame.image.tobytes(), self.game.picture, "RGB")
        surface.set_clip(layout.stage)
        surface.blit(pygame.transform.scale(image, layout.picture.size), layout.picture)
        surface.set_clip(None)


def draw_opening(surface: pygame.Surface, world: str, seconds: float) -> None:
    """The window while a world is opened."""
    surface.fill(theme.BACKGROUND)
    layout = arrange(surface.get_size(), (1, 1), panel=False)
    draw_loading(Canvas(surface, layout.scale), surface.get_rect(), world, seconds)
