"""The export of flagged glitches: what really happened, as episodes that training takes."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.controllers import RandomController
from engine.controls import Input
from engine.errors import ReverieError
from engine.flagged import episodes_of, runs_of
from engine.glitch_export import export_glitches
from engine.glitches import glimpse_of, keep_glitch
from engine.loading import LoadedWorld, load_world
from engine.session import Real, Session
from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.envs.real_world import RealState, RealWorld
from models.training.diamond import episode_settings
from models.training.probe_training import labelled_frames
from models.training.stored_branches import stored_branches
from models.world import Rng
from tests.counting import loaded as counting
from tests.flagging import STEPS, played, write_pong
from tests.stores import counting_meta, episode_of


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pong(tmp_path_factory.mktemp("worlds"))


@pytest.fixture
def loaded(worlds: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedWorld:
    monkeypatch.setenv("REVERIE_WORLDS", str(worlds))
    return load_world("tiny")


@pytest.mark.parametrize("real", [True, "grounded", "lockstep"])
def test_the_export_is_what_really_happened(loaded: LoadedWorld, tmp_path: Path, real: Real) -> None:
    """Catches: dreamed frames sold as real ones, an action beside the wrong frame, labels of another moment.

    The oracle is the real game itself, put where the first frame was and played again.
    """
    session = Session.open(loaded, real=real, seed=7)
    session.controller = RandomController(0.5)
    game = RealWorld("pong")
    states = [lead_state(session)]
    for _ in range(STEPS):
        session.tick(Input())
        states.append(lead_state(session))
        if len(states) == 8 and real == "lockstep":
            session.anchor()
    done = export_glitches([keep_glitch(glimpse_of(session, "why?"), tmp_path / "g")], tmp_path / "store")
    assert (done.episodes, done.steps, done.skipped) == (2, STEPS, ()), "its end is held out, as nothing else was"
    train, held = (EpisodeStore(tmp_path / "store").episodes(split)[0].read() for split in ("train", "heldout"))
    frames = torch.cat([train.frames, held.frames[1:]])
    assert torch.equal(train.frames[-1], held.frames[0])
    state, rng = states[0], Rng.seeded([0])
    actions, rewards = torch.cat([train.actions, held.actions]), torch.cat([train.rewards, held.rewards])
    for t, action in enumerate(actions):
        assert torch.equal(game.frame(state)[0], frames[t])
        game.restore(state)
        assert torch.equal(game.places(), torch.cat([train.objects, held.objects[1:]])[t])
        state, fact = game.step(state, action[None], rng)
        assert float(fact.reward) == float(rewards[t])
        assert torch.equal(state.emulator, states[t + 1].emulator)
    assert bool(train.truncated[-1])
    assert train.meta["policy"] == "flagged"
    assert train.meta["flagged"]["note"] == "why?"
    assert train.meta["actions"] == list(loaded.world.spec.actions.names)


def lead_state(session: Session) -> RealState:
    world: Any = session.world
    state = session.moment.state
    return state if isinstance(state, RealState) else world.parts(state)[0]


def test_exported_episodes_mix_with_collected_ones(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: meta by which training refuses the store, a held-out split that changes, a glitch exported twice."""
    store = EpisodeStore(tmp_path / "pong")
    sample = episodes_of(glimpse_of(played(loaded, True)))[0]
    for number in (0, 8, 9):
        store.add(number, replace(sample, meta={**sample.meta, "seed": number, "policy": "expert"}))
    store.write_index()
    glitches = [keep_glitch(glimpse_of(played(loaded, mode)), tmp_path / "g") for mode in (True, "lockstep")]
    done = export_glitches(glitches, store.folder)
    assert (done.episodes, store.numbers()) == (2, [0, 8, 9, 10, 11])
    assert episode_settings(store)["game"] == "pong", "one setting for all"
    assert len(store.scan("heldout")[0]) == 1
    assert [why for _, why in export_glitches(glitches, store.folder).skipped] == ["it is there already"] * 2
    assert len(store.numbers()) == 5


