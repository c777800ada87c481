"""The real game and what is dreamed of it, side by side under the same actions."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.batcher import Turn, kind_of, take_turns
from engine.controllers import HumanController, ReplayController, Seen
from engine.controls import Input
from engine.errors import ReverieError
from engine.loading import LoadedWorld, load_world
from engine.lockstep import LockstepWorld
from engine.lockstep_views import signed_error
from engine.replay import open_for, play_replay, read_replay, write_replay
from engine.session import Session, bare_hash, episode_hash, other_hash, real_of
from models.checkpoint import Manifest, write_world_folder
from models.data.episode import Episode, EpisodeFile
from models.envs.episode_world import EpisodeWorld
from models.envs.real_world import RealWorld
from models.envs.replayed_world import ReplayedWorld
from models.types import Context
from models.world import Rng, WorldModel, state_tensors
from tests.counting import CountingWorld, starts
from tests.lockstep_worlds import DreamtCounting, Invents, RealCounting, counting_lockstep, counting_session
from tests.tiny_rssm import tiny_rssm_world
from tests.tiny_worlds import random_starts, tiny_world, write_tiny

PONG = RealWorld("pong", 16)


def pong_dream(seed: int = 0) -> Any:
    return tiny_rssm_world("v3", PONG.spec.actions, seed=seed, size=16)


def write_dream(path: Path, dream: Any, game: str = "pong") -> LoadedWorld:
    manifest = Manifest(
        "rssm",
        dream.model.config.to_dict(),
        asdict(dream.settings),
        dream.spec,
        {"env": {"env": "atari" if game else "none", "game": game}},
    )
    write_world_folder(path, manifest, dream.weights(), random_starts(dream.spec, 2), {})
    return load_world(path)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedWorld:
    return write_dream(tmp_path_factory.mktemp("worlds") / "tiny", pong_dream())


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> LoadedWorld:
    return write_dream(tmp_path_factory.mktemp("worlds") / "other", pong_dream(7))


@pytest.fixture(scope="module")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = torch.Generator().manual_seed(3)
    frames = torch.randint(256, (13, 3, 16, 16), generator=generator).to(torch.uint8)
    actions = torch.randint(6, (12,), generator=generator)
    ends = torch.zeros(2, 12, dtype=torch.bool)
    ends[0, -1] = True
    rewards = torch.zeros(12)
    rewards[7] = 2.0
    meta = {"actions": list(PONG.spec.actions.names)}
    made = Episode(frames, actions, rewards, ends[0], ends[1], torch.zeros(13, 0, 3), meta)
    path: Path = tmp_path_factory.mktemp("episodes") / "000.safetensors"
    made.write(path)
    return path


def test_each_goes_on_by_itself_under_the_same_actions() -> None:
    """Catches: a dream that is told reality's frames or another action, a game that the dream reaches into."""
    dream = pong_dream()
    world = LockstepWorld(PONG, [dream])
    starts = random_starts(world.spec, 2)
    state = world.initial(starts, Rng.seeded((1, 2)))
    real, alone = world.parts(state)
    assert torch.equal(world.frame(state), world.sight(state)), "the dream begins from the real frame"
    rng, twin = Rng.seeded((5, 6)), Rng.seeded((5, 6))
    window, taken = state.window, state.taken
    for action in torch.tensor([[2, 3], [3, 2], [0, 3], [2, 2]]):
        state, seen = world.step(state, action, rng)
        real, fact = PONG.step(real, action, twin)
        alone, dreamt = dream.step(alone, action, Rng.seeded(twin.integers(2**31 - 1).tolist()))
        assert torch.equal(world.sight(state), fact.frame)
        assert torch.equal(seen.frame, dreamt.frame)
        assert torch.equal(world.frame(state), seen.frame)
        assert (seen.reward.tolist(), seen.terminated.tolist()) == (fact.reward.tolist(), fact.terminated.tolist())
        window = torch.cat([window[:, 1:], fact.frame[:, None]], dim=1)
        taken = torch.cat([taken[:, 1:], action[:, None]], dim=1)
        for name, tensor in state_tensors(alone).items():
            assert torch.equal(getattr(world.parts(state)[1], name), tensor), name
    assert torch.equal(state.window, window)
    assert torch.equal(state.taken, taken)
    assert torch.equal(rng.state(), twin.state())


