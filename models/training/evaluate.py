"""`reverie eval`: measures of a world on held-out play, printed and kept in its world.json."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from models.checkpoint import open_world_folder
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.envs.objects import OBJECTS
from models.envs.real_world import RealWorld
from models.library import build_world, find_world
from models.nn.precision import device_of
from models.training.branches import HOLD, measure_actions, real_branches
from models.training.card import write_card
from models.training.drift import HORIZONS, measure_drift, measure_objects, open_loop
from models.training.free_dream import DREAMS, STEPS, action_effects, measure_free_dreams
from models.training.one_step import measure_steps
from models.training.options import EvalOptions
from models.training.probe import Probe
from models.training.probe_cache import probe_of
from models.training.probe_training import STEPS as PROBE_STEPS
from models.training.probe_training import Labelled, background, drawn, labelled_frames, probe_error
from models.training.quality import quality_rows
from models.training.rollout import WARM_UP, Tick
from models.training.stored_branches import stored_branches
from models.world import WorldModel

PROBE_FRAMES = 4096
WIDE = 140
"""Columns of a terminal from which on the explanations are shown; the card has them always."""
REPLAYED = ("car_racing", "crafter", "vizdoom")
"""Environments that come to the same frames again from seed and actions."""
STORED_STATES = 32
"""Replayed states at most: each of their branches plays the episode up to there again."""
TARGETS = ("ball",)
"""Objects that a player of free dreams follows, where the game has one."""


class Bars:
    """A progress bar for every part of the evaluation."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:>16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=console)

    def begin(self, name: str, total: int) -> Tick:
        task = self.progress.add_task(name, total=total)
        return lambda done: self.progress.update(task, advance=done)

    def finish(self) -> None:
        for task in self.progress.tasks:
            self.progress.update(task.id, completed=task.total or 0)


@dataclass(frozen=True)
class Subject:
    """A world and the play it is measured on."""

    world: WorldModel[Any]
    store: EpisodeStore
    heldout: list[EpisodeFile]
    segments: int
    seed: int

    @property
    def context(self) -> int:
        """Real frames a dream begins with."""
        return self.world.spec.context + WARM_UP

    @property
    def meta(self) -> dict[str, Any]:
        """The environment's settings."""
        return self.heldout[0].header.meta


def check_data(world: WorldModel[Any], episodes: list[EpisodeFile]) -> None:
    """Raises ValueError when the episodes are not of the world's game."""
    for episode in episodes:
        header, spec = episode.header, world.spec
        got = (tuple(header.shape), tuple(header.meta["actions"]))
        want = ((3, spec.height, spec.width), spec.actions.names)
        if got != want:
            raise ValueError(
                f"{header.path}: got frames {got[0]} and actions {got[1]}, expected {want[0]} and {want[1]} as in "
                f"world {spec.name!r}; name the data of its game with --data"
            )


def evaluate(options: EvalOptions) -> int:
    """Measure a world, print the table and store the numbers. Returns 0, or 130 after Ctrl-C, with nothing stored."""
    if options.segments < 1:
        raise ValueError(f"segments: got {options.segments}, expected at least 1")
    console, begun = Console(), time.monotonic()
    folder = open_world_folder(find_world(options.world))
    env = folder.manifest.provenance.get("env", {})
    store = EpisodeStore(options.data or Path("data") / env.get("game", folder.name))
    world, heldout = build_world(folder, device_of("auto")), store.episodes("heldout")
    check_data(world, heldout)
    subject, bars = Subject(world, store, heldout, options.segments, options.seed), Bars(console)
    try:
        with bars.progress:
            quality = measure(subject, bars)
            bars.finish()
    except KeyboardInterrupt:
        console.print("stopped; nothing was stored")
        return 130
    quality["measured_on"]["minutes"] = round((time.monotonic() - begun) / 60, 1)
    show(console, folder.name, quality)
    if options.save:
        write_card(folder.with_quality(quality))
        console.print(f"stored in {folder.path}/world.json and README.md")
    return 0


