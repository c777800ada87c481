"""Collection: several environments side by side fill a store of episodes, resumable and safe to stop at any time."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.envs.adapter import EnvBatch, GameEnv, make_env
from models.envs.experts import check_policy, draw_kind, player_for
from models.envs.objects import OBJECTS
from models.training.options import CollectOptions
from models.training.stop import StopFlag

logger = logging.getLogger(__name__)
MIN_STEPS = 8
"""An episode is cut short by a stop when it has at least this many steps."""
SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Shared:
    """What the workers share: the next episode's number, the steps played, the call to stop, and what went wrong."""

    number: Synchronized[int]
    steps: Synchronized[int]
    stop: Event
    errors: SimpleQueue[str]


@cache
def settings_of(game: str, size: int) -> dict[str, Any]:
    """The environment's settings, stored in every episode; a store holds episodes of one setting only.

    Raises ValueError for a game that shows no pictures.
    """
    env = make_env(game, size)
    try:
        if env.observes != "image":
            raise ValueError(f"collect: got {game!r}, which shows vectors, expected a game with pictures")
        return env.env_settings()
    finally:
        env.close()


def play_episode(env: GameEnv, act: Callable[[], Any], seed: int, meta: dict[str, Any], shared: Shared) -> Episode:
    """One episode, cut (truncated) where a stop is called for."""
    batch = EnvBatch([env])
    frames, actions, rewards, places = [batch.reset([seed])], [], [], [places_of(env, meta)]
    terminated = truncated = False
    while not (terminated or truncated):
        actions.append(torch.as_tensor(act(), dtype=env.actions.dtype))
        after = batch.step(actions[-1][None])
        terminated, truncated = bool(after.terminated), bool(after.truncated)
        frames.append(after.frames)
        rewards.append(after.rewards)
        places.append(places_of(env, meta))
        with shared.steps.get_lock():
            shared.steps.value += 1
        if shared.stop.is_set() and not terminated and len(actions) >= MIN_STEPS:
            truncated = True
    ends = torch.zeros(2, len(actions), dtype=torch.bool)
    ends[0, -1], ends[1, -1] = terminated, truncated
    return Episode(
        frames=torch.cat(frames),
        actions=torch.stack(actions),
        rewards=torch.cat(rewards),
        terminated=ends[0],
        truncated=ends[1],
        objects=torch.from_numpy(np.stack(places)),
        meta=meta,
    )


def places_of(env: GameEnv, meta: dict[str, Any]) -> np.ndarray:
    """(K, 3) float32 of the game as it stands; K = 0 where its objects are not known."""
    objects = OBJECTS.get(env.game)
    if objects is None:
        return np.zeros((0, 3), np.float32)
    return objects.places(env.ram(), int(meta["size"]))  # type: ignore[attr-defined]


def work(options: CollectOptions, folder: Path, shared: Shared) -> None:
    """One worker: play and store episodes until told to stop, or until the parent is gone."""
    torch.set_num_threads(1)
    threading.Thread(target=stop_with_parent, args=(shared.stop,), daemon=True).start()
    try:
        fill(options, folder, shared)
    except (OSError, ValueError) as error:
        shared.errors.put(str(error))
        sys.exit(1)


def stop_with_parent(stop: Event) -> None:
    """A parent that was killed cannot call for a stop: without this its workers would play on for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    stop.set()


def start_deaf(workers: list[SpawnProcess]) -> None:
    """Start workers with SIGINT and SIGTERM blocked from their first moment on: signals are the parent's matter."""
    posix = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if posix else set()
    try:
        for worker in workers:
            worker.start()
    finally:
        if posix:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def fill(options: CollectOptions, folder: Path, shared: Shared) -> None:
    """Play and store episodes until told to stop."""
    store = EpisodeStore(folder)
    with closing(make_env(options.game, options.size)) as env:
        while not shared.stop.is_set():
            with shared.number.get_lock():
                number = shared.number.value
                shared.number.value += 1
            seed = options.seed * 1_000_003 + number
            random = np.random.default_rng([options.seed, number])
            kind = draw_kind(options.policy, env.game, random)
            act = player_for(kind, env, random)
            names = list(OBJECTS[env.game].names) if env.game in OBJECTS else []
            play = {"seed": seed, "policy": kind, "actions": list(env.action_names), "objects": names}
            store.add(number, play_episode(env, act, seed, {**env.env_settings(), **play}, shared))


