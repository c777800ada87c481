"""What a training shows while it runs."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


class TrainProgress:
    """A bar over the optimiser steps, the loss, the rate, and the time left in this call."""

    def __init__(self, name: str, steps: int, step: int, max_seconds: float) -> None:
        self.console = Console()
        columns = (TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
        self.progress = Progress(*columns, console=self.console, refresh_per_second=2)
        self.task = self.progress.add_task(name, total=steps, completed=step, text="")
        self.steps, self.first, self.max_seconds = steps, step, max_seconds
        self.begun, self.loss = time.monotonic(), 0.0

    def __enter__(self) -> TrainProgress:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def advance(self, step: int, loss: float) -> None:
        self.loss = loss if step == self.first + 1 else 0.98 * self.loss + 0.02 * loss
        elapsed = time.monotonic() - self.begun
        rate = (step - self.first) / max(elapsed, 1e-9)
        left = min(self.max_seconds - elapsed, (self.steps - step) / rate)
        self.show(step, f"loss {self.loss:.4f}  {rate:.2f}/s  {clock(left)} left")

    def show(self, step: int, text: str) -> None:
        """Move the bar and set the words beside it."""
        self.progress.update(self.task, completed=step, text=text)

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False)

    def note(self, step: int, measures: dict[str, Any]) -> None:
        """A line that stays: the held-out measures."""
        text = "  ".join(f"{name} {value:.3f}" for name, value in measures.items())
        elapsed = clock(time.monotonic() - self.begun)
        self.line(f"step {step}  {elapsed}  train loss {self.loss:.4f}  heldout: {text}")