@pytest.mark.parametrize("family", ["rssm", "diamond"])
def test_anchored_dreams_begin_again_from_the_last_real_frames(family: str) -> None:
    """Catches: an anchor that keeps what the dream believed, takes its own frames for real ones, or moves the game."""
    lead = tiny_world(seed=5)
    dream: Any = tiny_world() if family == "diamond" else tiny_rssm_world()
    world = LockstepWorld(lead, [dream])
    state, rng = world.initial(random_starts(world.spec, 2), Rng.seeded((1, 2))), Rng.seeded((3, 4))
    for action in torch.tensor([[2, 1], [1, 2], [0, 1], [2, 2], [1, 0]]):
        state, _ = world.step(state, action, rng)
    assert not torch.equal(world.frame(state), world.sight(state))
    anchored = world.edit(state, "anchor", torch.tensor([[11.0], [12.0]]))
    want = dream.initial(Context(state.window, state.taken), Rng.seeded((11, 12)))
    for name, tensor in state_tensors(want).items():
        assert torch.equal(getattr(world.parts(anchored)[1], name), tensor), name
    for name, tensor in state_tensors(world.parts(state)[0]).items():
        assert torch.equal(getattr(world.parts(anchored)[0], name), tensor), f"the lead's {name}"
    assert torch.equal(world.frame(anchored), world.sight(state))
    assert (state.since.tolist(), anchored.since.tolist()) == ([5, 5], [0, 0])
    assert world.readings(anchored)[0].psnr > 88


@pytest.mark.parametrize("value", [[[0.5]], [[-1.0]], [[1e6]], [[1.0, 2.0]]])
def test_an_anchor_is_a_seed(value: list[list[float]]) -> None:
    """Catches: an anchor from a foreign replay that begins from a rounded seed, or ends in the middle of a row."""
    world = counting_lockstep()
    state = world.initial(random_starts(world.spec, 1), Rng.seeded((1,)))
    with pytest.raises(ValueError, match="edit anchor: got"):
        world.edit(state, "anchor", torch.tensor(value))


def test_readings_in_closed_form() -> None:
    """Catches: errors taken over the wrong pixels, a nan that is called perfect, dreams' rewards told as real ones."""
    world = counting_lockstep(DreamtCounting(), Invents().with_settings(gain=9), probe=True)
    state, rng = world.initial(random_starts(world.spec, 1), Rng.seeded((1,))), Rng.seeded((2,))
    state, _ = world.step(state, torch.tensor([2]), rng)
    state, _ = world.step(state, torch.tensor([2]), rng)
    state, _ = world.step(state, torch.tensor([0]), rng)
    same, other = world.readings(state)
    # Reality shows the count 4 (one no-op filled the context), a dream that began one step later 3 or 27.
    assert same.psnr == pytest.approx(10 * math.log10(255**2 / (1 / 3)), abs=1e-3)
    assert other.psnr == pytest.approx(10 * math.log10(255**2 / (23**2 / 3)), abs=1e-3)
    assert math.isnan(same.moving_psnr), "two levels are no motion"
    assert (same.since, same.apart[0], other.apart[0]) == (3, 1.0, 23.0)
    assert math.isnan(same.apart[1]), "neither shows an action"
    assert same.lost == (False, False)
    state, _ = world.step(state, torch.tensor([0]), rng)
    same = world.readings(state)[0]
    assert same.moving_psnr == pytest.approx(same.psnr), "the last action moved, in every pixel"
    state, _ = world.step(state, torch.tensor([2]), rng)
    same, other = world.readings(state)
    assert [(r.reward_real, r.reward_dream, r.reward_wrong) for r in (same, other)] == [(0, 0, False), (0, 1, True)]


