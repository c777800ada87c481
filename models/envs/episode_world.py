"""An episode that was recorded, behind the WorldModel contract: what happened, whatever is done now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.envs.real_world import RealSettings
from models.types import Context, Prediction, WorldSpec
from models.world import Rng


@dataclass(frozen=True)
class EpisodeState:
    """index (B,) int64: which of the episode's frames is shown; screen (B, 3, H, W) uint8: that frame."""

    index: Tensor
    screen: Tensor


class EpisodeWorld:
    """An episode: frames (T + 1, 3, H, W) uint8, actions (T, ...), rewards (T,) float32, raw.

    ``initial`` shows the last of its first ``length`` frames. A step shows the next stored frame and what was paid for
    it (its sign, where ``like`` is of signed rewards), whatever the action; ``played`` are the actions that led there,
    one for every step from the start on. Where nothing is stored any more it stays, terminated, with reward 0.
    ``alone``: an episode is one session's. path: the file it came from, where it did. cut: the recording stops where
    the game had not ended. Raises ValueError where the episode does not fit the spec, or is too short.
    """

    alone = True

    def __init__(
        self,
        frames: Tensor,
        actions: Tensor,
        rewards: Tensor,
        like: WorldSpec,
        length: int,
        path: Path | None = None,
        cut: bool = False,
    ) -> None:
        spec = replace(
            like, name=f"{like.name} (episode)", family="real", context=length, termination="the game is over"
        )
        want = (len(actions) + 1, 3, spec.height, spec.width)
        if tuple(frames.shape) != want or frames.dtype != torch.uint8:
            raise ValueError(f"episode frames: got {tuple(frames.shape)} {frames.dtype}, expected {want} torch.uint8")
        if len(actions) <= length:
            raise ValueError(
                f"episode: got {len(actions)} steps, expected more than {length}: the context alone is that"
            )
        spec.actions.check(actions, len(actions))
        self.frames, self.actions, self.spec, self.settings = frames, actions, spec, RealSettings()
        self.path, self.cut = path, cut
        self.rewards = rewards.sign() if like.reward == WorldSpec.reward else rewards

    @property
    def first(self) -> int:
        """Index of the frame that is shown at the start."""
        return self.spec.context - 1

    @property
    def played(self) -> list[int | tuple[float, ...]]:
        """The recorded actions from the start on, as a controller takes them."""
        rows = self.actions[self.first :].tolist()
        return rows if self.actions.ndim == 1 else [tuple(row) for row in rows]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits that name this episode: of its frames, actions and rewards."""
        data = hashlib.sha256()
        for tensor in (self.frames, self.actions, self.rewards):
            data.update(tensor.contiguous().numpy().tobytes())
        return data.hexdigest()[:16]

    def with_settings(self, **changes: Any) -> EpisodeWorld:
        if changes:
            raise ValueError(f"settings: got {sorted(changes)}, expected none: an episode has no settings")
        return self

    def initial(self, context: Context, rng: Rng) -> EpisodeState:
        """The beginning of the episode; the context tells nothing."""
        index = torch.full((len(rng),), self.first)
        return EpisodeState(index, self.frames[index].clone())

    def past(self, state: EpisodeState, length: int) -> Context:
        """The last ``length`` frames up to a state, and what was done at them. Raises ValueError: there are fewer."""
        if length > int(state.index.min()) + 1:
            raise ValueError(f"past: got {length} frames asked for, expected at most {int(state.index.min()) + 1}")
        back = torch.arange(1 - length, 1)
        rows = state.index[:, None] + back
        return Context(self.frames[rows], self.actions[rows[:, :-1]])

    def step(
        self, state: EpisodeState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[EpisodeState, Prediction]:
        self.spec.actions.check(action, len(state.index))
        last = len(self.actions)
        index = (state.index + 1).clamp(max=last)
        paid = torch.where(state.index < last, self.rewards[state.index.clamp(max=last - 1)], 0.0)
        after = EpisodeState(index, self.frames[index].clone())
        over = index == last
        return after, Prediction(after.screen.clone(), paid.float(), over, cut=over & self.cut)

    def frame(self, state: EpisodeState) -> Tensor:
        return state.screen

    def edit(self, state: EpisodeState, name: str, value: Tensor) -> EpisodeState:
        raise ValueError(f"edit: got view {name!r}, but an episode cannot be edited")
