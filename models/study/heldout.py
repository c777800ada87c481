"""Held-out episodes to study a world on: those of its store, and, where they are too few, more that are played."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data.episode import EpisodeFile
from models.data.store import HELDOUT_EVERY, EpisodeStore
from models.envs.adapter import make_env
from models.envs.experts import draw_kind, player_for
from models.envs.objects import OBJECTS
from models.training.collect import Shared, only_one, play_episode, settings_of, start_deaf, stop_with_parent
from models.training.stop import StopFlag

FIRST_SEED = 1_500_000_000
"""Episodes that are played for a study are seeded from here on; `reverie collect` counts up from 0."""
POLICY = "mixed"
"""Who plays them: the same mixture of players as in a store that `reverie collect` fills."""
OnEpisode = Callable[[int], None]
"""Hears how many episodes were finished since it was last called."""


@dataclass(frozen=True)
class Game:
    """A real game and the size of its frames in pixels."""

    name: str
    size: int


def extra_folder(folder: Path) -> Path:
    """Where the episodes lie that are played for a study of the store in ``folder``."""
    return folder.with_name(f"{folder.name}-heldout")


def heldout_of(store: EpisodeStore) -> list[EpisodeFile]:
    """The intact held-out episodes of a store by number; none where there is no store."""
    return [EpisodeFile(header.path) for header in store.scan("heldout")[0]]


def seeds_of(store: EpisodeStore) -> frozenset[int]:
    """Seeds of all episodes of a store."""
    headers = [h for split in ("train", "heldout") for h in store.scan(split)[0]]
    return frozenset(int(h.meta["seed"]) for h in headers if "seed" in h.meta)


def missing(store: EpisodeStore, wanted: int) -> list[int]:
    """Numbers of the episodes that a store of held-out episodes alone still lacks of the first ``wanted``."""
    there = set(store.numbers())
    return [n for k in range(wanted) if (n := k * HELDOUT_EVERY + HELDOUT_EVERY - 1) not in there]


def seed_for(number: int, taken: frozenset[int]) -> int:
    """The seed of an episode, none of those ``taken``."""
    seed = FIRST_SEED + number
    while seed in taken:
        seed += 1_000_000
    return seed


def episodes_for(
    folder: Path, game: Game, wanted: int, *, workers: int = 2, on_episode: OnEpisode = lambda n: None
) -> list[EpisodeFile]:
    """The first ``wanted`` held-out episodes: the store's, then those beside it, which are played where they lack.

    Whole games, under seeds of their own. Raises KeyboardInterrupt after Ctrl-C; what was finished is kept.
    """
    if wanted < 1:
        raise ValueError(f"episodes: got {wanted}, expected at least 1")
    store = EpisodeStore(folder)
    found = heldout_of(store)
    if len(found) < wanted:
        extra = EpisodeStore(extra_folder(folder))
        play_missing(extra, game, wanted - len(found), seeds_of(store), workers, on_episode)
        found += heldout_of(extra)
    return found[:wanted]


def play_missing(
    store: EpisodeStore, game: Game, wanted: int, taken: frozenset[int], workers: int, on_episode: OnEpisode
) -> None:
    """Play until a store of held-out episodes alone holds ``wanted``. Raises ValueError for episodes of other settings.

    Several processes play side by side, each one game after another; a game that is stopped half way is not kept.
    """
    check_settings(store, game)
    numbers = missing(store, wanted)
    if not numbers:
        return
    store.folder.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    shared = Shared(context.Value("q", 0), context.Value("q", 0), context.Event(), context.SimpleQueue())
    jobs = (game, store.folder, tuple(numbers), taken, shared)
    team = [context.Process(target=work, args=jobs) for _ in range(min(workers, len(numbers)))]
    with only_one(store.folder), StopFlag() as stop:
        start_deaf(team)
        done = 0
        while any(worker.is_alive() for worker in team) and not stop.is_set():
            stop.wait(0.1)
            now = len(numbers) - len(missing(store, wanted))
            on_episode(now - done)
            done = now
            if any(worker.exitcode not in (None, 0) for worker in team):
                break
        shared.stop.set()
        for worker in team:
            worker.join()
        on_episode(len(numbers) - len(missing(store, wanted)) - done)
        store.write_index()
    if not shared.errors.empty():
        raise ChildProcessError(f"held-out play of {game.name}: {shared.errors.get()}; what was finished is kept")
    if stop.is_set():
        raise KeyboardInterrupt
    if lack := missing(store, wanted):
        raise ChildProcessError(f"held-out play of {game.name}: got {wanted - len(lack)} episodes, expected {wanted}")


def check_settings(store: EpisodeStore, game: Game) -> None:
    """Raises ValueError where a store's episodes were played under other settings than would be played now."""
    settings = settings_of(game.name, game.size)
    for header in store.scan("heldout")[0]:
        for key, value in settings.items():
            if header.meta.get(key) != value:
                raise ValueError(
                    f"{header.path}: got {key} {header.meta.get(key)!r}, expected {value!r}; remove {store.folder} to "
                    "have its episodes played anew"
                )


def work(game: Game, folder: Path, numbers: Sequence[int], taken: frozenset[int], shared: Shared) -> None:
    """One process: play and store the next of the numbers until none is left or a stop is called for."""
    torch.set_num_threads(1)
    threading.Thread(target=stop_with_parent, args=(shared.stop,), daemon=True).start()
    try:
        with closing(make_env(game.name, game.size)) as env:
            while (number := next_of(numbers, shared)) is not None:
                play_one(env, EpisodeStore(folder), number, seed_for(number, taken), shared)
    except (OSError, ValueError) as error:
        shared.errors.put(str(error))
        sys.exit(1)


def next_of(numbers: Sequence[int], shared: Shared) -> int | None:
    """The next number that no process has taken, None where there is none or a stop was called for."""
    with shared.number.get_lock():
        index = shared.number.value
        shared.number.value += 1
    return None if shared.stop.is_set() or index >= len(numbers) else numbers[index]


def play_one(env: Any, store: EpisodeStore, number: int, seed: int, shared: Shared) -> None:
    """Play a whole game and store it under its number; nothing is stored where a stop was called for."""
    random = np.random.default_rng(seed)
    kind = draw_kind(POLICY, env.game, random)
    names = list(OBJECTS[env.game].names) if env.game in OBJECTS else []
    play = {"seed": seed, "policy": kind, "actions": list(env.action_names), "objects": names}
    meta = {**env.env_settings(), **play}
    episode = play_episode(env, player_for(kind, env, random), seed, meta, shared)
    if not shared.stop.is_set():
        store.add(number, episode)
