"""``reverie worlds``: which worlds are here, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.console import console, say

LINES = 4


@dataclass(frozen=True)
class Worlds:
    """List the worlds that can be played, with their measured quality."""

    paths: bool = False
    """Show where each world lies."""

    def run(self) -> int:
        from rich.table import Table

        from engine.loading import DEFAULT_WORLD, list_worlds

        folders = list_worlds()
        if not folders:
            say(
                "No worlds were found. Set REVERIE_WORLDS to the folders that hold some, or train one: docs/training.md"
            )
            return 0
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("World", "Family", "Picture", "Actions", "Frames/s", "Quality"):
            table.add_column(title)
        if self.paths:
            table.add_column("Folder", overflow="fold")
        for folder in folders:
            spec = folder.manifest.spec
            name = f"{folder.path.name} (default)" if folder.path.name == DEFAULT_WORLD else folder.path.name
            size = f"{spec.width}×{spec.height}"
            row = [name, spec.family, size, str(spec.actions.size), f"{spec.fps:g}", quality(folder.manifest.quality)]
            table.add_row(*row, *([str(folder.path)] if self.paths else []))
        console().print(table)
        say("\nPlay one with: reverie play WORLD", "dim")
        return 0


def quality(measures: dict[str, Any]) -> str:
    """The most telling numbers of a world's measured quality, one a line."""
    from models.training.quality import quality_rows

    rows = [row for row in quality_rows(measures) if "," not in row.measure]
    return "\n".join(f"{row.measure} {row.value.split(' [')[0]}" for row in rows[:LINES]) or "not measured"