def test_a_glitch_is_exported_once(loaded: LoadedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a glitch named twice in one command, which weighs twice; one of which a full disk left half in a store,
    so that the rest never comes."""
    glitch = keep_glitch(glimpse_of(played(loaded, "lockstep")), tmp_path / "g")
    store = EpisodeStore(tmp_path / "store")
    once, add = replace(glitch), EpisodeStore.add

    def full(store: EpisodeStore, number: int, episode: Episode) -> Path:
        if store.numbers():
            raise OSError(errno.ENOSPC, "No space left on device")
        return add(store, number, episode)

    monkeypatch.setattr(EpisodeStore, "add", full)
    with pytest.raises(ReverieError, match="No space left"):
        export_glitches([glitch], store.folder)
    assert store.numbers() == []
    monkeypatch.setattr(EpisodeStore, "add", add)
    done = export_glitches([glitch, once], store.folder)
    assert (done.episodes, done.steps, done.skipped) == (2, STEPS, ((glitch.id, "it is there already"),))


def test_a_dream_has_no_truth(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: a world that is trained on its own dreams without anybody having asked for it."""
    glitch = keep_glitch(glimpse_of(played(loaded)), tmp_path / "g")
    done = export_glitches([glitch], tmp_path / "store")
    assert done.episodes == 0
    assert "--dreamed" in done.skipped[0][1]
    assert not (tmp_path / "store").exists()
    assert export_glitches([glitch], tmp_path / "store", dreamed=True).episodes == 2
    episodes = EpisodeStore(tmp_path / "store").episodes("train")
    assert episodes[0].header.meta["policy"] == "dreamed"
    shown = torch.from_numpy(glimpse_of(played(loaded)).moments[0].frame.image).permute(2, 0, 1)
    assert torch.equal(episodes[0].read().frames[0], shown)
    with pytest.raises(ValueError, match="flagged glitches only"):
        stored_branches(episodes, 1, 1, 0)
    real = keep_glitch(glimpse_of(played(loaded, True)), tmp_path / "g")
    export_glitches([real], tmp_path / "store")
    pool = labelled_frames(EpisodeStore(tmp_path / "store").episodes("train"), 30, seed=0)
    assert bool(pool.objects.any()), "a probe learns from real frames alone"
    assert not bool((pool.frames == shown).flatten(1).all(1).any())


def test_another_game_is_not_mixed_in(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: a store that no training takes any more, noticed only after hours."""
    store = EpisodeStore(tmp_path)
    frames = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    store.add(0, episode_of(frames, torch.zeros(2, dtype=torch.int64), torch.zeros(2), False, counting_meta(64)))
    glitch = keep_glitch(glimpse_of(played(loaded, True)), tmp_path / "g")
    with pytest.raises(ReverieError, match=r"got episodes with actions .* one game at a time"):
        export_glitches([glitch], tmp_path)
    assert store.numbers() == [0]


def test_an_unknown_game_cannot_be_exported(tmp_path: Path) -> None:
    """Catches: an episode without its game's settings, on which training fails with a missing key."""
    session = Session.open(counting(), seed=3)
    [session.tick(Input()) for _ in range(4)]
    glitch = keep_glitch(glimpse_of(session), tmp_path / "g")
    with pytest.raises(ReverieError, match="got no settings of its game"):
        export_glitches([glitch], tmp_path / "store", dreamed=True)


def test_runs_end_where_episodes_do(loaded: LoadedWorld) -> None:
    """Catches: an episode that goes on across a new start, or one with an end in its middle."""
    session = Session.open(counting(end=4), seed=3)
    for _ in range(11):  # 4 steps, a start, 4 steps, a start, 1 step
        session.tick(Input())
    moments = glimpse_of(session).moments
    assert runs_of(moments, edits_show=True) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
    endings = [(bool(e.terminated[-1]), bool(e.truncated[-1]), len(e)) for e in episodes_of(glimpse_of(session))]
    assert endings == [(True, False, 4), (True, False, 4), (False, True, 1)]
    told = played(loaded, "lockstep")
    [told.step(torch.tensor([0])) for _ in range(2)]
    moments = glimpse_of(told).moments
    edit = next(k for k, moment in enumerate(moments) if moment.past.edit is not None)
    assert runs_of(moments, edits_show=False) == [[k for k in range(len(moments)) if k != edit]]
    assert len(runs_of(moments, edits_show=True)) == 2


def test_a_session_stepped_beyond_its_end_makes_two_runs() -> None:
    """Catches: an end in the middle of an episode where play simply went on, which no store takes."""
    session = Session.open(counting(end=3), seed=3)
    [session.step(torch.tensor([0])) for _ in range(5)]
    assert [len(episode) for episode in episodes_of(glimpse_of(session))] == [3]
