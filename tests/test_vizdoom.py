"""ViZDoom as an environment and as a real world: same seed same game, ends told apart, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

pytest.importorskip("vizdoom")

from models.envs.adapter import EnvBatch, make_env
from models.envs.replayed_world import ReplayedWorld
from models.envs.vector_batch import ProcessEnvs
from models.envs.vizdoom import VizDoomEnv, combinations
from models.world import Rng
from tests.tiny_worlds import random_starts

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def basic() -> Iterator[VizDoomEnv]:
    env = make_env("vizdoom_basic", 32)
    assert isinstance(env, VizDoomEnv)
    yield env
    env.close()


def play(env: VizDoomEnv, seed: int, actions: list[int]) -> list[tuple[bytes, float, bool, bool]]:
    env.reset(seed=seed)
    seen = []
    for action in actions:
        frame, reward, terminated, truncated, _ = env.step(action)
        seen.append((frame.tobytes(), reward, terminated, truncated))
        if terminated or truncated:
            break
    return seen


def test_same_seed_same_game(basic: VizDoomEnv) -> None:
    """Catches: an episode that depends on those played before it, so that no state could be replayed."""
    actions = np.random.default_rng(0).integers(0, 6, 30).tolist()
    first = play(basic, 3, actions)
    other = play(basic, 4, actions)
    assert play(basic, 3, actions) == first
    assert first[0][0] != other[0][0]


def test_actions_are_named_as_the_keys_press_them(basic: VizDoomEnv) -> None:
    """Catches: buttons under names that no key presses, a no-op that is not the first action."""
    assert basic.action_names == ("NOOP", "FIRE", "LEFT", "LEFTFIRE", "RIGHT", "RIGHTFIRE")
    assert combinations(["TURN_LEFT", "TURN_RIGHT", "MOVE_FORWARD"]) == {
        "NOOP": [0, 0, 0],
        "LEFT": [1, 0, 0],
        "RIGHT": [0, 1, 0],
        "UP": [0, 0, 1],
        "UPLEFT": [1, 0, 1],
        "UPRIGHT": [0, 1, 1],
    }
    with pytest.raises(ValueError, match=r"got 6, expected 0 \.\. 5"):
        basic.step(6)


def test_time_running_out_is_no_termination(basic: VizDoomEnv) -> None:
    """Catches: the time limit learned as a death; a reward of one tic in place of four."""
    seen = play(basic, 5, [0] * 100)
    assert seen[-1][2:] == (False, True)
    assert not any(terminated or truncated for _, _, terminated, truncated in seen[:-1])
    assert seen[0][1] == -4
    assert 70 <= len(seen) <= 76, "300 tics, four a step"


def test_a_kill_terminates(basic: VizDoomEnv) -> None:
    """Catches: a won episode stored as cut off. Shooting while walking to and fro hits the monster in some episode."""
    actions = ([3] * 15 + [5] * 30 + [3] * 30) * 2
    ends = [play(basic, seed, actions)[-1] for seed in range(8)]
    kills = [end for end in ends if end[2]]
    assert kills, "no monster was hit in eight episodes"
    assert all(reward > 0 and not truncated for _, reward, _, truncated in kills)


def test_observations_are_downscaled_screens(basic: VizDoomEnv) -> None:
    """Catches: channels swapped or another size than asked."""
    frame = EnvBatch([basic]).reset([1])
    assert frame.shape == (1, 3, 32, 32)
    assert frame.dtype == torch.uint8
    assert 0 < float(frame.float().std()) < 120
    state = basic.doom.get_state()
    assert state is not None
    mean = torch.from_numpy(state.screen_buffer.copy()).float().mean((0, 1))
    assert torch.allclose(frame[0].float().mean((1, 2)), mean, atol=1.5)


def test_unknown_scenarios_are_refused() -> None:
    """Catches: a misspelt scenario that ends in an error of Doom's."""
    with pytest.raises(ValueError, match="basic, simpler_basic"):
        make_env("vizdoom_basics")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: Doom's process or its files staying after close."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    before = set(psutil.Process().children(recursive=True))
    env = make_env("vizdoom_take_cover", 16)
    env.reset(seed=1)
    started = set(psutil.Process().children(recursive=True)) - before
    assert started
    env.close()
    _, alive = psutil.wait_procs(list(started), timeout=10)
    assert not alive
    del env
    assert not list((tmp_path / "temp").iterdir())
    assert not (tmp_path / "_vizdoom").exists()


def test_a_killed_worker_takes_its_doom_along() -> None:
    """Catches: a death that goes unseen because Doom holds the worker's pipe; a Doom that stays without its worker."""
    rows = ProcessEnvs("vizdoom_basic", 1, 16)
    worker = psutil.Process(rows.workers[0].pid)
    programs = worker.children(recursive=True)
    assert programs
    worker.kill()
    since = time.monotonic()
    with pytest.raises(ChildProcessError, match="environment 0 is gone"):
        rows.step(torch.tensor([0]))
    assert time.monotonic() - since < 20
    _, alive = psutil.wait_procs(programs, timeout=10)
    assert not alive


def test_a_killed_player_takes_its_doom_along() -> None:
    """Catches: a Doom and its files that stay for ever after the program that played it was killed."""
    code = (
        "import sys, time\nfrom models.envs.vizdoom import VizDoomEnv\nfrom psutil import Process\n"
        "env = VizDoomEnv('vizdoom_basic')\nfolder = env.forget.peek()[2][1]\n"
        "print(folder, *[c.pid for c in Process().children() if folder in ' '.join(c.cmdline())], flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as player:
        assert player.stdout is not None
        folder, *pids = player.stdout.readline().split()
        programs = [psutil.Process(int(pid)) for pid in pids]
        assert len(programs) == 2, "Doom, and who ends it"
        player.kill()
    assert not psutil.wait_procs(programs, timeout=20)[1]
    assert not Path(folder).exists()


def test_real_world_shows_the_last_picture_of_an_ended_episode() -> None:
    """Catches: a replayed past that was not looked at, so that an episode's end shows a picture of long ago."""
    worlds = [ReplayedWorld("vizdoom_basic", 16) for _ in range(2)]
    rng = Rng.seeded([3])
    start = worlds[0].initial(random_starts(worlds[0].spec, 1), rng)
    states, noop = [start], torch.tensor([0])
    while not bool(states[-1].over):
        states.append(worlds[0].step(states[-1], noop, rng)[0])
    again, prediction = worlds[1].step(states[-2], noop, rng)
    assert bool(prediction.terminated)
    assert torch.equal(again.screen, states[-1].screen)
    after, still = worlds[1].step(again, noop, rng)
    assert bool(still.terminated)
    assert float(still.reward) == 0
    assert torch.equal(after.screen, again.screen)
    for world in worlds:
        world.close()