def test_what_is_lost_is_told_from_what_is_not_there() -> None:
    """Catches: an object that the dream invents, or that nobody shows, called lost."""
    world = counting_lockstep(probe=True)
    state, rng = world.initial(random_starts(world.spec, 1), Rng.seeded((1,))), Rng.seeded((2,))
    state, _ = world.step(state, torch.tensor([2]), rng)
    assert world.readings(state)[0].lost == (False, False)
    places = state.places.clone()
    places[:, 1, 1] = 0
    blind = type(state)(**{**state_tensors(state), "places": places})
    assert world.readings(blind)[0].lost == (False, True)
    places[:, 0, 1], places[:, 1, 1] = 0, torch.tensor([0.0, 2.0, 1.0])
    assert world.readings(type(state)(**{**state_tensors(state), "places": places}))[0].lost == (False, False)


def test_signed_error_shows_every_difference() -> None:
    """Catches: a map that is grey where the two differ, or takes darker for brighter."""
    real = torch.full((3, 1, 5), 100, dtype=torch.uint8)
    dream = real.clone()
    dream[:, 0, 1], dream[:, 0, 2] = 255, 0
    dream[0, 0, 3] = 101
    dream[:, 0, 4] = torch.tensor([130, 70, 100])
    grey, brighter, darker, least, hue = signed_error(real, dream)[:, 0].T.int()
    assert grey.tolist() == [128, 128, 128]
    assert brighter[0] > 200 > 100 > brighter[2]
    assert darker[2] > 200 > 100 > darker[0]
    assert least.tolist() != [128, 128, 128]
    assert hue.tolist() != [128, 128, 128]
    assert torch.equal(signed_error(real[None, None], dream[None, None])[0, 0], signed_error(real, dream))


def test_views_stand_beside_each_other() -> None:
    """Catches: a strip whose labels are another part's, views of two worlds under one name, a look that differs from
    the step's."""
    world = LockstepWorld(tiny_world(), [tiny_rssm_world(), tiny_rssm_world(seed=4)])
    assert world.names == ("tiny", "tiny v3", "tiny v3 2")
    state, rng = world.initial(random_starts(world.spec, 2), Rng.seeded((1, 2))), Rng.seeded((2, 3))
    state, seen = world.step(state, torch.tensor([2, 1]), rng, inspect=True)
    views = {view.name: view for view in seen.views}
    assert len(views) == len(seen.views)
    strip = views["lockstep"]
    assert strip.labels == ("tiny", "tiny v3", "error tiny v3", "tiny v3 2", "error tiny v3 2")
    assert torch.equal(strip.value[:, 0], world.sight(state))
    assert torch.equal(strip.value[:, 3], world.followers[1].frame(world.parts(state)[2]))
    assert [view.name for view in seen.views[:3]] == ["lockstep", "moving error", "tiny v3 2: moving error"]
    assert not any(view.name.startswith("tiny") for view in seen.views[3:5]), "the first follower's come first"
    assert {"deter", "tiny v3 2: deter", "tiny: hidden", "moving error", "tiny v3 2: moving error"} <= set(views)
    assert torch.equal(views["tiny v3 2: deter"].value, world.parts(state)[2].deter)
    for view in world.inside(state):
        assert torch.equal(view.value, views[view.name].value), view.name


def test_moving_error_is_none_where_nothing_moved() -> None:
    """Catches: a heat map of everything that differs, in which a still background hides the ball."""
    world = LockstepWorld(PONG, [pong_dream()])
    state, rng = world.initial(random_starts(world.spec, 1), Rng.seeded((1,))), Rng.seeded((2,))
    before = world.sight(state)
    state, seen = world.step(state, torch.tensor([2]), rng, inspect=True)
    heat = next(view.value for view in seen.views if view.name == "moving error")
    moved = ((world.sight(state).int() - before.int()).abs() > 3).any(1)
    assert heat.shape == (1, 16, 16)
    assert torch.equal(heat > 0, moved & (world.sight(state) != seen.frame).any(1))


