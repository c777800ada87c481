"""``reverie lockstep``: the real game and the dream under the same actions, as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from app.commands.arguments import MaybeFile, MaybeText, World
from app.console import console, say
from engine.errors import ReverieError

if TYPE_CHECKING:
    from engine.lockstep_run import Player, Run
    from engine.moment import Frame
    from engine.session import Session
    from models.types import View

STEPS = 300
STUDIES = ("every-action", "seeds", "unsure", "surprise", "check")
Study = Literal["every-action", "seeds", "unsure", "surprise", "check"]


@dataclass(frozen=True)
class Lockstep:
    """Play the real game and the dream under the same actions, and write where the dream errs.

    A film of both and their difference, a table with a row a step, curves of drift, and the last looks inside.
    """

    world: World = None
    """A world's name (see `reverie worlds`) or its folder; Pong by default."""
    against: MaybeText = None
    """Another world beside it, under the same actions; without a real game here the first world stands for it."""
    episode: MaybeFile = None
    """An episode of a store, in place of the real game; its actions are played."""
    controller: Literal["random", "agent", "expert"] = "random"
    """Who plays: chance, the world's agent (it sees the real game), or the scripted player that collects episodes."""
    steps: int = STEPS
    """How many steps to play; those of an episode at most."""
    anchor: int = 50
    """After how many steps the dream begins again from reality; 0: never."""
    seed: int = 0
    """What all chances follow from."""
    out: MaybeFile = None
    """The folder; dreams/WORLD-lockstep by default."""
    study: Annotated[tuple[Study, ...], tyro.conf.arg(metavar="|".join(STUDIES))] = ()
    """Look closer at the last moment: the futures of every action, or of one under several seeds; where the dream is
    unsure, and what surprised it; or check the world for faults, which takes a minute."""
    device: str = "cpu"
    """Where the models run: cpu, cuda, mps."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("anchor", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name}: got {getattr(self, name)}, expected at least {least}")
        if self.episode is not None and self.controller != "random":
            raise ValueError(f"--controller: got {self.controller} with --episode, expected one of them")

    def run(self) -> int:
        from engine.lockstep_files import drift_view, objects_view, picture_of, write_readings, write_views
        from engine.lockstep_run import Run
        from engine.recorder import open_clip
        from engine.workbench import views_around

        session, player = self._session()
        out = self.out or Path("dreams") / f"{session.name}-lockstep"
        run, count = Run(session, self.anchor, player), self._count(session)
        views: tuple[View, ...] = ()
        interrupted: KeyboardInterrupt | None = None
        with open_clip(out / "lockstep.mp4", session.world.spec.fps, scale=1) as clip:
            clip.add(picture_of(session, session.frame))
            try:
                for frame in self._bar(run.steps(count, inspect_last=True), count):
                    clip.add(picture_of(session, frame))
                    views = frame.views
            except KeyboardInterrupt as error:
                interrupted = error
        if not run.rows:
            raise interrupted or ReverieError(f"lockstep: got no step of {session.name} to play, expected one at least")
        world = run.world
        write_readings(out / "readings.csv", run.rows, world)
        plots = [drift_view(run.rows, world.names[1:])]
        plots += [objects_view(run.rows, world.names[1:], world.objects)] if world.objects else []
        written = write_views(out, plots)
        written += write_views(out / "views", (*(views or session.look()), *views_around(session)))
        show(run)
        for what in () if interrupted else self.study:
            views = self._study(session, what)
            written += write_views(out / "study", views)
            tell_faults(views)
        say(f"\n{out / 'lockstep.mp4'}, {out / 'readings.csv'} and {len(written)} pictures, {out / 'drift.png'} first")
        if interrupted:
            raise interrupted
        return 0

    def _session(self) -> tuple[Session, Callable[[], Player] | None]:
        """The session, and what makes a scripted player where one is to play."""
        from engine.controllers import controller_for
        from engine.expert import expert_for
        from engine.loading import DEFAULT_WORLD, load_world
        from engine.session import Session

        loaded = load_world(self.world or DEFAULT_WORLD, device=self.device)
        against = load_world(self.against, device=self.device) if self.against else None
        session = Session.open(
            loaded, real="lockstep", against=against, episode=self.episode, seed=self.seed, rewind_s=20
        )
        if self.controller == "expert":
            expert_for(session, self.seed)
            seeds = iter(range(self.seed, self.seed + 2**20))
            return session, lambda: expert_for(session, next(seeds))
        if self.episode is None:
            session.controller = controller_for(self.controller, loaded)
        return session, None

    def _count(self, session: Session) -> int:
        """Steps to play: an episode has only so many."""
        actions = getattr(session.controller, "actions", None)
        return min(self.steps, len(actions)) if self.episode is not None and actions else self.steps

    def _bar(self, frames: Iterator[Frame], count: int) -> Iterator[Frame]:
        from rich.progress import track

        yield from track(frames, "lockstep", total=count, console=console(errors=True), transient=True)

    def _study(self, session: Session, what: Study) -> tuple[View, ...]:
        """What comes of a study of the present moment. Raises ReverieError where it is impossible there."""
        from engine import studies

        made: dict[str, Callable[[Session], studies.Study]] = {
            "every-action": studies.every_action,
            "seeds": studies.seeds,
            "unsure": studies.unsure,
            "surprise": studies.surprise,
            "check": studies.check_world,
        }
        slices = made[what](session)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                return end.value


def show(run: Run) -> None:
    """Print what came of a run: drift by steps alone, objects, what was foretold wrongly, alarms."""
    from rich.table import Table

    from engine.lockstep_run import HORIZONS, apart, drift

    world, rows = run.world, run.rows
    episodes = rows[-1].episode + 1
    say(f"{len(rows)} steps in {episodes} episode{'s' if episodes > 1 else ''}: {' | '.join(world.names)}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Steps alone", no_wrap=True)
    for k in HORIZONS:
        table.add_column(str(k), justify="right", no_wrap=True)
    for number, name in enumerate(world.names[1:]):
        found = drift(rows, number)
        table.add_row(f"{name}: moving PSNR, dB", *(f"{found[k][0]:.1f}" if k in found else "" for k in HORIZONS))
        for thing, title in enumerate(world.objects):
            places = apart(rows, thing, number)
            off = [f"{places[k][0]:.1f}" if k in places and places[k][0] == places[k][0] else "" for k in HORIZONS]
            lost = [f"{places[k][1]:.0%}" if k in places else "" for k in HORIZONS]
            table.add_row(f"{name}: {title} off, pixels", *off)
            table.add_row(f"{name}: {title} lost", *lost)
    copies = drift(rows)
    table.add_row("standing still, dB", *(f"{copies[k][1]:.1f}" if k in copies else "" for k in HORIZONS))
    console().print(table)
    for number, name in enumerate(world.names[1:]):
        readings = [row.readings[number] for row in rows]
        rewards, ends = sum(r.reward_wrong for r in readings), sum(r.end_wrong for r in readings)
        paid = sum(bool(r.reward_real) for r in readings)
        say(f"{name}: {rewards} steps with a wrong reward (reality paid in {paid}), {ends} with a wrong end")
    for name, (text, step) in run.alarms.items():
        say(f"alarm at step {step}: {name}: {text}")
    if not run.alarms:
        say("no alarm")


def tell_faults(views: Sequence[View]) -> None:
    """Print the faults that a check has found, or that it has found none."""
    for view in views:
        if view.columns != ("found",):
            continue
        found = [label for label, value in zip(view.labels, view.value[0, :, 0].tolist(), strict=True) if value]
        say(f"{view.name}: {'; '.join(found) or 'none found'}")
