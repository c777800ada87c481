"""Keys and what they do to the dream, as its pixels show."""

from __future__ import annotations

from contextlib import nullcontext
from itertools import pairwise

import numpy as np
import pytest

from engine.moment import image_of
from models.checkpoint import open_world_folder
from models.library import find_world
from tests.browser.player import Look, Player, same

UP, DOWN = -1, 1
KEYS = {UP: "ArrowUp", DOWN: "ArrowDown"}


def start_for(direction: int) -> int:
    """The start of Pong in which the own paddle stands most still, with room to move that way."""
    frames = open_world_folder(find_world("pong")).starts().frames
    best = (np.inf, -1)
    for start in range(len(frames)):
        rows = [Look({}, image_of(frames[start : start + 1, k])).paddle for k in (-3, -2, -1)]
        if any(row is None for row in rows):
            continue
        first, _, last = (row or 0.0 for row in rows)
        if 37 <= last <= 48 if direction == UP else 16 <= last <= 30:
            best = min(best, (abs(last - first), start))
    assert best[1] >= 0, "Pong has no start with its own paddle there"
    return best[1]


def test_the_dream_runs(player: Player) -> None:
    """Bug: the page stays empty, shows one frame for ever, or shows frames in another order than they were dreamt."""
    player.open(start=0, seed=1)
    player.play_on(5)
    looks = player.drawn()
    assert all(look.image.shape == (64, 64, 3) and look.image.std() > 20 for look in looks)
    for before, after in pairwise(looks):
        assert after.header["seq"] > before.header["seq"] and after.index > before.index
        assert not same(before, after)
    stage = player.page.get_by_role("application", name="Play Pong")
    assert stage.get_by_role("img", name="The picture of Pong").is_visible()
    shown = stage.locator("canvas").bounding_box()
    assert shown is not None and shown["width"] == shown["height"] and shown["width"] % 64 == 0, "pixels are square"
    assert player.page.get_by_text("Playing", exact=True).is_visible()


@pytest.mark.parametrize("direction", [UP, DOWN], ids=["up", "down"])
def test_a_held_key_moves_the_paddle(player: Player, direction: int) -> None:
    """Bug: keys do not reach the world, are let go of too early, or move the paddle the wrong way."""
    player.open(start=start_for(direction), seed=1)
    with player.holding(KEYS[direction]):
        since = player.count()
        player.play_on(6)
        looks = player.drawn(since)  # before it is let go of, which is answered too
    rows = [row for look in looks if (row := look.paddle) is not None]
    moves = [direction * (after - before) for before, after in pairwise(rows)]
    assert sum(moves) >= 12, f"the paddle's rows: {rows}"
    assert all(move > -3 for move in moves), f"the paddle's rows: {rows}"
    headers = [look.header for look in looks]
    answers = sum(header["echo"] is not None for header in headers)
    whole = headers[-1]["index"] - headers[0]["index"] == len(headers) - 1
    assert answers == 1 or (answers == 0 and not whole), f"one press is answered by {answers} frames"


def test_the_same_moment_has_a_future_for_each_key(player: Player) -> None:
    """Bug: a step ignores the held key, a let-go key still acts, or the same moment and keys lead to other frames."""
    player.open(start=start_for(UP), seed=3)
    before = player.pause()
    player.press("Shift+1")
    player.until("reverie.state.slots.length === 1", "slot 1 is filled")

    def future(key: str | None) -> list[Look]:
        if player.look().index != before.index:
            player.at(before.index, lambda: player.press("1"))
        with player.holding(key) if key else nullcontext():
            return [player.step() for _ in range(3)]

    up, none, again, down = future("ArrowUp"), future(None), future(None), future("ArrowDown")
    assert [one.index for one in none] == [before.index + k for k in (1, 2, 3)]
    assert all(same(one, other) for one, other in zip(none, again, strict=True))
    high, rest, low = ([row for look in looks if (row := look.paddle)] for looks in (up, none, down))
    assert min(high) + 5 < rest[-1] < max(low) - 4, f"rows with up, nothing and down: {high}, {rest}, {low}"


def test_typing_in_a_field_plays_nothing(player: Player) -> None:
    """Bug: digits typed as a seed load slots, letters pause the game, or a click on a button keeps the keyboard."""
    player.open(start=0, seed=1)
    field = player.page.get_by_role("spinbutton", name="Seed", exact=True)
    field.click()
    field.press("ControlOrMeta+a")
    field.press_sequentially("123")
    player.play_on(2)
    assert not player.look().header["paused"] and player.toast("Slot").count() == 0
    player.click("Begin there")
    player.until("reverie.state.seed === 123", "the new episode has the typed seed")
    player.click("Pause")
    before = player.still()
    assert player.at(before.index + 1, lambda: player.press(".")).header["paused"], "the keyboard is the game's again"
