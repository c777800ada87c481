"""A phone: fingers on the screen's own buttons."""

from __future__ import annotations

from itertools import pairwise

from tests.browser.conftest import PHONE, Visitor
from tests.browser.player import Player
from tests.browser.test_playing import DOWN, UP, start_for

LEAST_PX = 44
"""What a finger hits well."""


class Finger:
    """A finger that comes down on something and stays there."""

    def __init__(self, player: Player, on: str) -> None:
        self.player = player
        box = player.page.get_by_role("group", name="Touch controls").get_by_role("button", name=on).bounding_box()
        assert box is not None and min(box["width"], box["height"]) >= LEAST_PX, f"{on} is {box}"
        self.point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self.screen = player.page.context.new_cdp_session(player.page)

    def __enter__(self) -> None:
        self.screen.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [self.point]})

    def __exit__(self, *_: object) -> None:
        self.screen.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_fingers_move_the_paddle(visitor: Visitor) -> None:
    """Bug: no buttons on a phone, or they are too small, miss fingers that stay, or stay held for ever."""
    player = visitor(**PHONE)
    player.open(start=start_for(UP), seed=1)
    for name, direction in (("Paddle up", UP), ("Paddle down", DOWN)):
        if direction == DOWN:
            player.page.get_by_label("Start, 0 to").fill(str(start_for(DOWN)))
            player.page.get_by_role("button", name="Begin there").tap()
            player.until("reverie.state.start === it && reverie.frame.index < 3", "it began", start_for(DOWN))
        player.page.get_by_role("group", name="Touch controls").scroll_into_view_if_needed()
        with Finger(player, name):
            since = player.count()
            player.play_on(6)
        rows = [row for look in player.drawn(since) if (row := look.paddle) is not None]
        moves = [direction * (after - before) for before, after in pairwise(rows)]
        assert sum(moves) >= 10, f"{name}: the paddle's rows: {rows}"
    with Finger(player, "Pause"):
        pass
    held = player.still()
    player.page.get_by_role("group", name="Touch controls").get_by_role("button", name="Go on").tap()
    player.until("reverie.frame.index > it", "it goes on", held.index)
