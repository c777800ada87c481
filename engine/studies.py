"""Studies of a session's present moment: work in slices that ends in views.

Each is a generator that pauses after every step of a world, to be run by a device between ticks; none of them changes
the session. It raises ReverieError in its first slice where the study is impossible or too large.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.errors import ReverieError
from engine.lockstep_checks import path_to
from engine.sides import (
    Side,
    address,
    as_actions,
    check_room,
    dreams_of,
    knows_reality,
    last_action,
    seed_of,
    sides_of,
    title_of,
)
from models.study.checks import Effort, check_in_steps, rest_of
from models.study.faults import FAULTS
from models.study.response import futures_in_steps, held_for
from models.study.spread import energy_map, resample, spread
from models.training.branches import distances
from models.training.measures import moved_pixels
from models.training.stored_branches import held_actions
from models.types import View
from models.world import Rng, WorldModel

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["check_world", "every_action", "knows_reality", "seeds", "sequences", "surprise", "unsure"]

Study = Generator[Any, None, tuple[View, ...]]
FRAMES, COUNT, SAMPLES = 8, 8, 8
COLUMNS = 8
"""Frames of a future that are shown at most."""
BATCH = 4
"""Samples drawn in one slice."""
EFFORT = Effort(states=8, steps=600, stretch=100, rows=8)
"""How much of a world is checked while someone waits."""


# -- futures


def every_action(session: Session, frames: int = FRAMES) -> Study:
    """Every action held for so many frames from the present moment, in each dream and in the real game.

    Views: "every action" picture_grid, rows "ACTION dream", "ACTION real"; "action matrix", how far each dreamed action
    (rows) is from where each really leads (columns), 1: as far as two real futures are from each other on average;
    "action response" curves, the difference from doing nothing, in levels.
    """
    spec = session.world.spec.actions
    held, names = held_actions(spec)
    sides, seed = sides_of(session), seed_of(session, "every action")
    check_room("every_action", session, frames, len(held) * len(sides))
    shown = {}
    for side in sides:
        shown[side.name] = yield from played(side, held_for(held, frames), [seed] * len(held))
    grid = grid_of("every action", names, shown)
    response = response_of("action response", names, shown, rest_of(spec))
    return (grid, *matrices(sides, shown, names), response)


def sequences(session: Session, chosen: Sequence[Sequence[Any]]) -> Study:
    """Chosen sequences of actions from the present moment, in each dream and in the real game.

    chosen: indices of actions, or (n,) floats. Shorter ones end in no-ops. Views: "sequences" picture_grid; "sequence
    response" curves, the difference from the first sequence, in levels.
    """
    spec = session.world.spec.actions
    longest = max((len(sequence) for sequence in chosen), default=0)
    sides, seed = sides_of(session), seed_of(session, "sequences")
    check_room("sequences", session, longest, len(chosen) * len(sides))
    rows = [torch.cat([as_actions(sequence, spec), spec.noops(longest - len(sequence))]) for sequence in chosen]
    names = [f"{number} {title_of(sequence, spec)}".strip() for number, sequence in enumerate(chosen, 1)]
    shown = {}
    for side in sides:
        shown[side.name] = yield from played(side, torch.stack(rows), [seed] * len(rows))
    grid = grid_of("sequences", names, shown)
    return (grid, response_of("sequence response", names, shown, 0)) if len(rows) > 1 else (grid,)


def seeds(session: Session, count: int = COUNT, frames: int = FRAMES) -> Study:
    """The last action held for so many frames under other randomness, in each dream, and the real future beside it.

    Views: "seeds" picture_grid; "spread of seeds" curves, their standard deviation in levels.
    """
    dreams = dreams_of(session, "seeds")
    check_room("seeds", session, frames, count * len(dreams) + 1, count)
    action = last_action(session)
    first = seed_of(session, "seeds")
    shown: dict[str, Tensor] = {}
    for side in dreams:
        actions = held_for(action.expand(count, *action.shape[1:]), frames)
        shown[side.name] = yield from played(side, actions, [first + k for k in range(count)])
    names = [f"seed {k + 1}" for k in range(count)]
    spreads = torch.stack([torch.stack([spread(f).mean() for f in s.unbind(1)]) for s in shown.values()])
    curves = View("spread of seeds", "curves", spreads[None], tuple(shown), columns=("steps ahead", "levels"))
    grid = grid_of("seeds", names, shown)
    for side in sides_of(session):
        if side.real:
            future = yield from played(side, held_for(action, frames), [first])
            strip = grid_of("seeds", ["held"], {side.name: future})
            value = torch.cat([grid.value, strip.value], dim=1)
            grid = View("seeds", "picture_grid", value, (*grid.labels, side.name), columns=grid.columns)
    return grid, curves


# -- what a world is sure of


def unsure(session: Session, samples: int = SAMPLES) -> Study:
    """The next frame under the last action, drawn so many times, from where each dream stands.

    Views: "unsure" heat_map, the standard deviation of every pixel in levels; "samples" film_strip; "spread" scalar,
    the map's mean.
    """
    dreams = dreams_of(session, "unsure")
    check_room("unsure", session, 1, samples * len(dreams), samples)
    action, first, views = last_action(session), seed_of(session, "unsure"), list[View]()
    for side in dreams:
        frames = yield from drawn(side.world, side.state, action, [first + k for k in range(samples)])
        who = address(side, dreams)
        where = spread(frames)
        labels = tuple(str(k + 1) for k in range(samples))
        views += [
            View(f"{who}unsure", "heat_map", where[None]),
            View(f"{who}samples", "film_strip", frames[None], labels),
            View(f"{who}spread", "scalar", where.mean()[None]),
        ]
    return tuple(views)


@torch.no_grad()
def surprise(session: Session, samples: int = SAMPLES) -> Study:
    """How far the present real frame is from what each dream, begun again from the real frames before, foretold of it.

    Views: "surprise map" heat_map, the energy score of every pixel in levels; "foretold" film_strip, the samples and
    the real frame; "surprise score" scalar, the map's sum over what moved, beside that of the frame before (1: the
    world foretold no better than a standstill).
    """
    if not knows_reality(session):
        raise ReverieError(
            "surprise: got a moment whose real frame is not known, expected one after a step in a lockstep with the "
            "real game; play it there"
        )
    world: Any = session.world
    check_room("surprise", session, 1, samples * len(world.followers), samples)
    known, state = path_to(session, back=1), session.moment.state
    real, last, action = state.window[0, -1], state.window[0, -2], state.taken[:, -1]
    moved, dreams = moved_pixels(last, real), dreams_of(session, "surprise")
    first, views = seed_of(session, "surprise"), list[View]()
    for side in dreams:
        begun = side.world.initial(known, Rng.seeded([first]))
        yield
        frames = yield from drawn(side.world, begun, action, [first + k for k in range(samples)])
        who = address(side, dreams)
        where, copied = energy_map(frames, real), energy_map(last[None], real)
        score = float(where[moved].sum()) / max(1.0, float(copied[moved].sum()))
        labels = (*(str(k + 1) for k in range(samples)), "real")
        views += [
            View(f"{who}surprise map", "heat_map", where[None]),
            View(f"{who}foretold", "film_strip", torch.cat([frames, real[None]])[None], labels),
            View(f"{who}surprise score", "scalar", torch.tensor([score])),
        ]
    return tuple(views)


# -- faults


def check_world(session: Session, effort: Effort = EFFORT) -> Study:
    """Each dream held against its real game, see ``models.study.checks``: a "faults" matrix with one row a name.

    1: found, and the row's label says what; 0: not found.
    """
    sides = sides_of(session)
    real = next((side for side in sides if side.real), None)
    dreams = dreams_of(session, "check")
    if real is None:
        raise ReverieError("check: got no real game to hold the dream against, expected a lockstep with it; begin one")
    probe, views = getattr(session.world, "probe", None) or session.tools.probe, list[View]()
    for side in dreams:
        try:
            faults = yield from check_in_steps(side.world, real.world, effort, probe=probe)
        except ValueError as error:
            raise ReverieError(str(error)) from error
        texts = {fault.name: fault.text for fault in faults}
        labels = tuple(f"{name}: {texts[name]}" if name in texts else name for name in FAULTS)
        value = torch.tensor([[float(name in texts)] for name in FAULTS])[None]
        views.append(View(f"{address(side, dreams)}faults", "matrix", value, labels, columns=("found",)))
    return tuple(views)


# -- helpers


def played(side: Side, actions: Tensor, seeds: Sequence[int]) -> Generator[Any, None, Tensor]:
    """The frames (R, n, 3, H, W) uint8 of futures of a side."""
    future = yield from futures_in_steps(side.world, side.state, actions, seeds)
    return future.frames


def drawn(world: WorldModel[Any], state: Any, action: Tensor, seeds: Sequence[int]) -> Generator[Any, None, Tensor]:
    """The next frame once a seed, a few a slice: (k, 3, H, W) uint8."""
    parts = []
    for start in range(0, len(seeds), BATCH):
        parts.append(resample(world, state, action, list(seeds[start : start + BATCH])))
        yield
    return torch.cat(parts)


def grid_of(name: str, rows: Sequence[str], shown: dict[str, Tensor]) -> View:
    """Futures (R, n, 3, H, W) of several sides as a grid: a row's sides beneath each other, a step a column."""
    frames = torch.stack(list(shown.values()), dim=1).flatten(0, 1)
    steps = frames.shape[1]
    columns = sorted({round(float(k)) for k in torch.linspace(0, steps - 1, min(COLUMNS, steps))})
    labels = tuple(f"{row} {side}" for row in rows for side in shown)
    return View(name, "picture_grid", frames[None, :, columns], labels, columns=tuple(str(k + 1) for k in columns))


