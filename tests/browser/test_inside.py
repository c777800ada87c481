"""Looking inside a world, changing it by hand, the dream beside the real game, and continuous actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator

from tests.browser.conftest import DESKTOP
from tests.browser.player import Player, Visit, same
from tests.browser.rssm_worlds import write_all
from tests.browser.server import Serving, serving


@pytest.fixture(scope="module")
def rssm(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of Pong and two tiny RSSM worlds."""
    folder = Path(tmp_path_factory.mktemp("rssm"))
    write_all(folder / "worlds")
    with serving(folder, tiny=False) as server:
        yield server


@pytest.fixture
def player(browser: Browser, rssm: Serving) -> Iterator[Player]:
    visit = Visit(browser.new_context(**DESKTOP))
    yield Player(visit.page(), rssm.origin)
    visit.close()


def card(player: Player, name: str) -> Locator:
    return player.page.locator(f'.rc-card[data-view="{name}"]')


def cells(player: Player, name: str, columns: int) -> list[bool]:
    """Which cells of a grid are lit, row by row."""
    script = """(canvas) => {
        const { width, height } = canvas;
        const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
        return Array.from({ length: width * height }, (_, k) => data[4 * k] > 200 && data[4 * k + 2] < 150);
    }"""
    lit: list[bool] = card(player, name).locator("canvas").evaluate(script)
    assert len(lit) % columns == 0
    return lit


def look_inside(player: Player) -> None:
    """Open the panel while it plays, and pause with its cards there."""
    player.focus()
    player.press("v")
    card(player, "stoch").wait_for()
    player.pause()
    player.step()


def click_cell(player: Player, name: str, row: int, column: int, rows: int, columns: int) -> None:
    canvas = card(player, name).locator("canvas")
    box = canvas.bounding_box()
    assert box is not None
    canvas.click(position={"x": (column + 0.5) * box["width"] / columns, "y": (row + 0.5) * box["height"] / rows})


def edits(player: Player) -> list[Any]:
    return [mark for mark in player.state["marks"] if mark[1] == "edit"]


def test_a_click_flips_a_choice_and_the_picture_changes(player: Player) -> None:
    """Bug: views of another frame, a click that lands beside its cell, an edit without effect or without a way back."""
    player.open("rssm", start=0, seed=3)
    look_inside(player)
    before, lit = player.look(), cells(player, "stoch", 4)
    column = next(k for k in range(4) if not lit[4 + k])
    click_cell(player, "stoch", 1, column, 4, 4)
    player.until("reverie.state.marks.some(([, kind]) => kind === 'edit')", "the edit is on the timeline")
    player.until("reverie.frame.cursor === reverie.state.cursor", "its frame is shown")
    after = player.look()
    assert after.index == before.index and not same(before, after)
    now = cells(player, "stoch", 4)
    assert now[4:8] == [k == column for k in range(4)] and now[:4] == lit[:4] and now[8:] == lit[8:]
    player.page.get_by_role("button", name="Undo edit").click()
    player.until("reverie.frame.cursor < it", "it went back", after.header["cursor"])
    assert same(player.look(), before) and cells(player, "stoch", 4) == lit
    player.press("v")
    player.until("!reverie.state.inspect && !document.querySelector('.rc-inside:not([hidden])')", "the panel is closed")


def test_an_edited_dream_is_the_same_when_it_is_watched_again(player: Player) -> None:
    """Bug: a replay link that leaves out what was changed by hand."""
    player.open("rssm", start=1, seed=5)
    look_inside(player)
    lit = cells(player, "stoch", 4)
    click_cell(player, "stoch", 0, next(k for k in range(4) if not lit[k]), 4, 4)
    player.until("reverie.state.marks.some(([, kind]) => kind === 'edit')", "it is edited")
    player.step()
    last = player.step()
    link = player.ask("() => reverie.do('link').then((value) => value.link)")
    player.ask("(link) => reverie.do('replay', { link })", link)
    player.until("reverie.playback?.same === true", "every frame is as it was")
    assert same(player.still(), last)


