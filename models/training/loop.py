"""The one training loop: time box, accumulation, clipping, averaging, logging, atomic checkpoints and exact resume."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from models.nn.weights import load_weights
from models.training.checkpoint import load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint
from models.training.ema import Ema
from models.training.optim import adamw, lr_factor
from models.training.stop import StopFlag


class DivergedError(ValueError):
    """A loss or gradient that is not finite."""


@dataclass(frozen=True)
class TrainConfig:
    """What an optimiser does to a model. Gradients of accumulated micro-batches are summed, as DIAMOND does."""

    steps: int
    batch: int = 32
    accumulate: int = 1
    lr: float = 1e-4
    weight_decay: float = 1e-2
    warmup: int = 100
    schedule: Literal["constant", "cosine"] = "constant"
    clip: float = 1.0
    ema: float = 0.0

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.accumulate) < 1 or self.lr <= 0 or self.clip <= 0:
            raise ValueError(f"training: got {self}, expected positive steps, batch, accumulate, lr and clip")


class Task(Protocol):
    """What is trained: a model and where its batches and measures come from."""

    @property
    def name(self) -> str: ...

    @property
    def model(self) -> nn.Module: ...

    def batch(self) -> Any:
        """The next batch; its source's randomness is part of ``state``."""
        ...

    def loss(self, batch: Any, progress: float) -> tuple[Tensor, dict[str, float]]:
        """The loss to minimise and scalars to log; progress in [0, 1) of the whole training."""
        ...

    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        """Held-out measures and a picture (3, H, W) uint8 of the given (averaged) model. Consumes no randomness."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Randomness, as tensors and as JSON values."""
        ...

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None: ...


@dataclass(frozen=True)
class Outcome:
    """How a call of the loop ended."""

    step: int
    seconds: float
    """Training time of all calls so far."""
    finished: bool
    interrupted: bool


class Loop:
    """Trains a task until its steps are done, the time box is over or a stop is called for."""

    def __init__(
        self,
        task: Task,
        config: TrainConfig,
        folder: Path,
        *,
        autocast: Callable[[], AbstractContextManager[Any]],
        validate_every: int = 1000,
        checkpoint_seconds: float = 300.0,
        optimizer: Callable[[nn.Module, TrainConfig], torch.optim.Optimizer] | None = None,
    ) -> None:
        self.task, self.config, self.folder, self.autocast = task, config, folder, autocast
        self.validate_every, self.checkpoint_seconds = validate_every, checkpoint_seconds
        make = optimizer or (lambda model, config: adamw(model, config.lr, config.weight_decay))
        self.optimizer = make(task.model, config)
        self.ema = Ema(task.model, config.ema)
        self.step, self.seconds = 0, 0.0
        if self.path.exists():
            self.load()

    @property
    def path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def update(self) -> dict[str, float]:
        """One optimiser step. Raises DivergedError, before the weights change, when loss or gradient is not finite."""
        progress = self.step / self.config.steps
        factor = lr_factor(progress, self.step, self.config.warmup, self.config.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * factor
        for _ in range(self.config.accumulate):
            batch = self.task.batch()
            with self.autocast():
                loss, scalars = self.task.loss(batch, progress)
            self.check_finite("loss", loss)
            loss.backward()
        norm = nn.utils.clip_grad_norm_(self.task.model.parameters(), self.config.clip)
        self.check_finite("gradient norm", norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.ema.update(self.task.model)
        self.step += 1
        return {**scalars, "grad_norm": float(norm), "lr": self.config.lr * factor}

    def check_finite(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise DivergedError(
                f"{self.task.name}: got {what} {value.item()} at step {self.step}, expected a finite one; "
                "run again with a lower --lr: it goes on from the last checkpoint"
            )

    def save(self) -> None:
        tensors, info = self.task.state()
        parts = {
            "model": self.task.model.state_dict(),
            "ema": self.ema.state(),
            "optimizer": optimizer_tensors(self.optimizer),
            "task": tensors,
        }
        counts = {"step": self.step, "seconds": self.seconds, "ema_updates": self.ema.updates}
        write_checkpoint(self.path, parts, {**counts, "config": asdict(self.config), "task": info})

    def load(self) -> None:
        """Go on from the folder's checkpoint; the same configuration continues the same sequence of batches."""
        parts, info = read_checkpoint(self.path)
        load_weights(self.task.model, parts["model"], str(self.path))
        load_weights(self.ema.model, parts["ema"], str(self.path))
        load_optimizer(self.optimizer, parts.get("optimizer", {}))
        self.task.restore(parts.get("task", {}), info["task"])
        self.step, self.seconds, self.ema.updates = info["step"], info["seconds"], info["ema_updates"]

    def begin_from(self, path: Path) -> None:
        """Take the averaged weights of another checkpoint of the same model. Raises ValueError when they do not fit."""
        weights = read_checkpoint(path)[0]["ema"]
        load_weights(self.task.model, weights, str(path))
        load_weights(self.ema.model, weights, str(path))

    def run(self, max_seconds: float, stop: StopFlag) -> Outcome:
        """Train for at most ``max_seconds``, logging to TensorBoard under folder/tensorboard."""
        from torch.utils.tensorboard import SummaryWriter

        from models.training.progress import TrainProgress

        writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step)
        begun = saved = time.monotonic()
        before = self.seconds
        with TrainProgress(self.task.name, self.config.steps, self.step, max_seconds) as progress:
            while self.step < self.config.steps and not stop.is_set() and time.monotonic() - begun < max_seconds:
                scalars = self.update()
                self.seconds = before + time.monotonic() - begun
                progress.advance(self.step, scalars["loss"])
                if self.step % 50 == 0:
                    for name, value in scalars.items():
                        writer.add_scalar(f"{self.task.name}/{name}", value, self.step)
                if self.step % self.validate_every == 0:
                    self.validate(writer, progress)
                if time.monotonic() - saved > self.checkpoint_seconds:
                    self.save()
                    saved = time.monotonic()
            self.save()
            self.validate(writer, progress)
        writer.close()
        return Outcome(self.step, self.seconds, self.step >= self.config.steps, stop.is_set())

    def validate(self, writer: Any, progress: Any) -> None:
        with torch.no_grad():
            measures, picture = self.task.validate(self.ema.model)
        for name, value in measures.items():
            writer.add_scalar(f"{self.task.name}/heldout_{name}", value, self.step)
        if picture is not None:
            writer.add_image(f"{self.task.name}/strips", picture, self.step)
        writer.flush()
        progress.note(self.step, measures)
