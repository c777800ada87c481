"""Galleries as the page makes them: what they may be asked for, and how they end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.web.gallery_tab import ROWS_BESIDE_PLAYERS, Studio, told
from engine.gallery import MAX_ROLLOUTS, Progress
from engine.history_codec import decode_history
from engine.server.hub import Hub
from engine.server.messages import Hello
from tests.counting import loaded
from tests.serving import counting_hub

PAGE: Any = SimpleNamespace(session_hash="a page")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with counting_hub(counting=loaded(), brief=loaded(end=5, hash="feed")) as hub:
        yield hub


def make(studio: Studio, page: Any = PAGE, **changes: Any) -> tuple[Any, ...]:
    asked = {"world": "counting", "dreams": 2, "start": 1, "seed": 5, "who": ["random"], "frames": 6, "kind": "gif"}
    making = studio.make(**{**asked, **changes}, request=page, progress=gr.Progress())
    return asyncio.run(making)


def test_a_gallery_is_made(hub: Hub) -> None:
    """Catches: a gallery of another start, other seeds or players than asked for; files that are not there."""
    video, image, clip, replays = make(Studio(hub), who=["random", "idle"])
    assert (video["visible"], image["visible"]) == (False, True)
    path = Path(image["value"])
    assert path == Path(clip["value"]) and path.suffix == ".gif" and path.stat().st_size > 500
    data = json.loads(Path(replays["value"]).read_text(encoding="utf-8"))
    assert [(d["seed"], d["controller"]) for d in data["dreams"]] == [(5, "random"), (6, "idle")]
    assert data["start"] == 1
    assert len(decode_history(data["dreams"][0]["replay"], "gallery").ticks) == 7
    hub.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"start": 99}, "start: got 99"),
        ({"dreams": 1e9}, "dreams: got"),
        ({"dreams": float("inf")}, "infinity"),
        ({"frames": 10**6}, "frames: got"),
        ({"who": []}, "controllers: got none"),
        ({"who": ["agent"]}, "who plays: got agent"),
        ({"kind": "../x.gif"}, "clip: got"),
        ({"world": "../etc"}, "world: got"),
    ],
)
def test_wrong_wishes_are_told(hub: Hub, changes: dict[str, Any], said: str) -> None:
    """Catches: a stack trace, a file outside the folder, or hours of work, for a number nobody may ask for."""
    with pytest.raises(gr.Error, match=said):
        make(Studio(hub), **changes)


def test_a_stopped_gallery_leaves_the_device(hub: Hub) -> None:
    """Catches: a gallery that dreams on after Stop was pressed, or after its page was closed."""
    studio = Studio(hub)
    jobs: list[Future[Any]] = []
    hand_in = hub.device.job

    def endless(_: Any) -> Any:
        def slices() -> Any:
            while True:
                time.sleep(0.001)
                yield Progress(1, 2)

        jobs.append(hand_in(slices()))
        return jobs[-1]

    hub.device.job = endless  # type: ignore[method-assign]

    async def stopped() -> None:
        asked = ("counting", 1, 0, 0, ["idle"], 5, "gif", PAGE)
        making = asyncio.create_task(studio.make(*asked))
        while not jobs:
            await asyncio.sleep(0.01)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

        making = asyncio.create_task(studio.make(*asked))
        while len(jobs) < 2:
            await asyncio.sleep(0.01)
        studio.forget(PAGE)
        with pytest.raises(gr.Error, match="stopped"):
            await making

    asyncio.run(asyncio.wait_for(stopped(), 30))
    assert all(job.cancelled() for job in jobs)


def test_people_come_first(hub: Hub) -> None:
    """Catches: steps of 16 rows between the frames of somebody who plays."""
    studio = Studio(hub)
    assert studio._rows() == MAX_ROLLOUTS
    guest = hub.join(Hello())
    until = time.monotonic() + 10
    while not hub.device.active and time.monotonic() < until:
        time.sleep(0.01)
    assert studio._rows() == ROWS_BESIDE_PLAYERS
    hub.leave(guest, lost=False)


def test_told_passes_everything_on() -> None:
    """Catches: a wrapped job that loses its result or is never closed."""
    closed = []

    def job() -> Any:
        try:
            yield Progress(1, 2)
            yield Progress(2, 2)
            return "grid"
        finally:
            closed.append(True)

    heard: list[Progress] = []
    wrapped = told(job(), heard.append)
    assert list(iter(lambda: next(wrapped, None), None)) == heard == [Progress(1, 2), Progress(2, 2)]
    first = told(job(), heard.append)
    next(first)
    first.close()
    assert closed == [True, True]
