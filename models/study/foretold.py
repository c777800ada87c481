"""What a world foretells of a step, with the reward it expects before that is made a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.data.episode import EpisodeFile
from models.diamond.world import DiamondState, DiamondWorld
from models.nn.pixels import to_float
from models.study.places import Survey, batches
from models.training.rollout import Tick, after, context_at
from models.types import WorldSpec
from models.world import Rng, WorldModel

FINE = 1e-4
"""A reward_unit so small that nothing is rounded away."""
SIGN = WorldSpec.reward


@dataclass(frozen=True)
class Foretold:
    """Of N steps: frames (N, 3, H, W) uint8; rewards (N,) float32 as in play; expected (N,) float32; ended (N,) bool.

    ``expected`` is the mean of what the world thinks may be paid, where its family tells, else the reward.
    """

    frames: Tensor
    rewards: Tensor
    expected: Tensor
    ended: Tensor


def foretell(
    world: WorldModel[Any], episodes: Sequence[EpisodeFile], survey: Survey, seed: int, tick: Tick = lambda n: None
) -> Foretold:
    """One step from the real frames up to each single step of a survey, under the action really taken.

    Row n draws from seed + n, whatever the batches are.
    """
    parts: list[Foretold] = []
    groups = batches(survey, survey.steps)
    for group in groups:
        rows, rng = [survey.steps[n] for n in group], Rng.seeded([seed + n for n in group])
        state = world.initial(context_at(episodes, rows, survey.contexts[rows[0].episode]), rng)
        parts.append(one_step(world, state, after(episodes, rows, "actions", 1)[:, 0], rng))
        tick(len(rows))
    order = torch.tensor([n for group in groups for n in group]).argsort()
    names = ("frames", "rewards", "expected", "ended")
    return Foretold(*(torch.cat([getattr(part, name) for part in parts])[order] for name in names))


def one_step(world: WorldModel[Any], state: Any, action: Tensor, rng: Rng) -> Foretold:
    """Of a batch of states. The frame, the reward and the end are those of ``world.step``."""
    unit = getattr(world.settings, "reward_unit", None)
    fine = world if unit is None else world.with_settings(reward_unit=min(unit, FINE))
    _, seen = fine.step(state, action, rng)
    expected = seen.reward
    if isinstance(world, DiamondWorld):
        expected = expected_sign(world, state, action, seen.frame)
    rewards = seen.reward if unit is None else (seen.reward / unit).round() * unit
    return Foretold(seen.frame.cpu(), rewards.cpu(), expected.cpu(), seen.terminated.cpu())


@torch.no_grad()
def expected_sign(world: DiamondWorld, state: DiamondState, action: Tensor, frame: Tensor) -> Tensor:
    """The mean sign of the reward (B,) float32 that DIAMOND's head expects of a step that led to ``frame``."""
    head = world.networks()[1]
    before, reached = to_float(state.frames[:, -1:]), to_float(frame.to(world.device)[:, None])
    with world.arithmetic():
        logits, _, _ = head(before, action.to(world.device)[:, None], reached, (state.hidden[None], state.cell[None]))
    chances = logits[:, 0].float().softmax(-1)
    return (chances[:, 2] - chances[:, 0]).cpu()


def paid(world: WorldModel[Any], rewards: Tensor) -> Tensor:
    """Rewards of the game (N,) as the world means them: their signs, or as they are."""
    return rewards.sign() if world.spec.reward == SIGN else rewards
