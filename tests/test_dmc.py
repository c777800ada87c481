"""Environments that show vectors: the DeepMind Control Suite and Gymnasium's own; same seed same game, Crafter too."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from models.envs.adapter import EnvBatch, GameEnv, make_env, remedy
from models.training.collect import settings_of


def play(env: GameEnv, seed: int, steps: int) -> list[tuple[bytes, float, bool, bool]]:
    env.reset(seed=seed)
    random = np.random.default_rng(0)
    seen = []
    for _ in range(steps):
        if env.actions.kind == "discrete":
            action = int(random.integers(env.actions.size))
        else:
            action = random.uniform(env.actions.low, env.actions.high).astype(np.float32)
        obs, reward, terminated, truncated, _ = env.step(action)
        assert env.observation_space.contains(obs)
        seen.append((obs.tobytes(), reward, terminated, truncated))
        if terminated or truncated:
            break
    return seen


@pytest.mark.parametrize(
    ("game", "package"),
    [
        ("dmc_cartpole_swingup", "dm_control"),
        ("dmc_cup_catch", "dm_control"),
        ("gym_Pendulum-v1", ""),
        ("gym_CartPole-v1", ""),
        ("gym_HalfCheetah-v5", "mujoco"),
        ("crafter", "crafter"),
        ("counting", ""),
    ],
)
def test_same_seed_same_game(game: str, package: str) -> None:
    """Catches: randomness that no seed reaches (Crafter draws creatures from sets, whose order is the memory's)."""
    if package:
        pytest.importorskip(package)
    env, other = make_env(game), make_env(game)
    first = play(env, 3, 60)
    play(env, 4, 5)
    assert play(env, 3, 60) == first
    assert play(other, 3, 60) == first
    assert play(other, 4, 5)[0][0] != first[0][0]
    env.close()
    other.close()


def test_control_suite_cuts_after_a_thousand_steps() -> None:
    """Catches: the suite's time limit stored as an end, which teaches that falling over ends nothing and time does."""
    pytest.importorskip("dm_control")
    env = make_env("dmc_cartpole_balance")
    seen = play(env, 0, 2000)
    assert len(seen) == 1000
    assert seen[-1][2:] == (False, True)
    assert env.fps == pytest.approx(100)


def test_control_suite_takes_actions_between_minus_one_and_one() -> None:
    """Catches: actions not scaled to a task's own range; a vector that leaves out a part of the observation."""
    pytest.importorskip("dm_control")
    from models.envs.dmc import DmcEnv

    env = make_env("dmc_walker_walk")
    assert isinstance(env, DmcEnv)
    assert env.reset(seed=0)[0].shape == (14 + 1 + 9,)
    assert env.actions.low == (-1.0,) * 6
    env.low, env.high = np.full(6, -3.0), np.full(6, 1.0)
    taken = []
    env.env.step, step = lambda action: taken.append(action) or step(action), env.env.step  # type: ignore[func-returns-value]
    env.step(np.array([-1, -0.5, 0, 0.5, 1, 7], np.float32))
    assert taken[0].tolist() == [-3, -2, -1, 0, 1, 1]
    with pytest.raises(ValueError, match="expected dmc_|expected a task"):
        make_env("dmc_walker_fly")


def test_control_suite_repeats_actions() -> None:
    """Catches: a repeat whose rewards are those of one step."""
    pytest.importorskip("dm_control")
    from models.envs.dmc import DmcEnv

    once, twice = DmcEnv("dmc_cartpole_balance"), DmcEnv("dmc_cartpole_balance@2")
    once.reset(seed=1)
    twice.reset(seed=1)
    act = np.zeros(1, np.float32)
    steps = [once.step(act), once.step(act)]
    both = twice.step(act)
    assert both[1] == pytest.approx(steps[0][1] + steps[1][1])
    assert np.array_equal(both[0], steps[1][0])
    assert twice.fps == once.fps / 2


def test_vectors_side_by_side() -> None:
    """Catches: vectors taken for pictures, doubles where networks expect float32, an index given to a torque."""
    batch = EnvBatch([make_env("gym_Pendulum-v1"), make_env("gym_Pendulum-v1")])
    first = batch.reset([0, 1])
    assert first.shape == (2, 3)
    assert first.dtype == torch.float32
    after = batch.step(torch.tensor([[2.0], [-2.0]]))
    assert after.frames.shape == (2, 3)
    assert after.rewards.dtype == torch.float32
    with pytest.raises(ValueError, match=r"expected \(2, 1\)"):
        batch.step(torch.tensor([0, 1]))


def test_time_limit_of_gymnasium_truncates() -> None:
    """Catches: Pendulum's 200 steps stored as a termination."""
    seen = play(make_env("gym_Pendulum-v1"), 0, 500)
    assert len(seen) == 200
    assert seen[-1][2:] == (False, True)


@pytest.mark.parametrize(
    "game", ["gym_NoSuchThing-v1", "gym_Blackjack-v1", "nosuchgame", "gym_nosuchmodule:Thing-v1", "gym_HalfCheetah-v2"]
)
def test_unknown_games_are_refused(game: str) -> None:
    """Catches: a traceback of another library in place of one message."""
    with pytest.raises(ValueError, match="^game: got"):
        make_env(game)


@pytest.mark.parametrize(
    ("game", "near"), [("vizdom_basic", "vizdoom_basic"), ("CarRacing-v3", "car_racing"), ("crafer", "crafter")]
)
def test_misspelt_names_have_their_nearest(game: str, near: str) -> None:
    """Catches: a misspelt environment that is answered with Atari's games alone."""
    with pytest.raises(ValueError, match=rf"got '{game}', .*did you mean .*{near}"):
        make_env(game)


@pytest.mark.parametrize("error", [ImportError("libEGL.so.1"), AttributeError("'NoneType' has no eglQueryString")])
def test_a_broken_package_is_one_message(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a traceback where a package is there and its system library is not."""

    def broken(name: str) -> None:
        raise error

    monkeypatch.setattr("models.envs.adapter.import_module", broken)
    with pytest.raises(ValueError, match=f"whose package cannot be loaded .{error}.*reverie"):
        make_env("dmc_walker_walk")


def test_actions_begin_where_the_game_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: index 0 passed to a game whose first action is another number."""
    taken: list[int] = []

    class Late(gymnasium.Env[np.ndarray, np.int64]):
        observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
        action_space = gymnasium.spaces.Discrete(3, start=5)

        def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
            taken.append(action)
            return np.zeros(2, np.float32), 0.0, False, False, {}

    monkeypatch.setattr("gymnasium.make", lambda *args, **options: Late())
    env = make_env("gym_Late-v0")
    for action in range(3):
        env.step(action)
    assert taken == [5, 6, 7]


def test_missing_package_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an ImportError that does not say what to install."""
    monkeypatch.setattr("models.envs.adapter.find_spec", lambda name: None)
    assert remedy("vizdoom_basic") == "pip install 'reverie[doom]'"
    assert remedy("pong") == remedy("gym_CartPole-v1") == ""
    for game, extra in (("vizdoom_basic", "doom"), ("car_racing", "box2d"), ("dmc_walker_walk", "dmc")):
        with pytest.raises(ValueError, match=rf"pip install 'reverie\[{extra}\]'"):
            make_env(game)


def test_vectors_are_not_collected() -> None:
    """Catches: a store of episodes whose frames are no pictures."""
    with pytest.raises(ValueError, match="shows vectors"):
        settings_of("gym_Pendulum-v1", 16)
