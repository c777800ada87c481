"""Types of command-line arguments that may be left out, so that the help reads well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

World = Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[WORLD]", help_behavior_hint="")]
MaybeText = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
MaybeSize = Annotated[str | None, tyro.conf.arg(metavar="WIDTHxHEIGHT", help_behavior_hint="")]
MaybeFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
MaybeNumber = Annotated[int | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
MaybeFloat = Annotated[float | None, tyro.conf.arg(metavar="FLOAT", help_behavior_hint="")]
MaybePlayer = Annotated[
    Literal["human", "random", "agent"] | None, tyro.conf.arg(metavar="human|random|agent", help_behavior_hint="")
]