def test_a_bar_is_dragged_and_a_number_typed(player: Player) -> None:
    """Bug: every motion of the pointer becomes an edit, or a bar takes another value than it was let go at."""
    player.open("rssm", start=0, seed=4)
    look_inside(player)
    canvas = card(player, "deter").locator("canvas")
    canvas.scroll_into_view_if_needed()
    player.page.wait_for_function("document.querySelectorAll('.rc-plot:not([data-drawn])').length === 0")
    box = canvas.bounding_box()
    assert box is not None
    x = box["x"] + 2.5 * box["width"] / 16
    player.page.mouse.move(x, box["y"] + box["height"] * 0.5)
    player.page.mouse.down()
    for share in (0.4, 0.3, 0.25):
        player.page.mouse.move(x, box["y"] + box["height"] * share)
    player.page.mouse.up()
    player.until("reverie.state.marks.filter(([, kind]) => kind === 'edit').length === 1", "one edit")
    player.page.mouse.move(1, 1)  # what is under the pointer is told before what is chosen
    card(player, "deter").get_by_text("2: 0.5").wait_for()
    field = card(player, "deter").get_by_role("spinbutton")
    field.fill("-0.75")
    field.press("Enter")
    player.until("reverie.state.marks.filter(([, kind]) => kind === 'edit').length === 2", "another one")
    card(player, "deter").get_by_text("2: −0.75").wait_for()
    player.page.wait_for_timeout(300)
    assert player.ask("reverie.state.marks.at(-1)[1]") == "edit", "Enter in the field is no new start"
    player.press("u")
    card(player, "deter").get_by_text("2: 0.5").wait_for()


def test_temperature_has_a_slider_and_keys(player: Player) -> None:
    """Bug: a temperature that only programs can change, or a slider beyond what the world takes."""
    player.open("rssm", start=0, seed=4)
    slider = player.page.get_by_role("slider", name="range slider for Temperature")
    assert (slider.get_attribute("min"), slider.get_attribute("max")) == ("0", "2")
    player.fill("number input for Temperature", 0.5)
    player.until("reverie.state.settings.temperature === 0.5", "the dream is cooler")
    player.focus()  # the field has the keyboard until then
    player.press("/")
    player.until("reverie.state.settings.temperature === 0.6", "and a little hotter again")


def test_the_dream_beside_the_real_game(player: Player) -> None:
    """Bug: the grounded dream cannot be chosen or left, or shows nothing of what is real."""
    player.open("rssm", start=0, seed=4)
    player.focus()
    player.press("v")
    player.choose("The dream, told what the real game does")
    player.until("reverie.frame?.grounded && reverie.state.grounded", "it is grounded")
    player.page.get_by_text("the dream beside the real game", exact=True).wait_for()
    card(player, "surprise").wait_for()
    strip = card(player, "reality and dream").locator("canvas")
    colours = """(canvas) => {
        const data = canvas.getContext("2d").getImageData(0, 0, 64, 64).data;
        return new Set(Array.from({ length: 64 * 64 }, (_, k) => data[4 * k] * 65536 + data[4 * k + 1] * 256)).size;
    }"""
    player.until("it.dataset.drawn > 2", "the strip is drawn", strip.element_handle())
    assert strip.evaluate(colours) >= 3
    player.choose("The dream")
    player.until("reverie.frame && !reverie.frame.grounded && !reverie.state.grounded", "it is the dream again")


def test_the_real_game_has_no_inside(player: Player) -> None:
    """Bug: the dream's last look inside that stays beside pictures of the real game."""
    player.open("rssm", start=0, seed=4)
    look_inside(player)
    player.choose("The real game")
    player.until("reverie.frame?.real && reverie.state.real", "it is the real game")
    player.until("!document.querySelector('.rc-card')", "nothing of the dream is left")
    player.page.get_by_text("Nothing to see of the real game").wait_for()
    player.choose("The dream")
    player.until("reverie.frame && !reverie.frame.real", "it is the dream again")
    card(player, "stoch").wait_for()


def test_arrows_steer_and_values_are_shown(player: Player) -> None:
    """Bug: continuous actions that no key reaches, or that nobody can read."""
    player.open("car_racing", start=0, seed=4)
    player.focus()
    with player.holding("ArrowLeft"), player.holding("ArrowUp"):
        player.until("String(reverie.state.action) === '-1,1,0'", "left and gas")
        player.until("document.querySelector('.rc-rows').innerText.includes('−1.00')", "the value is shown")
    player.until("String(reverie.state.action) === '0,0,0'", "let go of")


def test_a_stick_steers_by_degrees(player: Player) -> None:
    """Bug: a stick that only knows full lock, or that keeps steering when it is let go of."""
    player.page.add_init_script(
        """window.stick = { connected: true, axes: [0, 0, 0, 0],
            buttons: Array.from({ length: 17 }, () => ({ pressed: false, value: 0 })) };
        navigator.getGamepads = () => [window.stick];"""
    )
    player.open("car_racing", start=0, seed=4)
    player.focus()
    player.ask("() => window.dispatchEvent(new Event('gamepadconnected'))")
    player.ask("() => { stick.axes[0] = -0.56; stick.buttons[7].value = 0.5; }")
    player.until("String(reverie.state.action) === '-0.5,0.5,0'", "half left, half gas")
    player.ask("() => { stick.axes[0] = 0; stick.buttons[7].value = 0; }")
    player.until("String(reverie.state.action) === '0,0,0'", "let go of")
