"""The workbench in a browser: lockstep, anchors, counterfactuals, plots, alarms, flags, another world beside."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator

from tests.browser.conftest import DESKTOP, PHONE, Visitor
from tests.browser.player import Player, Visit
from tests.browser.rssm_worlds import write_all
from tests.browser.server import Serving, serving

GREY = 128
STUDY_S = 180.0
"""A study of every action takes its time between the frames of who plays, on a machine that has other things to do."""
PIXELS = """(canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const parts = [];
    for (let k = 0; k < data.length; k += 8192) parts.push(String.fromCharCode(...data.subarray(k, k + 8192)));
    return { width, height, data: btoa(parts.join("")) };
}"""


def lockstep(player: Player, world: str = "pong") -> None:
    """Open a world and play it in lockstep with its real game, paused, with everything drawn."""
    player.open(world, start=2, seed=1)
    player.focus()
    player.press("t")
    player.until("reverie.frame?.lockstep && reverie.state?.lockstep", "it is lockstep")
    player.until("document.querySelector('.rc-side:not([hidden])')", "the pictures stand side by side")


def part(player: Player, label: str) -> Locator:
    return player.page.locator(f'.rc-side figure[data-label="{label}"] canvas')


def pixels(canvas: Locator) -> np.ndarray:
    """A canvas's picture (H, W, 3) uint8."""
    got = canvas.evaluate(PIXELS)
    data = np.frombuffer(base64.b64decode(got["data"]), np.uint8)
    return data.reshape(got["height"], got["width"], 4)[..., :3]


def settled(player: Player) -> None:
    """The pictures side by side are those of the frame on the canvas."""
    seen = "document.querySelector('.rc-side').dataset.drawn"
    player.until(f"{seen} && (window.sides = (window.sides ?? 0) + 1) > 3", "the strip is drawn")


def card(player: Player, name: str) -> Locator:
    return player.page.locator(f'.rc-card[data-view="{name}"]')


def tool(player: Player, name: str) -> Locator:
    return player.page.locator(f'.rc-tool-button[data-tool="{name}"]')


def test_real_dream_and_error_stand_side_by_side(player: Player) -> None:
    """Bug: pictures under each other's names, of another frame, or an error that is not of these two."""
    player.open("pong", start=2, seed=1)
    assert player.ask("!document.querySelector('script[src*=plotly]')"), "a page without a plot fetches no library"
    player.focus()
    player.press("t")
    player.until("document.querySelector('.rc-side:not([hidden])')", "the pictures stand side by side")
    assert player.page.locator(".rc-side figcaption b").all_inner_texts() == ["real", "dream", "error"]
    assert not player.page.locator("#reverie-canvas").is_visible()
    player.play_on(10)
    player.pause()
    settled(player)
    real, dream, error = (pixels(part(player, label)).astype(int) for label in ("real", "dream", "error"))
    assert np.array_equal(dream, player.look().image)
    brighter = (dream - real).sum(axis=-1)
    same = (dream == real).all(axis=-1)
    assert (error[same] == GREY).all() and (error[~same] != GREY).any(axis=-1).all()
    much = np.abs(dream - real).sum(axis=-1) > 150
    red, blue = error[..., 0] > error[..., 2], error[..., 2] > error[..., 0]
    assert (red[much] == (brighter[much] > 0)).all() and (blue[much] == (brighter[much] < 0)).all()
    assert {"lockstep", "anchor", "every_action", "unsure", "check", "flag"} <= set(
        player.page.locator(".rc-tool-button").evaluate_all("(all) => all.map((one) => one.dataset.tool)")
    )
    player.press("t")
    player.until("reverie.frame && !reverie.frame.lockstep", "it is the dream again")
    player.until("document.querySelector('.rc-side').hidden", "with one picture")
    assert player.page.locator("#reverie-canvas").is_visible()


def test_an_anchor_makes_the_dream_reality(player: Player) -> None:
    """Bug: a key that does nothing, anchors the real game to the dream, or stops play."""
    lockstep(player)
    player.play_on(12)
    player.press("y")
    player.until("reverie.state.marks.some(([, kind]) => kind === 'anchor')", "the anchor is on the timeline")
    assert not player.state["paused"]
    player.page.locator(".rc-mark.rc-anchor title").wait_for(state="attached")
    player.pause()
    place = next(place for place, kind in player.state["marks"] if kind == "anchor")
    player.ask("(position) => reverie.do('go_to', { position })", place)
    player.until("reverie.frame.cursor === it && reverie.state.cursor === it", "play stands there", place)
    settled(player)
    real, dream, error = (pixels(part(player, label)) for label in ("real", "dream", "error"))
    assert np.array_equal(real, dream) and (error == GREY).all()
    caption = player.page.locator('.rc-side figure[data-label="dream"] figcaption')
    assert "dream" in caption.inner_text()