def test_edits_reach_the_part_they_name() -> None:
    """Catches: an edit of the second world that changes the first one, or leaves the strip as it was."""
    world = LockstepWorld(tiny_world(), [tiny_rssm_world(), tiny_rssm_world(seed=4)])
    state = world.initial(random_starts(world.spec, 1), Rng.seeded((1,)))
    lead, first, second = world.parts(state)
    for name, part, field in (("deter", 1, "deter"), ("tiny v3 2: deter", 2, "deter"), ("tiny: hidden", 0, "hidden")):
        value = getattr((lead, first, second)[part], field) + 1
        edited = world.edit(state, name, value)
        for k, was in enumerate((lead, first, second)):
            assert torch.equal(getattr(world.parts(edited)[k], field, value), value) is (k == part) or k != part
            same = all(torch.equal(t, getattr(world.parts(edited)[k], n)) for n, t in state_tensors(was).items())
            assert same is (k != part), f"{name}: part {k}"
        if part:
            assert torch.equal(edited.shown[:, part - 1], world.followers[part - 1].frame(world.parts(edited)[part]))
    for reading in world.readings(world.edit(state, "deter", first.deter + 1)):
        assert (reading.reward_real, reading.reward_dream) == (0, 0)
        assert (reading.ended_real, reading.ended_dream) == (False, False)
    with pytest.raises(ValueError, match="tiny v3 2: nothing"):
        world.edit(state, "tiny v3 2: nothing", torch.zeros(1, 1))


def test_followers_draw_the_same_noise() -> None:
    """Catches: two worlds that differ by chance, a dream that becomes another one where a world is beside it."""
    dream, other = pong_dream(), pong_dream(7)
    beside = [LockstepWorld(PONG, followers) for followers in ([dream], [dream, other], [other, dream], [dream, dream])]
    states = [world.initial(random_starts(world.spec, 1), Rng.seeded((1,))) for world in beside]
    rngs = [Rng.seeded((4,)) for _ in beside]
    for action in (2, 3, 0):
        for k, world in enumerate(beside):
            states[k], _ = world.step(states[k], torch.tensor([action]), rngs[k])
    alone, first, second, both = (world.parts(state) for world, state in zip(beside, states, strict=True))
    for part in (first[1], second[2], both[1], both[2]):
        assert torch.equal(part.stoch, alone[1].stoch)
        assert torch.equal(part.image, alone[1].image)
    assert not torch.equal(first[2].image, alone[1].image)


def test_settings_are_the_first_followers() -> None:
    """Catches: a slider that changes the real game, both worlds, or loses the probe."""
    world = counting_lockstep(DreamtCounting(), Invents(), probe=True)
    other = world.with_settings(gain=3)
    assert (other.settings.gain, other.followers[1].settings.gain, other.lead.settings.gain) == (3, 1, 1)
    assert other.probe is world.probe
    assert other.followers[1] is world.followers[1]


def test_what_cannot_be_beside_each_other() -> None:
    """Catches: two games that are played together until some tensor does not fit."""
    with pytest.raises(ValueError, match="lockstep: got no follower"):
        LockstepWorld(CountingWorld(), [])
    with pytest.raises(ValueError, match="size and actions"):
        LockstepWorld(CountingWorld(), [tiny_world()])
    with pytest.raises(ValueError, match="observe"):
        LockstepWorld(RealCounting(), [DreamtCounting()], told=True)


def test_mismatches_are_marked_where_they_happen() -> None:
    """Catches: a mark one frame late, one for every follower, one left behind by rewinding, none for a missed end."""
    session = counting_session(Invents(), end=6)
    session.auto_restart = False
    for action in (0, 2, 3, 0):
        session.step(torch.tensor([action]))
    # The real game has counted one step before the start, so that it ends a step before the dream would.
    marks = [(mark.position, mark.kind) for mark in session.timeline.marks]
    assert marks == [(0, "start"), (2, "reward_mismatch"), (3, "reward")]
    session.step(torch.tensor([0]))
    assert [(m.position, m.kind) for m in session.timeline.marks][-2:] == [(5, "terminated"), (5, "end_mismatch")]
    session.rewind(4)
    session.step(torch.tensor([0]))
    assert [(m.position, m.kind) for m in session.timeline.marks] == [(0, "start")]


