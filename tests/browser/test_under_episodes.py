"""Lockstep under an episode on disk, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser

from models.data.episode import Episode
from models.data.store import EpisodeStore
from tests.browser.conftest import DESKTOP
from tests.browser.player import Player, Visit
from tests.browser.server import Serving, serving
from tests.tiny_worlds import tiny_world

STEPS = 60
NAMES = ("heldout/000019", "heldout/000009", "train/000008")
WAIT_S = 60.0


def write_store(folder: Path) -> None:
    """Episodes of the tiny world: every frame of one brightness, which grows, and one action all along."""
    spec = tiny_world().spec
    grey = torch.arange(STEPS + 1, dtype=torch.uint8)[:, None, None, None]
    for number in (8, 9, 19):
        last = torch.arange(STEPS) == STEPS - 1
        episode = Episode(
            frames=(grey + number).expand(-1, 3, spec.height, spec.width).clone(),
            actions=torch.full((STEPS,), number % 3),
            rewards=torch.zeros(STEPS),
            terminated=last,
            truncated=torch.zeros_like(last),
            objects=torch.zeros(STEPS + 1, 0, 3),
            meta={"actions": list(spec.actions.names)},
        )
        EpisodeStore(folder / "data" / "tiny").add(number, episode)


@pytest.fixture(scope="module")
def store(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("episodes")
    write_store(folder)
    with serving(folder, cwd=folder) as server:
        yield server


@pytest.fixture
def viewer(browser: Browser, store: Serving) -> Iterator[Player]:
    visit = Visit(browser.new_context(**DESKTOP))
    yield Player(visit.page(), store.origin)
    visit.close()


def test_an_episode_is_chosen_played_to_its_end_and_begun_again(viewer: Player) -> None:
    """Bug: a choice that opens nothing or another episode, is not told of, is forgotten with T, or never ends."""
    viewer.open("tiny", seed=1)
    assert tuple(viewer.world["episodes"]) == NAMES
    viewer.focus()
    viewer.press("v")
    choice = viewer.page.get_by_label("Under the actions of")
    assert choice.locator("optgroup").count() == 2
    choice.select_option("heldout/000009")
    viewer.page.locator(".rc-stage").focus()
    viewer.press("t")
    viewer.until("reverie.state.lockstep && reverie.state.episode === 'heldout/000009'", "it begins", wait_s=WAIT_S)
    viewer.page.locator(".rc-where").get_by_text("under the episode heldout/000009").wait_for()
    assert viewer.state["controller"] == "episode"
    viewer.until("document.querySelector('.rc-side:not([hidden])')", "the pictures stand side by side")
    choice.select_option("heldout/000019")
    viewer.until("reverie.state.episode === 'heldout/000019'", "another one at once", wait_s=WAIT_S)
    viewer.ask("() => reverie.do('speed', { factor: 8 })")
    viewer.until("reverie.state.over && reverie.state.paused", "it comes to its end", wait_s=WAIT_S)
    viewer.page.get_by_role("button", name="Next start").click()
    viewer.until("!reverie.state.over && reverie.state.episode === 'heldout/000019'", "and begins again")
    assert viewer.state["controller"] == "episode"
    viewer.page.locator(".rc-stage").focus()
    viewer.press("t")
    viewer.until("!reverie.state.lockstep && !reverie.frame.lockstep", "T leaves it")
    viewer.press("t")
    viewer.until("reverie.state.lockstep && reverie.state.episode === 'heldout/000019'", "and finds it again")


def test_the_address_begins_under_an_episode(viewer: Player) -> None:
    """Bug: `reverie play --lockstep --episode`, whose page opens the dream alone."""
    viewer.visit(f"{viewer.origin}/?world=tiny&real=lockstep&episode=train%2F000008")
    viewer.until("reverie.state?.lockstep && reverie.state.episode === 'train/000008'", "it is under it", wait_s=WAIT_S)
    viewer.page.keyboard.press("v")
    assert viewer.page.get_by_label("Under the actions of").input_value() == "train/000008"
