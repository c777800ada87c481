"""The part of a world's card about what it brings along for the workbench: its object probe and its atlas."""

from __future__ import annotations

import logging
from typing import Any

from models.checkpoint import WorldFolder
from models.study.atlas import ATLAS, Atlas
from models.training.probe_cache import PROBE, open_probe
from models.training.quality import percent

logger = logging.getLogger(__name__)


def tools_card(folder: WorldFolder) -> str:
    """What lies in a world's folder, in Markdown; what is damaged or of other weights is left out with a warning."""
    objects: tuple[str, ...] = ()
    note: dict[str, Any] | None = None
    try:
        if (folder.path / PROBE).exists():
            objects = open_probe(folder.path / PROBE).names
        if (folder.path / ATLAS).exists():
            atlas = Atlas.read(folder.path / ATLAS)
            note = atlas.note if atlas.world == folder.hash else None
    except ValueError as error:
        logger.warning("left out of the card: %s", error)
    return tools_section(objects, note)


def tools_section(objects: tuple[str, ...], note: dict[str, Any] | None = None) -> str:
    """The section for a probe of these objects and an atlas of that note; empty without either."""
    lines = []
    if objects:
        lines.append(f"`{PROBE}` reads from a frame where these are, in the dream as in reality: {', '.join(objects)}.")
    if note is not None:
        lines.append(
            f"`{ATLAS}` maps where in the world's latent space real play lies, by {note.get('train_moments', '?')} "
            f"moments of {note.get('train_episodes', '?')} episodes. Its drift is 1 at a distance from them that 95 % "
            "of held-out real play does not exceed."
        )
        if rows := atlas_rows(note.get("told_apart", {})):
            head = ["| told from real play | share |", "|---|---|"]
            lines.append("\n".join([*head, *(f"| {what} | {share} |" for what, share in rows)]))
            lines.append(
                "The share is the chance that the drift of such a moment exceeds that of a real held-out one: 50 % is "
                "a coin, 100 % always. What is near 50 %, drift does not see."
            )
    return "## Workbench\n\n" + "\n\n".join(lines) if lines else ""


def atlas_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """What an atlas was measured on, as (what, share in words)."""
    rows = [(f"noise of {level} levels of 256", share) for level, share in found.get("noise", {}).items()]
    if "spliced" in found:
        rows.append(("halves of two moments in one", found["spliced"]))
    rows += [(f"{name} painted over", share) for name, share in found.get("erased", {}).items()]
    rows += [(f"a dream after {steps} steps without reality", s) for steps, s in found.get("free_dream", {}).items()]
    out = [(what, percent(share)) for what, share in rows]
    if "beyond" in found:
        out.append(("(real held-out play with a drift above 1)", percent(found["beyond"])))
    return out
