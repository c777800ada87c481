"""Atari's preprocessing against the published wrapper, and the emulator's snapshots."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.seeding import np_random

from models.envs.adapter import EnvBatch, channels_first, make_env
from models.envs.atari import NOOP_MAX, AtariEnv, AtariFrames
from models.envs.counting import CountingEnv
from models.envs.emulator import rom_of
from models.envs.real_world import RealWorld
from models.world import Rng
from tests.goldens import golden


class FakeEmulator:
    """Plays recorded frames: 7 x 8 pictures shown 210 x 160, with lives, rewards and ends a frame."""

    def __init__(self) -> None:
        numbers = golden("preprocessing")
        self.frames, self.rewards = numbers["frames_small"].numpy(), numbers["rewards"].tolist()
        self.lives_of, self.ends = numbers["lives"].tolist(), numbers["terminated"].tolist()
        self.at = 0

    def act(self, action: int) -> float:
        self.at += 1
        return self.rewards[self.at]

    def getScreenRGB(self, out: np.ndarray) -> None:  # noqa: N802
        out[:] = self.frames[self.at].repeat(30, axis=0).repeat(20, axis=1)

    def lives(self) -> int:
        return self.lives_of[self.at]

    def game_over(self, with_truncation: bool = True) -> bool:
        return self.ends[self.at]

    def reset_game(self) -> None:
        self.at = 0


def test_preprocessing_is_the_published_one() -> None:
    """Catches: a maximum over the wrong two screens, another resize, rewards clipped, a life lost inside the skip
    missed, a screen grabbed after the game was over."""
    numbers, emulator = golden("preprocessing"), FakeEmulator()
    frames = AtariFrames(emulator, 64)
    assert np.array_equal(frames.reset(int(numbers["noops"])), numbers["reset_obs"].numpy())
    shown = []
    for reward, over, life_lost in zip(
        numbers["step_rew"].tolist(),
        numbers["step_terminated"].tolist(),
        numbers["step_life_loss"].tolist(),
        strict=True,
    ):
        frame, *rest = frames.step(1)
        shown.append(frame)
        assert rest == [reward, over, life_lost]
    for want, index in zip(numbers["step_obs"].numpy(), numbers["step_obs_index"].tolist(), strict=True):
        assert np.array_equal(shown[index], want), f"step {index}"
    assert emulator.at == int(numbers["frames_consumed"])


def test_number_of_noops_comes_from_the_seed() -> None:
    """Catches: no-ops drawn from another range or generator than the published environment's."""
    numbers = golden("preprocessing")
    random, _ = np_random(int(numbers["reset_seed"]))
    assert int(random.integers(1, NOOP_MAX + 1)) == int(numbers["noops"])


@pytest.mark.parametrize("name", ["pong", "Pong", "ALE/Pong-v5", "PongNoFrameskip-v4"])
def test_game_by_any_of_its_names(name: str) -> None:
    """Catches: a name that other tools use and this one does not know."""
    assert rom_of(name) == "pong"
    assert rom_of("SpaceInvaders") == rom_of("space-invaders") == "space_invaders"


@pytest.mark.parametrize(("name", "near"), [("pnog", "pong"), ("breakuot", "breakout"), ("Boxng", "boxing")])
def test_unknown_game_names_the_nearest(name: str, near: str) -> None:
    """Catches: a misspelt game answered by a traceback of the emulator."""
    with pytest.raises(ValueError, match=near):
        rom_of(name)


def play(env: AtariEnv, actions: list[int]) -> list[tuple[np.ndarray, float, bool]]:
    return [env.step(action)[:3] for action in actions]


