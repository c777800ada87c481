"""`reverie atlas`: makes a world's atlas from stored play, measures it and writes it into the world's folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.checkpoint import open_world_folder
from models.data.store import EpisodeStore
from models.library import build_world, find_world
from models.nn.precision import device_of
from models.study.atlas import ATLAS, CLOUD, NEAREST, Atlas
from models.study.atlas_build import chart, check_latent, real_states
from models.study.atlas_quality import Judge, judge, work
from models.training.card import write_card
from models.training.evaluate import check_data
from models.training.options import AtlasOptions
from models.training.rollout import Tick
from models.training.tools_card import atlas_rows
from models.world import WorldModel

FITTED = 2
"""Real moments that the axes are found from, for each one on the map."""
HELDOUT = 512
"""Held-out moments whose distances give the unit, at most."""


def make_atlas(options: AtlasOptions) -> int:
    """Make, measure and store the atlas. Returns 0, or 130 after Ctrl-C, with nothing stored."""
    if not NEAREST <= options.frames <= CLOUD or options.judged < 0:
        raise ValueError(
            f"atlas: got --frames {options.frames} and --judged {options.judged}, expected {NEAREST} to {CLOUD} frames "
            "and 0 or more judged"
        )
    console, folder = Console(), open_world_folder(find_world(options.world))
    env = folder.manifest.provenance.get("env", {})
    store = EpisodeStore(options.data or Path("data") / env.get("game", folder.name))
    columns = (TextColumn("{task.description:>16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console) as progress:

            def begin(name: str, total: int) -> Tick:
                task = progress.add_task(name, total=total)
                return lambda done: progress.update(task, advance=done)

            atlas = atlas_of(build_world(folder, device_of("auto")), store, folder.hash, options, begin)
            for task in progress.tasks:
                progress.update(task.id, completed=task.total or 0)
    except KeyboardInterrupt:
        console.print("stopped; nothing was stored")
        return 130
    atlas.write(folder.path / ATLAS)
    write_card(folder)
    show(console, folder.name, atlas)
    console.print(f"stored in {folder.path}/{ATLAS} and README.md")
    return 0


def atlas_of(world: WorldModel[Any], store: EpisodeStore, world_hash: str, options: AtlasOptions, begin: Any) -> Atlas:
    """The atlas of a world and a store, measured. ``begin(name, total)`` begins a bar and gives what moves it."""
    check_latent(world)
    train, heldout = store.episodes("train"), store.episodes("heldout")
    check_data(world, [*heldout, *train])
    count, seed = FITTED * options.frames, options.seed
    real = real_states(world, train, count, seed, begin("real play", count))
    known = real_states(world, heldout, HELDOUT, seed + 1, begin("held out", HELDOUT))
    note: dict[str, Any] = {
        "train_episodes": len(train),
        "train_moments": len(real.latents),
        "heldout_episodes": len(heldout),
        "heldout_moments": len(known.latents),
        "seed": seed,
    }
    atlas = chart(real, known.latents, world_hash, options.frames, note)
    if not options.judged:
        return atlas
    objects = len(heldout[0].header.meta.get("objects", ()))
    tick = begin("how good it is", work(options.judged, objects))
    told_apart = judge(Judge(world, atlas, heldout, seed + 2, tick), options.judged, train)
    return replace(atlas, note={**note, "told_apart": told_apart})


def show(console: Console, name: str, atlas: Atlas) -> None:
    """Print what the atlas holds and, where it was measured, how well it tells real play from what is not."""
    title, rows = f"{name}: a map of {len(atlas.points)} real moments", atlas_rows(atlas.note.get("told_apart", {}))
    if not rows:
        console.print(title)
        return
    table = Table(title=title, expand=False)
    for column in ("told from real play", "share"):
        table.add_column(column)
    for row in rows:
        table.add_row(*row)
    console.print(table)
