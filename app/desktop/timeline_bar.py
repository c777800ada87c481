"""The strip at the bottom: how far back one can go, where play stands, what happened."""

from __future__ import annotations

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from engine.moment import Timeline

MARKS = {
    "reward": theme.GOOD,
    "penalty": theme.BAD,
    "terminated": theme.TEXT,
    "truncated": theme.WARM,
    "start": theme.ACCENT,
    "fork": theme.FORK,
    "edit": theme.WARM,
}


class TimelineBar:
    """Draws a timeline into ``rect`` and tells which frame a pointer means."""

    def __init__(self, canvas: Canvas, rect: Rect, timeline: Timeline, fps: float, rewind_s: float) -> None:
        self.canvas = canvas
        self.timeline = timeline
        self.fps = fps
        self.capacity = max(round(rewind_s * fps), 1)
        side = canvas.measure("−00.0 s", theme.SMALL)[0] + canvas.px(10)
        self.rect = rect
        self.track = Rect(rect.left + side, rect.centery - canvas.px(3), rect.width - 2 * side, canvas.px(6))

    def x_of(self, position: int) -> int:
        """The pixel column of a frame. The track is as long as all that can be kept, so that it fills up calmly."""
        return self.track.left + round(position / self.capacity * (self.track.width - 1))

    def position_at(self, x: int) -> int:
        """The frame, 0 to length - 1, nearest to the pixel column ``x``."""
        position = round((x - self.track.left) / max(self.track.width - 1, 1) * self.capacity)
        return min(max(position, 0), self.timeline.length - 1)

    def hit(self, at: tuple[int, int]) -> bool:
        """Whether the pointer is on the strip."""
        return self.rect.collidepoint(at) and self.timeline.length > 1

    def draw(self) -> None:
        canvas, track, line = self.canvas, self.track, self.timeline
        canvas.box(track, theme.PANEL, 3)
        filled = Rect(
            track.left, track.top, max(self.x_of(line.length - 1) - track.left + 1, track.height), track.height
        )
        canvas.box(filled, theme.LINE, 3)
        played = Rect(track.left, track.top, max(self.x_of(line.cursor) - track.left + 1, track.height), track.height)
        canvas.box(played, theme.mix(theme.LINE, theme.ACCENT, 0.55), 3)
        for mark in line.marks:
            self._mark(mark.position, mark.kind)
        centre = (self.x_of(line.cursor), track.centery)
        canvas.dot(centre, 7, theme.BACKGROUND)
        canvas.dot(centre, 5, theme.TEXT)
        self._labels()

    def _mark(self, position: int, kind: str) -> None:
        tall = self.canvas.px(14 if kind in ("terminated", "truncated", "start", "fork") else 10)
        wide = max(2, self.canvas.px(2))
        rect = Rect(self.x_of(position) - wide // 2, self.track.centery - tall // 2, wide, tall)
        self.canvas.surface.fill(MARKS[kind], rect)

    def _labels(self) -> None:
        line, canvas = self.timeline, self.canvas
        behind = (line.length - 1 - line.cursor) / self.fps
        back = f"−{line.cursor / self.fps:.1f} s"
        canvas.text(back, (self.rect.left, self.track.centery), theme.SMALL, theme.MUTED, anchor="midleft")
        ahead, colour = (f"+{behind:.1f} s", theme.ACCENT) if behind else ("now", theme.FAINT)
        canvas.text(ahead, (self.rect.right, self.track.centery), theme.SMALL, colour, anchor="midright")
