"""A flagged glitch opened again in a browser."""

from __future__ import annotations

import numpy as np
import pytest

from tests.browser.player import Player


@pytest.mark.parametrize("where", [False, "lockstep"])
def test_a_flagged_glitch_opens_again_as_it_was(player: Player, where: bool | str) -> None:
    """Bug: an address that opens the world but not the moment, lets it run, or forgets its note and where it played."""
    world = "pong" if where else "tiny"
    player.open(world, start=1, seed=1)
    player.focus()
    if where:
        player.ask("(on) => reverie.do('real', { on })", where)
        player.until("reverie.frame?.lockstep", "it is lockstep")
    player.play_on(6)
    player.pause()
    flagged = player.still()
    kept = player.ask("() => reverie.do('flag', { note: 'it shakes' })")
    player.step()
    after = player.still()
    player.visit(f"{player.origin}/?world={world}&glitch={kept['id']}")
    player.until("reverie.state?.paused && reverie.frame?.index === it", "it stands there", flagged.index)
    again = player.still()
    player.page.locator(".rc-stage").focus()
    assert np.array_equal(again.image, flagged.image)
    assert player.state["lockstep"] is bool(where)
    player.toast("it shakes").wait_for()
    player.step()
    assert np.array_equal(player.still().image, after.image), "the same future"
    player.ask("() => reverie.do('scrub', { frames: -4 })")
    player.until("reverie.frame.index === it", "what led to it is there", flagged.index - 3)
