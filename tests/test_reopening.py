"""A glitch opened again by a player of a server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.controls import Input
from engine.glitches import Glitch, glimpse_of, keep_glitch
from engine.server.hub import Hub
from engine.server.shelf import Shelf
from engine.session import Real, Session
from tests.counting import CountingWorld, loaded
from tests.players import Client, pixel


@pytest.fixture(autouse=True)
def glitches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path))
    return tmp_path


def flagged(world: Any, steps: int = 7, real: Real = False) -> tuple[Session, Glitch]:
    """A session, and its present moment on disk."""
    session = Session.open(world, real=real, seed=3)
    session.settings(gain=3)
    for step in range(steps):
        session.step(torch.tensor([step % 8]))
    return session, keep_glitch(glimpse_of(session, "odd"))


@pytest.fixture
def client() -> Iterator[Client]:
    worlds = {"counting": loaded(), "other": loaded(hash="beef")}
    with Hub(Shelf(open_worlds=worlds), flags=True) as hub:
        yield Client(hub, seed=1)


def test_a_player_stands_where_it_was_flagged(client: Client) -> None:
    """Catches: a glitch opened in the world that happens to be played, not paused, or under other settings."""
    session, glitch = flagged(loaded(hash="beef"))
    assert client.value("glitch", name=glitch.id) == {"id": glitch.id, "note": "odd", "index": 7}
    state = client.state_where(lambda state: state["paused"] and state["length"] > 7)
    assert client.event("world").fields["name"] == "other"
    assert state["settings"] == {"gain": 3}
    client.value("step")
    session.tick(Input())
    shown = client.wait(lambda: next((f for f in client.frames if f.header.index == 8), None))
    assert pixel(shown) == tuple(session.frame.image[0, 0])
    client.value("scrub", frames=-8)
    assert client.state_where(lambda state: state["cursor"] == 1)["length"] == 10, "what led to it is there"


def test_it_is_played_where_it_was_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a glitch of a lockstep that opens in the dream alone, where nobody can see what was wrong."""
    game = CountingWorld()
    game.spec = replace(game.spec, name="counting (real)", family="real")
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: game)
    monkeypatch.setattr("engine.server.shelf.real_world_for", lambda world: game)
    session, glitch = flagged(loaded(), real="lockstep")
    with Hub(Shelf(open_worlds={"counting": loaded()}), flags=True) as hub:
        client = Client(hub, seed=1)
        client.value("glitch", name=glitch.id)
        state = client.state_where(lambda state: state["paused"] and state["lockstep"] and state["length"] > 7)
        assert state["cursor"] == state["length"] - 1
        client.value("step")
        session.tick(Input())
        shown = client.wait(lambda: next((f for f in client.frames if f.header.index == 8 and f.header.lockstep), None))
        assert pixel(shown) == tuple(session.frame.image[0, 0])


def test_what_cannot_be_opened_is_told(client: Client, glitches: Path) -> None:
    """Catches: a path from outside that is followed, a foreign world, damage that ends the session."""
    _, glitch = flagged(loaded(hash="dead"))
    assert client.code("glitch", name=glitch.id) == "unknown_world"
    _, glitch = flagged(loaded())
    (glitch.path / "film.safetensors").unlink()
    for name in (glitch.id, "none", str(glitches), "..", "../" + glitch.id):
        assert client.code("glitch", name=name) == "bad_value"
    assert client.value("step")["index"] > 0, "play goes on"
    with Hub(Shelf(open_worlds={"counting": loaded()})) as hub:
        assert Client(hub).code("glitch", name="any") == "unsupported"
