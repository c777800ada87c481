"""What the commands print: results to standard output, complaints to standard error."""

from __future__ import annotations

from functools import lru_cache

from rich.console import Console
from rich.text import Text


@lru_cache(maxsize=2)
def console(*, errors: bool = False) -> Console:
    """The shared console of standard output, or of standard error."""
    return Console(stderr=errors, highlight=False, soft_wrap=True)


def say(text: str, style: str = "") -> None:
    """Print ``text`` as it is (no markup)."""
    console().print(Text(text, style=style))


def complain(text: str) -> None:
    """Print one message for the user to standard error."""
    console(errors=True).print(Text.assemble(("reverie: ", "bold red"), text))
