"""``reverie bench``: how fast a world plays here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.commands.arguments import MaybeFloat, MaybeNumber, MaybeText, World
from app.console import console, say

COLUMNS = (
    ("p50 ms", "p50_ms", ".1f"),
    ("p95 ms", "p95_ms", ".1f"),
    ("frames/s", "fps", ".1f"),
    ("first ms", "first_frame_ms", ".0f"),
    ("GFLOP", "gflop", ".2f"),
    ("of peak", "peak_share", ".0%"),
    ("growth MB", "growth_mb", ".1f"),
    ("differs by", "difference", "d"),
)


@dataclass(frozen=True)
class Bench:
    """Measure a world's speed and memory: eager float32 beside each faster path, in one run."""

    world: World = None
    """A world's name or folder; Pong by default."""
    seconds: float = 10.0
    """How long to play in all."""
    threads: MaybeNumber = None
    """CPU threads; PyTorch's own choice by default."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, mps."""
    json: bool = False
    """Print the numbers as JSON."""
    dreams: int = 0
    """Also measure so many dreams in one batch beside a single one, --seconds again."""
    lockstep: bool = False
    """Measure play in lockstep with the real game instead, at the game's speed, --seconds for each way."""
    against: MaybeText = None
    """Another world beside it (lockstep)."""
    train: str | None = None
    """Measure the training of this preset of `reverie train dreamer --data` instead, beside a straightforward one."""
    compiled: bool = False
    """With a path whose norms are compiled (train); takes half a minute more."""
    serve: bool = False
    """Measure the server instead: players over real connections, batched against one by one, --seconds each."""
    players: tuple[int, ...] = (1, 2, 4, 8)
    """How many play at once, one run each (serve)."""
    soak_minutes: MaybeFloat = None
    """Play this long instead while others come and go, and watch the memory (serve)."""
    connects: int = 500
    """How often others come and go (serve, soak)."""

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"--seconds: got {self.seconds}, expected more than 0")
        if self.dreams == 1 or self.dreams < 0:
            raise ValueError(f"--dreams: got {self.dreams}, expected at least 2, or 0 for none")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"--threads: got {self.threads}, expected at least 1")
        if not self.players or min(self.players) < 1:
            raise ValueError(f"--players: got {self.players}, expected numbers from 1")
        if self.connects < 0 or (self.soak_minutes is not None and not self.soak_minutes > 0):
            raise ValueError(
                f"--soak-minutes, --connects: got {self.soak_minutes} and {self.connects}, "
                "expected more than 0 minutes and at least 0 connects"
            )
        if self.soak_minutes is not None and not self.serve:
            raise ValueError("--soak-minutes: got it without --serve, expected both; it is the server that is soaked")
        if self.against is not None and not self.lockstep:
            raise ValueError(
                "--against: got it without --lockstep, expected both; two worlds are measured side by side"
            )

    def run(self) -> int:
        if self.serve:
            return self._serve()
        if self.train is not None:
            return self._train(self.train)
        if self.lockstep:
            return self._lockstep()
        from engine.bench import bench
        from engine.loading import DEFAULT_WORLD, load_world

        loaded = load_world(self.world or DEFAULT_WORLD, device=self.device)
        report = bench(loaded, self.seconds, self.threads, self.dreams)
        if self.json:
            say(json.dumps(report, indent=2))
        else:
            show(report)
        return 0

    def _lockstep(self) -> int:
        from engine.bench_lockstep import bench_lockstep
        from engine.loading import DEFAULT_WORLD, load_world

        against = load_world(self.against, device=self.device) if self.against else None
        report = bench_lockstep(load_world(self.world or DEFAULT_WORLD, device=self.device), self.seconds, against)
        if self.json:
            say(json.dumps(report, indent=2))
        else:
            show_lockstep(report)
        return 0

    def _train(self, preset: str) -> int:
        from models.training.train_bench import bench_training

        report = bench_training(preset, self.seconds, self.threads, self.compiled)
        if self.json:
            say(json.dumps(report, indent=2))
        else:
            show_training(report)
        return 0

    def _serve(self) -> int:
        from app.commands.bench_serve import show_players, show_soak
        from app.web.bench import bench_serve, soak

        if self.soak_minutes is not None:
            report, present = soak(self.world, self.soak_minutes, self.connects, say), show_soak
        else:
            report, present = bench_serve(self.world, self.players, self.seconds), show_players
        if self.json:
            say(json.dumps(report, indent=2))
        else:
            present(report)
        return 0


def show(report: dict[str, Any]) -> None:
    """Print a report of ``engine.bench`` as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Path")
    for title, _, _ in COLUMNS:
        table.add_column(title, justify="right")
    for name, path in report["paths"].items():
        table.add_row(name, *(format(path[key], form) for _, key, form in COLUMNS))
    say(f"{report['world']} on {report['device']}, {report['threads']} threads")
    say(f"peak {report['peak_gflops']:.0f} GFLOP/s (a float32 matrix product, measured)")
    console().print(table)
    if "dreams" in report:
        dreams = report["dreams"]
        say(
            f"{dreams['count']} dreams in one batch: {dreams['fps']:.0f} frames/s, {dreams['ratio']:.1f} times the "
            f"{dreams['one_fps']:.0f} of one ({dreams['p50_ms']:.1f} and {dreams['one_p50_ms']:.1f} ms a step)"
        )
    say(f"memory {report['rss_mb']:.0f} MB, of which a minute of rewind takes {report['rewind_mb']:.1f} MB")


def show_lockstep(report: dict[str, Any]) -> None:
    """Print a report of ``engine.bench_lockstep`` as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Played")
    for title in ("frames/s", "p50 ms", "p95 ms"):
        table.add_column(title, justify="right")
    for name, part in report["parts"].items():
        table.add_row(name, *(format(part[key], ".1f") for key in ("fps", "p50_ms", "p95_ms")))
    say(f"{report['world']} beside its real game of {report['fps']:g} frames a second, {report['threads']} threads")
    console().print(table)


def show_training(report: dict[str, Any]) -> None:
    """Print a report of ``models.training.train_bench`` as a table."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Path")
    for title in ("ms a step", "steps/s", "times", "first loss"):
        table.add_column(title, justify="right")
    for name, path in report["paths"].items():
        speed = (f"{path['step_ms']:.0f}", f"{path['steps_per_s']:.2f}", f"{path['speedup']:.2f}")
        table.add_row(name, *speed, f"{path['loss']:.1f}")
    say(
        f"training {report['preset']}: {report['parameters'] / 1e6:.1f} M parameters, {report['batch']} sequences of "
        f"{report['length']} frames, {report['threads']} threads"
    )
    console().print(table)