def test_what_goes_on_being_wrong_is_marked_where_it_begins() -> None:
    """Catches: a timeline full of marks beside a dream that expects a reward of every step."""
    session = counting_session(Invents())
    for action in (2, 2, 2, 0, 2, 2):
        session.step(torch.tensor([action]))
    wrong = [mark.position for mark in session.timeline.marks if mark.kind == "reward_mismatch"]
    assert wrong == [1, 5]
    session.rewind(1)
    session.step(torch.tensor([2]))
    assert [mark.position for mark in session.timeline.marks if mark.kind == "reward_mismatch"] == [1, 5]


def test_an_anchor_is_a_moment_of_the_past(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: an anchor that a rewind, a save or a replay forgets, or that is the same dream whatever the seed."""
    session = Session.open(loaded, real="lockstep", seed=3)
    for action in (2, 3, 2):
        session.step(torch.tensor([action]))
    before = session.moment
    frame = session.anchor()
    assert [(m.position, m.kind) for m in session.timeline.marks][-1] == (4, "anchor")
    assert torch.equal(session.world.frame(session.moment.state), session.world.sight(before.state))
    assert (frame.index, frame.reward) == (3, 0.0)
    session.save_to(tmp_path / "save.safetensors")
    want = [session.step(torch.tensor([action])).image.tobytes() for action in (2, 0, 3)]
    write_replay(tmp_path / "replay.json", session.history)
    played = list(play_replay(read_replay(tmp_path / "replay.json"), loaded))
    assert [frame.image.tobytes() for frame in played][-3:] == want
    again = Session.open(loaded, real="lockstep", seed=9)
    again.load_from(tmp_path / "save.safetensors")
    assert [again.step(torch.tensor([action])).image.tobytes() for action in (2, 0, 3)] == want
    again.rewind(3)
    session.rewind(4)
    assert session.moment is before
    believed = [s.world.parts(s.moment.state)[1].deter for s in (session, again)]
    assert not torch.equal(*believed), "without the anchor it believes something else"


def test_anchor_needs_a_reality() -> None:
    """Catches: an anchor of a dream that ends as an error of some view, or of nobody's."""
    with pytest.raises(ReverieError, match="anchor: got"):
        Session(CountingWorld(), random_starts(CountingWorld().spec, 1), world_hash="c").anchor()


def test_players_share_a_step() -> None:
    """Catches: rows of a lockstep that mix, or that are never batched."""
    sessions = [counting_session(seed=k) for k in range(3)]
    twins = [session.fork() for session in sessions]
    assert len({kind_of(session) for session in sessions}) == 1
    actions = [torch.tensor([k + 1]) for k in range(3)]
    rows = [Turn(session, Input(), True, session.given(a)) for session, a in zip(sessions, actions, strict=True)]
    together = take_turns(rows)
    alone = [twin.step(action, inspect=True) for twin, action in zip(twins, actions, strict=True)]
    for a, b in zip(together, alone, strict=True):
        assert not isinstance(a, Exception)
        assert a.image.tobytes() == b.image.tobytes()
        assert [view.value.tolist() for view in a.views] == [view.value.tolist() for view in b.views]


def test_controllers_act_on_reality() -> None:
    """Catches: an agent that acts on what is dreamed, and is judged by what is real."""
    seen: list[bytes] = []

    class Looks(HumanController):
        def act(self, carry: Any, seen_now: Seen, input: Input, rng: Rng) -> Any:
            seen.append(seen_now.image.tobytes())
            return super().act(carry, seen_now, input, rng)

    session = counting_session(DreamtCounting().with_settings(gain=7))
    session.controller = Looks()
    for _ in range(3):
        session.tick(Input())
    sights = [moment.state.window[0, -1].permute(1, 2, 0).contiguous().numpy().tobytes() for moment in session.trail(9)]
    assert seen == sights[:-1]
    assert seen[2] != session.trail(2)[0].frame.image.tobytes()


def test_hashes_say_what_is_beside(loaded: LoadedWorld, other: LoadedWorld, episode: Path) -> None:
    """Catches: a link or a replay of a lockstep that opens another world, or the dream alone."""
    session = Session.open(loaded, real="lockstep", against=other, episode=episode)
    name = session.world_hash
    assert (real_of(name), bare_hash(name), other_hash(name)) == ("lockstep", loaded.hash, other.hash)
    assert episode_hash(name) == session.world.lead.fingerprint
    assert session.against == "other"
    alone = Session.open(loaded, real="lockstep").world_hash
    assert (bare_hash(alone), other_hash(alone), episode_hash(alone)) == (loaded.hash, "", "")
    assert [real_of(prefix + "c0ffee") for prefix in ("", "real:", "grounded:")] == [False, True, "grounded"]
    with pytest.raises(ReverieError, match="lockstep only"):
        Session.open(loaded, against=other)


def test_two_worlds_and_the_replay_of_both(
    loaded: LoadedWorld, other: LoadedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches: a replay of two worlds that is played with one of them, or with any other."""
    session = Session.open(loaded, real="lockstep", against=other, seed=4)
    assert session.world.names == ("real", "tiny v3", "tiny v3 2")
    for action in (2, 3):
        session.step(torch.tensor([action]))
    assert len(list(play_replay(session.history, loaded, against=other))) == 3
    with pytest.raises(ReverieError, match="world beside it"):
        open_for(session.history, loaded)
    assert other.folder is not None
    monkeypatch.setenv("REVERIE_WORLDS", str(other.folder.path.parent))
    assert open_for(session.history, loaded).world_hash == session.world_hash


def test_without_a_real_game_the_world_leads(tmp_path: Path) -> None:
    """Catches: a dream that nothing is beside, or two worlds of which the first is taken for real."""
    one = write_dream(tmp_path / "one", tiny_rssm_world(), "")
    assert one.folder is not None
    write_tiny(tmp_path / "two")
    two = load_world(tmp_path / "two")
    with pytest.raises(ReverieError, match="real game"):
        Session.open(one, real="lockstep")
    session = Session.open(one, real="lockstep", against=two)
    assert session.world.names == ("tiny v3", "tiny")
    assert torch.equal(session.moment.state.window[:, -1], one.starts.frames[:1, -1])


def test_an_episode_leads_and_its_actions_play(loaded: LoadedWorld, episode: Path) -> None:
    """Catches: recorded frames under other actions than led to them, an episode that goes on behind its end."""
    session = Session.open(loaded, real="lockstep", episode=episode)
    known = EpisodeFile(episode).read()
    first = session.world.length - 1
    assert torch.equal(session.moment.state.window[0], known.frames[: first + 1])
    assert torch.equal(session.moment.state.taken[0], known.actions[:first])
    frames = [session.tick(Input()) for _ in range(12 - first)]
    assert [frame.action for frame in frames] == known.actions[first:].tolist()
    assert [frame.reward for frame in frames] == known.rewards[first:].sign().tolist()
    assert [frame.over for frame in frames] == [False] * (len(frames) - 1) + [True]
    assert torch.equal(session.moment.state.window[0, -1], known.frames[-1])
    assert isinstance(session.controller, ReplayController)
    assert session.tick(Input()).index == 0, "it begins again"
    assert session.tick(Input()).action == known.actions[first]
    assert len(list(play_replay(session.history, loaded, episode=episode))) == len(session.history.ticks)
    with pytest.raises(ReverieError, match="no episode"):
        next(play_replay(session.history, loaded))


def test_an_episode_stays_at_its_end() -> None:
    """Catches: an index behind the last frame, or a reward that is paid again and again."""
    frames = torch.arange(6, dtype=torch.uint8)[:, None, None, None].expand(6, 3, 4, 6).contiguous()
    spec = CountingWorld().spec
    world = EpisodeWorld(frames, torch.tensor([0, 1, 2, 3, 4]), torch.tensor([0.0, 0, 0, 0, 5.0]), spec, 3)
    state = world.initial(random_starts(world.spec, 2), Rng.seeded((1, 2)))
    seen = []
    for _ in range(5):
        state, prediction = world.step(state, torch.tensor([0, 7]), Rng.seeded((1, 2)))
        seen.append((int(prediction.frame[1, 0, 0, 0]), float(prediction.reward[1]), bool(prediction.terminated[1])))
    assert seen == [(3, 0, False), (4, 0, False), (5, 1, True), (5, 0, True), (5, 0, True)]
    assert world.past(state, 3).frames[0, :, 0, 0, 0].tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match="at most 6"):
        world.past(state, 7)
    with pytest.raises(ValueError, match="more than 5"):
        EpisodeWorld(frames, torch.zeros(5, dtype=torch.int64), torch.zeros(5), spec, 5)


def test_a_foreign_episode_is_refused(loaded: LoadedWorld, episode: Path, tmp_path: Path) -> None:
    """Catches: an episode of another game or a damaged one that ends in the middle of play."""
    (tmp_path / "bad.safetensors").write_bytes(episode.read_bytes()[:500])
    with pytest.raises(ReverieError, match="bad.safetensors"):
        Session.open(loaded, real="lockstep", episode=tmp_path / "bad.safetensors")
    known = EpisodeFile(episode).read()
    other = Episode(**{**vars(known), "meta": {"actions": ["JUMP"]}})
    other.write(tmp_path / "jump.safetensors")
    with pytest.raises(ReverieError, match="JUMP"):
        Session.open(loaded, real="lockstep", episode=tmp_path / "jump.safetensors")


def test_a_game_that_cannot_store_its_state() -> None:
    """Catches: a rewound or forked lockstep whose real game has gone on without it."""
    world = LockstepWorld(ReplayedWorld("counting", 16), [tiny_rssm_world()])
    assert world.alone
    session = Session(world, random_starts(world.spec, 1), world_hash="lockstep:c0ffee", seed=5)
    for action in (1, 2, 0):
        session.step(torch.tensor([action]))
    session.anchor()
    twin = session.fork()
    want = [session.step(torch.tensor([action])).image.tobytes() for action in (2, 1)]
    real = session.moment.state.window
    session.rewind(6)
    session.step(torch.tensor([0]))
    assert [twin.step(torch.tensor([action])).image.tobytes() for action in (2, 1)] == want
    assert torch.equal(twin.moment.state.window, real)


def test_a_lockstep_is_a_world_of_the_contract() -> None:
    """Catches: a lockstep that cannot stand where any world can, beside itself for one."""
    inner: WorldModel[Any] = counting_lockstep()
    world = LockstepWorld(inner, [DreamtCounting()])
    state, rng = world.initial(random_starts(world.spec, 1), Rng.seeded((1,))), Rng.seeded((2,))
    state, seen = world.step(state, torch.tensor([3]), rng, inspect=True)
    assert seen.reward.tolist() == [1.0]
    assert len({view.name for view in seen.views}) == len(seen.views)


@pytest.mark.parametrize("cut", [True, False])
def test_running_out_of_time_is_no_end_to_foretell(cut: bool) -> None:
    """Catches: an episode that stops at a time limit marked as an end the dream has missed."""
    dream = DreamtCounting()
    frames = torch.zeros(6, 3, dream.spec.height, dream.spec.width, dtype=torch.uint8)
    lead = EpisodeWorld(frames, torch.zeros(5, dtype=torch.int64), torch.zeros(5), dream.spec, 3, cut=cut)
    session = Session(LockstepWorld(lead, [dream]), starts(), world_hash="lockstep:c0ffee")
    session.auto_restart = False
    for _ in range(3):
        frame = session.step(torch.tensor([0]))
    reading = session.world.readings(session.moment.state)[0]
    assert frame.terminated and reading.ended_real is not cut and reading.end_wrong is not cut
    assert ("end_mismatch" in [mark.kind for mark in session.timeline.marks]) is not cut


@pytest.mark.parametrize(("left", "over"), [(5, False), (2, True)])
def test_a_game_at_its_time_limit_is_cut(left: int, over: bool) -> None:
    """Catches: a real game whose steps are used up said to have ended by itself."""
    game, rng = ReplayedWorld("counting", 16, capacity=left), Rng.seeded([0])
    state = game.initial(random_starts(game.spec, 1), rng)
    for _ in range(2):
        state, seen = game.step(state, torch.tensor([0]), rng)
    assert bool(seen.terminated[0]) is over and seen.cut is not None and bool(seen.cut[0]) is over
