"""The strip at the bottom: how far back one can go, where play stands, what happened."""

from __future__ import annotations

from pygame import Rect

from app.desktop import theme
from app.desktop.canvas import Canvas
from app.desktop.theme import Colour
from engine.moment import MarkKind, Timeline

MARKS: dict[MarkKind, tuple[Colour, str]] = {
    "reward": (theme.GOOD, "reward"),
    "penalty": (theme.BAD, "penalty"),
    "terminated": (theme.TEXT, "the end"),
    "truncated": (theme.WARM, "the horizon"),
    "start": (theme.ACCENT, "start"),
    "fork": (theme.FORK, "fork"),
    "edit": (theme.WARM, "edit"),
    "reward_mismatch": (theme.CLASH, "rewards differ"),
    "end_mismatch": (theme.CLASH, "ends differ"),
    "anchor": (theme.ACCENT, "back to reality"),
    "flag": (theme.FLAG, "flagged"),
}
"""The colour of each kind of mark, and what it says."""
ABOVE: tuple[MarkKind, ...] = ("reward_mismatch", "end_mismatch", "flag")
"""Marks that stand out: with a dot above them."""
TALL: tuple[MarkKind, ...] = ("terminated", "truncated", "start", "fork", "anchor")


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

    def said_at(self, x: int) -> str:
        """What is marked within some pixels of the column ``x``, in words."""
        reach = self.canvas.px(5)
        near = (mark for mark in self.timeline.marks if abs(self.x_of(mark.position) - x) <= reach)
        return " · ".join(dict.fromkeys(MARKS[mark.kind][1] for mark in near))

    def draw(self, pointer: tuple[int, int] | None = None) -> None:
        """pointer: where it stands over the strip; what is marked there is said above it."""
        canvas, track, line = self.canvas, self.track, self.timeline
        canvas.box(track, theme.PANEL, 3)
        filled = Rect(
            track.left, track.top, max(self.x_of(line.length - 1) - track.left + 1, track.height), track.height
        )
        canvas.box(filled, theme.LINE, 3)
        played = Rect(track.left, track.top, max(self.x_of(line.cursor) - track.left + 1, track.height), track.height)
        canvas.box(played, theme.mix(theme.LINE, theme.ACCENT, 0.55), 3)
        for mark in sorted(line.marks, key=lambda mark: (mark.kind in TALL, mark.kind in ABOVE)):
            self._mark(mark.position, mark.kind)
        centre = (self.x_of(line.cursor), track.centery)
        canvas.dot(centre, 7, theme.BACKGROUND)
        canvas.dot(centre, 5, theme.TEXT)
        self._labels()
        if pointer is not None and (said := self.said_at(pointer[0])):
            self._say(said, pointer[0])

    def _mark(self, position: int, kind: MarkKind) -> None:
        canvas, colour = self.canvas, MARKS[kind][0]
        tall, wide = canvas.px(14 if kind in TALL else 10), max(2, canvas.px(2))
        rect = Rect(self.x_of(position) - wide // 2, self.track.centery - tall // 2, wide, tall)
        canvas.surface.fill(colour, rect)
        if kind in ABOVE:
            canvas.dot((rect.centerx, rect.top - canvas.px(3)), 3, colour)

    def _say(self, text: str, x: int) -> None:
        canvas = self.canvas
        width, height = canvas.measure(text, theme.SMALL)
        box = Rect(0, 0, width + canvas.px(16), height + canvas.px(6))
        box.midbottom = (x, self.track.top - canvas.px(12))
        box.clamp_ip(Rect(self.rect.left, 0, self.rect.width, self.rect.bottom))
        canvas.box(box, theme.RAISED, 6)
        canvas.text(text, box.center, theme.SMALL, anchor="center")

    def _labels(self) -> None:
        line, canvas = self.timeline, self.canvas
        behind = (line.length - 1 - line.cursor) / self.fps
        back = f"−{line.cursor / self.fps:.1f} s"
        canvas.text(back, (self.rect.left, self.track.centery), theme.SMALL, theme.MUTED, anchor="midleft")
        ahead, colour = (f"+{behind:.1f} s", theme.ACCENT) if behind else ("now", theme.FAINT)
        canvas.text(ahead, (self.rect.right, self.track.centery), theme.SMALL, colour, anchor="midright")
