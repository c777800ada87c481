"""The players that measure a server: what they note must be what happened."""

from __future__ import annotations

import asyncio
import math

from app.web.bench import _summary
from app.web.load import Notes, play_together
from engine.server.limits import Limits
from engine.server.messages import FrameHeader
from tests.serving import counting_hub, running, until

SECONDS = 3.0


def test_players_play_and_note_what_they_see() -> None:
    """Bug: a load player that acknowledges nothing is given two frames; one whose keys never arrive measures no
    latency; one that does not leave would count as a player in the next run."""
    with running(counting_hub(Limits(players=4))) as server:
        crowd = asyncio.run(play_together(f"127.0.0.1:{server.port}", 3, SECONDS))
        until(lambda: server.hub.stats()["players"] == 0, "all have left")
    for notes in crowd:
        assert len(notes.frames) > 5 and not notes.errors
        seqs = [header.seq for _, header in notes.frames]
        assert seqs == sorted(set(seqs))
        assert notes.latency_ms and all(0 <= ms < SECONDS * 1000 for ms in notes.latency_ms)
        assert notes.bytes > 0


def test_what_comes_first_is_not_noted() -> None:
    """Bug: the first steps of a fresh server, slow ones, would count as the speed it keeps."""
    with running(counting_hub()) as server:
        (notes,) = asyncio.run(play_together(f"127.0.0.1:{server.port}", 1, SECONDS, measure_from=SECONDS / 2))
    indices = [header.index for _, header in notes.frames]
    assert indices and indices[0] > 3


def test_a_summary_adds_players_up() -> None:
    """Bug: frames a second of one player shown as those of all, or a mean where the slowest player matters."""

    def notes(count: int, ms: float) -> Notes:
        frames = [
            (k / 10, FrameHeader("png", k + 1, index=k, width=6, height=4, model_ms=ms, batch=2)) for k in range(count)
        ]
        return Notes(frames, bytes=1024 * count, latency_ms=[ms] * count)

    found = _summary([notes(10, 10.0), notes(30, 30.0)], seconds=2.0)
    assert (found["fps"], found["fps_least"], found["fps_most"]) == (20.0, 5.0, 15.0)
    assert found["latency_p50_ms"] == 30.0 and found["rows"] == 2 and found["kilobytes"] == 1.0
    assert math.isnan(_summary([Notes()], 1.0)["latency_p50_ms"])
