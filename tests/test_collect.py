"""Collection as it runs: several processes, stopped in the middle by signals, resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from models.data.env_meta import action_repeat, action_spec, fps
from models.data.store import EpisodeStore
from models.envs.adapter import channels_first, make_env
from models.envs.experts import SCRIPTS, Player, draw_kind
from models.training.collect import collect, only_one
from models.training.options import CollectOptions
from tests.test_counting_alignment import assert_aligned

ROOT = Path(__file__).parents[1]
PATIENCE_S = 240.0
"""How long to wait for what must happen; only a failure takes that long."""


def options(out: Path, steps: int, **changes: object) -> CollectOptions:
    return CollectOptions(**{"game": "counting", "steps": steps, "out": out, "size": 16} | changes)  # type: ignore[arg-type]


def stored(folder: Path) -> int:
    """Steps in the store."""
    return sum(EpisodeStore(folder).summary(split).steps for split in ("train", "heldout"))


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Counting episodes made by two processes in two calls."""
    folder = tmp_path_factory.mktemp("collected")
    assert collect(options(folder, 400, workers=2)) == 0
    assert stored(folder) >= 400
    before = {path: path.read_bytes() for path in folder.rglob("*.safetensors")}
    assert collect(options(folder, 700, workers=2)) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    return folder


def test_collects_to_the_total_and_resumes(collected: Path) -> None:
    """Catches: steps counted that were not stored, a resume that overwrites or repeats what is there."""
    store = EpisodeStore(collected)
    assert stored(collected) >= 700
    headers = [h for split in ("train", "heldout") for h in store.scan(split)[0]]
    seeds = [h.meta["seed"] for h in headers]
    assert len(set(seeds)) == len(seeds), "no episode is played twice"
    assert store.numbers() == list(range(len(headers)))
    assert len(store.read_index()) == len(headers)


def test_collected_episodes_are_aligned(collected: Path) -> None:
    """Catches: the frame, action or reward of a neighbouring step stored, in the collector itself; an episode cut
    short by the end of the collection that counts as terminated."""
    for split in ("train", "heldout"):
        for file in EpisodeStore(collected).episodes(split):
            episode = file.read()
            assert_aligned(episode)
            assert bool(episode.terminated[-1]) != bool(episode.truncated[-1])


def test_full_store_is_left_alone(collected: Path) -> None:
    """Catches: a collection that goes on although it has what was asked for."""
    before = stored(collected)
    assert collect(options(collected, 500)) == 0
    assert stored(collected) == before


