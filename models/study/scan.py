"""A world run over the places of a survey: one step from real frames, and dreams under the real actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.study.foretold import Foretold, foretell
from models.study.places import Survey, batches
from models.training.probe import Probe, Sightings
from models.training.probe_training import Labelled, background, drawn, labelled_frames
from models.training.rollout import Place, Tick, context_at, play_on
from models.world import Rng, WorldModel

BACKGROUND_FRAMES = 512


@dataclass(frozen=True)
class Truth:
    """What really happened at the places of a survey.

    last, next (N, 3, H, W) uint8: before and after each single step; rewards (N,) float32 and ended (N,) bool of it.
    dreamed (D, S + 1, 3, H, W) uint8: frames from each start on, and there (D, S + 1) bool, where the episode has them;
    actions (D, S, ...), paid (D, S) float32, over (D, S) bool; objects (D, S + 1, K, 3): labels, visible only where
    drawn.
    """

    last: Tensor
    next: Tensor
    rewards: Tensor
    ended: Tensor
    dreamed: Tensor
    there: Tensor
    actions: Tensor
    objects: Tensor


@dataclass(frozen=True)
class Scan:
    """What a world made of them: single steps, and dreams (D, S, 3, H, W) uint8 from each start."""

    steps: Foretold
    dreams: Tensor


def truth_of(episodes: Sequence[EpisodeFile], survey: Survey) -> Truth:
    """Read what happened at the places."""
    longest = int(survey.lasting.max())
    dreamed, actions, objects = [], [], []
    for place, steps in zip(survey.starts, survey.lasting.tolist(), strict=True):
        episode = episodes[place.episode]
        dreamed.append(lengthened(episode.slice("frames", place.t, place.t + steps + 1), longest + 1))
        actions.append(lengthened(episode.slice("actions", place.t, place.t + steps), longest))
        objects.append(lengthened(episode.slice("objects", place.t, place.t + steps + 1), longest + 1))
    there = torch.arange(longest + 1) <= survey.lasting[:, None]
    frames, labels = torch.stack(dreamed), torch.stack(objects)
    if labels.shape[2]:
        behind = background(labelled_frames(list(episodes), BACKGROUND_FRAMES, seed=0).frames)
        seen = drawn(Labelled(frames.flatten(0, 1), labels.flatten(0, 1)), behind).objects.reshape(labels.shape)
        labels = seen * torch.stack([torch.ones_like(there), torch.ones_like(there), there], -1)[:, :, None]
    return Truth(
        at_places(episodes, survey.steps, "frames", 0),
        at_places(episodes, survey.steps, "frames", 1),
        at_places(episodes, survey.steps, "rewards", 0),
        at_places(episodes, survey.steps, "terminated", 0),
        frames,
        there,
        torch.stack(actions),
        labels,
    )


def at_places(episodes: Sequence[EpisodeFile], places: Sequence[Place], name: str, later: int) -> Tensor:
    """One entry of a tensor for every place, so many rows later: (N, ...)."""
    return torch.cat([episodes[p.episode].slice(name, p.t + later, p.t + later + 1) for p in places])


def lengthened(rows: Tensor, length: int) -> Tensor:
    """Rows (T, ...) with the last one repeated up to ``length``."""
    return torch.cat([rows, rows[-1:].expand(length - len(rows), *rows.shape[1:])])


def scan(
    world: WorldModel[Any], episodes: Sequence[EpisodeFile], survey: Survey, truth: Truth, seed: int, tick: Tick
) -> Scan:
    """Run a world over all places. Ticks once a row and step."""
    steps = foretell(world, episodes, survey, seed, tick)
    dreams = torch.empty_like(truth.dreamed[:, 1:])
    for group in batches(survey, survey.starts):
        rows, rng = [survey.starts[n] for n in group], Rng.seeded([seed + n for n in group])
        state = world.initial(context_at(episodes, rows, survey.contexts[rows[0].episode]), rng)
        dreams[group] = play_on(world, state, truth.actions[group], rng, tick).frames
    return Scan(steps, dreams)


def scan_cost(survey: Survey) -> int:
    """How often ``scan`` ticks."""
    return len(survey.steps) + len(survey.starts) * int(survey.lasting.max())


@dataclass(frozen=True)
class Found:
    """Objects in dreams and in reality by a probe's eyes.

    errors (D, S, K) float32: pixels of the dreamed object from the real one's label, infinite where it is not found;
    shown (D, S, K) bool: reality shows it; real_errors likewise of the real frames; missed (D, S, K) bool: the probe
    finds the object in the real frame, where its label says it is, and does not find it in the dream.
    """

    names: tuple[str, ...]
    errors: Tensor
    shown: Tensor
    real_errors: Tensor
    missed: Tensor


def real_sightings(probe: Probe, truth: Truth) -> Sightings:
    """What a probe reads off what really happened: (D, S, K)."""
    return probe.find(truth.dreamed[:, 1:])


def find_objects(probe: Probe, truth: Truth, real: Sightings, dreams: Tensor) -> Found:
    """Read the objects off dreams (D, S, 3, H, W), beside the probe's ``real_sightings``."""
    labels, dreamed = truth.objects[:, 1:], probe.find(dreams)
    shown = labels[..., 2] > 0
    seen = shown & (real.errors(labels) <= 3.0)
    return Found(probe.names, dreamed.errors(labels), shown, real.errors(labels), seen & ~dreamed.present)
