"""A world beside its real game: told of every frame, and switched to like the real game."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path

import pytest
import torch

from engine.controls import Controls, Input
from engine.errors import ReverieError
from engine.grounded import GroundedWorld, parts_of
from engine.loading import LoadedWorld, load_world
from engine.lockstep_views import signed_error
from engine.player import Player
from engine.replay import play_replay
from engine.session import Session
from models.checkpoint import Manifest, write_world_folder
from models.envs.real_world import RealWorld
from models.world import Rng, WorldModel
from tests.counting import CountingWorld
from tests.tiny_rssm import grounded_pong
from tests.tiny_worlds import random_starts, tiny_world


@cache
def world() -> GroundedWorld:
    return grounded_pong()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedWorld:
    dream = world().dream
    provenance = {"env": {"env": "atari", "game": "pong"}}
    manifest = Manifest("rssm", dream.model.config.to_dict(), asdict(dream.settings), dream.spec, provenance)  # type: ignore[attr-defined]
    path: Path = tmp_path_factory.mktemp("worlds") / "tiny"
    write_world_folder(path, manifest, dream.weights(), random_starts(dream.spec, 2), {})  # type: ignore[attr-defined]
    return load_world(path)


def test_the_real_game_is_played_as_it_is() -> None:
    """Catches: a dream that reaches into the real game, or a game that is a step ahead of what the world is told."""
    grounded, alone = world(), RealWorld("pong")
    starts = random_starts(grounded.spec, 2)
    state, rng = grounded.initial(starts, Rng.seeded((1, 2))), Rng.seeded((1, 2))
    real = alone.initial(starts, rng)
    for _ in range(grounded.spec.context - 1):
        real, _ = alone.step(real, grounded.spec.actions.noops(2), rng)
    assert torch.equal(parts_of(state)[1].screen, real.screen)
    assert torch.equal(grounded.frame(state), alone.frame(real)), "what is seen first is the game itself"
    play = Rng.seeded((5, 6))
    for action in torch.tensor([[2, 3], [3, 2], [0, 3]]):
        state, seen = grounded.step(state, action, play, inspect=True)
        real, fact = alone.step(real, action, rng)
        strip = seen.views[0].value
        assert torch.equal(strip[:, 0], fact.frame)
        assert torch.equal(strip[:, 1], seen.frame)
        assert torch.equal(strip[:, 2], signed_error(fact.frame, seen.frame))
        assert torch.equal(grounded.dream.frame(parts_of(state)[0]), fact.frame), "the dream was told this frame"
        assert (seen.reward.tolist(), seen.terminated.tolist()) == (fact.reward.tolist(), fact.terminated.tolist())


def test_views_and_edits_are_the_worlds() -> None:
    """Catches: an edit of what the world believes that is lost, or that touches the real game."""
    grounded = world()
    state, rng = grounded.initial(random_starts(grounded.spec, 1), Rng.seeded((1,))), Rng.seeded((2,))
    state, seen = grounded.step(state, torch.tensor([2]), rng, inspect=True)
    names = [view.name for view in seen.views]
    assert {"reality and dream", "reward", "posterior", "kl", "surprise", "stoch"} <= set(names)
    assert "stoch" in {view.name for view in grounded.inside(state)}
    deter = next(view.value for view in seen.views if view.name == "deter")
    edited = grounded.edit(state, "deter", deter + 1)
    assert torch.equal(parts_of(edited)[0].deter, deter + 1)
    assert torch.equal(parts_of(edited)[1].emulator, parts_of(state)[1].emulator)


def test_places_in_the_real_game_are_numbers_and_may_be_unknown() -> None:
    """Catches: places in pixels shown as choices; an unmapped game, whose empty view ends the window."""
    for game, count in (("pong", 9), ("seaquest", 0)):
        real = RealWorld(game)
        rng = Rng.seeded((1,))
        state = real.initial(random_starts(real.spec, 1), rng)
        views = real.step(state, real.spec.actions.noops(1), rng, inspect=True)[1].views
        assert [(v.kind, v.value.shape[1], len(v.labels)) for v in views] == [("vector", count, count)] * (count > 0)


def test_what_cannot_be_grounded() -> None:
    """Catches: a family that cannot observe, or another game, found out in the middle of play."""
    with pytest.raises(ValueError, match="observe"):
        GroundedWorld(CountingWorld(), RealWorld("pong"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="actions"):
        GroundedWorld(tiny_world(), RealWorld("pong"))


def test_a_diffusion_world_observes_too() -> None:
    """Catches: a real frame that does not take the dreamed one's place, or an expectation that has seen it."""
    dream = tiny_world()
    rng = Rng.seeded((1, 2))
    state, action = dream.initial(random_starts(dream.spec, 2), rng), torch.tensor([1, 2])
    twin, third = rng.clone(), rng.clone()
    after, seen = dream.step(state, action, rng)
    same, told = dream.observe(state, action, seen.frame, twin)
    assert torch.equal(told.frame, seen.frame)
    assert all(torch.equal(getattr(after, name), getattr(same, name)) for name in ("frames", "hidden", "cell"))
    other = random_starts(dream.spec, 2, seed=7).frames[:, 0]
    known, told = dream.observe(state, action, other, third)
    assert torch.equal(told.frame, seen.frame)
    assert torch.equal(known.frames[:, -1], other)
    assert not torch.equal(known.hidden, after.hidden)
    with pytest.raises(ValueError, match="frame: got"):
        dream.observe(state, action, other[:1], third)


