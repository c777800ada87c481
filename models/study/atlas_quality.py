"""How well an atlas tells real play from what is not: noise, frames put together, lost objects, free dreams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.study.atlas import Atlas
from models.study.atlas_build import contexts, draw_places, latents_of
from models.training.probe_training import Labelled, background, drawn, erase, labelled_frames
from models.training.rollout import ROWS, Place, Tick, after
from models.types import Context
from models.world import Rng, WorldModel

NOISES = (8.0, 20.0)
"""Standard deviations of noise on real frames, in levels of 256."""
HORIZONS = (15, 50)
"""Steps of a free dream."""
FEWEST = 8
"""Moments from which on a number is worth telling."""
Change = Callable[[Context, list[Place]], Context]


@dataclass(frozen=True)
class Judge:
    """A world, its atlas, and the held-out play to judge it by."""

    world: WorldModel[Any]
    atlas: Atlas
    heldout: Sequence[EpisodeFile]
    seed: int
    tick: Tick = lambda n: None

    def drifts(self, places: Sequence[tuple[Place, int]], change: Change = lambda context, rows: context) -> Tensor:
        """The drift (n,) of what the world makes of real play, or of what was made of it."""
        found: list[Tensor] = []
        for rows, context in contexts(self.heldout, places):
            first = self.seed + len(found) * ROWS
            state = self.world.initial(change(context, rows), Rng.seeded(range(first, first + len(rows))))
            found.append(self.atlas.drift(latents_of(self.world, state)))
            self.tick(len(rows))
        return torch.cat(found)


def work(count: int, objects: int) -> int:
    """Ticks of a whole judgement of so many moments."""
    return count * (2 + len(NOISES) + objects) + dreams(count) * (sum(HORIZONS) + len(HORIZONS))


def dreams(count: int) -> int:
    """Free dreams of a judgement of so many moments."""
    return max(FEWEST, count // 4)


def judge(judge: Judge, count: int, train: Sequence[EpisodeFile]) -> dict[str, Any]:
    """Everything in numbers: a share from 0.5 (told apart as a coin would) to 1 (always) for each thing.

    beyond: the share of real held-out play with a drift above 1. free_dream: dreams without reality against what really
    came at their places, by steps. erased: by object, at moments that show it.
    """
    places = draw_places(judge.heldout, judge.world.spec.context, count, judge.seed)
    real = judge.drifts(places)
    out: dict[str, Any] = {"moments": len(real), "beyond": float((real > 1).float().mean()), "median": median(real)}
    out["noise"] = {f"{sd:g}": told_apart(real, judge.drifts(places, noisy(sd, judge.seed))) for sd in NOISES}
    out["spliced"] = told_apart(real, judge.drifts(places, spliced))
    names = judge.heldout[0].header.meta.get("objects", ())
    if names:
        behind = background(labelled_frames(list(train), 512, seed=0).frames)
        out["erased"] = {
            name: told_apart(real[seen], judge.drifts(places, erased(judge.heldout, k, behind))[seen])
            for k, name in enumerate(names)
            for seen in [shown(judge.heldout, places, k, behind)]
        }
    out["free_dream"] = free_dreams(judge, dreams(count))
    return out


def median(drifts: Tensor) -> float:
    return round(float(drifts.median()), 3)


def told_apart(real: Tensor, other: Tensor) -> float | None:
    """The probability that a moment of ``other`` (k,) drifts further than one of ``real`` (n,); ties count half.

    This is the area under the ROC curve. None where there are too few moments.
    """
    if min(len(real), len(other)) < FEWEST:
        return None
    further = (other[:, None] > real).double() + 0.5 * (other[:, None] == real).double()
    return round(float(further.mean()), 3)


def noisy(deviation: float, seed: int) -> Change:
    """Real frames under normal noise."""
    generator = torch.Generator().manual_seed(seed)

    def change(context: Context, rows: list[Place]) -> Context:
        noise = deviation * torch.randn(context.frames.shape, generator=generator)
        return Context((context.frames + noise).clamp(0, 255).round().to(torch.uint8), context.actions)

    return change


def spliced(context: Context, rows: list[Place]) -> Context:
    """The upper half of one moment over the lower half of another."""
    frames, half = context.frames.clone(), context.frames.shape[-2] // 2
    frames[..., half:, :] = frames.roll(1, 0)[..., half:, :]
    return Context(frames, context.actions)


def erased(episodes: Sequence[EpisodeFile], k: int, behind: Tensor) -> Change:
    """Object k painted over with the background in every frame that shows it."""

    def change(context: Context, rows: list[Place]) -> Context:
        past = context.frames.shape[1]
        labels = torch.stack([episodes[p.episode].slice("objects", p.t - past + 1, p.t + 1) for p in rows])
        flat = Labelled(context.frames.flatten(0, 1), labels.flatten(0, 1)[:, k : k + 1])
        painted = erase(flat, behind, 1.0, torch.Generator().manual_seed(0))[0].frames
        return Context(painted.reshape(context.frames.shape), context.actions)

    return change


def shown(episodes: Sequence[EpisodeFile], places: Sequence[tuple[Place, int]], k: int, behind: Tensor) -> Tensor:
    """Which places' last frames show object k: (n,) bool."""
    rows = [place for place, _ in places]
    frames = torch.cat([episodes[p.episode].slice("frames", p.t, p.t + 1) for p in rows])
    labels = torch.cat([episodes[p.episode].slice("objects", p.t, p.t + 1) for p in rows])
    return drawn(Labelled(frames, labels), behind).objects[:, k, 2] > 0


def free_dreams(judge: Judge, count: int) -> dict[str, float | None]:
    """By steps: how well dreams under the real actions are told from what really came, where episodes are so long."""
    world, episodes, out = judge.world, judge.heldout, {}
    longest = max(len(e) for e in episodes) - world.spec.context + 1
    for horizon in [h for h in HORIZONS if h <= longest]:
        places = draw_places(episodes, world.spec.context, count, judge.seed, steps=horizon)
        dreamt: list[Tensor] = []
        for rows, context in contexts(episodes, places):
            rng = Rng.seeded(range(judge.seed + len(dreamt) * ROWS, judge.seed + len(dreamt) * ROWS + len(rows)))
            state = world.initial(context, rng)
            for action in after(episodes, rows, "actions", horizon).unbind(1):
                state, _ = world.step(state, action, rng)
                judge.tick(len(rows))
            dreamt.append(judge.atlas.drift(latents_of(world, state)))
        came = [(Place(place.episode, place.t + horizon), past + horizon) for place, past in places]
        out[str(horizon)] = told_apart(judge.drifts(came), torch.cat(dreamt))
    return out
