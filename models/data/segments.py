"""Segments of episodes for training: seeded draws, padding that is masked, never across an episode's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile

WEIGHTS = (0.1, 0.1, 0.1, 0.7)
"""DIAMOND's preference for recent experience: shares of four blocks of episodes, oldest first."""


@dataclass(frozen=True)
class SegmentId:
    """Steps start .. stop of an episode; they may reach beyond it on both sides."""

    episode: int
    start: int
    stop: int


@dataclass(frozen=True)
class Segments:
    """A batch of segments. Outside the episode everything is zero and mask is False.

    frames (B, T, 3, H, W) uint8; actions (B, T) int64 or (B, T, n) float32; rewards (B, T) float32; terminated,
    truncated, mask (B, T) bool;
    final_frames (B, 3, H, W) uint8: the frame after the episode's last step where that step is inside, else zeros.
    """

    frames: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    mask: Tensor
    final_frames: Tensor


def read_segment(episode: EpisodeFile, start: int, stop: int) -> Segments:
    """One segment (batch 1) of an episode, padded where it reaches beyond it."""
    length, lo, hi = len(episode), max(0, start), min(len(episode), stop)
    if lo >= hi:
        raise ValueError(f"segment: got steps {start} .. {stop} of an episode of {length}, expected an overlap")
    inside = slice(lo - start, hi - start)
    out = {}
    for name in ("frames", "actions", "rewards", "terminated", "truncated"):
        rows = episode.slice(name, lo, hi)
        padded = torch.zeros((1, stop - start, *rows.shape[1:]), dtype=rows.dtype)
        padded[0, inside] = rows
        out[name] = padded
    mask = torch.zeros((1, stop - start), dtype=torch.bool)
    mask[0, inside] = True
    final = torch.zeros((1, *episode.header.shape), dtype=torch.uint8)
    if hi == length:
        final[0] = episode.slice("frames", length, length + 1)[0]
    return Segments(**out, mask=mask, final_frames=final)


def cat_segments(segments: Sequence[Segments]) -> Segments:
    return Segments(**{f.name: torch.cat([getattr(s, f.name) for s in segments]) for f in fields(Segments)})


def find_events(episodes: Sequence[EpisodeFile]) -> list[list[tuple[int, int]]]:
    """Rare events by kind, as (episode, step): negative rewards, positive rewards, terminations."""
    kinds: list[list[tuple[int, int]]] = [[], [], []]
    for number, episode in enumerate(episodes):
        rewards, ends = (episode.slice(name, 0, len(episode)) for name in ("rewards", "terminated"))
        for kind, happens in zip(kinds, (rewards < 0, rewards > 0, ends), strict=True):
            kind.extend((number, step) for step in happens.nonzero()[:, 0].tolist())
    return kinds


class SegmentSampler:
    """Endless batches of segments under an explicit generator whose state can be stored.

    Without weights an episode is drawn in proportion to its length; with DIAMOND's, in four blocks from old to new.
    Then a step is drawn evenly inside it. ``beyond_end`` False: the segment ends at or after that step inside the
    episode (only left padding); True: it may reach beyond both ends.

    events: kinds of rare events, each a list of (episode, step). ``event_share`` of a batch's rows then take as their
    step an event, its kind drawn evenly among those that occur.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch: int,
        steps: int,
        *,
        seed: int,
        weights: Sequence[float] | None = None,
        beyond_end: bool = False,
        events: Sequence[Sequence[tuple[int, int]]] = (),
        event_share: float = 0.0,
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.batch, self.steps, self.beyond_end = batch, steps, beyond_end
        self.random = np.random.RandomState(seed)
        self.probs = self.lengths / self.lengths.sum()
        if weights is not None and len(lengths) >= len(weights):
            block = len(lengths) // len(weights)
            sizes = [block] * (len(weights) - 1) + [len(lengths) - block * (len(weights) - 1)]
            shares = zip(weights, sizes, strict=True)
            self.probs = np.concatenate([np.full(size, weight / size) for weight, size in shares])
            self.probs /= self.probs.sum()
        self.events = [np.asarray(kind) for kind in events if len(kind)]
        self.event_rows = round(batch * event_share) if self.events else 0

    def draw(self) -> list[SegmentId]:
        """The next batch: episodes, then steps, then offsets."""
        episodes = self.random.choice(len(self.lengths), size=self.batch, replace=True, p=self.probs)
        steps = self.random.randint(low=0, high=self.lengths[episodes])
        for row in range(self.event_rows):
            kind = self.events[self.random.randint(len(self.events))]
            episodes[row], steps[row] = kind[self.random.randint(len(kind))]
        offsets = self.random.randint(0, self.steps, len(episodes))
        if self.beyond_end:
            starts = steps - offsets
            stops = starts + self.steps
        else:
            stops = np.minimum(self.lengths[episodes], steps + 1 + offsets)
            starts = stops - self.steps
        rows = zip(episodes, starts, stops, strict=True)
        return [SegmentId(int(e), int(a), int(b)) for e, a, b in rows]

    def state(self) -> dict:
        """The generator's state, as JSON values."""
        state = self.random.get_state(legacy=False)
        inner = state["state"]
        return {"keys": inner["key"].tolist(), "position": int(inner["pos"])}

    def restore(self, state: dict) -> None:
        self.random.set_state(("MT19937", np.asarray(state["keys"], np.uint32), state["position"], 0, 0.0))
