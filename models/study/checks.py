"""A world is held against its real game: what is seen of both becomes evidence, and the evidence names the faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.study.faults import Absence, Answer, Evidence, Fault, Outcome, action_faults, close, find_faults
from models.study.response import (
    Branched,
    Slices,
    answers,
    branch_in_steps,
    drain,
    futures_in_steps,
    held_for,
    onset,
    responses,
    stands_still,
    stirs,
)
from models.study.watched import FIRST_SEED, Happened, Scene, Watched, Watcher, context_of, longest_runs
from models.training.probe import Probe
from models.training.rollout import ROWS, WARM_UP, Dream, Tick
from models.training.stored_branches import held_actions
from models.types import ActionSpec, Context
from models.world import Rng, WorldModel

HOLD = 6
"""Steps for which actions are held."""
STRETCH = 120
"""Steps of a long dream."""
STEPS = 1000
"""Steps of a real game at most, and of all games together at least."""
STATES = 16
FEW = 6
"""States at most where the real game is played again for every branch."""
RETRIED = 12
"""Steps at which other actions are tried where each try plays the game again."""


def quiet(done: int) -> None:
    """Nobody watches."""


def rest_of(spec: ActionSpec) -> int:
    """The index of doing nothing among the held actions."""
    return spec.noop if spec.kind == "discrete" else 0


@dataclass(frozen=True)
class Effort:
    """How much is looked at: ``states`` branched, games of ``steps`` steps in all, dreams of ``stretch`` steps.

    rows: of a batch at most.
    """

    states: int = STATES
    steps: int = STEPS
    stretch: int = STRETCH
    rows: int = ROWS

    def __post_init__(self) -> None:
        for name in ("states", "steps", "stretch", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"check: got {getattr(self, name)} {name}, expected at least 1")


def check(
    world: WorldModel[Any],
    real: WorldModel[Any],
    *,
    probe: Probe | None = None,
    states: int = STATES,
    steps: int = STEPS,
    stretch: int = STRETCH,
    seed: int = 0,
    tick: Tick = quiet,
) -> tuple[Fault, ...]:
    """The faults of a world, beside its real game; none where all is right.

    Plays the real game itself, two games or more, for ``steps`` steps in all or somewhat more. Branches every action
    from ``states`` of its states, looks at single steps around its rewards and ends, dreams on for ``stretch`` steps.
    Objects are looked for where there is a probe. ``tick`` hears how many row-steps of the world were done.
    Raises ValueError where world and game differ in size or actions, or the game gives no state to branch from.
    """
    return drain(check_in_steps(world, real, Effort(states, steps, stretch), probe=probe, seed=seed, tick=tick))


def check_in_steps(
    world: WorldModel[Any],
    real: WorldModel[Any],
    effort: Effort = Effort(),
    *,
    probe: Probe | None = None,
    seed: int = 0,
    tick: Tick = quiet,
) -> Slices[tuple[Fault, ...]]:
    """``check``, pausing after every step of either."""
    check_pair(world, real)
    truth = yield from truth_in_steps(real, world.spec.context + WARM_UP, effort, probe=probe, seed=seed)
    evidence = yield from evidence_in_steps(world, truth, seed=seed, tick=tick, rows=effort.rows)
    return find_faults(evidence)


def check_pair(world: WorldModel[Any], real: WorldModel[Any]) -> None:
    """Raises ValueError where the two cannot be held against each other."""
    ours, theirs = ((s.height, s.width, s.actions.names, s.actions.kind) for s in (world.spec, real.spec))
    if ours != theirs:
        raise ValueError(f"check: got the real game with {theirs}, expected the world's size and actions {ours}")


@dataclass(frozen=True, eq=False)
class Truth:
    """What was seen of a real game: enough for any number of worlds to be held against it.

    length: frames of a context. scenes: states from which the actions lead to different frames, and what each action
    leads to there. held: the actions (A, ...).
    """

    real: WorldModel[Any]
    length: int
    watched: Watched
    scenes: list[Scene]
    branches: list[Branched]
    held: Tensor
    probe: Probe | None


def truth_in_steps(
    real: WorldModel[Any], length: int, effort: Effort, *, probe: Probe | None = None, seed: int = 0
) -> Slices[Truth]:
    """Play a real game and branch it, pausing after every step. Contexts are of ``length`` frames."""
    watcher = Watcher(real, length, effort.stretch, probe, seed)
    watched = yield from watcher.watch(effort.steps, FIRST_SEED + 65_537 * seed)
    held, names = held_actions(real.spec.actions)
    rest, kept = rest_of(real.spec.actions), list[tuple[Scene, Branched]]()
    count = min(effort.states, FEW) if getattr(real, "alone", False) else effort.states
    for index in np.random.default_rng(seed).permutation(len(watched.scenes)).tolist():
        if len(kept) == count:
            break
        scene = watched.scenes[index]
        branch = yield from branch_in_steps(real, scene.state, scene.actions[-1][None], held, names, rest, HOLD)
        if any(onset(response) is not None for response in responses(branch.told[:, :-1], rest)):
            kept.append((scene, branch))
    if not kept:
        raise ValueError(f"check: got no state of {real.spec.name} from which actions differ, expected some")
    return Truth(real, length, watched, [scene for scene, _ in kept], [branch for _, branch in kept], held, probe)


def evidence_in_steps(
    world: WorldModel[Any], truth: Truth, *, seed: int = 0, tick: Tick = quiet, rows: int = ROWS
) -> Slices[Evidence]:
    """What a world makes of it, pausing after every step of a batch of at most so many rows."""
    dreams = Dreams(world, seed, rows, tick)
    check_pair(world, truth.real)
    if truth.length < world.spec.context:
        raise ValueError(f"check: got contexts of {truth.length} frames, expected {world.spec.context} or more")
    stills, replies = yield from branched(dreams, truth)
    outcomes = yield from single_steps(dreams, truth.watched.steps)
    if action_faults(replies) is not None:
        outcomes = yield from hanging(truth.real, truth.watched.steps, outcomes, truth.held)
    standing, absences = yield from lasting(dreams, truth)
    watched = truth.watched
    return Evidence(stills, replies, outcomes, watched.usual, standing, absences, watched.rate)


@dataclass(frozen=True, eq=False)
class Dreams:
    """A world that is dreamed in, its seeds from ``seed`` on, in batches of at most ``rows``."""

    world: WorldModel[Any]
    seed: int
    rows: int
    tick: Tick

    @torch.no_grad()
    def dream(self, context: Context, actions: Tensor, seeds: Sequence[int]) -> Slices[Dream]:
        """Dreams from contexts under actions (N, T, ...), pausing after every step."""
        parts = []
        for start in range(0, len(actions), self.rows):
            rows = slice(start, start + self.rows)
            state = self.world.initial(Context(context.frames[rows], context.actions[rows]), Rng.seeded(seeds[rows]))
            yield
            parts.append((yield from futures_in_steps(self.world, state, actions[rows], seeds[rows])))
            self.tick(actions[rows].shape[0] * actions.shape[1])
        return Dream(*(torch.cat([getattr(p, name) for p in parts]) for name in ("frames", "rewards", "terminated")))

    def seeds(self, count: int) -> range:
        """One seed a row."""
        return range(self.seed, self.seed + count)


def branched(dreams: Dreams, truth: Truth) -> Slices[tuple[list[bool], list[Answer]]]:
    """Whether the dream stands still where reality moves whatever is done, and its answers to the actions."""
    count, stills, replies = len(truth.held), list[bool](), list[Answer]()
    for number, (scene, real) in enumerate(zip(truth.scenes, truth.branches, strict=True)):
        context = context_of([scene] * count)
        seeds = [dreams.seed + number] * count
        dream = yield from dreams.dream(context, held_for(truth.held, HOLD), seeds)
        still = stands_still(scene.frames[-1], dream.frames, real)
        stills += [] if still is None else [still]
        replies += answers(scene.frames[-1], dream.frames, real)
    return stills, replies


def single_steps(dreams: Dreams, steps: Sequence[Happened]) -> Slices[list[Outcome]]:
    """What the world foretells of single steps, from real frames."""
    if not steps:
        return []
    context = context_of([step.scene for step in steps])
    actions = torch.stack([step.action for step in steps])[:, None].to(dreams.world.spec.actions.dtype)
    said = yield from dreams.dream(context, actions, dreams.seeds(len(steps)))
    rows = zip(steps, said.rewards[:, 0].tolist(), said.terminated[:, 0].tolist(), strict=True)
    return [Outcome(step.paid, reward, step.ended, ended) for step, reward, ended in rows]


def hanging(
    real: WorldModel[Any], steps: Sequence[Happened], outcomes: Sequence[Outcome], held: Tensor
) -> Slices[list[Outcome]]:
    """The same, with what hangs on the action found out: every other one is tried in the real game where it was wrong.

    What could not be tried counts as hanging on it.
    """
    tries, out = RETRIED if getattr(real, "alone", False) else len(steps), []
    for step, outcome in zip(steps, outcomes, strict=True):
        wrong = not close(outcome.paid, outcome.said) or outcome.ended != outcome.said_ended
        if not wrong:
            out.append(outcome)
            continue
        if tries <= 0:
            out.append(replace(outcome, hangs=True))
            continue
        tries -= 1
        others = yield from futures_in_steps(real, step.scene.state, held_for(held, 1), [0] * len(held))
        same = all(close(paid, step.paid) for paid in others.rewards[:, 0].tolist())
        same &= bool((others.terminated[:, 0] == step.ended).all())
        out.append(replace(outcome, hangs=not same))
    return out


def lasting(dreams: Dreams, truth: Truth) -> Slices[tuple[Absence, list[Absence]]]:
    """For how long the dreams stand still and are without each object, beside the longest times of reality."""
    stretches, watched, probe = truth.watched.stretches, truth.watched, truth.probe
    if not stretches:
        return Absence("", (), 0), []
    lengths = [len(stretch.actions) for stretch in stretches]
    actions = torch.stack([padded(stretch.actions, max(lengths), dreams.world.spec.actions) for stretch in stretches])
    context = context_of([stretch.scene for stretch in stretches])
    dream = yield from dreams.dream(context, actions, dreams.seeds(len(stretches)))
    lengths = [ended_at(ends, length) for ends, length in zip(dream.terminated, lengths, strict=True)]
    moved = torch.stack([stirs(s.scene.frames[-1], frames) for s, frames in zip(stretches, dream.frames, strict=True)])
    standing = Absence("", tuple(longest_runs(~moved, lengths)), watched.standing)
    absences = []
    if probe is not None:
        present = []
        for frames in dream.frames:
            present.append(probe.find(frames).present)
            yield
        for k, name in enumerate(probe.names):
            gone = ~torch.stack(present)[..., k]
            absences.append(Absence(name, tuple(longest_runs(gone, lengths)), watched.gone[k]))
    return standing, absences


def padded(actions: Tensor, steps: int, spec: ActionSpec) -> Tensor:
    """Actions (n, ...) and as many no-ops as make them (steps, ...)."""
    return torch.cat([actions.to(spec.dtype), spec.noops(steps - len(actions))])


def ended_at(ends: Tensor, length: int) -> int:
    """The steps of a dream, at most ``length``, up to the first one (T,) bool that it ends at."""
    first = ends[:length].nonzero()
    return int(first[0]) + 1 if len(first) else length