def test_curves_grow_and_are_drawn_by_the_library(player: Player) -> None:
    """Bug: plots that stay empty, are drawn once, or are of another view."""
    lockstep(player)
    card(player, "drift").locator(".js-plotly-plot svg.main-svg").first.wait_for()
    card(player, "drift").scroll_into_view_if_needed()
    points = "document.querySelector('[data-view=drift] .rc-plot').data?.[0].y.length"
    player.until(f"{points} > 3", "the line grows")
    before = player.ask(points)
    player.until(f"{points} > it", "and goes on", before)
    assert player.ask("document.querySelector('[data-view=drift] .rc-plot').data[0].name") == "dream"
    card(player, "moving error").locator(".js-plotly-plot .heatmaplayer image").first.wait_for(state="attached")
    rows = card(player, "objects").locator(".ytick text")
    rows.first.wait_for()
    assert "ball" in rows.all_text_contents()
    player.page.get_by_role("button", name="Light / dark").click()
    colour = "document.querySelector('[data-view=drift] .rc-plot').layout?.font?.color"
    text = "getComputedStyle(document.querySelector('.reverie')).getPropertyValue('--rc-text').trim()"
    card(player, "drift").scroll_into_view_if_needed()
    player.until(f"{colour} === {text}", "plots follow the page's colours")
    player.page.get_by_role("button", name="Light / dark").click()


def test_every_action_is_seen_and_taken_away(player: Player) -> None:
    """Bug: futures under other names, a grid that vanishes with the next frame, or one that cannot be got rid of."""
    player.open("pong", start=2, seed=1)
    player.focus()
    player.play_on(4)
    player.press("k")
    grid = card(player, "every action")
    there = "document.querySelector('.rc-grid-card[data-view=\"every action\"] canvas')?.dataset.drawn"
    player.until(there, "it is drawn", wait_s=STUDY_S)
    rows = grid.locator(".rc-grid-rows span").all_inner_texts()
    actions = player.world["actions"]
    assert all(any(action in row for row in rows) for action in actions), rows
    canvas = pixels(grid.locator("canvas"))
    height = (canvas.shape[0] + 2) // len(rows) - 2
    assert height == 64 and canvas[:height].std() > 10, "there are pictures in it"
    player.play_on(5)
    assert grid.is_visible(), "play goes on, and the answer stays"
    grid.locator("xpath=ancestor::section[@data-band='asked']").get_by_role("button", name="Clear").click()
    player.until("!document.querySelector('[data-view=\"every action\"]')", "it is taken away")


def test_where_it_is_unsure_is_a_map(player: Player) -> None:
    """Bug: a map that is not drawn, or stands among what is seen all the time."""
    player.open("pong", start=2, seed=1)
    player.focus()
    player.pause()
    player.press("o")
    found = card(player, "unsure")
    found.locator(".js-plotly-plot image").first.wait_for(state="attached", timeout=STUDY_S * 1000)
    assert found.locator("xpath=ancestor::section").last.get_attribute("data-band") == "asked"


def test_sequences_of_ones_own(player: Player) -> None:
    """Bug: words that become other actions, or a mistake that is told by nothing but silence."""
    player.open("pong", start=2, seed=1)
    player.focus()
    player.press("v")
    player.pause()
    tool(player, "sequences").click()
    sheet = player.page.get_by_role("dialog", name="Futures of sequences")
    sheet.get_by_role("textbox").fill("JUMP*4")
    sheet.get_by_role("button", name="Show them").click()
    sheet.get_by_text("JUMP*4: expected one of").wait_for()
    sheet.get_by_role("textbox").fill("RIGHT*3 NOOP\nLEFT*4")
    sheet.get_by_role("button", name="Show them").click()
    player.until("!document.querySelector('dialog[open]')", "the sheet is gone")
    player.until("document.querySelector('.rc-grid-card canvas')?.dataset.drawn", "it is drawn", wait_s=STUDY_S)