def test_sessions_save_and_replay(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: a grounded past that is played again in the dream, or a save that forgets one of the two worlds."""
    session = Session.open(loaded, real="grounded", seed=3)
    for _ in range(3):
        session.tick(Input(frozenset({"up"})))
    session.save_to(tmp_path / "save.safetensors")
    want = session.tick(Input()).image.tobytes()
    assert [frame.image.tobytes() for frame in play_replay(session.history, loaded)][-1] == want
    other = Session.open(loaded, real="grounded", seed=4)
    other.load_from(tmp_path / "save.safetensors")
    assert other.tick(Input()).image.tobytes() == want
    with pytest.raises(ReverieError, match="expected one of"):
        Session.open(loaded, real=True).load_from(tmp_path / "save.safetensors")


def test_players_switch_between_all_three(loaded: LoadedWorld) -> None:
    """Catches: a switch that plays the wrong game or loses where one was; a recorded past played in another world."""
    made: list[object] = []

    def make(real: bool | str) -> Session:
        made.append(real)
        return Session.open(loaded, real=real, seed=5)  # type: ignore[arg-type]

    player = Player(
        make(False), Controls(), real=lambda: make(True), wait_at_end=False, grounded=lambda: make("grounded")
    )
    seen = []
    for real in (False, "grounded", True, "grounded", False):
        player.to_real(real)  # type: ignore[arg-type]
        shown = player.tick()
        seen.append((shown.real, shown.grounded, shown.frame.index))
    assert seen == [(False, False, 1), (False, True, 1), (True, False, 1), (False, True, 2), (False, False, 2)]
    assert made == [False, "grounded", True]
    assert len(player.sessions) == 3
    player.to_real("grounded")
    history = player.session.history
    player.to_real(False)
    player.play_back(history)
    assert player.real == "grounded"


def test_a_world_without_its_game() -> None:
    """Catches: a crash where the game was never there."""
    player = Player(Session(CountingWorld(), random_starts(CountingWorld().spec, 2), world_hash="c"), Controls())
    with pytest.raises(ReverieError, match="real game"):
        player.to_real("grounded")
    assert not player.real


def test_observing_is_a_part_of_the_contract() -> None:
    """Catches: a world of the contract that is taken for one that can observe."""
    dream: WorldModel = CountingWorld()
    assert not hasattr(dream, "observe")
    assert hasattr(tiny_world(), "observe")
