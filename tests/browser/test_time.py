"""Pause, step, rewind and the timeline: every picture is the one that was there, bit for bit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from playwright.sync_api import Locator

from tests.browser.player import Look, Player, same
from tests.browser.server import Serving

STILL_MS = 700
STEPS = 8


@pytest.fixture
def past(player: Player) -> dict[int, Look]:
    """Pong, paused, and then stepped some times: those frames by their index."""
    player.open(start=2, seed=5)
    looks = [player.pause(), *(player.step() for _ in range(STEPS))]
    assert all(not same(before, after) for before, after in pairwise(looks))
    return {look.index: look for look in looks}


def test_pause_holds_and_step_makes_one_frame(player: Player, server: Serving) -> None:
    """Bug: the world goes on behind a paused picture, or a step makes none or several frames."""
    player.open(start=2, seed=5)
    player.play_on(2)
    player.click("Pause")
    held = player.still()
    made = server.stats()["frames"]
    player.page.wait_for_timeout(STILL_MS)
    assert same(player.look(), held) and player.look().index == held.index
    assert server.stats()["frames"] == made
    one = player.at(held.index + 1, lambda: player.click("Step"))
    two = player.step()
    player.page.wait_for_timeout(STILL_MS)
    assert not same(held, one) and not same(one, two) and same(two, player.look())
    assert server.stats()["frames"] == made + 2
    player.click("Go on")
    player.until("!reverie.frame.paused && reverie.frame.index > it", "it goes on", two.index)


def test_rewind_shows_what_was_there(player: Player, past: dict[int, Look]) -> None:
    """Bug: going back shows frames dreamt anew, of other moments, or stops nowhere near where the key is let go."""
    last, since = max(past), player.count()
    with player.holding("Backspace"):
        player.until("reverie.frame.index <= it", "it went back", last - 5)
    player.until("!reverie.frame.rewinding && reverie.frame.paused", "time stands again")
    back = player.drawn(since)
    assert len({look.index for look in back}) >= 2
    assert all(after.index <= before.index for before, after in pairwise(back))
    assert all(same(look, past[look.index]) for look in back if look.index in past)
    since, at = player.count(), back[-1].index
    player.click("Forward")
    player.until("reverie.frame.index > it", "it went forward", at)
    button = player.control("Rewind")
    button.hover()
    player.page.mouse.down()
    player.until("reverie.frame.index <= it", "the button leads back, too", at)
    player.page.mouse.up()
    player.until("!reverie.frame.rewinding && reverie.frame.paused", "time stands again")
    assert all(same(look, past[look.index]) for look in player.drawn(since) if look.index in past)


def test_the_timeline_leads_to_every_frame(player: Player, past: dict[int, Look]) -> None:
    """Bug: a place on the timeline shows another frame, or play from there keeps the future that was."""
    slider = player.page.get_by_role("slider", name="Timeline")
    last = player.look()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    player.page.mouse.move(box["x"] + box["width"] / 2, middle)
    player.page.mouse.down()
    since = player.count()
    player.page.mouse.move(box["x"] + 1, middle, steps=4)
    player.until("reverie.frame.cursor === 0", "the timeline's left end is its first frame")
    player.page.mouse.move(box["x"] + box["width"] - 1, middle, steps=4)
    player.until("reverie.frame.index === it", "its right end is the newest frame", last.index)
    player.page.mouse.up()
    assert all(same(look, past[look.index]) for look in player.drawn(since) if look.index in past)
    slider.focus()
    for back in range(1, 4):
        look = player.at(last.index - back, lambda: slider.press("ArrowLeft"))
        assert same(look, past[look.index]) and shown_at(slider) == look.header["cursor"]
    assert player.page.get_by_text(f"{3 / 15:.1f} s back").is_visible()
    player.focus()
    new = player.at(last.index - 2, lambda: player.press("."))
    assert new.header["length"] == new.header["cursor"] + 1, "what lay ahead is gone"


def shown_at(slider: Locator) -> int:
    return int(slider.get_attribute("aria-valuenow") or -1)
