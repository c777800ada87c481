"""Training online: exact resume, the time box, Ctrl-C, evaluations, and what the command refuses."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.envs.adapter import make_env
from models.envs.vector_batch import SerialEnvs
from models.rssm.agent import Agent
from models.training.agent_eval import Evaluation, play_episodes
from models.training.checkpoint import read_checkpoint, write_checkpoint
from models.training.env_rows import EnvRows, env_space
from models.training.loop import DivergedError
from models.training.online import OnlineTraining
from models.training.online_run import seed_of, train_agent
from models.training.options import TrainOptions
from models.training.presets import PRESETS, OnlineConfig, preset_of, tiny
from models.training.real_games import FIRST_SEED
from models.training.stop import StopFlag
from models.world import Rng

ONLINE = OnlineConfig(60, 4.0, envs=2, batch=2, length=4, capacity=40, size=16, begin=6)


def training(folder: Path, online: OnlineConfig = ONLINE, **options: Any) -> OnlineTraining:
    rows = EnvRows(SerialEnvs("counting", online.envs, online.size), lambda episode: seed_of(0, episode))
    return OnlineTraining(tiny(env_space(rows.envs)), online, rows, folder, autocast=nullcontext, **options)


class StopAfter(StopFlag):
    """Stops after so many questions, as Ctrl-C in the middle would."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


def everything(one: OnlineTraining) -> dict[str, Tensor]:
    """All tensors that make a training what it is."""
    parts = read_checkpoint(one.path)[0]
    tensors = {f"{part}/{name}": value for part, group in parts.items() for name, value in group.items()}
    return tensors | {f"replay/{name}": value for name, value in one.replay.data.items()}


def assert_same(one: OnlineTraining, two: OnlineTraining) -> None:
    first, second = everything(one), everything(two)
    assert set(first) == set(second)
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    assert (one.step, one.updates, one.episodes, one.recent) == (two.step, two.updates, two.episodes, two.recent)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> OnlineTraining:
    """A training in one piece."""
    one = training(tmp_path_factory.mktemp("whole"))
    assert not one.run(60, StopFlag())
    return one


def test_updates_keep_the_ratio(whole: OnlineTraining) -> None:
    """Catches: a ratio that counts windows for steps, or forgets what is owed at the end."""
    assert whole.step == 60
    begun = 8 + 2 * 2  # windows of 5 steps: 2 after 5 ticks, 6 after 7, which is step 14
    assert whole.updates == 1 + (60 - begun - 2) * 4 // 8
    assert whole.owed == 0


@pytest.mark.parametrize("stops", [[9], [23, 11]])
def test_resume_is_exact(whole: OnlineTraining, tmp_path: Path, stops: list[int]) -> None:
    """Catches: any state that a checkpoint forgets: moments, draws, windows, latents, an episode under way, a debt."""
    for count in stops:
        assert training(tmp_path).run(60, StopAfter(count))
    last = training(tmp_path)
    assert not last.run(60, StopFlag())
    assert_same(last, whole)


def test_evaluations_change_nothing(whole: OnlineTraining, tmp_path: Path) -> None:
    """Catches: evaluations that draw from the training's generators, or leave their carry in the agent."""
    online = OnlineConfig(**{**vars(ONLINE), "eval_every": 20, "eval_episodes": 2})
    evaluation = Evaluation("counting", 16, 2)
    one = training(tmp_path, online, evaluate=evaluation)
    one.run(60, StopFlag())
    evaluation.close()
    assert_same(one, whole)
    points = [point for point in one.curve if "evaluated" in point]
    assert [point["step"] for point in points] == [20, 40, 60]
    assert one.best == max(point["evaluated"] for point in points)
    best, info = read_checkpoint(tmp_path / "best.safetensors")
    assert set(best["agent"]) == set(one.agent.state_dict())
    assert info["evaluation"]["games"] == 2


def test_the_time_box_holds(tmp_path: Path) -> None:
    """Catches: a training that goes on when its time is over, or ends without a checkpoint."""
    one = training(tmp_path)
    assert not one.run(0.0, StopFlag())
    assert (one.step, one.path.exists()) == (0, True)
    two = training(tmp_path, OnlineConfig(**{**vars(ONLINE), "steps": 10**6}))
    assert not two.run(0.5, StopFlag())
    assert 0 < two.step < 10**6
    assert two.seconds >= 0.5


def test_an_environment_that_changed_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a resumed episode whose observations are not those that the agent remembers."""
    one = training(tmp_path)
    one.run(60, StopAfter(20))
    parts, info = read_checkpoint(one.path)
    parts["rows"]["obs"][1] += 1
    write_checkpoint(one.path, parts, info)
    two = training(tmp_path)
    assert "1 of 2 environments did not come back" in capsys.readouterr().out
    tick = two.rows.tick
    assert tick.is_first.tolist() == [False, True]
    assert int(tick.obs["image"][1, 0, 0, 0]) == 0
    assert not two.run(60, StopFlag())


def test_fewer_steps_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a finished training called with fewer steps, that cannot be read or loses what it kept."""
    monkeypatch.setattr("models.training.replay.CHUNK_ROWS", 16)
    online = OnlineConfig(**{**vars(ONLINE), "capacity": 1000})
    one = training(tmp_path, online)
    one.run(60, StopFlag())
    two = training(tmp_path, OnlineConfig(**{**vars(online), "steps": 10}))
    assert not two.run(60, StopFlag())
    three = training(tmp_path, online)
    assert (two.step, three.replay.count) == (60, one.replay.count)
    for name, values in one.replay.data.items():
        assert torch.equal(three.replay.data[name], values), name


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    """Catches: a last checkpoint that can never be gone on from."""
    one = training(tmp_path)
    one.save()
    before = one.path.read_bytes()
    with torch.no_grad():
        next(one.agent.pol.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match="got weights that are not finite"):
        one.save()
    assert one.path.read_bytes() == before


