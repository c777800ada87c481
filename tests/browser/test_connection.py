"""Lost connections, closed pages and hidden ones: whose session goes on, and who costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.conftest import Visitor
from tests.browser.player import Player, same
from tests.browser.server import Line, Serving

STILL_MS = 700
HIDE = """(hidden) => {
  const get = () => (hidden ? "hidden" : "visible");
  Object.defineProperty(document, "visibilityState", { get, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def line(server: Serving) -> Iterator[Line]:
    line = Line(server.port)
    yield line
    line.close()


def test_a_lost_connection_goes_on_where_it_was(line: Line, visitor: Visitor, server: Serving) -> None:
    """Bug: after a lost connection the page stays dead, begins a new dream, or loses the way back in time."""
    player = visitor(f"http://127.0.0.1:{line.port}", forgive=True)
    player.open("tiny", start=1, seed=4)
    player.play_on(3)
    last = player.pause()
    session = player.ask("() => reverie.welcome.session")
    player.press("p")
    player.play_on(3)
    line.cut()
    player.veil().get_by_text("No connection").wait_for()
    server.until("the session sleeps, and is kept", players=1, connected=0, active=0)
    line.mend()
    player.until("reverie.status === 'open' && reverie.frame", "it is connected again")
    assert player.ask("() => reverie.welcome.session") == session and player.ask("() => reverie.welcome.resumed")
    player.play_on(2)
    assert player.look().index > last.index
    player.pause()
    slider = player.page.get_by_role("slider", name="Timeline")
    for _ in range(player.look().index - last.index):
        player.at(player.look().index - 1, lambda: slider.press("ArrowLeft"))
    assert same(player.look(), last)
    assert server.stats()["players"] == 1


def test_a_closed_page_frees_its_session_at_once(visitor: Visitor, server: Serving) -> None:
    """Bug: whoever closes the page keeps a place, and its memory, for a minute."""
    player = visitor()
    player.open("tiny")
    assert server.until("only this one plays", players=1)["memory_mb"] > 0
    player.page.close()
    server.until("nobody is left", wait_s=20, players=0, memory_mb=0)


def test_another_page_of_the_site_frees_it_too(visitor: Visitor, server: Serving) -> None:
    """Bug: every reload of the page leaves a session behind."""
    player = visitor(forgive=True)  # Gradio complains of its own stream, which a reload ends
    player.open("tiny")
    first = player.ask("() => reverie.welcome.session")
    player.page.reload()
    player.until("window.reverie?.frame", "it plays")
    assert player.ask("() => reverie.welcome.session") != first
    server.until("only the new session is left", wait_s=20, players=1)


def test_a_page_out_of_sight_costs_nothing(player: Player, server: Serving) -> None:
    """Bug: tabs that nobody sees keep the model busy, or do not go on where they were when they are seen again."""
    player.open("tiny", start=0, seed=2)
    player.play_on(2)
    player.ask(HIDE, True)
    asleep(player, server)
    player.ask(HIDE, False)
    player.play_on(2)
    player.page.get_by_role("tab", name="Help").click()
    asleep(player, server)
    player.page.get_by_role("tab", name="Play").click()
    player.play_on(2)
    indices = [look.index for look in player.drawn()]
    assert indices == sorted(indices), "the same dream went on"


def asleep(player: Player, server: Serving) -> None:
    server.until("no session is active", players=1, active=0)
    made = server.stats()["frames"]
    player.page.wait_for_timeout(STILL_MS)
    assert server.stats()["frames"] == made
