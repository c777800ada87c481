"""One picture of the whole window, drawn from data onto any surface."""

from __future__ import annotations

import pygame

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.game import REWIND_S, Game
from app.desktop.help import draw_help, help_groups
from app.desktop.inspector import Inspector
from app.desktop.layout import arrange
from app.desktop.note import NoteEntry
from app.desktop.overlays import draw_alarms, draw_loading, draw_state
from app.desktop.panel import draw_panel
from app.desktop.stage import draw_stage, panes_of
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
        note: NoteEntry | None = None,
        pointer: tuple[int, int] | None = None,
    ) -> int:
        """Draw everything; returns how many pages the help has at this size (0 while it is hidden).

        pointer: where it stands over the timeline, which then tells what is marked there.
        """
        if help_page is None and inspector is not None and inspector.enlarged is not None:
            surface.fill(theme.BACKGROUND)
            canvas = Canvas(surface, arrange(surface.get_size(), self.game.picture).scale)
            if inspector.draw_enlarged(canvas, surface.get_rect(), shown):
                self._over(canvas, surface.get_rect(), toasts, note)
                return 0
        inside = inspector is not None and inspector.open
        layout = arrange(surface.get_size(), self.game.picture, panel, inside, panes_of(shown))
        canvas = Canvas(surface, layout.scale)
        surface.fill(theme.BACKGROUND)
        draw_stage(canvas, shown, layout)
        if layout.panel is not None:
            draw_panel(canvas, layout.panel, status, side=layout.panel_is_side)
        if inspector is not None and layout.inside is not None:
            inspector.draw(canvas, layout.inside, shown)
        behind_s = (shown.timeline.length - 1 - shown.timeline.cursor) / self.game.fps
        draw_state(canvas, layout.picture.clip(layout.stage), status, behind_s)
        self.bar = TimelineBar(canvas, layout.timeline, shown.timeline, self.game.fps, REWIND_S)
        self.bar.draw(pointer)
        if layout.panel is None:
            draw_alarms(canvas, layout.stage, status.alarms)
        picture = layout.picture.clip(layout.stage)
        self._over(canvas, picture if picture.width >= canvas.px(300) else layout.stage, toasts, note)
        if help_page is None:
            return 0
        return draw_help(canvas, surface.get_rect(), self._groups, help_page)

    def _over(self, canvas: Canvas, area: pygame.Rect, toasts: Toasts, note: NoteEntry | None) -> None:
        """Messages in the lower left of an area, and the note that is being written."""
        toasts.draw(canvas, area.inflate(-2 * canvas.px(10), -2 * canvas.px(10)))
        if note is not None:
            note.draw(canvas, area)


def draw_opening(surface: pygame.Surface, world: str, seconds: float) -> None:
    """The window while a world is opened."""
    surface.fill(theme.BACKGROUND)
    layout = arrange(surface.get_size(), (1, 1), panel=False)
    draw_loading(Canvas(surface, layout.scale), surface.get_rect(), world, seconds)
