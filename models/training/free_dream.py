"""Free dreams: many steps without reality, to see that nothing vanishes, beside the real game played the same way."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.envs.real_world import RealState
from models.training.branches import Branches
from models.training.probe import Probe, Sightings
from models.training.rollout import Tick
from models.types import Context
from models.world import Rng, WorldModel

STEPS = 300
DREAMS = 16
RESPONSE = 2
"""Steps an action is held until its effect on the own object is read off."""
SLACK = 1.2
"""Pixels within which a follower rests."""


def action_effects(episodes: Sequence[EpisodeFile], own: int, actions: int) -> Tensor:
    """How far the own object moves, on average, when an action is held for RESPONSE steps: (A, 2) of y, x in pixels."""
    sums, counts = torch.zeros(actions, 2), torch.zeros(actions)
    for episode in episodes:
        taken = episode.slice("actions", 0, len(episode))
        place = episode.slice("objects", 0, len(episode) + 1)[:, own]
        held = torch.stack([taken[k : len(taken) - RESPONSE + 1 + k] for k in range(RESPONSE)])
        same = (held == held[0]).all(0)
        moved = place[RESPONSE:, :2] - place[:-RESPONSE, :2]
        both = (place[RESPONSE:, 2] > 0) & (place[:-RESPONSE, 2] > 0) & same
        sums.index_add_(0, held[0][both], moved[both])
        counts += torch.bincount(held[0][both], minlength=actions)
    return sums / counts.clamp(min=1)[:, None]


class Follower:
    """Plays by the probe's eyes: moves the own object to the target's height or column, whichever its actions reach.

    It aims with an error drawn anew every so often. Without a target in the game it holds random actions for a while.
    """

    def __init__(self, effects: Tensor, own: int, target: int | None, rows: int, seed: int) -> None:
        self.effects, self.own, self.target = effects, own, target
        self.random = np.random.default_rng(seed)
        self.aim = np.zeros(rows)
        self.held = self.random.integers(len(effects), size=rows)

    @property
    def description(self) -> str:
        return "random actions held for a while" if self.target is None else "a player that follows the ball"

    def act(self, seen: Sightings) -> Tensor:
        """Actions (B,) int64 for what is seen, places (B, K, 2)."""
        anew = self.random.random(len(self.held)) < 0.2
        self.held = np.where(anew, self.random.integers(len(self.effects), size=len(self.held)), self.held)
        if self.target is None:
            return torch.from_numpy(self.held)
        redrawn = self.random.random(len(self.aim)) < 0.08
        self.aim = np.where(redrawn, self.random.normal(0, 0.7, len(self.aim)), self.aim)
        axis = int(self.effects.abs().amax(0).argmax())
        wanted = seen.places[:, self.target, axis] - seen.places[:, self.own, axis] + torch.from_numpy(self.aim).float()
        known = seen.present[:, self.target] & seen.present[:, self.own]
        wanted = torch.where(known & (wanted.abs() > SLACK), wanted, 0.0)
        gap = (self.effects[:, axis] - wanted[:, None]).abs()
        gap[wanted == 0] = self.effects[:, axis].abs()
        return gap.argmin(1)


def play_freely(
    world: WorldModel[Any], state: Any, first: Tensor, probe: Probe, player: Follower, rng: Rng, steps: int, tick: Tick
) -> tuple[Tensor, Tensor]:
    """Play on by what the world shows: present (B, T, K) bool and rewards (B, T). A predicted end does not stop it."""
    seen, present, rewards = probe.find(first), [], []
    for _ in range(steps):
        state, prediction = world.step(state, player.act(seen), rng)
        seen = probe.find(prediction.frame.cpu())
        present.append(seen.present)
        rewards.append(prediction.reward.cpu())
        tick(len(first))
    return torch.stack(present, dim=1), torch.stack(rewards, dim=1)


def longest_gaps(present: Tensor) -> list[int]:
    """The longest run of steps in which something is not seen, one number a row of (B, T) bool."""
    runs = ([len(list(run)) for there, run in groupby(row) if not there] for row in present.tolist())
    return [max(lengths, default=0) for lengths in runs]


def measure_free_dreams(
    world: WorldModel[Any],
    real: WorldModel[Any],
    starts: Branches,
    probe: Probe,
    player: tuple[Tensor, int, int | None],
    seed: int,
    tick: Tick,
    steps: int = STEPS,
) -> dict[str, Any]:
    """The part ``free_dream``: what the probe sees in dreams and in the real game, from the same states, same player.

    player: the actions' effects, and the indices of the own object and of its target. An object has vanished from a
    dream when it is not seen for longer than ever in the real game.
    """
    rows = min(DREAMS, len(starts.futures))
    first = starts.context.frames[:rows, -1]
    dreams, truth = (Follower(*player, rows, seed) for _ in range(2))
    rng = Rng.seeded(range(seed, seed + rows))
    state = world.initial(Context(starts.context.frames[:rows], starts.context.actions[:rows]), rng)
    present, rewards = play_freely(world, state, first, probe, dreams, rng, steps, tick)
    assert starts.states is not None
    begun = RealState(starts.states.emulator[:rows], starts.states.screen[:rows])
    real_present, real_rewards = play_freely(real, begun, first, probe, truth, rng, steps, lambda n: None)
    out = {}
    for k, name in enumerate(probe.names):
        gaps, real_gaps = longest_gaps(present[..., k]), longest_gaps(real_present[..., k])
        out[name] = {
            "share": float(present[..., k].float().mean()),
            "real_share": float(real_present[..., k].float().mean()),
            "longest_gap": max(gaps),
            "real_longest_gap": max(real_gaps),
            "vanished": sum(gap > max(real_gaps) for gap in gaps),
        }
    points = {"dream": counts(rewards), "real": counts(real_rewards)}
    return {"dreams": rows, "steps": steps, "player": dreams.description, "by_object": out, "points": points}


def counts(rewards: Tensor) -> dict[str, int]:
    return {"won": int((rewards > 0).sum()), "lost": int((rewards < 0).sum())}