def test_other_settings_are_refused(collected: Path) -> None:
    """Catches: frames of two resolutions or games in one store."""
    with pytest.raises(ValueError, match="got episodes with size 16, expected 32; .*--out"):
        collect(options(collected, 1000, size=32))
    with pytest.raises(ValueError, match="got episodes with env 'counting', expected 'atari'"):
        collect(options(collected, 1000, game="pong"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "expected at least 1"),
        ({"workers": 0}, "expected at least 1"),
        ({"size": 0}, "expected at least 1"),
        ({"policy": "expert"}, "got expert for 'counting', expected one of"),
        ({"game": "pnog"}, "did you mean pong"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """Catches: an error that only shows as a dead worker process."""
    with pytest.raises(ValueError, match=message):
        collect(options(tmp_path, **{"steps": 10} | changes))  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_worker_that_cannot_write_says_why(tmp_path: Path) -> None:
    """Catches: a full or forbidden disk reported as an exit code. Here a file is where the folder must be."""
    (tmp_path / "train").write_text("in the way")
    with pytest.raises(OSError, match="File exists.*what was stored before is intact"):
        collect(options(tmp_path, 100, workers=1))


def test_collects_continuous_actions(tmp_path: Path) -> None:
    """Catches: a driver's steering stored as an index, settings without the bounds and the pace of the game."""
    pytest.importorskip("Box2D")
    assert collect(options(tmp_path, 30, game="car_racing", policy="expert", workers=1)) == 0
    episode = EpisodeStore(tmp_path).episodes("train")[0].read()
    assert episode.actions.shape == (len(episode), 3)
    assert episode.actions.dtype == torch.float32
    spec = action_spec(episode.meta)
    assert (spec.kind, spec.names, spec.low) == ("continuous", ("steer", "gas", "brake"), (-1.0, 0.0, 0.0))
    assert (fps(episode.meta), action_repeat(episode.meta)) == (25.0, 2)
    env = make_env("car_racing", 16)
    first, _ = env.reset(seed=episode.meta["seed"])
    assert torch.equal(episode.frames[0], channels_first(first))
    for t in range(20):
        frame, reward, *_ = env.step(episode.actions[t].numpy())
        assert torch.equal(episode.frames[t + 1], channels_first(frame)), f"frame {t + 1}"
        assert float(episode.rewards[t]) == pytest.approx(reward)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.05)


class Running:
    """`reverie collect` in a process group of its own, as in a terminal."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "app.cli", "collect", *arguments]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def workers(self) -> list[psutil.Process]:
        """Processes that play, not the tracker of shared memory."""
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    def interrupt(self) -> None:
        """Ctrl-C: the whole group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out + err


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Starts collections and sees to it that none is left."""
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        running.append(Running(*arguments))
        return running[-1]

    yield begin
    for one in running:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.end()


def test_ctrl_c_in_the_middle_of_pong_loses_nothing(start: Callable[..., Running], tmp_path: Path) -> None:
    """Catches: the episode that was being played thrown away, a traceback for a Ctrl-C, a store that cannot be
    resumed."""
    pong = start("pong", "--steps", "100000", "--out", str(tmp_path), "--workers", "1", "--policy", "random")
    wait_for(lambda: bool(EpisodeStore(tmp_path).numbers()), "a first episode")
    pong.interrupt()
    code, text = pong.end()
    assert code == 130, text
    assert "Traceback" not in text
    assert "run the same command again" in text
    episodes = [file.read() for file in EpisodeStore(tmp_path).episodes("train")]
    assert len(episodes) >= 2, "the episode that was being played is kept"
    assert [bool(e.terminated[-1]) for e in episodes[:-1]] == [True] * (len(episodes) - 1)
    assert bool(episodes[-1].truncated[-1])
    assert episodes[0].meta["objects"] == ["own paddle", "enemy paddle", "ball"]
    assert episodes[0].objects.shape == (len(episodes[0]) + 1, 3, 3)
    before = stored(tmp_path)
    assert collect(options(tmp_path, before + 20, game="pong", size=64, workers=1)) == 0
    assert stored(tmp_path) >= before + 20


def test_ctrl_c_while_workers_start(start: Callable[..., Running], tmp_path: Path) -> None:
    """Catches: workers that are interrupted in their first second, before they could say that they will not be."""
    run = start("counting", "--steps", "1000000", "--out", str(tmp_path), "--size", "16", "--workers", "1")
    wait_for(lambda: bool(run.workers()), "a worker")
    run.interrupt()
    code, text = run.end()
    assert code == 130, text
    assert "Traceback" not in text


def test_sigterm_stops_cleanly(start: Callable[..., Running], tmp_path: Path) -> None:
    """Catches: episodes or the index lost when a scheduler ends the collection, workers that play on."""
    run = start("counting", "--steps", "1000000", "--out", str(tmp_path), "--size", "16", "--workers", "1")
    wait_for(lambda: len(EpisodeStore(tmp_path).numbers()) > 3, "episodes")
    workers = run.workers()
    run.process.terminate()
    code, text = run.end()
    assert code == 130, text
    assert not any(worker.is_running() for worker in workers)
    store = EpisodeStore(tmp_path)
    assert all(not store.summary(split).damaged for split in ("train", "heldout"))
    assert len(store.read_index()) == len(store.numbers())


def test_workers_of_a_killed_parent_stop(start: Callable[..., Running], tmp_path: Path) -> None:
    """Catches: workers that fill the disk for ever after their parent was killed; what they stored must be intact."""
    run = start("counting", "--steps", "1000000", "--out", str(tmp_path), "--size", "16", "--workers", "1")
    wait_for(lambda: len(EpisodeStore(tmp_path).numbers()) > 3, "episodes")
    workers = run.workers()
    run.process.kill()
    run.end()
    wait_for(lambda: not any(worker.is_running() for worker in workers), "the end of the workers")
    store = EpisodeStore(tmp_path)
    assert all(not store.summary(split).damaged for split in ("train", "heldout"))
    assert stored(tmp_path) > 0


@pytest.mark.parametrize("game", SCRIPTS)
def test_experts_know_their_game(game: str) -> None:
    """Catches: a script that names an action its game does not have, on some state of the memory."""
    from models.envs.atari import AtariEnv

    names, random = AtariEnv(game).action_names, np.random.default_rng(0)
    for _ in range(20):
        player = Player("expert", game, names, random)
        acts = [player.act(random.integers(0, 256, 128).astype(np.uint8)) for _ in range(100)]
        assert all(0 <= act < len(names) for act in acts)


def test_players_cover_all_actions_and_hold_them() -> None:
    """Catches: a sticky player that is not sticky, a random one that never presses a button."""
    random, ram = np.random.default_rng(0), np.zeros(128, np.uint8)
    acts = {kind: [Player(kind, "counting", ("A", "B", "C"), random)] for kind in ("random", "sticky")}
    runs = {kind: [player.act(ram) for _ in range(3000)] for kind, (player,) in acts.items()}
    repeats = {kind: np.mean(np.diff(run) == 0) for kind, run in runs.items()}
    assert all(set(run) == {0, 1, 2} for run in runs.values())
    assert repeats["random"] == pytest.approx(1 / 3, abs=0.05)
    assert repeats["sticky"] > 0.7
    kinds = [draw_kind("mixed", "pong", random) for _ in range(500)]
    assert np.mean([kind == "expert" for kind in kinds]) == pytest.approx(0.8, abs=0.08)
    assert {draw_kind("mixed", "counting", random) for _ in range(100)} == {"random", "sticky"}


def test_two_collections_do_not_share_a_store(tmp_path: Path) -> None:
    """Catches: two collections that take the same episode numbers and overwrite each other's files."""
    with only_one(tmp_path), pytest.raises(ValueError, match="another `reverie collect`"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
