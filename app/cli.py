"""The console command ``reverie``: its subcommands are dataclasses, imported without the heavy libraries."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, cast

import tyro

from app.commands.bench import Bench
from app.commands.doctor import Doctor
from app.commands.glitches import Glitches
from app.commands.lockstep import Lockstep
from app.commands.play import Play
from app.commands.replay import Replay
from app.commands.report import Report
from app.commands.serve import Serve
from app.commands.worlds import Worlds
from app.console import complain
from engine.errors import ReverieError
from models.training.options import AtlasOptions, CollectOptions, EvalOptions, ExportOptions, TrainOptions

DESCRIPTION = "Reverie runs learned world models in real time: play, record, train and measure them."

Subcommand = (
    Annotated[Play, tyro.conf.subcommand("play")]
    | Annotated[Serve, tyro.conf.subcommand("serve")]
    | Annotated[Replay, tyro.conf.subcommand("replay")]
    | Annotated[Lockstep, tyro.conf.subcommand("lockstep")]
    | Annotated[Glitches, tyro.conf.subcommand("glitches")]
    | Annotated[Worlds, tyro.conf.subcommand("worlds")]
    | Annotated[Doctor, tyro.conf.subcommand("doctor")]
    | Annotated[CollectOptions, tyro.conf.subcommand("collect")]
    | Annotated[TrainOptions, tyro.conf.subcommand("train")]
    | Annotated[ExportOptions, tyro.conf.subcommand("export")]
    | Annotated[EvalOptions, tyro.conf.subcommand("eval")]
    | Annotated[Report, tyro.conf.subcommand("report")]
    | Annotated[AtlasOptions, tyro.conf.subcommand("atlas")]
    | Annotated[Bench, tyro.conf.subcommand("bench")]
)


class Runnable(Protocol):
    def run(self) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. 2: the user's input does not fit; 130: interrupted.

    With REVERIE_DEBUG=1 errors keep their traceback.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if os.environ.get("REVERIE_DEBUG") == "1":
        return parse(argv).run()
    try:
        return parse(argv).run()
    except KeyboardInterrupt:
        complain("interrupted")
        return 128 + signal.SIGINT
    except (ReverieError, ValueError, OSError) as error:
        complain(str(error) or type(error).__name__)
        return 2


def parse(argv: Sequence[str]) -> Runnable:
    """The command that ``argv`` asks for. Exits with the help, or with 2 and a message where it does not fit."""
    command: Runnable = tyro.cli(
        cast(Any, Subcommand),
        prog="reverie",
        description=DESCRIPTION,
        args=list(argv) or ["--help"],
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes, tyro.conf.FlagCreatePairsOff),
    )
    return command


if __name__ == "__main__":
    sys.exit(main())
