"""The way a dream goes through its world's latent space, on the map of real play where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.lockstep import LockstepWorld
from engine.moment import Moment
from engine.session import Session
from models.types import View
from models.world import cat_states

if TYPE_CHECKING:
    from models.study.atlas import Atlas

NEIGHBOURS = 5
WIDE = 64
"""Without a map, a longer latent is projected onto so many random directions before its principal axes are sought."""
ROUNDS = 8
CLOUD, PAST, NOW = 0.0, 1.0, 2.0
"""What a point of a path is."""

Read = Callable[[Sequence[Moment]], Tensor]
"""The latents of moments, (N, D) float32."""


class LatentPath:
    """Views of where the last moments of one session are in latent space.

    "latent path": the past and now, in the coordinates of the world's atlas with the cloud of real play behind them, or
    else along the two principal axes of the path itself. With an atlas also "off the map", which is 1 where 95 % of
    real play is nearer to it, and the frames of real play that are "nearest real". In a lockstep they are the first
    dream's. at_once: moments read in one call. For one thread.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._points: dict[
            int, tuple[Any, Tensor]
        ] = {}  # by a state's id; the state is kept so that the id stays its own
        self._axes: Tensor | None = None

    def views(self, session: Session, moments: Sequence[Moment]) -> tuple[View, ...]:
        """Of these moments of the session, oldest first, now the last; () where the world has no latents."""
        read = reader(session.world)
        if read is None:
            return ()
        atlas = session.tools.atlas
        now = read(moments[-1:])
        views = [self._path(self._known(moments, now, read, atlas), atlas)]
        if atlas is not None:
            near, pictures = atlas.nearest(now, min(NEIGHBOURS, len(atlas.cloud)))
            labels = tuple(f"{distance:.2f}" for distance in near[0].tolist())
            views += [View("off the map", "scalar", atlas.drift(now))]
            views += [View("nearest real", "film_strip", pictures, labels)]
        return tuple(views)

    def _known(self, moments: Sequence[Moment], now: Tensor, read: Read, atlas: Atlas | None) -> Tensor:
        """The points of as many moments up to now as have been read without a gap: (N, n) float32, now the last."""
        self._points[id(moments[-1].state)] = (moments[-1].state, points(now, atlas))
        missing = [moment for moment in moments if id(moment.state) not in self._points][-self._at_once :]
        if missing:
            found = points(read(missing), atlas)
            self._points |= {id(m.state): (m.state, found[k : k + 1]) for k, m in enumerate(missing)}
        near = takewhile(lambda moment: id(moment.state) in self._points, reversed(moments))
        rows = [self._points[id(moment.state)][1] for moment in near]
        self._trim(moments)
        return torch.cat(rows[::-1])

    def _trim(self, moments: Sequence[Moment]) -> None:
        """Forget what is no longer looked back at, once there is some of it."""
        if len(self._points) > len(moments) + self._at_once:
            kept = {id(moment.state) for moment in moments}
            self._points = {key: value for key, value in self._points.items() if key in kept}

    def _path(self, known: Tensor, atlas: Atlas | None) -> View:
        if atlas is None:
            self._axes = principal(known, self._axes)
            known = (known - known.mean(0)) @ self._axes
        kinds = torch.full((len(known), 1), PAST)
        kinds[-1] = NOW
        path = torch.cat([known, kinds], dim=1)
        if atlas is not None:
            cloud = atlas.cloud
            path = torch.cat([torch.cat([cloud, torch.full((len(cloud), 1), CLOUD)], dim=1), path])
        return View("latent path", "path", path[None], columns=("axis 1", "axis 2"))


def reader(world: Any) -> Read | None:
    """What reads the latents of a session's moments in that world; None where it has none.

    Of a lockstep it is the first dream: its lead where that is one, else its first follower.
    """
    part = None
    if isinstance(world, LockstepWorld):
        part = 0 if world.dreamed else 1
    dream = world if part is None else (world.lead, *world.followers)[part]
    latent = getattr(dream, "latent", None)
    if latent is None:
        return None

    def read(moments: Sequence[Moment]) -> Tensor:
        states = [m.state if part is None else world.parts(m.state)[part] for m in moments]
        with torch.no_grad():
            found: Tensor = latent(states[0] if len(states) == 1 else cat_states(states))
        return found.cpu().float()

    return read


def points(latents: Tensor, atlas: Atlas | None) -> Tensor:
    """What is kept of latents (N, D): their coordinates on the map (N, 2), or all of them up to WIDE numbers."""
    if atlas is not None:
        return atlas.coordinates(latents)
    return latents if latents.shape[1] <= WIDE else latents @ directions(latents.shape[1])


@cache
def directions(length: int) -> Tensor:
    """Random directions (D, WIDE) float32, always the same."""
    return torch.randn(length, WIDE, generator=torch.Generator().manual_seed(0)) / WIDE**0.5


def principal(rows: Tensor, before: Tensor | None) -> Tensor:
    """The two principal axes (n, 2) of rows (N, n), by subspace iteration from those known before, so that a path does
    not turn around from one moment to the next. With a single number there is one axis, and the other is empty."""
    centred = rows - rows.mean(0)
    width = rows.shape[1]
    if width < 2:
        return torch.eye(1, 2)
    spread = centred.T @ centred
    axes = torch.eye(width, 2) if before is None else before
    for _ in range(ROUNDS if before is not None else 8 * ROUNDS):
        new = torch.linalg.qr(spread @ axes + 1e-6 * axes)[0]
        axes = new * torch.where((new * axes).sum(0) < 0, -1.0, 1.0)
    return axes
