"""`reverie report`: worlds measured on held-out episodes, written as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from rich.console import Console

from models.checkpoint import WorldFolder, open_world_folder
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.files import write_atomic
from models.library import build_world, find_world
from models.nn.precision import device_of
from models.study.beside import Begin, FaultFinder, futures_of, playable
from models.study.heldout import Game, episodes_for, seeds_of
from models.study.places import Effort
from models.study.report_data import Material, Report, Subject, report_on
from models.study.report_html import page
from models.training.evaluate import Bars, check_data
from models.training.probe import Probe
from models.training.probe_cache import PROBE, open_probe
from models.training.rollout import WARM_UP

MOMENTS = 20
"""The worst ones of each world that are shown."""


def write_report(
    names: Sequence[str], out: Path | None, episodes: int, data: Path | None, seed: int, effort: Effort = Effort()
) -> int:
    """Measure the named worlds, the first beside the others, and write the page. Returns 0, or 130 after Ctrl-C.

    Nothing is left half written. Raises ValueError for worlds that do not fit each other or the data.
    """
    console = Console()
    if len(set(names)) < len(names):
        raise ValueError(f"report: got {list(names)}, expected every world once")
    subjects = [subject_of(name) for name in names]
    path = out or Path(f"report-{subjects[0].name}.html")
    if path.is_dir():
        raise ValueError(f"--out: got the folder {path}, expected a file such as {path / 'report.html'}")
    check_alike(subjects)
    path.parent.mkdir(parents=True, exist_ok=True)
    bars = Bars(console)
    try:
        with bars.progress:
            played = heldout_play(subjects, episodes, data, bars.begin)
            report = measure(subjects, played, data, effort, seed, bars.begin)
            bars.finish()
        write_atomic(path, page(report))
    except KeyboardInterrupt:
        console.print("stopped; no report was written, and held-out games that were finished are kept", soft_wrap=True)
        return 130
    console.print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB, {summary(report)}", soft_wrap=True, highlight=False)
    return 0


def subject_of(name: str) -> Subject:
    folder = open_world_folder(find_world(name))
    return Subject(folder, build_world(folder, device_of("auto")))


def check_alike(subjects: Sequence[Subject]) -> None:
    """Raises ValueError where worlds cannot be measured on the same episodes."""
    first, *others = ((s.world.spec.height, s.world.spec.width, s.world.spec.actions) for s in subjects)
    for subject, other in zip(subjects[1:], others, strict=True):
        if other != first:
            got, want = (f"frames of {h} x {w} and actions {a.names}" for h, w, a in (other, first))
            raise ValueError(
                f"--against {subject.name}: got {got}, expected {want} as in {subjects[0].name!r}; "
                "name worlds of one game"
            )


def game_of(folder: WorldFolder) -> Game:
    """The real game a world was made from. Raises ValueError where its folder does not say."""
    env, spec = folder.manifest.provenance.get("env", {}), folder.manifest.spec
    if "game" not in env:
        raise ValueError(
            f"{folder.path}: got a world that does not say which game it dreams of, expected one that does"
        )
    return Game(str(env["game"]), spec.height)


def store_of(subject: Subject, data: Path | None) -> EpisodeStore:
    return EpisodeStore(data or Path("data") / game_of(subject.folder).name)


def heldout_play(subjects: Sequence[Subject], wanted: int, data: Path | None, begin: Begin) -> tuple[EpisodeFile, ...]:
    """The held-out episodes, played where they lack, and fit for every world."""
    folder = store_of(subjects[0], data).folder
    tick = begin("held-out games", wanted)
    episodes = episodes_for(folder, game_of(subjects[0].folder), wanted, on_episode=tick)
    tick(wanted)
    for subject in subjects:
        check_data(subject.world, episodes)
    return tuple(episodes)


def measure(
    subjects: Sequence[Subject],
    episodes: tuple[EpisodeFile, ...],
    data: Path | None,
    effort: Effort,
    seed: int,
    begin: Begin,
) -> Report:
    """Everything the report says. What a game does not allow to measure is named in its notes."""
    notes: list[str] = []
    meta, spec = episodes[0].header.meta, subjects[0].world.spec
    probe = probe_of_worlds(subjects, tuple(meta.get("objects", ())), notes)
    length = max(s.world.spec.context for s in subjects) + WARM_UP
    futures = faults = None
    if playable(meta):
        try:
            taken = seeds_of(store_of(subjects[0], data))
            futures = futures_of(spec, episodes, length, seed, taken, begin)
            faults = FaultFinder(meta, length, probe, seed)
        except ValueError as error:
            notes.append(f"Actions and named faults could not be measured: {error}.")
    else:
        notes.append("Actions and named faults were not measured: this game can neither be taken back nor replayed.")
    material = Material(episodes, probe, futures, faults, tuple(notes))
    with closing(faults) if faults else nullcontext():
        return report_on(subjects, material, effort, seed, MOMENTS, begin)


def probe_of_worlds(subjects: Sequence[Subject], names: tuple[str, ...], notes: list[str]) -> Probe | None:
    """The first world's object probe that reads the objects of the episodes, or the next one's."""
    if not names:
        return None
    for subject in subjects:
        if not (path := subject.folder.path / PROBE).exists():
            continue
        probe = open_probe(path)
        spec = subject.world.spec
        if (probe.names, probe.height, probe.width) == (names, spec.height, spec.width):
            return probe
    notes.append(f"No world brings a probe that reads {', '.join(names)}, so objects were not followed.")
    return None


def summary(report: Report) -> str:
    """What a report found, in a line."""
    first = report.studies[0]
    found = [] if first.faults is None else [f"named faults: {', '.join(f.name for f in first.faults) or 'none'}"]
    looked = f"{report.survey.looked_at} steps of {report.survey.visited} episodes"
    return ", ".join([looked, f"{len(first.moments)} worst moments", *found])