def test_a_glitch_is_flagged_with_a_note(player: Player, server: Serving) -> None:
    """Bug: keys of the note that steer the game, a note that is lost, or play that stands still afterwards."""
    player.open("tiny", start=1, seed=1)
    player.focus()
    player.play_on(5)
    player.press("x")
    player.page.get_by_role("dialog", name="Flag this glitch").wait_for()
    player.until("reverie.state.paused", "time stands still meanwhile")
    player.page.keyboard.type("the ball p is gone")
    player.page.keyboard.press("Enter")
    player.toast("Flagged as").wait_for()
    player.until("!reverie.state.paused", "play goes on")
    player.until("reverie.state.marks.some(([, kind]) => kind === 'flag')", "it is on the timeline")
    notes = [json.loads(path.read_text())["note"] for path in server.glitches.glob("*/glitch.json")]
    assert "the ball p is gone" in notes
    player.press("x")
    player.page.keyboard.press("Escape")
    player.until("!document.querySelector('dialog[open]') && !reverie.state.paused", "and nothing is flagged")
    assert len(list(server.glitches.glob("*/glitch.json"))) == len(notes)


def test_two_worlds_on_the_same_inputs(player: Player) -> None:
    """Bug: a world beside that is not told of, the wrong error under a dream, or none of them large enough to see."""
    lockstep(player)
    choice = player.page.get_by_label("In lockstep with")
    assert "the real game and Pong Dreamer" in choice.locator("option").all_inner_texts()
    choice.select_option("pong-dreamer")
    player.until("reverie.state.against === 'pong-dreamer'", "the other world is beside", wait_s=STUDY_S)
    player.until("document.querySelectorAll('.rc-side figure').length === 5", "there are five pictures")
    labels = player.page.locator(".rc-side figcaption b").all_inner_texts()
    assert labels[0] == "real" and labels[2].startswith("error") and labels[4].startswith("error")
    boxes = [canvas.bounding_box() for canvas in player.page.locator(".rc-side canvas").all()]
    assert all(box is not None and box["width"] >= 128 for box in boxes), boxes
    player.play_on(3)
    player.page.locator(".rc-where").get_by_text("two dreams").wait_for()
    choice.select_option("")
    player.until("reverie.state.against === '' && reverie.state.lockstep", "it is the real game alone again")
    player.until("document.querySelectorAll('.rc-side figure').length === 3", "with three pictures")


def test_who_plays_is_another_thing_than_where(player: Player) -> None:
    """Bug: the agent that cannot be given the lockstep, or a key that leaves it."""
    lockstep(player)
    player.press("c")
    player.until("reverie.state.controller === 'agent' && reverie.state.lockstep", "the agent plays in lockstep")
    player.play_on(5)
    player.press("Shift+C")
    player.until("!reverie.state.lockstep && !reverie.state.real", "the next place is the dream")


def test_on_a_phone_the_pictures_fit(visitor: Visitor) -> None:
    """Bug: a stage that is wider than the screen, or pictures too small to tell apart."""
    player = visitor(**PHONE)
    player.open("pong", start=2, seed=1)
    player.ask("() => reverie.command('lockstep')")
    player.until("document.querySelector('.rc-side:not([hidden])')", "the pictures are there")
    player.play_on(3)
    width = player.ask("document.documentElement.scrollWidth")
    assert width <= PHONE["viewport"]["width"]
    for canvas in player.page.locator(".rc-side canvas").all():
        box = canvas.bounding_box()
        assert box is not None and box["width"] >= 96 and box["x"] >= 0 and box["x"] + box["width"] <= width


@pytest.fixture(scope="module")
def rssm(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of worlds of noise: one says that it was learned from Pong."""
    folder = Path(tmp_path_factory.mktemp("noise"))
    write_all(folder / "worlds")
    with serving(folder, tiny=False) as server:
        yield server


def test_alarms_are_words(browser: Browser, rssm: Serving) -> None:
    """Bug: a world of noise beside which all is well, or alarms that only a colour tells."""
    visit = Visit(browser.new_context(**DESKTOP))
    player = Player(visit.page(), rssm.origin)
    lockstep(player, "rssm")
    with player.holding("ArrowUp"):
        player.until("reverie.state.alarms.length > 0", "there is an alarm", wait_s=STUDY_S)
    line = player.page.locator(".rc-faults .rc-fault").first
    line.wait_for()
    name, text, _ = player.state["alarms"][0]
    assert player.page.locator(f'.rc-fault[data-alarm="{name}"]').count() == 1 and len(text) > 20
    assert player.page.locator(".rc-faults").get_attribute("aria-live") == "polite"
    visit.close()
