"""The order in which views stand in the band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.desktop.stage import STRIPS
from models.types import View

FIGURES = ("heat_map", "curves", "matrix", "path")
"""Kinds of views that are drawn as figures, in their order."""
GRIDS = ("one_hot_grid", "token_grid")
"""Kinds of views that stand to the left of others."""


@dataclass(frozen=True)
class Sections:
    """Views from top to bottom: what was asked for, figures, then grids with all else beside them."""

    study: list[View]
    figures: list[View]
    grids: list[View]
    others: list[View]


def sections_of(views: Sequence[View], studied: tuple[str, ...] = ()) -> Sections:
    """The views of a frame but for those on the stage; studied: names of a study's views, which are the first ones."""
    views = [view for view in views if view.name not in STRIPS]
    asked = studied == tuple(view.name for view in views[: len(studied)])
    study, rest = (views[: len(studied)], views[len(studied) :]) if asked else ([], views)
    return Sections(
        study,
        [view for kind in FIGURES for view in rest if view.kind == kind],
        [view for view in rest if view.kind in GRIDS],
        [view for view in rest if view.kind not in FIGURES and view.kind not in GRIDS],
    )
