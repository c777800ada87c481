"""What ``reverie bench --serve`` prints."""

from __future__ import annotations

from typing import Any

from app.console import say

COLUMNS = (
    ("frames/s", "fps", ".1f"),
    ("least", "fps_least", ".1f"),
    ("latency p50 ms", "latency_p50_ms", ".0f"),
    ("p95 ms", "latency_p95_ms", ".0f"),
    ("model ms", "model_ms", ".0f"),
    ("rows", "rows", ".0f"),
    ("queue ms", "queue_ms", ".1f"),
    ("encode ms", "encode_ms", ".2f"),
    ("KB/frame", "kilobytes", ".1f"),
    ("memory MB", "rss_mb", ".0f"),
    ("MB/player", "session_mb", ".1f"),
)
WIDTH = 140
"""The table's, in characters, whatever the terminal's: a cut number is none."""


def show_players(report: dict[str, Any]) -> None:
    """Print a report of ``app.web.bench.bench_serve`` as a table, and what batching brought."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Players")
    for title, _, _ in COLUMNS:
        table.add_column(title, justify="right")
    for row in report["rows"]:
        name = f"{row['players']} {'batched' if row['batched'] else 'one by one'}"
        table.add_row(name, *(format(row[key], form) for _, key, form in COLUMNS))
    say(f"{report['world']}, {report['seconds']:g} s each; latency: a key's edge to its frame's arrival, on loopback")
    Console(width=WIDTH, highlight=False).print(table)
    most = max(row["players"] for row in report["rows"])
    fps = {row["batched"]: row["fps"] for row in report["rows"] if row["players"] == most}
    say(f"{most} players batched make {fps[True] / fps[False]:.2f} times the frames of {most} one by one")


def show_soak(report: dict[str, Any]) -> None:
    """Print a report of ``app.web.bench.soak``."""
    say(
        f"{report['minutes']:g} minutes, {report['connects']} connects: memory grew by {report['growth_mb']:.1f} MB "
        f"after the first quarter, the steady player had {report['fps']:.1f} frames a second, latency "
        f"p50 {report['latency_p50_ms']:.0f} ms, p95 {report['latency_p95_ms']:.0f} ms, {report['errors']} errors"
    )
