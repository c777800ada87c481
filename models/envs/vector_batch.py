"""Several games of one kind side by side, for training: in this process, or in worker processes of their own.

Both forms share one interface: ``reset``, ``reset_row``, ``step`` (rows named in ``restart`` begin a new episode
instead of taking their action), ``close``. Nothing restarts by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from torch import Tensor

from models.envs.adapter import EnvStep, GameEnv, make_env, to_actions, to_step, to_tensor
from models.types import ActionSpec

SIGNALS = {signal.SIGINT, signal.SIGTERM}
START_S = 120.0
"""How long a worker may take to make its environment."""
STEP_S = 60.0
CLOSE_S = 5.0
Result = tuple[np.ndarray, float, bool, bool, dict]


class GameRows(Protocol):
    """Rows of games. ``actions``, ``fps``, ``action_repeat``, ``observes``, ``obs_shape`` are those of each."""

    game: str
    actions: ActionSpec
    fps: float
    action_repeat: int
    observes: str
    obs_shape: tuple[int, ...]
    settings: dict[str, Any]

    def __len__(self) -> int: ...
    def reset(self, seeds: Sequence[int] | None = None) -> Tensor: ...
    def reset_row(self, row: int, seed: int) -> Tensor: ...
    def step(self, actions: Tensor, restart: Mapping[int, int] | None = None) -> EnvStep: ...
    def close(self) -> None: ...


class Rows:
    """What both forms share. ``ask`` gives each named row a task and returns the answers in the same order."""

    game: str
    actions: ActionSpec
    fps: float
    action_repeat: int
    observes: str
    obs_shape: tuple[int, ...]
    settings: dict[str, Any]

    def __init__(self, count: int, seed: int) -> None:
        if count < 1:
            raise ValueError(f"environments: got {count}, expected at least 1")
        self.count, self.seed = count, seed

    def __len__(self) -> int:
        return self.count

    def ask(self, tasks: Mapping[int, tuple[str, Any]]) -> list[Result]:
        raise NotImplementedError

    def reset(self, seeds: Sequence[int] | None = None) -> Tensor:
        """First observations of a new episode in every row: (B, 3, H, W) uint8, or (B, n) float32.

        seeds: one a row; without them the constructor's seed and the ones after it.
        """
        chosen = range(self.seed, self.seed + len(self)) if seeds is None else seeds
        if len(chosen) != len(self):
            raise ValueError(f"seeds: got {len(chosen)}, expected {len(self)}")
        return to_step(self.ask({row: ("reset", seed) for row, seed in enumerate(chosen)})).frames

    def reset_row(self, row: int, seed: int) -> Tensor:
        """The first observation of a new episode in one row: (3, H, W) uint8, or (n,) float32."""
        return to_tensor(self.ask({row: ("reset", seed)})[0][0])

    def step(self, actions: Tensor, restart: Mapping[int, int] | None = None) -> EnvStep:
        """actions (B,) int64 or (B, n) float32, in the game's own bounds.

        restart: row -> seed of the episode to begin there instead; such a row has reward 0 and has not ended.
        """
        rows = to_actions(actions, self.actions, len(self))
        begun = restart or {}
        return to_step(
            self.ask({k: ("reset", begun[k]) if k in begun else ("step", act) for k, act in enumerate(rows)})
        )

    def step_row(self, row: int, action: Tensor) -> EnvStep:
        """One action in one row alone, () int64 or (n,) float32; what it led to as a batch of 1."""
        return to_step(self.ask({row: ("step", to_actions(action[None], self.actions, 1)[0])}))

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Rows:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def describe(env: GameEnv) -> dict[str, Any]:
    """What rows say about their environments."""
    names = ("game", "actions", "fps", "action_repeat", "observes")
    shape = env.observation_space.shape
    obs = (shape[2], *shape[:2]) if env.observes == "image" else tuple(shape)
    return {**{name: getattr(env, name) for name in names}, "obs_shape": obs, "settings": env.env_settings()}


def perform(env: GameEnv, verb: str, value: Any) -> Result:
    if verb == "reset":
        return env.reset(seed=int(value))[0], 0.0, False, False, {}
    seen, reward, terminated, truncated, _ = env.step(value)
    return seen, float(reward), bool(terminated), bool(truncated), {}


class SerialEnvs(Rows):
    """Games stepped one after the other in this process: best where a step takes less than a message."""

    def __init__(self, game: str, count: int, size: int = 64, seed: int = 0) -> None:
        super().__init__(count, seed)
        self.envs = [make_env(game, size) for _ in range(count)]
        vars(self).update(describe(self.envs[0]))

    def ask(self, tasks: Mapping[int, tuple[str, Any]]) -> list[Result]:
        return [perform(self.envs[row], *task) for row, task in tasks.items()]

    def close(self) -> None:
        for env in self.envs:
            env.close()
        self.envs = []


def worker_context() -> Any:
    """How workers are started: from a process that has imported this module once, where the system has it."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


