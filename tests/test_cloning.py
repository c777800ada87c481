"""Behaviour cloning: whom it learns from, what it is shown, and what comes of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.controllers import agent_for
from engine.controls import Input
from engine.loading import load_world
from engine.session import Session
from models.checkpoint import WorldError, open_world_folder
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.envs.adapter import make_env
from models.envs.atari import AtariEnv
from models.envs.objects import OBJECTS
from models.nn.pixels import to_float
from models.policies.disk import POLICY, PolicyFile, read_policy, write_policy
from models.policies.pixels import PixelConfig, PixelNet, PixelPolicy
from models.training.card import card
from models.training.checkpoint import read_checkpoint
from models.training.cloning import CloneTask, expert_episodes, labels_of, policy_config, stack_at
from models.training.export import export, kept_agent
from models.training.loop import Loop, TrainConfig
from models.training.options import ExportOptions, TrainOptions
from models.training.policy_export import agreement
from models.training.real_games import play_game, play_games, player_gamer, policy_gamer, summary, teacher_gamer
from models.training.stop import StopFlag
from models.training.teachers import PUSH, ROLL, TEACHERS, pong_teacher, reach
from tests.stores import counting_meta, episode_of
from tests.tiny_worlds import ACTIONS, SIZE, write_tiny

CPU = torch.device("cpu")


def write_told(folder: Path, policies: tuple[str, ...] = ("expert",) * 20, steps: int = 24) -> Path:
    """Episodes whose frame says, by its colour, what the player does next; the frame's corner counts."""
    store = EpisodeStore(folder)
    for number, policy in enumerate(policies):
        generator = torch.Generator().manual_seed(number)
        actions = torch.randint(3, (steps,), generator=generator)
        frames = torch.randint(100, (steps + 1, 3, SIZE, SIZE), generator=generator).to(torch.uint8)
        frames[torch.arange(steps), actions] += 100
        frames[:, :, 0, 0] = torch.arange(steps + 1, dtype=torch.uint8)[:, None]
        meta = counting_meta(SIZE, number) | {"policy": policy}
        store.add(number, episode_of(frames, actions, torch.zeros(steps), True, meta))
    store.write_index()
    return folder


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_told(tmp_path_factory.mktemp("told"))


def task_of(store: Path, seed: int = 0, batch: int = 8) -> CloneTask:
    opened = EpisodeStore(store)
    return CloneTask(policy_config(opened, "tiny"), opened, batch, seed, CPU)


def counts(stack: torch.Tensor) -> list[int]:
    return stack[0, :, 0, 0, 0].tolist()


def test_frames_end_where_the_action_is_taken(told: Path) -> None:
    """Catches: a policy shown the frame its action led to, or black frames where an episode begins."""
    episode = EpisodeFile(EpisodeStore(told).path(0))
    assert counts(stack_at(episode, 9, 4)) == [6, 7, 8, 9]
    assert counts(stack_at(episode, 0, 4)) == [0, 0, 0, 0]
    assert counts(stack_at(episode, 2, 4)) == [0, 0, 1, 2]
    assert torch.equal(stack_at(episode, 1, 4)[0, 0], episode.slice("frames", 0, 1)[0])


def test_a_batch_pairs_frames_with_their_labels(told: Path) -> None:
    """Catches: labels of another episode, or of the step before or after."""
    task = task_of(told, batch=64)
    batch = task.batch()
    assert batch.frames.shape == (64, 3, 3, SIZE, SIZE)
    brightest = batch.frames.float().mean((-1, -2)).argmax(-1)
    assert torch.equal(brightest[:, -1], batch.labels)
    first = batch.frames[:, -1, 0, 0, 0] == 0
    assert torch.equal(batch.last, torch.where(first, -1, brightest[:, -2]))
    assert first.any(), "the test needs an episode's first step"


def test_only_experts_are_cloned(tmp_path: Path) -> None:
    """Catches: a policy that learns from random play as well."""
    store = EpisodeStore(write_told(tmp_path, ("random", "expert", "sticky") + ("expert",) * 7))
    assert [e.header.path.stem for e in expert_episodes(store, "train")] == [
        "000001",
        *(f"{k:06d}" for k in range(3, 9)),
    ]
    none = EpisodeStore(write_told(tmp_path / "none", ("random",) * 10))
    with pytest.raises(ValueError, match="got no episode played by an expert.*--policy expert"):
        expert_episodes(none, "train")


def test_the_mean_frame_is_the_datas(told: Path) -> None:
    """Catches: a mean of bytes, or one that is lost when the weights are averaged or stored."""
    task = task_of(told)
    frames = torch.cat([to_float(e.slice("frames", 0, len(e))) for e in task.lessons.episodes])
    assert task.model.mean.allclose(frames.mean(0), atol=0.12)
    assert task.model.mean.std() > 0