def check_store(store: EpisodeStore, options: CollectOptions) -> int:
    """Steps already there. Raises ValueError when the store was collected under other settings."""
    steps = 0
    for split in ("train", "heldout"):
        for header in store.scan(split)[0]:
            for key, value in settings_of(options.game, options.size).items():
                if header.meta.get(key) != value:
                    raise ValueError(
                        f"{store.folder}: got episodes with {key} {header.meta.get(key)!r}, expected {value!r}; "
                        "collect into another folder with --out"
                    )
            steps += header.steps
    return steps


def collect(options: CollectOptions) -> int:
    """Fill the store up to ``options.steps``. Returns the exit code: 0, or 130 after Ctrl-C.

    Raises ValueError for bad options, a store of other settings, or one that another collection is filling.
    """
    if min(options.steps, options.workers, options.size) < 1:
        raise ValueError(f"collect: got {options}, expected at least 1 step, 1 worker and frames of 1 pixel")
    game = settings_of(options.game, options.size)["game"]
    check_policy(options.policy, game)
    folder = options.out or Path("data") / game
    folder.mkdir(parents=True, exist_ok=True)
    with only_one(folder), StopFlag() as stop:
        store = EpisodeStore(folder)
        before = check_store(store, options)
        errors = run_workers(store, options, before, stop) if before < options.steps else []
        store.write_index()
        return report(store, errors, interrupted=stop.is_set())


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the store's lock, which the system releases when a process dies."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"{folder}: got a store that another `reverie collect` is filling, expected a free one; "
            "wait for it, or collect into another folder with --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


def run_workers(store: EpisodeStore, options: CollectOptions, before: int, stop: StopFlag) -> list[str]:
    """Run the workers until the store holds enough steps or a stop is called for. Returns what went wrong."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    context = multiprocessing.get_context("spawn")
    first = max(store.numbers(), default=-1) + 1
    shared = Shared(context.Value("q", first), context.Value("q", 0), context.Event(), context.SimpleQueue())
    workers = [context.Process(target=work, args=(options, store.folder, shared)) for _ in range(options.workers)]
    columns = (
        TextColumn("collect {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    with Progress(*columns, TimeRemainingColumn()) as progress:
        task = progress.add_task(
            settings_of(options.game, options.size)["game"], total=options.steps, completed=before, rate=""
        )
        start_deaf(workers)
        while before + shared.steps.value < options.steps and not stop.is_set():
            if any(worker.exitcode not in (None, 0) for worker in workers):
                break
            stop.wait(0.2)
            rate = f"{shared.steps.value / (progress.tasks[0].elapsed or 1):.0f} steps/s"
            progress.update(task, completed=before + shared.steps.value, rate=rate)
        shared.stop.set()
        for worker in workers:
            worker.join()
    errors = [f"a worker stopped with exit code {w.exitcode}" for w in workers if w.exitcode not in (None, 0)]
    return [shared.errors.get()] if errors and not shared.errors.empty() else errors


def report(store: EpisodeStore, errors: list[str], interrupted: bool) -> int:
    """Say what the store holds now and return the exit code. Raises ChildProcessError where a worker failed."""
    from rich import print as say

    for split in ("train", "heldout"):
        counts = store.summary(split)
        damaged = f", [red]{len(counts.damaged)} damaged[/red]" if counts.damaged else ""
        say(
            f"{store.folder}/{split}: {counts.episodes} episodes, {counts.steps} steps{damaged}, "
            f"rewards -/0/+ {counts.rewards}"
        )
    if errors:
        raise ChildProcessError(f"collect: {errors[0]}; what was stored before is intact")
    if interrupted:
        say("stopped; run the same command again to go on")
    return 130 if interrupted else 0
