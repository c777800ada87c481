"""Slots, files and branches: what is come back to is what was left, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.player import Look, Player, same


@pytest.fixture
def left(player: Player) -> Look:
    """Pong, paused."""
    player.open(start=3, seed=7)
    player.play_on(2)
    return player.pause()


def test_load_leads_back_to_save(player: Player, left: Look) -> None:
    """Bug: a slot holds another moment, is lost, or its load only changes the picture and not the dream."""
    player.choose("2")
    player.click("Save")
    player.page.get_by_text("Saved: 2").wait_for()
    future = [player.step() for _ in range(3)]
    assert not same(left, future[-1])
    assert same(player.at(left.index, lambda: player.click("Load")), left)
    assert same(player.step(), future[0]), "the dream goes on as it did"
    assert same(player.at(left.index, lambda: player.press("2")), left), "the key loads it, too"


def test_a_save_file_comes_back(player: Player, left: Look, tmp_path: Path) -> None:
    """Bug: the downloaded save is empty, cannot be loaded by the page that made it, or leads to another moment."""
    (save,) = player.downloads(1, lambda: player.click("Save to a file"))
    path = tmp_path / save.suggested_filename
    save.save_as(path)
    future = player.step()
    player.step()
    with player.page.expect_file_chooser() as chooser:
        player.click("Load a file")
    assert same(player.at(left.index, lambda: chooser.value.set_files(path)), left)
    assert same(player.step(), future)


def test_branches_go_apart_and_stay(player: Player, left: Look) -> None:
    """Bug: a fork shares its future with the branch it came from, or changing branches loses one of them."""
    player.click("Fork")
    player.until("reverie.state.branches === 2 && reverie.state.branch === 1", "there is a second branch")
    assert same(player.look(), left)
    with player.holding("ArrowUp"):
        mine = [player.step() for _ in range(2)][-1]
    assert same(player.at(left.index, lambda: player.click("Next of 2")), left), "the first branch stands where it was"
    with player.holding("ArrowDown"):
        other = [player.step() for _ in range(2)][-1]
    assert not same(mine, other)
    player.press("b")
    player.until("reverie.frame.branch === 1", "the second branch is shown")
    assert same(player.look(), mine)
    player.press("b")
    player.until("reverie.frame.branch === 0", "the first branch is shown")
    assert same(player.look(), other)