def test_it_learns_what_the_expert_does(told: Path, tmp_path: Path) -> None:
    """Catches: a loss that is not minimised, or labels and frames that do not belong together."""
    task = task_of(told, batch=32)
    loop = Loop(task, TrainConfig(80, 32, lr=1e-2, warmup=5, ema=0.9), tmp_path, autocast=torch.enable_grad)
    before = task.validate(loop.ema.model)[0]["agreement"]
    for _ in range(80):
        loop.update()
    after = task.validate(loop.ema.model)[0]
    assert after["agreement"] > 0.95 > before


def test_a_run_goes_on_exactly(told: Path, tmp_path: Path) -> None:
    """Catches: batches drawn again, or weights forgotten, after a stop."""

    def loop(folder: str) -> Loop:
        config = TrainConfig(6, 8, lr=1e-2, warmup=2, ema=0.9)
        return Loop(task_of(told), config, tmp_path / folder, autocast=torch.enable_grad)

    whole, first = loop("whole"), loop("parts")
    for _ in range(6):
        whole.update()
    for _ in range(3):
        first.update()
    first.save()
    second = loop("parts")
    assert second.step == 3
    for _ in range(3):
        second.update()
    pairs = zip(whole.ema.model.state_dict().values(), second.ema.model.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


# -- the teacher


def scene(own: float, ball: tuple[float, float] | None, before: tuple[float, tuple[float, float] | None]) -> np.ndarray:
    """Places of two frames of 64 pixels; heights and columns in lines of the screen."""
    rows = []
    for paddle, at in (before, (own, ball)):
        y, x = at or (0.0, 0.0)
        rows.append([[paddle, 142.0, 1.0], [100.0, 18.0, 1.0], [y, x, float(at is not None)]])
    places = np.array(rows, np.float32)
    places[..., 0], places[..., 1] = (places[..., 0] + 0.5) * 64 / 210 - 0.5, (places[..., 1] + 0.5) * 64 / 160 - 0.5
    return places


@pytest.mark.parametrize(
    ("places", "last", "action"),
    [
        (scene(100, (100, 60), (100, (100, 52))), "NOOP", "NOOP"),  # straight at it
        (scene(70, (100, 60), (70, (100, 52))), "NOOP", "LEFT"),
        (scene(130, (100, 60), (130, (100, 52))), "NOOP", "RIGHT"),
        (scene(100, (100, 99), (100, (92, 91))), "NOOP", "LEFT"),  # arrives 40 lines lower
        (scene(60, (45, 99), (60, (53, 91))), "NOOP", "NOOP"),  # turns at the top, arrives at 65, met 5 above it
        (scene(160, (50, 60), (160, (50, 68))), "NOOP", "RIGHT"),  # flies away: to the middle, 113.5
        (scene(113, (50, 60), (113, (50, 68))), "NOOP", "NOOP"),
        (scene(160, None, (160, None)), "NOOP", "RIGHT"),  # no ball: to the middle
        (scene(75, (100, 60), (60, (100, 52))), "LEFT", "NOOP"),  # what was pushed before still takes it there
        (scene(75, (100, 60), (75, (100, 52))), "NOOP", "LEFT"),
        (scene(100, (100, 60), (77, (100, 52))), "LEFTFIRE", "RIGHT"),  # there, but it would roll on
        (scene(100, (131, 131), (100, (123, 123))), "NOOP", "LEFT"),  # 39 lines away and one step left: go anyway
    ],
)
def test_the_teacher_goes_where_the_ball_arrives(places: np.ndarray, last: str, action: str) -> None:
    """Catches: a mirror at the wrong wall, a velocity of the wrong sign, up taken for down, a paddle without mass."""
    assert pong_teacher(places, ["NOOP", last], 64)[-1] == action


def test_plans_take_the_paddle_where_it_goes() -> None:
    """Catches: a push that acts once or a step late, a rest before it has rolled out, or a part of a step cut off."""
    own, still, none = np.array([100.0]), np.array([0.0]), np.array([0.0])
    plans, where = reach(own, still, none, np.array([2.5]))
    at = {tuple(plan): float(place) for plan, place in zip(plans.T.astype(int).tolist(), where[:, 0], strict=True)}
    first, second = PUSH, PUSH + ROLL * PUSH
    third = ROLL * second
    assert at[(0,) * 8] == 100
    assert at[(1,) + (0,) * 7] == pytest.approx(100 + first + second + third / 2)
    assert at[(-1,) + (0,) * 7] == pytest.approx(100 - first - second - third / 2)
    _, rest = reach(own, still, none, np.array([np.inf]))
    assert float(rest[1, 0]) == pytest.approx(100 + 2 * PUSH / (1 - ROLL))
    assert float(reach(own, still, np.array([1.0]), np.array([np.inf]))[1][0, 0]) == pytest.approx(
        100 + PUSH / (1 - ROLL)
    )
    assert rest.min() == 33
    assert rest.max() == 198


def test_the_teacher_says_the_same_of_stored_and_of_live_play() -> None:
    """Catches: labels one frame off the player whose returns are reported beside the agent's."""
    env = make_env("pong", 64)
    assert isinstance(env, AtariEnv)
    gamer, taken, seen = teacher_gamer(pong_teacher)(5), [], []

    def watch(frame: torch.Tensor, game: AtariEnv) -> int:
        seen.append(OBJECTS["pong"].places(game.ram(), 64))
        taken.append(gamer(frame, game))
        return taken[-1]

    play_game(env, watch, seed=5, limit=60)
    names = [env.action_names[action] for action in taken]
    assert names == pong_teacher(np.stack(seen), ["", *names[:-1]], 64)
    assert len(set(taken)) == 3


def test_games_with_objects_ask_the_teacher(told: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: noisy actions cloned although the store tells what a calm player would do."""
    episode = EpisodeFile(EpisodeStore(told).path(0))
    assert torch.equal(labels_of(episode), episode.slice("actions", 0, len(episode)))
    teacher = lambda places, last, size: [name or "LEFT" for name in last] if size == SIZE else []  # noqa: E731
    monkeypatch.setitem(TEACHERS, "counting", teacher)
    assert labels_of(episode).tolist() == [2, *episode.slice("actions", 0, len(episode) - 1).tolist()]


# -- measuring


def test_everyone_plays_the_same_games() -> None:
    """Catches: an agent compared on luckier starts than the others, or one that plays a new game with an old memory."""
    started: dict[str, list[float]] = {"a": [], "b": []}

    def of(name: str) -> Any:
        def begin(seed: int) -> Any:
            first = []

            def act(frame: torch.Tensor, env: AtariEnv) -> int:
                if not first:
                    first.append(1)
                    started[name].append(float(frame.float().sum()) + seed)
                return 0

            return act

        return begin

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.real_games.play_game.__defaults__", (3,))
        out = play_games("pong", 64, {"a": of("a"), "b": of("b")}, 2)
    assert started["a"] == started["b"]
    assert len(set(started["a"])) == 2
    assert out["a"]["games"] == 2
    assert out["a"]["steps"] == 3


def test_a_policy_and_the_players_can_play() -> None:
    """Catches: a measurement that breaks at its first step, after the training."""
    env = make_env("pong", 64)
    assert isinstance(env, AtariEnv)
    policy = PixelPolicy(PixelNet(PixelConfig(env.action_names)))
    for begin in (policy_gamer(policy), player_gamer("expert"), player_gamer("random")):
        assert play_game(env, begin(1), seed=1, limit=5) == (0.0, 5)


def test_summary_by_hand() -> None:
    """Catches: a spread that is the variance, or an error that does not shrink with the number of games."""
    out = summary([(1.0, 10), (3.0, 20), (2.0, 30), (2.0, 40)])
    expected = {"games": 4, "mean": 2.0, "deviation": 0.82, "error": 0.41, "least": 1.0, "greatest": 3.0, "steps": 25}
    assert out == expected
    assert summary([(1.0, 10)])["deviation"] == 0


# -- the commands


def options(store: Path, out: Path, **changes: Any) -> TrainOptions:
    values = {"family": "policy", "data": store, "out": out, "preset": "tiny", "steps": 2, "batch": 2}
    return TrainOptions(**values | {"device": "cpu", "precision": "fp32"} | changes)


@pytest.fixture(scope="module")
def run(told: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "policy"
    assert options(told, folder).run() == 0
    return folder


def test_a_trained_policy_becomes_a_worlds_agent(run: Path, told: Path, tmp_path: Path) -> None:
    """Catches: a policy that is exported and does not play, has the raw weights instead of the averaged ones, or whose
    numbers are lost; a world changed by its agent."""
    world = write_tiny(tmp_path / "tiny")
    assert export(ExportOptions(run, world.path, data=told)) == 0
    assert open_world_folder(world.path).hash == world.hash
    found = read_policy(world.path / POLICY)
    average = read_checkpoint(run / "policy" / "checkpoint.safetensors")[0]["ema"]
    assert found.policy.network.out.weight.allclose(average["out.weight"], atol=1e-3)
    assert found.provenance["steps"] == 2
    assert found.provenance["episodes"] == 18
    assert found.quality["agreement"]["episodes"] == 2
    assert "## Agent" in (world.path / "README.md").read_text()
    loaded = load_world(world.path)
    session, agent = Session.open(loaded), agent_for(loaded)
    assert agent is not None
    session.controller = agent
    assert session.tick(Input()).controller == "agent"


def test_agreement_by_hand(told: Path) -> None:
    """Catches: an agreement measured on training episodes, or with frames and labels apart."""
    store = EpisodeStore(told)
    net = PixelNet(replace(policy_config(store, "tiny"), channels=(4, 6)))
    for parameter in net.parameters():
        parameter.data.zero_()
    net.out.bias.data[1] = 1.0
    heldout = torch.cat([labels_of(EpisodeFile(store.path(k)))[::4] for k in (9, 19)])
    out = agreement(PixelPolicy(net), store)
    assert out["share"] == pytest.approx(float((heldout == 1).float().mean()), abs=1e-4)
    assert out["most_common"] == pytest.approx(float(torch.bincount(heldout).max() / len(heldout)), abs=1e-4)
    assert (out["frames"], out["episodes"]) == (12, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "got a run with seed 0, expected 1; .*--out"),
        ({"preset": "paper"}, "preset: got 'paper', expected one of"),
        ({"max_minutes": 0.0}, "max_minutes: got 0.0"),
        ({"part": "denoiser"}, "train policy: got --init or --part"),
        ({"init": Path("somewhere")}, "train policy: got --init or --part"),
    ],
)
def test_other_options_are_refused(run: Path, told: Path, changes: dict[str, Any], message: str) -> None:
    """Catches: a run that goes on as something else than it began, or options that are silently ignored."""
    with pytest.raises(ValueError, match=message):
        options(told, run, **changes).run()


def test_exports_that_do_not_fit_are_refused(run: Path, told: Path, tmp_path: Path) -> None:
    """Catches: an agent put where there is no world, into a world of other actions, or out of an untrained run."""
    with pytest.raises(WorldError, match="got no folder"):
        export(ExportOptions(run, tmp_path / "nothing", data=told))
    world = write_tiny(tmp_path / "tiny")
    with pytest.raises(ValueError, match="games: got 0"):
        export(ExportOptions(run, world.path, data=told, games=0))
    other = tmp_path / "run"
    other.mkdir()
    for name in ("run.json", "record.json"):
        (other / name).write_text((run / name).read_text())
    with pytest.raises(ValueError, match="got no checkpoint, expected a trained policy"):
        export(ExportOptions(other, world.path, data=told))
    manifest = json.loads((world.path / "world.json").read_text())
    manifest["spec"]["actions"]["names"] = ["NOOP", "LEFT", "RIGHT"]
    (world.path / "world.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="policy: got the world tiny"):
        export(ExportOptions(run, world.path, data=told))
    assert not (world.path / POLICY).exists()


def test_a_new_export_of_the_world_keeps_its_agent(tmp_path: Path) -> None:
    """Catches: an agent lost when its world is trained on, or one kept that cannot play the new world."""
    world = write_tiny(tmp_path / "tiny")
    spec = world.manifest.spec
    assert kept_agent(world.path, spec) is None
    write_policy(world.path / POLICY, PixelPolicy(PixelNet(PixelConfig(ACTIONS, SIZE, SIZE))), {}, {})
    assert kept_agent(world.path, spec) == world.path / POLICY
    assert kept_agent(world.path, replace(spec, width=2 * SIZE)) is None
    (world.path / POLICY).write_bytes(b"damaged")
    assert kept_agent(world.path, spec) is None


def test_the_card_tells_how_well_it_plays(tmp_path: Path) -> None:
    """Catches: a card without the baselines, with which a return alone says nothing."""
    world = write_tiny(tmp_path / "tiny")
    row = {"games": 20, "mean": -3.26, "deviation": 4.0, "error": 0.89, "least": -9.0, "greatest": 5.0, "steps": 2100}
    work = {"labels": "as played", "frames": 100, "episodes": 2, "steps": 9, "batch": 4, "lr": 0.001, "minutes": 1.5}
    quality = {
        "real_game": {"agent": row, "random": row | {"mean": -20.5}},
        "agreement": {"share": 0.875, "most_common": 0.5, "frames": 64, "episodes": 3},
    }
    policy = PixelPolicy(PixelNet(PixelConfig(ACTIONS, SIZE, SIZE)))
    text = card(world.manifest, PolicyFile(policy, work | {"hardware": "a CPU"}, quality))
    assert "| the agent | -3.3 ± 0.9 | 4.0 | -9 .. 5 | 2100 |" in text
    assert "| random actions | -20.5 ± 0.9 |" in text
    assert "87.5 %" in text
    assert "## Agent" not in card(world.manifest)


def test_a_stop_leaves_a_run_to_go_on_with(told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: Ctrl-C reported as success, or without a checkpoint."""
    monkeypatch.setattr(StopFlag, "is_set", lambda self: True)
    assert options(told, tmp_path / "run").run() == 130
    assert (tmp_path / "run" / "policy" / "checkpoint.safetensors").exists()
