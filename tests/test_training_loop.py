"""The training loop: exact resume, time box, and what happens when things go wrong."""

from __future__ import annotations

import errno
import math
import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.data.store import EpisodeStore
from models.diamond.loss import draw_noise
from models.nn.pixels import to_float
from models.training import loop as module
from models.training.checkpoint import read_checkpoint, write_checkpoint
from models.training.diamond import DenoiserTask, RewEndTask
from models.training.loop import DivergedError, Loop, Outcome, TrainConfig
from models.training.stop import StopFlag
from tests.tiny_worlds import tiny_config

CONFIG = TrainConfig(steps=6, batch=3, accumulate=2, lr=1e-3, warmup=2, schedule="cosine", ema=0.9)
TASKS = {"denoiser": DenoiserTask, "rew_end": RewEndTask}
FOREVER = 1e6


class StopAfter(StopFlag):
    """A stop that is called for after so many updates."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self.left = updates

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0


@pytest.fixture(params=TASKS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(autouse=True)
def few_heldout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.diamond.VALIDATION_SEGMENTS", 2)


def loop_of(name: str, store: Path, folder: Path, config: TrainConfig = CONFIG, **options: Any) -> Loop:
    config_of_networks = replace(tiny_config(), rew_end=replace(tiny_config().rew_end, event_share=0.5))
    task = TASKS[name](config_of_networks, EpisodeStore(store), config.batch, 0, torch.device("cpu"))
    return Loop(task, config, folder, autocast=nullcontext, **options)


def everything(loop: Loop) -> dict[str, Tensor]:
    """All that a training consists of."""
    parts, info = read_checkpoint(loop.path)
    parts["info"] = {"step": torch.tensor(info["step"]), "ema": torch.tensor(info["ema_updates"])}
    parts["info"]["sampler"] = torch.tensor([*info["task"]["sampler"]["keys"], info["task"]["sampler"]["position"]])
    return {f"{part}/{key}": t for part, group in parts.items() for key, t in group.items()}


def assert_identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    assert set(a) == set(b)
    assert [key for key in a if not torch.equal(a[key], b[key])] == []


def test_resume_is_exact(name: str, counting_store: Path, tmp_path: Path) -> None:
    """Catches: weights, average, optimiser, schedule or batches that differ, by a single bit, when a training was
    stopped and run again instead of run through."""
    whole = loop_of(name, counting_store, tmp_path / "whole")
    assert whole.run(FOREVER, StopFlag()) == Outcome(6, whole.seconds, finished=True, interrupted=False)
    first = loop_of(name, counting_store, tmp_path / "halves")
    outcome = first.run(FOREVER, StopAfter(3))
    assert (outcome.step, outcome.finished) == (3, False)
    second = loop_of(name, counting_store, tmp_path / "halves")
    assert second.step == 3
    assert second.run(FOREVER, StopFlag()).finished
    assert_identical(everything(whole), everything(second))


class KilledError(BaseException):
    """Stands for SIGKILL: nothing after it runs."""


def test_killed_run_goes_on_from_its_checkpoint(counting_store: Path, tmp_path: Path) -> None:
    """Catches: a run that is lost, or goes on otherwise, when its process dies between two checkpoints."""
    whole = loop_of("denoiser", counting_store, tmp_path / "whole")
    whole.run(FOREVER, StopFlag())
    killed = loop_of("denoiser", counting_store, tmp_path / "killed", checkpoint_seconds=0.0)
    batches, original = iter(range(9)), killed.task.batch

    def dying_batch() -> Any:
        if next(batches) == 8:
            raise KilledError
        return original()

    killed.task.batch = dying_batch  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        killed.run(FOREVER, StopFlag())
    again = loop_of("denoiser", counting_store, tmp_path / "killed")
    assert again.step == 4
    again.run(FOREVER, StopFlag())
    assert_identical(everything(whole), everything(again))


def test_sigterm_saves_and_stops(counting_store: Path, tmp_path: Path) -> None:
    """Catches: work lost when a scheduler ends a training; handlers that stay behind."""
    before = signal.getsignal(signal.SIGTERM)
    loop = loop_of("denoiser", counting_store, tmp_path)
    original = loop.task.batch

    def batch() -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return original()

    loop.task.batch = batch  # type: ignore[method-assign]
    with StopFlag() as stop:
        outcome = loop.run(FOREVER, stop)
    assert (outcome.step, outcome.interrupted, outcome.finished) == (1, True, False)
    assert signal.getsignal(signal.SIGTERM) is before
    assert loop_of("denoiser", counting_store, tmp_path).step == 1


def test_second_interrupt_is_obeyed_at_once() -> None:
    """Catches: a program that cannot be ended from the keyboard while it waits for a safe point."""
    with StopFlag() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(0.0)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def ticking() -> Iterator[float]:
    now = 0.0
    while True:
        now += 1.0
        yield now


def test_time_box(counting_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a box that is not looked at, and time that is forgotten by the next call. The clock here ticks a second
    each time it is read."""
    clock = ticking()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    loop = loop_of("denoiser", counting_store, tmp_path, replace(CONFIG, steps=1000))
    outcome = loop.run(10.0, StopFlag())
    assert 0 < outcome.step <= 10
    assert not outcome.finished
    assert not outcome.interrupted
    assert 0 < outcome.seconds <= 10
    again = loop_of("denoiser", counting_store, tmp_path, replace(CONFIG, steps=1000))
    assert (again.step, again.seconds) == (outcome.step, outcome.seconds)
    assert again.run(5.0, StopFlag()).seconds > outcome.seconds


