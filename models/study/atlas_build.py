"""Making a world's atlas: the latents of real play, and how well their map tells it from what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.study.atlas import AXES, CLOUD, QUANTILES, Atlas, distance
from models.study.thumbnails import thumbnails
from models.training.rollout import ROWS, WARM_UP, Place, Tick, all_places, context_at, draw
from models.types import Context
from models.world import Rng, WorldModel

FLAT = 0.3
"""A number of a latent that varies less than this share of the root mean square is standardised as if it varied so
much: what hardly ever changes must not decide alone."""
THIN = 0.05
"""An axis along which real play is thinner than this share of the widest is weighed as if it were so wide."""


@dataclass(frozen=True)
class RealStates:
    """What a world makes of real play: latents (n, D) float32 and frames (n, 3, H, W) uint8, on the CPU."""

    latents: Tensor
    frames: Tensor


def check_latent(world: WorldModel[Any]) -> None:
    """Raises ValueError for a world whose states have no place in a latent space."""
    if not hasattr(world, "latent"):
        raise ValueError(
            f"atlas: got world {world.spec.name!r} of the {world.spec.family} family, expected one with latent(state)"
        )


def latents_of(world: WorldModel[Any], state: Any) -> Tensor:
    """(B, D) float32 on the CPU."""
    found: Tensor = world.latent(state).cpu()  # type: ignore[attr-defined]
    return found


def draw_places(
    episodes: Sequence[EpisodeFile], context: int, count: int, seed: int, steps: int = 0
) -> list[tuple[Place, int]]:
    """At most ``count`` places of real play and the frames that are known up to each: a fresh start or a longer past.

    ``steps`` frames follow each place. Sorted by the length of the past. Raises ValueError where there is none.
    """
    places = draw(all_places([len(e) for e in episodes], context, steps), count, seed)
    if not places:
        raise ValueError(
            f"atlas: got no episode of {context + steps} frames among {len(episodes)}, expected one; "
            "run `reverie collect`"
        )
    random = np.random.default_rng(seed)
    pasts = [context + WARM_UP * k for k in range(3)]
    known = [int(random.choice([past for past in pasts if past <= place.t + 1])) for place in places]
    return sorted(zip(places, known, strict=True), key=lambda one: one[1])


def contexts(episodes: Sequence[EpisodeFile], places: Sequence[tuple[Place, int]]) -> list[tuple[list[Place], Context]]:
    """The places in batches of equal pasts, in their order."""
    found = []
    for past, group in groupby(places, key=lambda one: one[1]):
        same = [place for place, _ in group]
        for start in range(0, len(same), ROWS):
            rows = same[start : start + ROWS]
            found.append((rows, context_at(episodes, rows, past)))
    return found


def real_states(
    world: WorldModel[Any], episodes: Sequence[EpisodeFile], count: int, seed: int, tick: Tick = lambda n: None
) -> RealStates:
    """What a world makes of real play at places drawn evenly over all episodes, in a random order."""
    latents: list[Tensor] = []
    frames: list[Tensor] = []
    places = draw_places(episodes, world.spec.context, count, seed)
    for rows, context in contexts(episodes, places):
        first = seed + len(latents) * ROWS
        state = world.initial(context, Rng.seeded(range(first, first + len(rows))))
        latents.append(latents_of(world, state))
        frames.append(context.frames[:, -1])
        tick(len(rows))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(places)))
    return RealStates(torch.cat(latents)[order], torch.cat(frames)[order])


def chart(
    real: RealStates, heldout: Tensor, world: str, points: int = CLOUD, note: dict[str, Any] | None = None
) -> Atlas:
    """The atlas of real states, of which the first ``points`` become its points.

    heldout (k, D): latents of real play that ``real`` does not hold, from which the unit of distance follows. world:
    its hash. Raises ValueError for too few states, or for states that are all the same.
    """
    latents = real.latents.double()
    mean, spread = latents.mean(0), latents.std(0, correction=0)
    if not float(spread.max()) > 0:
        raise ValueError(f"atlas: got {len(latents)} latents that are all the same, expected real play that moves")
    scale = spread.clamp(min=FLAT * float(spread.square().mean().sqrt()))
    axes = principal_axes(((latents - mean) / scale).float())
    flat = torch.ones(axes.shape[1] + 1)
    base = {"mean": mean.float(), "scale": scale.float(), "axes": axes}
    placed = placed_by(base, flat, real.latents)
    length = placed.std(0, correction=0)
    weights = 1 / length.clamp(min=THIN * float(length.max()))
    dots = (placed[:points] * weights).half().float()
    far = distance(placed_by(base, weights, heldout), dots)
    distances = torch.quantile(far.double(), torch.linspace(0, 1, QUANTILES, dtype=torch.float64)).float()
    pictures = thumbnails(real.frames[:points])
    return Atlas(
        **base, world=world, weights=weights, points=dots, distances=distances, thumbnails=pictures, note=note or {}
    )


def principal_axes(standard: Tensor) -> Tensor:
    """The first principal axes (D, A) float32 of standardised latents (n, D), each with its largest entry above 0.

    Rounded to half precision, in which they are kept.
    """
    count = min(AXES, *standard.shape)
    axes = torch.linalg.svd(standard, full_matrices=False).Vh[:count].T
    largest = axes.gather(0, axes.abs().argmax(0, keepdim=True))
    return (axes * largest.sign()).half().float()


def placed_by(base: dict[str, Tensor], weights: Tensor, latents: Tensor) -> Tensor:
    """What ``Atlas.place`` will say of latents (n, D)."""
    centred = (latents.float() - base["mean"]) / base["scale"]
    known = centred @ base["axes"]
    rest = (centred.square().sum(1) - known.square().sum(1)).clamp(min=0).sqrt()
    return torch.cat([known, rest[:, None]], dim=1) * weights
