"""``reverie glitches``: moments that were flagged; list them, open them exactly as they were, learn from them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from app.commands.arguments import MaybeFile
from app.commands.serve import PORT
from app.console import console, say
from engine.errors import ReverieError

if TYPE_CHECKING:
    from engine.glitch import Glitch

Verb = Literal["list", "show", "open", "export", "remove"]
MODES = {False: "dream", True: "real game", "grounded": "grounded", "lockstep": "lockstep"}


@dataclass(frozen=True)
class Glitches:
    """List flagged glitches, open one exactly as it was, or export them as episodes to train on.

    reverie glitches [list], show ID, open ID [--window], export [ID ...] [--out DIR], remove ID ...; an ID may
    be the beginning of one, or a glitch's folder.
    """

    do: Annotated[Verb, tyro.conf.Positional, tyro.conf.arg(metavar="[list|show|open|export|remove]")] = "list"
    """What to do."""
    id: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ID ...]")] = ()
    """Which glitches; all of them for list and export."""
    out: MaybeFile = None
    """Store to export into, a new one or one that is there; data/GAME-glitches by default."""
    dreamed: bool = False
    """Export also what was dreamed where nothing real was beside it; those episodes are marked as dreamed."""
    window: bool = False
    """Open it in a window of its own instead of the browser."""
    port: int = PORT
    """The page's port on this machine; a free one is taken where it is in use, and for 0."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, mps."""
    folder: MaybeFile = None
    """Where the glitches are; $REVERIE_GLITCHES, or glitches here, by default."""

    def __post_init__(self) -> None:
        least, most = {"list": (0, 0), "show": (1, 1), "open": (1, 1), "remove": (1, None)}.get(self.do, (0, None))
        if len(self.id) < least or (most is not None and len(self.id) > most):
            wanted = "none" if most == 0 else "one" if most == 1 else "at least one"
            raise ValueError(
                f"glitches {self.do}: got {len(self.id)} IDs, expected {wanted}; `reverie glitches` lists them"
            )

    def run(self) -> int:
        from engine.glitches import list_glitches, open_glitch, remove_glitch

        if self.do == "list":
            listing(list_glitches(self.folder))
            return 0
        chosen = [open_glitch(name, self.folder) for name in self.id] if self.do != "remove" else []
        if self.do == "show":
            details(chosen[0])
        elif self.do == "open":
            return self._open(chosen[0])
        elif self.do == "export":
            self._export(chosen or list_glitches(self.folder))
        for name in self.id if self.do == "remove" else ():
            say(f"removed {remove_glitch(name, self.folder)}")
        return 0

    def _open(self, glitch: Glitch) -> int:
        from app.commands.play import Play

        return Play(glitch=str(glitch.path), window=self.window, port=self.port, device=self.device).run()

    def _export(self, glitches: list[Glitch]) -> None:
        from engine.glitch_export import export_glitches, game_of

        if not glitches:
            raise ReverieError("glitches export: got no glitches, expected some; flag one while you play: key X")
        groups: dict[Path, list[Glitch]] = {}
        for glitch in glitches:
            groups.setdefault(self.out or Path("data") / f"{game_of(glitch)}-glitches", []).append(glitch)
        for folder, group in groups.items():
            done = export_glitches(group, folder, self.dreamed)
            for name, why in done.skipped:
                say(f"left out {name}: {why}")
            if done.episodes:
                told = f"{done.episodes} episodes of {done.steps} steps"
                say(f"{folder}: {told}; `reverie train ... --data {folder}` takes them")


def listing(glitches: list[Glitch]) -> None:
    """Print glitches as a table, newest last."""
    from rich.table import Table
    from rich.text import Text

    if not glitches:
        say("No glitches yet. Flag one while you play: key X, with looking inside or without.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ID", no_wrap=True, min_width=max(len(glitch.id) for glitch in glitches))
    table.add_column("Where", no_wrap=True)
    table.add_column("Frame", no_wrap=True, justify="right")
    table.add_column("Note", overflow="fold")
    for glitch in glitches:
        alarms = ", ".join(name for name, _ in glitch.alarms)
        note = Text(glitch.note or "–")
        if alarms:
            note.append(f"  [{alarms}]", style="yellow")
        table.add_row(glitch.id, MODES[glitch.mode], str(glitch.index), note)
    console().print(table)
    say("\nOpen one: reverie glitches open ID. Learn from them: reverie glitches export", "dim")


def details(glitch: Glitch) -> None:
    """Print all there is to know of a glitch."""
    say(f"{glitch.id}  {when(glitch)}")
    say(f"world    {glitch.world}, {MODES[glitch.mode]} ({glitch.world_hash})", "dim")
    say(f"note     {glitch.note or '–'}")
    for name, text in glitch.alarms:
        say(f"alarm    {name}: {text}")
    truth = "with the real game's frames" if glitch.truth else "with dreamed frames alone"
    say(f"moment   frame {glitch.index} since its start; the {glitch.seconds:.1f} s before it can be rewound over")
    say(f"episodes {len(glitch.episodes)} to export, {truth}")
    say(f"clip     {glitch.clip}\nreplay   {glitch.replay}")


def when(glitch: Glitch) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(glitch.at))
