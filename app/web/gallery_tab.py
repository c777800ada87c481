"""The tab in which many dreams from one start are made and shown side by side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from engine.controllers import Controller, HumanController, RandomController
from engine.errors import ReverieError
from engine.files import write_file
from engine.gallery import MAX_FRAMES, MAX_ROLLOUTS, Grid, Progress, encode_grid, rollouts
from engine.grid import pictures
from engine.recorder import open_clip

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.shelf import Shelved

WHO = {"agent": "Agent", "random": "Chance", "idle": "Nobody (no buttons)"}
KINDS = ("mp4", "gif")
ROWS_BESIDE_PLAYERS = 2
"""Dreams stepped at once while somebody plays."""
WATCH_S = 0.25
HINT = "The dreams take turns through those chosen"


class Studio:
    """Makes galleries on the hub's device, one at a time for each page."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._jobs: dict[str, Future[Grid]] = {}

    async def make(
        self,
        world: str,
        dreams: float,
        start: float | None,
        seed: float | None,
        who: Sequence[str],
        frames: float,
        kind: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),
    ) -> tuple[Any, Any, Any, Any]:
        """A gallery as a video or a picture (the other one is hidden), its clip, and its replays."""
        try:
            if kind not in KINDS:
                raise ReverieError(f"clip: got {kind!r:.40}, expected one of {', '.join(KINDS)}")
            progress(0.0, desc="Opening the world")
            shelved = await asyncio.to_thread(self._hub.shelf.open, world)
            seeds = range(int(seed or 0), int(seed or 0) + int(dreams))
            players = [controller_of(name, shelved) for name in who]
            job = rollouts(shelved.loaded, int(start or 0), seeds, players, int(frames), self._rows)
            grid = await self._watch(str(request.session_hash), job, progress)
            clip, replays = await asyncio.to_thread(self._write, grid, kind, progress)
        except (ReverieError, ValueError, OverflowError) as error:
            raise gr.Error(str(error), title="No gallery", print_exception=False) from error
        video = kind == "mp4"
        return (
            gr.update(value=str(clip) if video else None, visible=video),
            gr.update(value=None if video else str(clip), visible=not video),
            gr.update(value=str(clip), interactive=True),
            gr.update(value=str(replays), interactive=True),
        )

    def forget(self, request: gr.Request) -> None:
        """End the gallery of a page that was closed."""
        job = self._jobs.pop(str(request.session_hash), None)
        if job is not None:
            job.cancel()

    def _rows(self) -> int:
        return ROWS_BESIDE_PLAYERS if self._hub.device.active else MAX_ROLLOUTS

    async def _watch(self, page: str, job: Generator[Progress, None, Grid], progress: gr.Progress) -> Grid:
        """Run a job on the device to its end; cancelled when this is."""
        said = [Progress(0, 1)]
        future: Future[Grid] = self._hub.device.job(told(job, said.append))
        self._jobs[page] = future
        try:
            while not future.done():
                progress((said[-1].done, said[-1].total), desc="Dreaming", unit="frames")
                del said[:-1]
                await asyncio.sleep(WATCH_S)
            if future.cancelled():
                raise ReverieError("The gallery was stopped")
            return future.result()
        finally:
            future.cancel()
            self._jobs.pop(page, None)

    def _write(self, grid: Grid, kind: str, progress: gr.Progress) -> tuple[Path, Path]:
        """The clip and the replays, as files that the hub keeps for a while."""
        downloads = self._hub.downloads
        folder = downloads.place()
        clip, replays = folder / f"{grid.world}-gallery.{kind}", folder / f"{grid.world}-gallery.json"
        total = max(len(rollout.frames) for rollout in grid.rollouts)
        with open_clip(clip, grid.fps, 1) as writer:
            for done, picture in enumerate(pictures(grid)):
                writer.add(picture)
                if done % 15 == 0:
                    progress((done, total), desc="Writing the clip", unit="frames")
        write_file(replays, json.dumps(encode_grid(grid)))
        for path in (clip, replays):
            downloads.offer(path)
        return clip, replays


def gallery_tab(hub: Hub) -> None:
    """Build the tab's content inside the present Gradio block."""
    studio, listings = Studio(hub), hub.shelf.listings()
    gr.Markdown("Several dreams from one start, side by side: what else could have happened?")
    with gr.Row():
        with gr.Column(scale=2, min_width=280):
            choices = [(listing.title, listing.name) for listing in listings]
            world = gr.Dropdown(choices, value=hub.shelf.default, label="World")
            who = gr.CheckboxGroup(
                [(text, name) for name, text in WHO.items()], value=["random"], label="Who plays", info=HINT
            )
            dreams = gr.Slider(1, MAX_ROLLOUTS, 4, step=1, label="Dreams")
            frames = gr.Slider(15, MAX_FRAMES, 90, step=15, label="Frames of each")
            with gr.Row():
                start = gr.Number(0, label="Start", precision=0, minimum=0, min_width=90)
                seed = gr.Number(1, label="First seed", precision=0, minimum=0, maximum=2**53 - 1, min_width=90)
            kind = gr.Radio([(kind.upper(), kind) for kind in KINDS], value=KINDS[0], label="Clip")
            with gr.Row():
                run = gr.Button("Dream", variant="primary", min_width=90, elem_id="rv-dream")
                stop = gr.Button("Stop", variant="stop", min_width=90)
        with gr.Column(scale=5, min_width=300):
            video = gr.Video(label="Gallery", show_label=False, autoplay=True, loop=True, interactive=False, buttons=[])
            image = gr.Image(
                label="Gallery", type="filepath", format="gif", visible=False, buttons=[], interactive=False
            )
            with gr.Row():
                clip = gr.DownloadButton("Download the clip", interactive=False, min_width=140, size="md")
                replays = gr.DownloadButton("Download the replays", interactive=False, min_width=140, size="md")
    inputs, outputs = [world, dreams, start, seed, who, frames, kind], [video, image, clip, replays]
    making = run.click(
        studio.make, inputs, outputs, concurrency_limit=1, show_progress_on=[video, image], api_visibility="private"
    )
    stop.click(None, cancels=[making])
    blocks = gr.context.Context.root_block
    if blocks is not None:
        blocks.unload(studio.forget)


def controller_of(name: str, shelved: Shelved) -> Controller:
    """Who plays, by its name on the page. Raises ReverieError: a world without an agent."""
    if name == "random":
        return RandomController()
    if name == "idle":
        return HumanController(name="idle")
    if name == "agent" and shelved.agent is not None:
        return shelved.agent
    raise ReverieError(f"who plays: got {name}, expected somebody {shelved.listing.title} has; choose another")


def told(job: Generator[Progress, None, Grid], tell: Callable[[Progress], object]) -> Generator[Progress, None, Grid]:
    """The same job, which tells of every slice."""
    try:
        while True:
            progress = next(job)
            tell(progress)
            yield progress
    except StopIteration as end:
        grid: Grid = end.value
        return grid
    finally:
        job.close()
