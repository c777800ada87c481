"""What the past says of the present moment: how a lockstep has drifted, and which way a dream goes in latent space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.latent_path import LatentPath
from engine.lockstep import LockstepWorld
from engine.moment import Moment
from engine.readings import STILL, distances
from engine.session import Session
from models.types import View

STEPS = 240
"""Moments that are looked back at, at most."""
AT_ONCE = 16
"""Past moments whose latents are read in one tick: the older ones follow tick by tick."""
AGO = "steps ago"


def views_around(session: Session) -> tuple[View, ...]:
    """The views of a session's past, read at once; ``Trace`` keeps them up to date from tick to tick."""
    return Trace(STEPS).views(session)


class Trace:
    """Views of the last moments of whatever session is asked for, never across a load.

    In a lockstep: "drift", "objects apart" (where a probe knows the objects), a second follower's with its name in
    front, and "reward" (where dreams are told of every frame the lockstep has one itself). Where the world has
    ``latent(state)``: see ``LatentPath``. at_once: past moments whose latents are read in one call. For one thread.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._session: Session | None = None
        self._path = LatentPath(at_once)

    def views(self, session: Session) -> tuple[View, ...]:
        if session is not self._session:
            self._session, self._path = session, LatentPath(self._at_once)
        moments = session.trail(STEPS)
        world = session.world
        beside = lockstep_curves(world, moments) if isinstance(world, LockstepWorld) else ()
        return (*beside, *self._path.views(session, moments))


def lockstep_curves(world: LockstepWorld, moments: Sequence[Moment]) -> tuple[View, ...]:
    """The moving PSNR of each follower, the distance of the objects, and the rewards, over these moments.

    The drift of a dream that has just begun from reality is unknown: the line begins anew.
    """
    states = [moment.state for moment in moments]
    readings = torch.cat([state.readings for state in states])
    since = torch.cat([state.since for state in states])
    drift = readings[..., 1].masked_fill(readings[..., 1] == STILL, torch.nan)
    if not world.told:
        drift = drift.masked_fill(since[:, None] == 0, torch.nan)
    views = [curves("drift", drift, world.names[1:], "dB")]
    if world.objects:
        places = torch.cat([state.places for state in states])[:, :, : len(world.objects)]
        for k, name in enumerate(world.names[1:]):
            apart = distances(places[:, 0], places[:, k + 1])
            views.append(curves(f"{name}: objects apart" if k else "objects apart", apart, world.objects, "pixels"))
    if not world.told:
        rewards = torch.cat([readings[:, :1, 2], readings[..., 3]], dim=1)
        views.append(curves("reward", rewards, world.names, "reward"))
    return tuple(views)


def curves(name: str, rows: Tensor, labels: tuple[str, ...], unit: str) -> View:
    """Lines of the past from rows (N, K), oldest first."""
    return View(name, "curves", rows.T[None].contiguous(), labels, columns=(AGO, unit))
