"""A server, a browser, and players at its pages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, sync_playwright

from tests.browser.player import Player, Visit
from tests.browser.server import Serving, serving

NAMES = ("chromium", "chromium-browser", "google-chrome")
DESKTOP: dict[str, Any] = {"viewport": {"width": 1100, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
Visitor = Callable[..., Player]


def find_browser() -> str:
    """The browser's path. Where there is none the test is skipped, or fails where everything is to be tested."""
    path = next((path for name in NAMES if (path := shutil.which(name))), None)
    if path is not None:
        return path
    told = f"got no browser, expected one of {', '.join(NAMES)}; apt-get install chromium"
    if os.environ.get("REVERIE_TESTS") == "complete":
        pytest.fail(told)
    pytest.skip(told)


def launch(kind: BrowserType) -> Browser:
    return kind.launch(executable_path=find_browser(), args=["--no-sandbox"])


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A browser for the tests of this folder alone: while it lives, its event loop is the thread's running one."""
    find_browser()
    with sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """``reverie serve`` with Pong and a tiny world, and nobody at it."""
    with serving(Path(tmp_path_factory.mktemp("served"))) as server:
        yield server


@pytest.fixture(scope="module")
def visit(browser: Browser, server: Serving) -> Iterator[Visit]:
    """One context for the pages of a module, with what it loaded kept; its complaints fail the last test."""
    visit = Visit(browser.new_context(**DESKTOP))
    yield visit
    visit.close()


@pytest.fixture
def player(visit: Visit, server: Serving) -> Iterator[Player]:
    """Somebody at a page that is yet to be opened; closed at the end of the test."""
    player = Player(visit.page(), server.origin)
    yield player
    player.page.close()
    complaints, visit.complaints = visit.complaints, []
    assert not complaints


@pytest.fixture
def visitor(browser: Browser, server: Serving) -> Iterator[Visitor]:
    """Makes players with browsers of their own: ``visitor(origin, forgive, **options of the context)``."""
    visits: list[tuple[Visit, bool]] = []

    def make(origin: str | None = None, forgive: bool = False, **options: Any) -> Player:
        visit = Visit(browser.new_context(**{**DESKTOP, **options}))
        visits.append((visit, forgive))
        return Player(visit.page(), origin or server.origin)

    yield make
    for visit, forgive in visits:
        if forgive:
            visit.complaints.clear()
        visit.close()
