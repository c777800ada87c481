"""Branches of games that are played again from their seeds, on the game whose frames tell what they should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.data.store import EpisodeStore
from models.training.branches import measure_actions
from models.training.stored_branches import held_actions, stored_branches
from models.types import ActionSpec

DRIVE = ActionSpec(("steer", "gas"), "continuous", (-1.0, 0.0), (1.0, 1.0))


def test_what_is_held() -> None:
    """Catches: an end of a component's range that is left out, or nothing done twice."""
    rows, names = held_actions(DRIVE)
    assert names == ("nothing", "-steer", "steer", "gas")
    assert rows.tolist() == [[0, 0], [-1, 0], [1, 0], [0, 1]]
    assert torch.equal(held_actions(ActionSpec(("a", "b")))[0], torch.tensor([0, 1]))


def test_branches_begin_where_their_context_ends(counting_store: Path) -> None:
    """Catches: a branch that begins a step early or late, or one played under another action than it is filed under."""
    episodes = EpisodeStore(counting_store).episodes("train")
    told: list[int] = []
    found = stored_branches(episodes, 6, length=5, seed=1, hold=4, on_state=told.append)
    assert len(found.futures) == 6 and sum(told) == 6
    begin = found.context.frames[:, -1, 0, 0, 0].long()
    count, led_by = (found.futures[:, :, :, c, 0, 0].long() for c in range(2))
    assert torch.equal(count, (begin[:, None, None] + torch.arange(1, 5)).expand_as(count))
    assert torch.equal(led_by, torch.arange(3)[None, :, None].expand_as(led_by))
    lengths = found.futures[:, :, :, 2, 0, 0].long()
    assert bool((count <= lengths).all()), "no branch goes on after the end"


def test_another_game_than_the_stored_one_is_refused(counting_store: Path) -> None:
    """Catches: branches of another game filed under the stored one, because its version or seed differs."""
    episodes = EpisodeStore(counting_store).episodes("train")
    for episode in episodes:
        meta = {**episode.header.meta, "seed": episode.header.meta["seed"] + 1}
        episode.header = replace(episode.header, meta=meta)
    with pytest.raises(ValueError, match="collect anew"):
        stored_branches(episodes, 6, length=5, seed=1, hold=4)


def test_accuracy_of_a_dream_that_knows_and_one_that_ignores_its_action(counting_store: Path) -> None:
    """Catches: dreams compared with other actions' branches."""
    episodes = EpisodeStore(counting_store).episodes("train")
    found = stored_branches(episodes, 4, length=5, seed=1, hold=4)
    from tests.counting_dream import CountingDream

    assert measure_actions(CountingDream(ignores=False), found, 0)["accuracy"] == 1.0
    assert measure_actions(CountingDream(ignores=True), found, 0)["accuracy"] < 0.5
