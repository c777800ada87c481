"""How well a server plays: latency, players, batching, memory, over real connections to a process of its own."""

from __future__ import annotations

import asyncio
import json
import math
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.web.load import Notes, play_together
from engine.errors import ReverieError

MIB = 2**20
WARM_UP_S = 4.0
START_S = 120.0


@dataclass(frozen=True)
class Served:
    """A server in a process of its own: host:port, and its process."""

    address: str
    process: subprocess.Popen[str]

    def rss_mb(self) -> float:
        import psutil

        return float(psutil.Process(self.process.pid).memory_info().rss) / MIB

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.address}/api/stats", timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def served(world: str | None, players: int, max_batch: int) -> Iterator[Served]:
    """`reverie serve` on a free port of this machine, ended when the block ends. Raises ReverieError with its words."""
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    command += ["--players", str(players), "--max-batch", str(max_batch)]
    command += ["--world", world] if world else []
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield Served(_address(process), process)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def bench_serve(
    world: str | None, players: Sequence[int] = (1, 2, 4, 8), seconds: float = 20.0, batch: int = 16
) -> dict[str, Any]:
    """Every count of players for ``seconds`` each, batched and one by one, on fresh servers.

    Returns world, seconds, and rows: players, batched, fps (all players together), fps_each (least and most),
    latency_p50_ms and p95 (a key's edge to the arrival of its frame, all players), model_ms, rows (of a step),
    encode_ms, kilobytes (of a picture), rss_mb, session_mb (growth of memory by player, to the end of the run).
    """
    report: dict[str, Any] = {"world": world or "default", "seconds": seconds, "rows": []}
    for max_batch in (batch, 1):
        with served(world, max(players), max_batch) as server:
            asyncio.run(play_together(server.address, 1, WARM_UP_S, world))
            for count in players:
                before = server.rss_mb()
                notes = asyncio.run(play_together(server.address, count, seconds + WARM_UP_S, world, WARM_UP_S))
                row = {"players": count, "batched": max_batch > 1, **_summary(notes, seconds)}
                after = server.rss_mb()
                report["rows"].append(row | {"rss_mb": after, "session_mb": (after - before) / count})
    return report


def soak(world: str | None, minutes: float, connects: int, note: Any = print) -> dict[str, Any]:
    """One player all the time, others that come and go ``connects`` times, every fourth without a goodbye.

    Returns minutes, connects, frames and errors of the steady player, its latency, and samples of memory: (minute,
    rss_mb, players), with growth_mb from the end of the first quarter to the end.
    """
    with served(world, 16, 16) as server:
        return asyncio.run(_soak(server, world, minutes, connects, note))


async def _soak(server: Served, world: str | None, minutes: float, connects: int, note: Any) -> dict[str, Any]:
    seconds, samples = minutes * 60, list[tuple[float, float, int]]()
    steady = asyncio.create_task(play_together(server.address, 1, seconds, world, WARM_UP_S))
    begin, done = time.perf_counter(), 0
    while (now := time.perf_counter() - begin) < seconds - 2 and not steady.done():
        due = math.ceil(now / (seconds - 10) * connects)
        if done < min(due, connects):
            await _visit(server.address, world, rude=done % 4 == 3)
            done += 1
        else:
            await asyncio.sleep(0.2)
        if not samples or now / 60 - samples[-1][0] >= minutes / 40:
            players = (await asyncio.to_thread(server.stats))["players"]
            samples.append((now / 60, server.rss_mb(), players))
            note(f"{now / 60:5.1f} min  {samples[-1][1]:7.1f} MB  {players} players  {done} connects")
    notes = (await steady)[0]
    samples.append((minutes, server.rss_mb(), (await asyncio.to_thread(server.stats))["players"]))
    quarter = next(rss for minute, rss, _ in samples if minute >= minutes / 4)
    summary = _summary([notes], seconds - WARM_UP_S)
    return {
        "minutes": minutes,
        "connects": done,
        "errors": len(notes.errors),
        "growth_mb": samples[-1][1] - quarter,
        "samples": samples,
        **summary,
    }


async def _visit(address: str, world: str | None, rude: bool) -> None:
    """Join, play a moment, leave; without a goodbye when rude."""
    from app.web.load import LoadPlayer

    player = LoadPlayer(address, world, seed=1)
    if not rude:
        await player.play(1.0)
        return
    task = asyncio.create_task(player.play(30.0))
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _summary(notes: Sequence[Notes], seconds: float) -> dict[str, float]:
    each = [len(note.frames) / seconds for note in notes]
    latency = [value for note in notes for value in note.latency_ms]
    headers = [header for note in notes for _, header in note.frames]

    def middle(values: list[float], q: float = 50) -> float:
        return float(np.percentile(values, q)) if values else float("nan")

    return {
        "fps": sum(each),
        "fps_least": min(each),
        "fps_most": max(each),
        "latency_p50_ms": middle(latency),
        "latency_p95_ms": middle(latency, 95),
        "presses": len(latency),
        "model_ms": middle([header.model_ms for header in headers]),
        "rows": middle([float(header.batch) for header in headers]),
        "encode_ms": middle([header.encode_ms for header in headers]),
        "queue_ms": middle([header.queue_ms for header in headers]),
        "kilobytes": sum(note.bytes for note in notes) / 1024 / max(1, len(headers)),
    }


def _address(process: subprocess.Popen[str]) -> str:
    """Wait for the server to say where it is."""
    assert process.stdout
    said, end = "", time.monotonic() + START_S
    while time.monotonic() < end:
        line = process.stdout.readline()
        if found := re.search(r"http://([^/\s]+)/", line):
            return found[1]
        if not line:
            break
        said += line
    raise ReverieError(
        f"serve: got no address within {START_S:.0f} s, expected one; it said: {said.strip() or 'nothing'}"
    )