def test_divergence_is_named(tmp_path: Path) -> None:
    """Catches: hours of training on weights that are no numbers."""
    one = training(tmp_path)
    while not one.due():
        one.play()
    with torch.no_grad():
        next(one.agent.rew.parameters()).fill_(float("nan"))
    with pytest.raises(DivergedError, match="expected a finite number; run again with a lower --lr"):
        one.update()


def test_episodes_are_counted_by_their_seeds() -> None:
    """Catches: a mean that prefers short episodes since they end first."""
    rows = EnvRows(SerialEnvs("counting", 3, 16), lambda episode: 50 + episode)
    want = []
    for seed in range(50, 57):
        env, steps = make_env("counting", 16), 1
        env.reset(seed=seed)
        while not env.step(2)[2]:
            steps += 1
        want.append((float(steps), steps))

    class Right:
        def initial(self, batch: int) -> dict[str, Tensor]:
            return {"seen": torch.zeros(batch)}

        def act(self, carry: dict[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
            assert torch.equal(carry["seen"], obs[:, 0, 0, 0].float()), "the memory of another episode"
            return {"seen": carry["seen"] + 1}, torch.full((len(obs),), 2)

    assert play_episodes(Right(), rows, 50, 7) == want
    rows.begin()
    assert play_episodes(Right(), rows, 50, 7, stopped=lambda: True) == []


def test_training_never_sees_an_evaluation() -> None:
    """Catches: an agent that is measured on episodes it learned from."""
    assert all(seed_of(seed, episode) > FIRST_SEED + 10**6 for seed in (0, 7, 5000) for episode in (0, 10**6))


def test_vectors_and_continuous_actions(tmp_path: Path) -> None:
    """Catches: actions out of bounds, or vectors that are treated as pictures."""
    rows = EnvRows(SerialEnvs("gym_Pendulum-v1", 2), lambda episode: episode)
    config = tiny(rows.space)
    assert (config.space.image, config.space.actions, config.space.discrete) == ((), 1, False)
    online = OnlineConfig(**{**vars(ONLINE), "steps": 24})
    one = OnlineTraining(config, online, rows, tmp_path, autocast=nullcontext)
    assert not one.run(60, StopFlag())
    assert one.updates > 1
    stored = one.replay.data["vector"][:12]
    assert stored.dtype == torch.float32
    assert len(torch.unique(stored, dim=0)) > 6


def options(folder: Path, **changes: Any) -> TrainOptions:
    values = {"family": "dreamer", "env": "counting", "out": folder, "preset": "cpu_tiny", "steps": 20}
    return TrainOptions(**{**values, "device": "cpu", "precision": "fp32", "eval_every": 0, **changes})


def test_the_whole_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a run that is not recorded, that forgets its first call, or goes on as another."""
    assert train_agent(options(tmp_path)) == 0
    assert train_agent(options(tmp_path, steps=40)) == 0
    assert train_agent(options(tmp_path, steps=44, lr=1e-5)) == 0, "as the message of a divergence advises"
    record = json.loads((tmp_path / "record.json").read_text())
    assert (record["agent"]["steps"], record["agent"]["lr"]) == (44, 1e-5)
    assert "reverie export" in capsys.readouterr().out
    run = json.loads((tmp_path / "run.json").read_text())
    assert (run["env"]["game"], run["env"]["actions"]) == ("counting", ["NOOP", "RIGHT", "LEFT"])
    with pytest.raises(ValueError, match="got a run with seed 0, expected 1; .*--out"):
        train_agent(options(tmp_path, seed=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": Path("data")}, "expected none of them"),
        ({"init": Path("run")}, "expected none of them"),
        ({"preset": "huge"}, "got 'huge', expected one of .*cpu_pixels"),
        ({"env": "pongg"}, "did you mean pong"),
        ({"max_minutes": 0.0}, "max_minutes: got 0.0"),
        ({"envs": 0}, "expected positive steps"),
        ({"lr": 0.0}, "lr: got 0.0, expected more than 0"),
        ({"device": "tpu"}, "device: got 'tpu'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Catches: a traceback, or options that are ignored."""
    with pytest.raises(ValueError, match=message):
        train_agent(options(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("family", ["diamond", "policy"])
def test_only_dreamer_learns_online(family: str, tmp_path: Path) -> None:
    """Catches: --env that is ignored by the families that need stored episodes."""
    with pytest.raises(ValueError, match="got --data None and --env counting, expected --data"):
        options(tmp_path, family=family).run()


def test_presets_are_whole() -> None:
    """Catches: a preset whose network cannot be built for its game, or a batch that never begins."""
    for name, (make, online) in PRESETS.items():
        vector = name in ("dmc_proprio", "cpu_vector")
        space = ((), (("vector", 5),), 2, False) if vector else ((64, 64, 3), (), 6, True)
        with torch.device("meta"):
            config = make(type(tiny(env_space_of()).space)(*space))
            if name.startswith("cpu"):
                Agent(config)
        assert online.capacity >= online.envs * (online.length + 1)
    assert preset_of("small", "vector")[0] == "cpu_vector"
    assert preset_of("small", "image")[0] == "cpu_pixels"


def env_space_of() -> Any:
    return env_space(SerialEnvs("counting", 1, 16))
