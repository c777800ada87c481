"""The pictures of the page in ``docs/``: ``python -m tests.browser.screenshots`` makes them anew, or those named."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import PHONE, launch
from tests.browser.player import Player, Visit
from tests.browser.server import ROOT, serving

DOCS = ROOT / "docs"
WIDE = {"viewport": {"width": 1280, "height": 900}}
TALL = {"viewport": {"width": 1280, "height": 2200}}
"""So that all plots are in sight: those that are not are not drawn."""
WORLDS = {"page-inside": "pong-dreamer", "page-car": "car_racing", "page-lockstep": "pong-dreamer"}
"""Those of another world than the default one."""
WHOLE = ("page-play", "page-dark", "page-inside")
"""Those that show the page down to its end."""
START, SEED, FRAMES = 3, 3, 40
SETTLE_MS = 600
GALLERY_S = 300.0


def play(player: Player) -> None:
    """Some seconds of Pong, with a fork and a save behind it."""
    player.focus()
    with player.holding("ArrowUp"):
        player.play_on(2)
    player.play_on(FRAMES // 2)
    player.press("f")
    player.until("reverie.state.branches > 1", "it is forked")
    with player.holding("ArrowDown"):
        player.play_on(2)
    player.press("Shift+1")
    player.play_on(FRAMES // 2)
    player.until("!document.querySelector('.rc-toast')", "no message is left")


def gallery(player: Player) -> None:
    page = player.page
    page.get_by_role("tab", name="Gallery").click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    for label, value in (("Dreams", 6), ("Frames of each", 45)):
        panel.get_by_role("spinbutton", name=label).fill(str(value))
    panel.get_by_role("button", name="Dream", exact=True).click()
    player.until("document.querySelector('video')?.readyState >= 2", "the gallery is there", wait_s=GALLERY_S)
    player.until("document.querySelector('video').currentTime > 2", "it is played")


def tab(name: str) -> Callable[[Player], None]:
    return lambda player: player.page.get_by_role("tab", name=name).click()


def touch(player: Player) -> None:
    player.page.get_by_role("tab", name="Play").scroll_into_view_if_needed()
    player.play_on(FRAMES)


def drive(player: Player) -> None:
    player.focus()
    with player.holding("ArrowUp"):
        player.play_on(FRAMES)


def inside(player: Player) -> None:
    """A look inside a recurrent world after some play."""
    player.focus()
    player.press("v")
    with player.holding("ArrowUp"):
        player.play_on(3)
    player.play_on(FRAMES)
    player.press("p")
    player.until("document.querySelectorAll('.rc-card canvas, .rc-card img').length > 2", "the views are there")


def workbench(player: Player) -> None:
    """Some seconds in lockstep, and what every action leads to."""
    player.focus()
    player.press("t")
    player.until("document.querySelector('.rc-side:not([hidden])')", "the pictures stand side by side")
    with player.holding("ArrowUp"):
        player.play_on(2)
    player.play_on(FRAMES)
    player.press("k")
    player.until(
        "document.querySelector('.rc-grid-card canvas')?.dataset.drawn", "the answer is there", wait_s=GALLERY_S
    )
    player.press("p")
    player.until("document.querySelectorAll('.rc-plot[data-drawn]').length > 4", "the plots are drawn")


PICTURES = {
    "page-play": (WIDE, play),
    "page-gallery": (WIDE, gallery),
    "page-worlds": (WIDE, tab("Worlds")),
    "page-help": (WIDE, tab("Help")),
    "page-phone": (PHONE, touch),
    "page-inside": (WIDE, inside),
    "page-car": (WIDE, drive),
    "page-lockstep": (TALL, workbench),
    "page-dark": ({**WIDE, "color_scheme": "dark"}, play),
}


def take(browser: Browser, origin: str, name: str) -> Path:
    options, act = PICTURES[name]
    visit = Visit(browser.new_context(**options))
    player = Player(visit.page(), origin)
    player.open(*[WORLDS[name]] if name in WORLDS else [], start=START, seed=SEED)
    act(player)
    player.page.wait_for_timeout(SETTLE_MS)
    path = DOCS / f"{name}.png"
    player.page.screenshot(path=path, full_page=name in WHOLE, animations="disabled")
    visit.close()
    return path


def main() -> None:
    """Serve the shipped worlds, and write all pictures."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = launch(playwright.chromium)
        with serving(Path(folder), tiny=False) as server:
            for name in sys.argv[1:] or PICTURES:
                print(take(browser, server.origin, name))
        browser.close()


if __name__ == "__main__":
    main()