def same(a: list[tuple[np.ndarray, float, bool]], b: list[tuple[np.ndarray, float, bool]]) -> bool:
    return all(np.array_equal(x[0], y[0]) and x[1:] == y[1:] for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def pong() -> AtariEnv:
    return AtariEnv("pong")


def test_same_seed_same_game(pong: AtariEnv) -> None:
    """Catches: randomness of the emulator that the seed does not reach; and a seed that changes nothing."""
    actions = np.random.default_rng(0).integers(0, 6, 40).tolist()
    first, _ = pong.reset(seed=3)
    a = play(pong, actions)
    again, _ = pong.reset(seed=3)
    assert np.array_equal(first, again)
    assert same(a, play(pong, actions))
    others = []
    for seed in range(4, 8):
        pong.reset(seed=seed)
        others.append(same(a, play(pong, actions)))
    assert not all(others)


def test_snapshot_restores_the_game(pong: AtariEnv) -> None:
    """Catches: a snapshot without the screen that the next frame's maximum needs, or without the emulator's
    randomness."""
    actions = np.random.default_rng(1).integers(0, 6, 60).tolist()
    pong.reset(seed=1)
    play(pong, actions[:30])
    taken = pong.snapshot()
    frame, ram = pong.frames.observation(), pong.ram().copy()
    want = play(pong, actions[30:])
    pong.reset(seed=9)
    play(pong, actions[:7])
    pong.restore(*taken)
    assert np.array_equal(pong.frames.observation(), frame)
    assert np.array_equal(pong.ram(), ram)
    assert same(want, play(pong, actions[30:]))


def test_wrong_action_is_refused(pong: AtariEnv) -> None:
    """Catches: an index that the emulator takes for another console's button."""
    for action in (-1, 6):
        with pytest.raises(ValueError, match=r"expected 0 \.\. 5"):
            pong.step(action)


def test_losing_a_life_ends_the_episode_not_the_game() -> None:
    """Catches: the game restarted with every life, so that later stages are never seen."""
    env = AtariEnv("breakout", life_loss_ends=True)
    env.reset(seed=0)
    fire, ended = env.action_names.index("FIRE"), False
    for _ in range(300):
        _, _, ended, _, info = env.step(fire)
        if ended:
            break
    assert ended
    assert info["lives"] == 4
    frame = env.frames.observation()
    after, info = env.reset()
    assert info["lives"] == 4
    assert np.array_equal(after, frame), "expected the next episode to start where the life was lost"
    assert env.reset(seed=0)[1]["lives"] == 5, "expected a seed to start a new game"


def test_game_that_is_over_stays_over() -> None:
    """Catches: a real world that plays on behind a finished game, or pays for it; freeway ends by its clock."""
    world = RealWorld("freeway")
    rng, up = Rng.seeded([0]), torch.tensor([1])
    world.initial(None, rng)  # type: ignore[arg-type]
    emulator = world.env.emulator.ale
    for _ in range(12_000):
        emulator.act(0)
        if emulator.game_over():
            break
    assert emulator.game_over()
    state = world.state_of()
    for _ in range(2):
        state, prediction = world.step(state, up, rng)
        assert bool(prediction.terminated)
        assert float(prediction.reward) == 0.0


def test_real_world_is_the_environment() -> None:
    """Catches: a real world whose frames or rewards differ from what was collected and trained on."""
    world, env, rng = RealWorld("pong"), AtariEnv("pong"), Rng.seeded([5])
    seed = int(Rng.seeded([5]).integers(2**31 - 1))
    state = world.initial(None, rng)  # type: ignore[arg-type]
    first, _ = env.reset(seed=seed)
    assert torch.equal(world.frame(state)[0], channels_first(first))
    for action in np.random.default_rng(2).integers(0, 6, 25).tolist():
        state, prediction = world.step(state, torch.tensor([action]), rng)
        frame, reward, *_ = env.step(action)
        assert torch.equal(prediction.frame[0], channels_first(frame))
        assert float(prediction.reward) == np.sign(reward)


def test_environments_side_by_side() -> None:
    """Catches: rows of a batch swapped, or a row that restarts by itself."""
    batch = EnvBatch([CountingEnv(8, 3, 3), CountingEnv(8, 9, 9)])
    assert batch.reset([0, 1])[:, 0].flatten(1).unique().tolist() == [0]
    for t in range(1, 4):
        after = batch.step(torch.tensor([1, 2]))
        assert after.frames[:, 0, 0, 0].tolist() == [t, t]
        assert after.frames[:, 1, 0, 0].tolist() == [1, 2]
        assert after.rewards.tolist() == [0.0, 1.0]
    assert after.terminated.tolist() == [True, False]
    batch.reset_row(0, 5)
    assert batch.step(torch.tensor([0, 0])).frames[:, 0, 0, 0].tolist() == [1, 4]
    with pytest.raises(ValueError, match=r"expected \(2,\)"):
        batch.step(torch.tensor([1]))


def test_observations_of_another_kind_are_refused() -> None:
    """Catches: grey or float frames taken for RGB bytes."""
    for frame in (np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((8, 8, 1), np.uint8)):
        with pytest.raises(ValueError, match="expected"):
            channels_first(frame)


@pytest.mark.parametrize("game", ["counting", "pong"])
def test_gymnasium_spaces_hold(game: str) -> None:
    """Catches: an environment that Gymnasium's own tools would refuse."""
    env = make_env(game, 32)
    assert isinstance(env, gymnasium.Env)
    frame, _ = env.reset(seed=1)
    assert env.observation_space.contains(frame)
    assert env.action_space.n == len(env.action_names)  # type: ignore[attr-defined]
    assert env.observation_space.contains(env.step(1)[0])
