"""What a report needs the real game for: the real futures of actions, and the named faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.data.episode import EpisodeFile
from models.envs.real_world import RealWorld
from models.envs.replayed_world import ReplayedWorld
from models.study.actions import Futures, real_futures, stored_futures
from models.study.checks import HOLD, Effort, Truth, evidence_in_steps, truth_in_steps
from models.study.faults import Fault, find_faults
from models.study.foretold import SIGN
from models.study.response import drain
from models.training.evaluate import REPLAYED
from models.training.probe import Probe
from models.training.rollout import Tick
from models.types import WorldSpec
from models.world import WorldModel

GAMES, STATES = 8, 4
"""Games that action accuracy is measured in, and states of each; where a game is played again from its seed, one."""
Begin = Callable[[str, int], Tick]
"""Begins a progress bar of a name and a total; what it gives hears of each step done."""


def playable(meta: dict[str, Any]) -> bool:
    """Whether the game of an episode's settings can be taken back to a state, or played again from its seed."""
    return meta.get("env") == "atari" or meta.get("env") in REPLAYED


def real_game(meta: dict[str, Any], spec: WorldSpec) -> WorldModel[Any]:
    """The real game of an episode's settings, with rewards as a world of this spec means them."""
    if meta.get("env") == "atari":
        return RealWorld(meta["game"], spec.height, spec.context)
    return ReplayedWorld(meta["game"], spec.height, spec.context, signed=spec.reward == SIGN, like=spec)


def futures_of(
    spec: WorldSpec,
    episodes: Sequence[EpisodeFile],
    context: int,
    seed: int,
    taken: frozenset[int],
    begin: Begin,
) -> Futures:
    """Real futures of every action, from games that are played for it or from the stored ones."""
    meta = episodes[0].header.meta
    if meta.get("env") != "atari":
        return stored_futures(episodes, GAMES, context, seed, begin("real futures", GAMES))
    real = RealWorld(meta["game"], spec.height, spec.context)
    return real_futures(real, GAMES, STATES, context, seed, taken, begin("real futures", GAMES * STATES))


@dataclass
class FaultFinder:
    """Finds the named faults of worlds beside one real game, which is played once for all worlds whose rewards mean
    the same.

    meta: the settings of the game; length: frames of a context.
    """

    meta: dict[str, Any]
    length: int
    probe: Probe | None
    seed: int
    effort: Effort = Effort()
    truths: dict[str, Truth] = field(default_factory=dict)

    def close(self) -> None:
        """Close the games that were opened."""
        for truth in self.truths.values():
            getattr(truth.real, "close", lambda: None)()

    def find(self, world: WorldModel[Any], name: str, begin: Begin) -> tuple[Fault, ...]:
        """Raises ValueError where the game gives no state to branch from."""
        kind = "" if self.meta.get("env") == "atari" else world.spec.reward
        if kind not in self.truths:
            tick, real = begin("real game", 1), real_game(self.meta, world.spec)
            found = truth_in_steps(real, self.length, self.effort, probe=self.probe, seed=self.seed)
            self.truths[kind] = drain(found)
            tick(1)
        truth = self.truths[kind]
        tick = begin(f"faults {name}", cost(truth))
        return find_faults(drain(evidence_in_steps(world, truth, seed=self.seed, tick=tick)))


def cost(truth: Truth) -> int:
    """Row-steps that a world is dreamed for when it is held against what was seen of a real game."""
    stretches = truth.watched.stretches
    longest = max((len(s.actions) for s in stretches), default=0)
    return len(truth.scenes) * len(truth.held) * HOLD + len(truth.watched.steps) + len(stretches) * longest
