"""Windows of observations for recurrent models: what was seen at each step, what arrived with it, what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile


@dataclass(frozen=True)
class Sequences:
    """Windows of episodes, each within one.

    frames (B, L, 3, H, W) uint8; actions (B, L) int64 or (B, L, n) float32, taken at each frame (zero at an episode's
    last frame, where none is); rewards (B, L) float32, terminated (B, L) bool: those that arrived with each frame;
    is_first, is_last (B, L) bool: the first and the last frame of the episode; before (B) or (B, n): the action that
    led to the first frame of the window, zero at an episode's begin.
    """

    frames: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor
    is_first: Tensor
    is_last: Tensor
    before: Tensor


def read_sequence(episode: EpisodeFile, start: int, length: int) -> Sequences:
    """The window of frames start .. start + length of one episode (batch 1).

    Raises ValueError when it reaches beyond the episode's frames.
    """
    steps = len(episode)
    if start < 0 or start + length > steps + 1 or length < 1:
        raise ValueError(f"sequence: got frames {start} .. {start + length} of an episode of {steps + 1}")
    stop = start + length
    taken = episode.slice("actions", max(start - 1, 0), min(stop, steps))
    zero = torch.zeros((1, *taken.shape[1:]), dtype=taken.dtype)
    taken = torch.cat([*([zero] if start == 0 else []), taken, *([zero] if stop > steps else [])])
    arrived = []
    for name in ("rewards", "terminated"):
        rows = episode.slice(name, max(start - 1, 0), stop - 1)
        arrived.append(torch.cat([torch.zeros(1, dtype=rows.dtype), rows]) if start == 0 else rows)
    at = torch.arange(start, stop)
    return Sequences(
        frames=episode.slice("frames", start, stop)[None],
        actions=taken[None, 1:],
        rewards=arrived[0][None],
        terminated=arrived[1][None],
        is_first=(at == 0)[None],
        is_last=(at == steps)[None],
        before=taken[:1],
    )


def cat_sequences(parts: Sequence[Sequences]) -> Sequences:
    return Sequences(**{f.name: torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Sequences)})


class SequenceSampler:
    """Endless batches of windows (episode, first frame), seeded; its randomness can be stored.

    Windows are drawn evenly over all that fit. ``end_share`` of a batch's rows are windows that end with an episode,
    ``event_share`` hold one of the given events, as (episode, frame), at an even place.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch: int,
        length: int,
        *,
        seed: int,
        end_share: float = 0.0,
        events: Sequence[tuple[int, int]] = (),
        event_share: float = 0.0,
    ) -> None:
        self.room = np.asarray([max(0, steps + 2 - length) for steps in lengths])
        if not self.room.any():
            raise ValueError(f"sequences: got no episode of {length} frames (longest {max(lengths) + 1}); collect more")
        self.batch, self.length = batch, length
        self.random = np.random.RandomState(seed)
        self.probs = self.room / self.room.sum()
        self.end_rows = round(batch * end_share)
        self.events = [(e, f) for e, f in events if self.room[e]]
        self.event_rows = round(batch * event_share) if self.events else 0

    def draw(self) -> list[tuple[int, int]]:
        """The next batch."""
        episodes = self.random.choice(len(self.room), size=self.batch, p=self.probs)
        starts = self.random.randint(0, self.room[episodes])
        for row in range(self.end_rows):
            starts[row] = self.room[episodes[row]] - 1
        for row in range(self.end_rows, min(self.batch, self.end_rows + self.event_rows)):
            episode, frame = self.events[self.random.randint(len(self.events))]
            start = frame - self.random.randint(self.length)
            episodes[row], starts[row] = episode, min(max(start, 0), self.room[episode] - 1)
        return [(int(e), int(s)) for e, s in zip(episodes, starts, strict=True)]

    def state(self) -> dict:
        """The generator's state, as JSON values."""
        inner = self.random.get_state(legacy=False)["state"]
        return {"keys": inner["key"].tolist(), "position": int(inner["pos"])}

    def restore(self, state: dict) -> None:
        self.random.set_state(("MT19937", np.asarray(state["keys"], np.uint32), state["position"], 0, 0.0))