class ProcessEnvs(Rows):
    """Games stepped at the same time, a process each. Use it as a context manager, or call ``close``.

    Workers do not hear Ctrl-C (that is the caller's matter) and end when the caller is gone, however it went.
    Raises ChildProcessError with the worker's own message where one fails, does not answer, or dies, ValueError where
    it refuses (an unknown game, an action out of range); all are closed then.
    """

    def __init__(
        self, game: str, count: int, size: int = 64, seed: int = 0, make: Callable[[str, int], GameEnv] = make_env
    ) -> None:
        super().__init__(count, seed)
        self.context = worker_context()
        self.pipes: list[Connection] = []
        self.workers: list[Any] = []
        self.programs: list[psutil.Process] = []
        self.name = game
        try:
            self.start(make, game, size)
            about = [self.receive(row, START_S) for row in range(count)]
            self.programs = [program for worker in self.workers for program in programs_of(worker.pid)]
        except BaseException:
            self.close()
            raise
        vars(self).update(about[0])

    def start(self, make: Callable[[str, int], GameEnv], game: str, size: int) -> None:
        """Start the workers, deaf to signals from their first moment on."""
        resource_tracker.ensure_running()  # starting it later would lift the mask
        posix = hasattr(signal, "pthread_sigmask")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS) if posix else set()
        try:
            for _ in range(self.count):
                mine, theirs = self.context.Pipe()
                self.pipes.append(mine)
                worker = self.context.Process(target=serve, args=(theirs, make, game, size), daemon=True)
                worker.start()
                theirs.close()
                self.workers.append(worker)
        finally:
            if posix:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def ask(self, tasks: Mapping[int, tuple[str, Any]]) -> list[Result]:
        if not self.pipes:
            raise ValueError(f"{self.name}: got a task for closed environments, expected open ones")
        try:
            for row, task in tasks.items():
                self.send(row, task)
            return [self.receive(row, STEP_S) for row in tasks]
        except BaseException:
            self.close()
            raise

    def send(self, row: int, task: tuple[str, Any]) -> None:
        try:
            self.pipes[row].send(task)
        except OSError as error:
            raise self.lost(row, "is gone") from error

    def receive(self, row: int, patience_s: float) -> Any:
        """A worker's answer. Raises ChildProcessError where it failed, is gone, or takes too long."""
        try:
            if not self.pipes[row].poll(patience_s):
                raise self.lost(row, f"did not answer within {patience_s:.0f} s")
            kind, answer = self.pipes[row].recv()
        except (EOFError, OSError) as error:
            if isinstance(error, ChildProcessError):
                raise
            raise self.lost(row, "is gone") from error
        if kind == "refused":
            raise ValueError(answer)
        if kind == "failed":
            raise self.lost(row, f"failed: {answer}")
        return answer

    def lost(self, row: int, what: str) -> ChildProcessError:
        self.workers[row].join(0.5)
        code = self.workers[row].exitcode
        ending = f" (exit code {code})" if code is not None else ""
        return ChildProcessError(
            f"{self.name}: the process of environment {row} {what}{ending}; expected it to play on"
        )

    def close(self) -> None:
        """End all workers; none is left when this returns. Calling it again does nothing."""
        for pipe in self.pipes:
            pipe.close()
        for worker in self.workers:
            worker.join(CLOSE_S)
            if worker.is_alive():
                worker.kill()
                worker.join()
            worker.close()
        for program in self.programs:
            end(program)
        self.pipes, self.workers, self.programs = [], [], []


def serve(pipe: Connection, make: Callable[[str, int], GameEnv], game: str, size: int) -> None:
    """A worker: make the environment, then do what the pipe says until it closes."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    keep_to_oneself()
    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        env = make(game, size)
    except ValueError as error:
        pipe.send(("refused", str(error)))
        return
    try:
        pipe.send(("ok", describe(env)))
        while True:
            verb, value = pipe.recv()
            pipe.send(("ok", perform(env, verb, value)))
    except (EOFError, BrokenPipeError):
        pass
    except ValueError as error:
        pipe.send(("refused", str(error)))
    except Exception as error:  # the caller must hear of it, whatever it is
        pipe.send(("failed", f"{type(error).__name__}: {error}"))
    finally:
        env.close()
        pipe.close()


def keep_to_oneself() -> None:
    """Games that run as programs of their own must not hold this worker's pipes: they would hide its death."""
    for number in range(3, 256):
        with suppress(OSError):
            os.set_inheritable(number, False)


def end_with_parent() -> None:
    """A parent that was killed closes nothing: without this a worker in the middle of a step would stay."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    for program in programs_of(os.getpid()):
        end(program)
    os._exit(1)


def programs_of(worker: int | None) -> list[psutil.Process]:
    """Programs that a process has started, as Doom's."""
    try:
        return psutil.Process(worker).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def end(program: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        program.kill()
