"""CarRacing as an environment, its scripted driver, and the real game behind the contract."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("Box2D")

from models.envs.adapter import EnvBatch, make_env
from models.envs.car_racing import ACTION_REPEAT, LIMIT, CarRacingEnv
from models.envs.driver import Driver
from models.envs.experts import Wanderer, player_for
from models.envs.replayed_world import ReplayedWorld
from models.world import Rng
from tests.tiny_worlds import random_actions, random_starts


@pytest.fixture(scope="module")
def env() -> CarRacingEnv:
    env = make_env("car_racing", 32)
    assert isinstance(env, CarRacingEnv)
    return env


def play(env: CarRacingEnv, seed: int, actions: np.ndarray) -> list[tuple[bytes, float]]:
    env.reset(seed=seed)
    return [(frame.tobytes(), reward) for frame, reward, *_ in map(env.step, actions)]


def full_gas(steps: int) -> np.ndarray:
    return np.tile(np.array([0.0, 1.0, 0.0], np.float32), (steps, 1))


def test_same_seed_same_game(env: CarRacingEnv) -> None:
    """Catches: a physical world that keeps traces of the episode before, so that no state could be replayed."""
    actions = np.random.default_rng(0).uniform([-1, 0, 0], [1, 1, 1], (40, 3)).astype(np.float32)
    first = play(env, 3, actions)
    assert play(env, 4, actions) != first
    assert play(env, 3, actions) == first


def test_moves_without_pictures_are_the_same_moves(env: CarRacingEnv) -> None:
    """Catches: a replay without drawing that ends elsewhere than the play it repeats."""
    seen = play(env, 5, full_gas(30))
    env.reset(seed=5)
    rewards = [env.move(action)[0] for action in full_gas(30)]
    assert rewards == [reward for _, reward in seen]
    assert env.render().tobytes() == seen[-1][0]


def test_starts_after_the_zoom(env: CarRacingEnv) -> None:
    """Catches: starts seen from far above, which no later picture resembles: standing still must change nothing."""
    before, still = env.reset(seed=1)[0].astype(int), np.zeros(3, np.float32)
    _, first, *_ = env.step(still)
    frame, reward, *_ = env.step(still)
    assert np.abs(frame - before)[:28].max() <= 8, "all but the line with the score"
    assert first > 0, "the tiles that the car stands on"
    assert reward == pytest.approx(-0.1 * ACTION_REPEAT)


def test_episodes_are_cut_after_a_thousand_frames(env: CarRacingEnv) -> None:
    """Catches: the time limit stored as an end of the game, or counted in steps."""
    env.reset(seed=2)
    ends = [env.move(np.zeros(3, np.float32))[1:] for _ in range(LIMIT // ACTION_REPEAT)]
    assert ends[-1] == (False, True)
    assert not any(a or b for a, b in ends[:-1])


def test_leaving_the_field_terminates(env: CarRacingEnv) -> None:
    """Catches: a fall off the field stored as cut off; its penalty lost in the second frame of a step."""
    env.reset(seed=2)
    assert env.track is not None
    assert env.track.car is not None
    env.track.car.hull.position = (400.0, 0.0)
    reward, terminated, truncated = env.move(np.zeros(3, np.float32))
    assert (terminated, truncated) == (True, False)
    assert reward == pytest.approx(-100)


def test_wrong_actions_are_refused(env: CarRacingEnv) -> None:
    """Catches: two of three components, or a brake of -1, taken for an action."""
    for wrong in (np.zeros(2, np.float32), np.array([0, 0, -1], np.float32), np.full(3, np.nan, np.float32)):
        with pytest.raises(ValueError, match="expected steer"):
            env.step(wrong)
    batch = EnvBatch([env])
    batch.reset([0])
    with pytest.raises(ValueError, match=r"expected \(1, 3\)"):
        batch.step(torch.zeros(1))
    batch.step(torch.tensor([[1.0 + 1e-6, -1e-7, 0.0]]))


def test_driver_drives(env: CarRacingEnv) -> None:
    """Catches: a driver that turns the wrong way, or stands still: a calm one must stay on the road and get round."""
    env.reset(seed=0)
    driver = Driver(env, np.random.default_rng(0))
    driver.keys, driver.folly, driver.drift, driver.unsteady, driver.side, driver.top = False, 0.0, 0.0, 0.0, 0.0, 50.0
    total, grass = 0.0, 0
    for _ in range(250):
        action = driver.act()
        assert env.action_space.contains(action)
        total += env.move(action)[0]
        assert env.track is not None
        assert env.track.car is not None
        grass += not any(wheel.tiles for wheel in env.track.car.wheels)
    assert total > 250, "a quarter of the track and more in ten seconds"
    assert grass < 10


def test_wanderers_use_the_whole_range(env: CarRacingEnv) -> None:
    """Catches: a random player of half the range, a sticky one that holds nothing."""
    acts = {}
    for kind in ("random", "sticky"):
        act = player_for(kind, env, np.random.default_rng(0))
        acts[kind] = np.stack([act() for _ in range(2000)])
        assert acts[kind].dtype == np.float32
        assert (acts[kind].min(0) <= [-0.95, 0, 0]).all()
        assert (acts[kind].max(0) >= 0.95).all()
    held = {kind: (np.diff(rows, axis=0) == 0).all(1).mean() for kind, rows in acts.items()}
    assert held["random"] < 0.1
    assert held["sticky"] > 0.7
    assert isinstance(player_for("sticky", env, np.random.default_rng(0)).__self__, Wanderer)  # type: ignore[attr-defined]


def test_real_world_is_the_environment(env: CarRacingEnv) -> None:
    """Catches: a real world whose rewards, pictures or seeds are not the game's; a step taken twice."""
    world, rng = ReplayedWorld("car_racing", 32), Rng.seeded([5])
    seed = int(Rng.seeded([5]).integers(2**31 - 1))
    state = world.initial(random_starts(world.spec, 1), rng)
    assert world.frame(state)[0].permute(1, 2, 0).numpy().tobytes() == env.reset(seed=seed)[0].tobytes()
    for action in random_actions(world.spec.actions, (4, 1), torch.Generator().manual_seed(1)):
        state, prediction = world.step(state, action, rng)
        frame, reward, *_ = env.step(action[0].numpy())
        assert prediction.frame[0].permute(1, 2, 0).numpy().tobytes() == frame.tobytes()
        assert float(prediction.reward) == pytest.approx(reward)


def test_going_back_far_finds_the_same_future() -> None:
    """Catches: a rewound game that goes on from where it was, not from where the player went back to; copies of the
    game that mix up two pasts with the same beginning."""
    world, rng = ReplayedWorld("car_racing", 16), Rng.seeded([1])
    start = world.initial(random_starts(world.spec, 1), rng)
    moves = random_actions(world.spec.actions, (12, 1), torch.Generator().manual_seed(0))
    states = [start]
    for action in moves:
        states.append(world.step(states[-1], action, rng)[0])
    for at in (2, 9, 0, 5):
        other = world.step(states[at], -moves[at].clamp(max=0), rng)[0]
        world.step(other, moves[at], rng)
        assert torch.equal(world.step(states[at], moves[at], rng)[0].screen, states[at + 1].screen), f"step {at}"