def measure(subject: Subject, bars: Bars) -> dict[str, Any]:
    """A world's quality as JSON values: whatever its data and game allow to measure."""
    world, segments, seed = subject.world, subject.segments, subject.seed
    steps, events = measure_steps(
        world, subject.heldout, subject.context, segments, seed, bars.begin("one step", 24 * segments)
    )
    played = open_loop(
        world, subject.heldout, subject.context, segments, seed, bars.begin("open loop", HORIZONS[-1] * segments)
    )
    quality = {
        "measured_on": measured_on(subject),
        "one_step": steps,
        "events": events,
        "drift": measure_drift(played, seed),
    }
    names = tuple(subject.meta.get("objects", ()))
    probe = None
    if names:
        probe, behind = objects_probe(subject, names, bars)
        own = OBJECTS[subject.meta["game"]].own
        quality["objects"] = measure_objects(played, probe, behind, own, seed)
        quality["probe"] = heldout_error(subject, probe, behind)
    if subject.meta.get("env") == "atari":
        quality |= measure_beside_game(subject, probe, bars)
    elif subject.meta.get("env") in REPLAYED:
        quality["action_accuracy"] = measure_stored_actions(subject, bars)
    return quality


def measure_stored_actions(subject: Subject, bars: Bars) -> dict[str, Any]:
    """Action accuracy in a game that is played again from its seed."""
    count = min(subject.segments, STORED_STATES)
    tick = bars.begin("real futures", count)
    branches = stored_branches(subject.heldout, count, subject.context, subject.seed, on_state=tick)
    total = len(branches.futures) * len(branches.held) * HOLD
    return measure_actions(subject.world, branches, subject.seed, bars.begin("actions", total))


def objects_probe(subject: Subject, names: tuple[str, ...], bars: Bars) -> tuple[Probe, torch.Tensor]:
    """The probe of the store's game, and the background behind its objects."""
    tick = bars.begin("object probe", PROBE_STEPS)
    probe = probe_of(subject.store, names, PROBE_STEPS, on_step=lambda step, loss: tick(1))
    return probe, background(labelled_frames(subject.store.episodes("train"), 512, seed=0).frames)


def heldout_error(subject: Subject, probe: Probe, behind: torch.Tensor) -> dict[str, Any]:
    """The probe's own error on real held-out frames."""
    frames: Labelled = labelled_frames(subject.heldout, PROBE_FRAMES, seed=subject.seed + 1)
    return probe_error(probe, drawn(frames, behind), behind)


def measure_beside_game(subject: Subject, probe: Probe | None, bars: Bars) -> dict[str, Any]:
    """What needs the real game: action accuracy and, where objects are labelled, free dreams."""
    world, spec, game = subject.world, subject.world.spec, subject.meta["game"]
    real = RealWorld(game, spec.height, spec.context)
    taken = frozenset(h.meta["seed"] for split in ("train", "heldout") for h in subject.store.scan(split)[0])
    tick = bars.begin("real futures", subject.segments)
    branches = real_branches(real, subject.segments, subject.context, subject.seed, taken, on_state=tick)
    total = subject.segments * spec.actions.size * HOLD
    quality = {"action_accuracy": measure_actions(world, branches, subject.seed, bars.begin("actions", total))}
    if probe is not None:
        own = probe.names.index(OBJECTS[game].own)
        target = next((probe.names.index(name) for name in TARGETS if name in probe.names), None)
        effects = action_effects(subject.store.episodes("train"), own, spec.actions.size)
        tick = bars.begin("free dreams", STEPS * min(DREAMS, subject.segments))
        player = (effects, own, target)
        quality["free_dream"] = measure_free_dreams(world, real, branches, probe, player, subject.seed, tick, STEPS)
    return quality


def measured_on(subject: Subject) -> dict[str, Any]:
    """The settings of the measurement."""
    return {
        "settings": asdict(subject.world.settings),
        "segments": subject.segments,
        "seed": subject.seed,
        "episodes": len(subject.heldout),
        "steps": sum(len(e) for e in subject.heldout),
        "context_frames": subject.context,
    }


def show(console: Console, name: str, quality: dict[str, Any]) -> None:
    """Print the numbers as a table."""
    table = Table(title=f"{name}, measured in {quality['measured_on']['minutes']} minutes", expand=False)
    columns = ("measure", "dream", "to compare", "what it says")[: 4 if console.width >= WIDE else 3]
    for column in columns:
        table.add_column(column)
    for row in quality_rows(quality):
        cells = (row.measure, row.value, row.beside, row.meaning)
        table.add_row(*cells[: len(columns)])
    console.print(table)
