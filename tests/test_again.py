"""Looks inside a moment that play stands at or went back to: what its step showed, or what follows from its state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from engine.controllers import RandomController
from engine.controls import Controls, Input
from engine.loading import LoadedWorld
from engine.player import Player
from engine.session import Session
from models.types import View
from tests.tiny_rssm import grounded_pong, tiny_rssm_world
from tests.tiny_worlds import endless, random_starts, tiny_world


def session_of(world: Any) -> Session:
    session = Session(world, random_starts(world.spec, 2), world_hash="tiny", seed=3)
    session.controller = RandomController()
    return session


def same(one: tuple[View, ...], other: tuple[View, ...]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a.name == b.name and a.labels == b.labels and torch.equal(a.value, b.value) for a, b in pairs)


MAKES: dict[str, Callable[[], Any]] = {
    "diamond": lambda: endless(tiny_world()),
    "rssm": tiny_rssm_world,
    "told": grounded_pong,
}


@pytest.mark.parametrize("name", MAKES)
def test_a_moment_gone_back_to_shows_what_its_step_showed(name: str) -> None:
    """Catches: the look of another step or of other draws; a repeated step that is kept, or that moves play on."""
    session = session_of(MAKES[name]())
    shown = [session.tick(Input(), inspect=True).views for _ in range(4)]
    for back in range(4):
        moment, timeline = session.moment, session.timeline
        assert same(session.look(), shown[-1 - back]), f"{back} steps back"
        assert session.moment is moment and session.timeline == timeline
        session.rewind(1)
    assert same(session.look(), session.inside()), "the start"
    session.forward(4)
    assert same(session.tick(Input(), inspect=True).views, session.look())


def test_a_step_that_would_be_another_now_is_not_shown() -> None:
    """Catches: an edit or a change of settings passed off as the step that led here; a look across a load."""
    session = session_of(tiny_rssm_world())
    for _ in range(2):
        session.tick(Input())
    value = session.inside()[-2].value
    assert session.inside()[-2].name == "deter"
    session.edit("deter", value + 0.5)
    assert same(session.look(), session.inside())
    session.tick(Input())
    full = {view.name for view in session.look()}
    session.settings(temperature=0.3)
    assert same(session.look(), session.inside())
    session.settings(temperature=1.0)
    assert {view.name for view in session.look()} == full
    session.save("slot")
    session.tick(Input())
    session.load("slot")
    assert same(session.look(), session.inside())


def test_a_player_looks_into_a_moment_once() -> None:
    """Catches: a step made at every turn of a pause; one made for every frame that a held rewind passes."""
    world = endless(tiny_world())
    player = Player(Session.open(LoadedWorld(world, None, random_starts(world.spec, 2), "tiny")), Controls())
    for _ in range(6):
        player.tick()
    player.pause(True)
    player.inspect = True
    first = player.frame.views
    assert first[0].name == "denoising" and all(a is b for a, b in zip(first, player.frame.views, strict=True))
    player.scrub(-1)
    second = player.frame.views
    assert second[0].name == "denoising" and not torch.equal(second[0].value, first[0].value)
    player.rewind(True)
    player.back()
    assert "denoising" not in [view.name for view in player.frame.views]
    player.rewind(False)
    player.pause(True)
    assert "denoising" in [view.name for view in player.frame.views]