def test_no_time_no_step(counting_store: Path, tmp_path: Path) -> None:
    """Catches: a training that was given no time and takes a step anyway, or leaves no checkpoint to export."""
    loop = loop_of("rew_end", counting_store, tmp_path)
    assert loop.run(0.0, StopFlag()).step == 0
    assert loop.path.exists()
    assert loop_of("rew_end", counting_store, tmp_path).step == 0


def test_full_disk_keeps_the_last_checkpoint(
    counting_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches: a full disk that destroys the checkpoint it could not replace."""
    loop = loop_of("rew_end", counting_store, tmp_path)
    loop.save()
    before = loop.path.read_bytes()
    loop.update()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="free some disk space"):
            loop.save()
    assert loop.path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [loop.path.name]


def test_damaged_checkpoint_is_refused(counting_store: Path, tmp_path: Path) -> None:
    """Catches: a training that starts again from nothing over a checkpoint it could not read, or a foreign one."""
    loop = loop_of("rew_end", counting_store, tmp_path)
    loop.save()
    data = loop.path.read_bytes()
    loop.path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: got a damaged checkpoint .*remove it"):
        loop_of("rew_end", counting_store, tmp_path)
    write_checkpoint(loop.path, {"model": {"weight": torch.zeros(2)}, "ema": {}}, {"step": 1})
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors: got unknown tensors \['weight'\]"):
        loop_of("rew_end", counting_store, tmp_path)


class ScriptedTask:
    """One weight; losses as told."""

    name = "scripted"

    def __init__(self, losses: list[Any]) -> None:
        self.model: nn.Module = nn.Linear(1, 1, bias=False)
        self.losses = losses

    def batch(self) -> Any:
        return self.losses.pop(0)

    def loss(self, batch: Any, progress: float) -> tuple[Tensor, dict[str, float]]:
        loss = batch(next(self.model.parameters()).sum())
        return loss, {"loss": float(loss.detach())}

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        return {}, None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {}, {}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        pass


@pytest.mark.parametrize("bad", [lambda w: w * math.nan, lambda w: w * math.inf, lambda w: (w - w.detach()).sqrt()])
def test_diverged_training_stops_with_good_weights(bad: Any, tmp_path: Path) -> None:
    """Catches: hours of training on NaN: neither a loss nor a gradient (the last case: a loss of 0 whose slope is
    infinite) that is not finite may reach the weights or a checkpoint."""
    task = ScriptedTask([lambda w: w**2, bad])
    loop = Loop(task, TrainConfig(steps=5, warmup=0), tmp_path, autocast=nullcontext, checkpoint_seconds=0.0)
    with pytest.raises(DivergedError, match=r"scripted: got .* at step 1, expected a finite one; .*--lr"):
        loop.run(FOREVER, StopFlag())
    assert bool(torch.isfinite(next(task.model.parameters())).all())
    again = Loop(ScriptedTask([]), TrainConfig(steps=5, warmup=0), tmp_path, autocast=nullcontext)
    assert again.step == 1
    assert torch.equal(*(next(x.task.model.parameters()) for x in (loop, again)))


def test_one_batch_is_learned(name: str, counting_store: Path, tmp_path: Path) -> None:
    """Catches: a loss that falls in no case: a gradient cut, a weight that is not optimised. Over and over the same
    batch and noise, the loss must come down to a third."""
    config = TrainConfig(steps=150, batch=4, lr=3e-3, warmup=0)
    loop = loop_of(name, counting_store, tmp_path, config)
    batch = loop.task.batch()
    loop.task.batch = lambda: batch  # type: ignore[method-assign]
    if name == "denoiser":
        noise = draw_noise(to_float(batch.frames), 2, torch.Generator().manual_seed(0))
        from models.training import diamond

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(diamond, "draw_noise", lambda *_: noise)
            losses = [loop.update()["loss"] for _ in range(config.steps)]
    else:
        losses = [loop.update()["loss"] for _ in range(config.steps)]
    assert losses[-1] < losses[0] / 3


def test_validation_consumes_no_randomness(name: str, counting_store: Path, tmp_path: Path) -> None:
    """Catches: a validation that shifts the batches after it, so that looking more often trains another model."""
    plain = loop_of(name, counting_store, tmp_path / "plain")
    plain.run(FOREVER, StopFlag())
    watched = loop_of(name, counting_store, tmp_path / "watched", validate_every=1)
    watched.run(FOREVER, StopFlag())
    assert_identical(everything(plain), everything(watched))
