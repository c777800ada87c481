"""Other worlds, other players, the real game, live settings."""

from __future__ import annotations

from tests.browser.player import Player, same
from tests.browser.server import Serving


def test_another_world_and_back(player: Player, server: Serving) -> None:
    """Bug: the picture keeps the old world's size or keys, two sessions are left, or the way back is closed."""
    player.open(start=0, seed=1)
    player.play_on(1)
    player.play_world("Tiny")
    player.until("reverie.world.name === 'tiny' && reverie.frame?.width === 16", "the tiny world is shown")
    player.play_on(3)
    look = player.look()
    assert look.image.shape == (16, 16, 3) and player.world["keys"]["left"] != player.world["keys"]["right"]
    assert player.page.get_by_role("application", name="Play Tiny").is_visible()
    player.page.get_by_label("Start, 0 to 2").wait_for()
    server.until("the session in the old world is gone", players=1)
    player.play_world("Pong")
    player.until("reverie.world.name === 'pong' && reverie.frame?.width === 64", "Pong is shown again")
    player.play_on(2)
    assert player.look().image.shape == (64, 64, 3) and "up" in player.world["keys"]
    player.page.get_by_role("application", name="Play Pong").wait_for()


def test_everybody_on_offer_can_play(player: Player) -> None:
    """Bug: a controller is offered that fails, the choice does not follow the session, or keys change who plays."""
    player.open(start=2, seed=1)
    names = {"human": "You", "agent": "Agent", "random": "Chance", "again": "This episode again"}
    offered = player.world["controllers"]
    for name in ("random", *(["agent"] if "agent" in offered else []), "human"):
        player.choose(names[name])
        player.until("reverie.state.controller === it", f"{name} plays", name)
        player.play_on(2)
    shown = player.page.locator(".rv-controls fieldset").filter(has_text="Who plays").get_by_role("radio")
    assert shown.count() == len(offered)


def test_an_episode_can_be_played_again(player: Player) -> None:
    """Bug: its actions or its chances are others the second time, or the player never gets the game back."""
    player.open(start=2, seed=8)
    with player.holding("ArrowUp"):
        player.play_on(4)
    last = player.pause()
    first = {look.index: look for look in player.drawn()}
    since = player.count()
    player.press("p")
    player.choose("This episode again")
    player.until("drawnFrames.slice(it).some((frame) => frame.index === 0)", "it begins again", since)
    player.until("reverie.state.controller === 'human' && reverie.frame.index >= it", "the player has it", last.index)
    looks = player.drawn(since)
    begin = next(k for k, look in enumerate(looks) if look.index == 0)
    both = [look for look in looks[begin:] if look.index in first and look.index <= last.index]
    assert len(both) >= 3 and all(same(look, first[look.index]) for look in both)


def test_the_real_game_is_there(player: Player) -> None:
    """Bug: the real game shows the dream, takes no keys, or there is no way back from it."""
    player.open(start=2, seed=1)
    dream = player.pause()
    player.press("p")
    player.choose("The real game")
    player.until("reverie.frame?.real && reverie.state.real", "it is the real game")
    with player.holding("ArrowUp"):
        since = player.count()
        player.play_on(8)
    rows = [row for look in player.drawn(since) if (row := look.paddle) is not None]
    player.page.locator(".rc-where").get_by_text("the real game", exact=True).wait_for()
    player.choose("The dream")
    player.until("reverie.frame && !reverie.frame.real", "it is the dream again")
    assert player.look().index >= dream.index
    assert len(rows) < 2 or rows[-1] < rows[0] + 2, f"the paddle's rows with up held: {rows}"


def test_settings_are_live_and_a_horizon_ends_it(player: Player) -> None:
    """Bug: the sliders change only themselves, or an episode that is cut off shows nothing."""
    player.open(start=2, seed=1)
    player.fill("number input for Denoising steps", 1)
    player.until("reverie.state.settings.steps === 1", "the sampler takes one step")
    player.press("]")
    player.until("reverie.state.settings.steps === 2", "the key changes it, too, right after Enter in the field")
    slider = player.page.get_by_role("spinbutton", name="number input for Denoising steps")
    player.until("it.value === '2'", "the slider follows", slider.element_handle())
    index = player.look().index
    player.fill("Horizon", index + 4)
    player.veil().get_by_text("The horizon is reached").wait_for()
    assert player.look().header["truncated"] and player.look().index >= index + 4
    player.veil().get_by_role("button", name="Next start").click()
    player.until("reverie.frame.index < 4 && !reverie.frame.paused && reverie.state.start === 3", "the next one begins")