def response_of(name: str, rows: Sequence[str], shown: dict[str, Tensor], rest: int) -> View:
    """The root mean squared difference of every future from one of them, step by step, in levels."""
    lines, labels = [], []
    for k, row in enumerate(rows):
        for side, frames in shown.items():
            if k != rest:
                lines.append((frames[k].float() - frames[rest].float()).square().flatten(1).mean(1).sqrt())
                labels.append(f"{row} {side}")
    return View(name, "curves", torch.stack(lines)[None], tuple(labels), columns=("steps ahead", "levels"))


def matrices(sides: Sequence[Side], shown: dict[str, Tensor], names: Sequence[str]) -> list[View]:
    """How far each side's dream of an action is from every action's future in the real game, or, without one, in it.

    Only pixels count at which these futures differ from each other.
    """
    dreams = [side for side in sides if not side.real]
    real = next((side for side in sides if side.real), None)
    views = []
    for side in dreams or sides:
        branches = shown[(real or side).name]
        differ = (branches != branches[:1]).any(0).any(1, keepdim=True)
        apart = distances(branches * differ, branches * differ)
        unit = float(apart.sum()) / max(1, int((apart > 0).sum()))
        matrix = distances(shown[side.name] * differ, branches * differ) / unit if unit else apart * torch.nan
        value = matrix.float()[None]
        views.append(View(f"{address(side, dreams)}action matrix", "matrix", value, tuple(names), columns=tuple(names)))
    return views
