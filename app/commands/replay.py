"""``reverie replay``: what was played, dreamt again and checked bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from app.commands.arguments import MaybeFile, MaybeText
from app.console import console, say

if TYPE_CHECKING:
    from engine.history import History
    from engine.moment import Frame


@dataclass(frozen=True)
class Replay:
    """Dream a replay file again. Every frame is compared with the one recorded."""

    file: Annotated[Path, tyro.conf.Positional]
    """A .replay.json file, as written beside every clip."""
    out: MaybeFile = None
    """Write the frames to this video, .mp4 or .gif."""
    world: MaybeText = None
    """The world's name or folder, where it is not the recorded one's."""
    unchecked: bool = False
    """Go on where frames differ (another machine or build)."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, mps."""

    def run(self) -> int:
        from engine.loading import load_world
        from engine.recorder import open_clip
        from engine.replay import play_replay, read_replay

        replay = read_replay(self.file)
        loaded = load_world(self.world or replay.world, device=self.device)
        frames = play_replay(replay, loaded, check=not self.unchecked)
        total = 0.0
        with open_clip(self.out, loaded.world.spec.fps) if self.out else nullcontext() as clip:
            for number, frame in enumerate(_progress(frames, replay)):
                total += frame.reward
                if clip is not None and number >= replay.first:
                    clip.add(frame.image)
        same = "not compared" if self.unchecked else "the same bit for bit"
        say(f"{len(replay.ticks)} frames of {replay.world}, {same}; rewards sum to {total:g}")
        if self.out:
            say(f"video  {self.out}")
        return 0


def _progress(frames: Iterator[Frame], replay: History) -> Iterator[Frame]:
    from rich.progress import track

    text = f"dreaming {replay.world} again"
    yield from track(frames, text, total=len(replay.ticks), console=console(errors=True), transient=True)
