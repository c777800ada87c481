"""Real play, watched: what is kept of it to hold a world against."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.envs.experts import NO_MEMORY, SCRIPTS, Player, Wanderer
from models.study.faults import close
from models.study.response import Slices, stirs
from models.training.probe import Probe
from models.types import Context
from models.world import Rng, WorldModel

FIRST_SEED = 3 << 29
"""Games are seeded from here on: `reverie collect` counts up from 0, `reverie eval` from 1 << 30."""
GAMES = 8
"""Games played at most."""
WAIT = (12, 48)
"""Steps between two scenes of a game."""
EVENTS, OTHERS = 8, 16
"""Steps of a game kept of each kind: paid, punished, ended; and all else."""
BESIDE = 2
"""Steps so near to an event are kept too."""
STRETCHES, SHORT = 8, 16
"""Stretches kept, and the steps that one must have."""
CHARGED, LONG = 0.7, 80
"""A reward that is paid at such a share of at least so many steps is a fee, and says nothing."""
EVERY = 64
"""Frames are given to the probe so many at a time."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A real moment: the frames (3, H, W) uint8 up to it, the actions between them, the game's state (batch 1)."""

    frames: tuple[Tensor, ...]
    actions: tuple[Tensor, ...]
    state: Any


@dataclass(frozen=True, eq=False)
class Happened:
    """A step: where it was taken, the action (), or (n,), what was paid for it, and whether it ended the game."""

    scene: Scene
    action: Tensor
    paid: float
    ended: bool


@dataclass(frozen=True, eq=False)
class Stretch:
    """A scene and the actions (n, ...) that followed."""

    scene: Scene
    actions: Tensor


@dataclass
class Watched:
    """What was kept of several games.

    usual: the reward that says nothing; rate: the share of steps at which another was paid. standing: the most steps in
    a row in which nothing moved; gone: in which each object of the probe was not seen. seeds: of the games.
    """

    scenes: list[Scene] = field(default_factory=list)
    steps: list[Happened] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    usual: float = 0.0
    rate: float = 1.0
    standing: int = 0
    gone: list[int] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)


def context_of(scenes: Sequence[Scene]) -> Context:
    """The contexts of scenes, one a row."""
    frames = torch.stack([torch.stack(scene.frames) for scene in scenes])
    return Context(frames, torch.stack([torch.stack(scene.actions) for scene in scenes]))


Act = Callable[[Any], Tensor]
"""Says what to do in a state (batch 1) of a real game: (), or (n,)."""


def has_expert(real: Any) -> bool:
    """Whether someone plays the game better than chance does."""
    return getattr(getattr(real, "env", None), "game", "") in SCRIPTS or getattr(real, "game", "") == "car_racing"


def player_of(real: Any, game: int, random: np.random.Generator) -> Act:
    """Who plays a game: chance that holds its actions for a while; every other game the expert, if there is one."""
    spec = real.spec.actions
    if game % 2 and has_expert(real):
        return driver_of(real, random) if hasattr(real, "seat_at") else script_of(real, random)
    if spec.kind != "discrete":
        wanderer = Wanderer("sticky", spec, random)
        return lambda state: torch.from_numpy(wanderer.act())
    player = Player("sticky", "", spec.names, random)
    return lambda state: torch.tensor(player.act(NO_MEMORY))


def script_of(real: Any, random: np.random.Generator) -> Act:
    """The expert that reads the console's memory."""
    player = Player("expert", real.env.game, real.spec.actions.names, random)

    def act(state: Any) -> Tensor:
        real.restore(state)
        return torch.tensor(player.act(real.env.ram()))

    return act


def driver_of(real: Any, random: np.random.Generator) -> Act:
    """The expert that knows the track."""
    from models.envs.driver import Driver

    drivers: list[Driver] = []

    def act(state: Any) -> Tensor:
        past = state.actions[0, : int(state.length[0])].numpy().tobytes()
        env = real.seat_at(int(state.seed[0]), past).env
        if not drivers:
            drivers.append(Driver(env, random))
        drivers[0].env = env
        return torch.from_numpy(drivers[0].act())

    return act


class Runs:
    """How long something has been so, and how long it ever was: K things at once."""

    def __init__(self, count: int) -> None:
        self.now, self.longest = np.zeros(count, int), np.zeros(count, int)

    def add(self, so: Tensor) -> None:
        """so (T, K) bool: of the next T steps."""
        for row in so.numpy():
            self.now = np.where(row, self.now + 1, 0)
            self.longest = np.maximum(self.longest, self.now)

    def end(self) -> None:
        self.now[:] = 0


class Watcher:
    """Watches real games, one after another."""

    def __init__(self, real: WorldModel[Any], length: int, stretch: int, probe: Probe | None, seed: int) -> None:
        if length < 2:
            raise ValueError(f"watch: got contexts of {length} frames, expected at least 2")
        self.real, self.length, self.stretch, self.probe = real, length, stretch, probe
        self.random = np.random.default_rng(seed)
        self.kept, self.rewards = Watched(), Counter[float]()
        self.counts: Counter[str] = Counter()
        self.stood, self.missing = Runs(1), Runs(len(probe.names) if probe else 0)

    def watch(self, steps: int, first_seed: int) -> Slices[Watched]:
        """Two games at least, until they are so many steps in all; the first, by chance, may be twice as long alone."""
        total = 0
        for game in range(GAMES):
            self.kept.seeds.append(first_seed + game)
            total += yield from self.play(game, first_seed + game, steps if game else 2 * steps)
            if total >= steps and game:
                break
        self.kept.usual, self.kept.rate = usual_of(self.rewards), rate_of(self.rewards)
        self.kept.standing, self.kept.gone = int(self.stood.longest[0]), self.missing.longest.tolist()
        return self.kept

    def play(self, game: int, seed: int, limit: int) -> Slices[int]:
        """One game: how many steps it had."""
        real, act = self.real, player_of(self.real, game, self.random)
        self.counts.clear()
        rng = Rng.seeded([seed])
        state = real.initial(self.start(), rng)
        frames = deque([real.frame(state)[0].cpu()], maxlen=self.length)
        actions: deque[Tensor] = deque(maxlen=self.length - 1)
        recent: deque[tuple[Happened, bool]] = deque(maxlen=BESIDE)
        wait, beside, lasting = int(self.random.integers(*WAIT)), 0, _Lasting(self.stretch, self.kept)
        unseen = [frames[-1]]
        for step in range(1, limit + 1):
            action, before = act(state), state
            full = len(frames) == self.length
            scene = Scene(tuple(frames), tuple(actions), before) if full else None
            state, seen = real.step(state, action[None].to(real.spec.actions.dtype), rng)
            paid, ended = float(seen.reward[0]), bool(seen.terminated[0])
            frames.append(seen.frame[0].cpu())
            unseen.append(frames[-1])
            actions.append(action)
            lasting.add(action)
            wait -= 1
            if scene is not None:
                if wait <= 0:
                    wait = int(self.random.integers(*WAIT))
                    self.kept.scenes.append(scene)
                    # The expert sees the real ball: a dream's own would have to do without a player.
                    if game % 2 == 0 or not has_expert(real):
                        lasting.begin(scene, action)
                own = seen.cut is None or not bool(seen.cut[0])  # no time limit
                beside = self.keep(Happened(scene, action, paid, ended and own), recent, beside)
            self.rewards[round(paid, 6)] += 1
            if len(unseen) > EVERY or ended or step == limit:
                self.look(torch.stack(unseen))
                unseen = unseen[-1:]
            yield
            if ended:
                break
        lasting.end()
        self.stood.end()
        self.missing.end()
        return step

    def start(self) -> Context:
        """What a real game is begun with: nothing of it is looked at but its size."""
        spec = self.real.spec
        frames = torch.zeros(1, spec.context, 3, spec.height, spec.width, dtype=torch.uint8)
        return Context(frames, spec.actions.noops(spec.context - 1)[None])

    def look(self, frames: Tensor) -> None:
        """Frames (T + 1, 3, H, W), the first of which was looked at before."""
        self.stood.add(~stirs(frames[0], frames[1:])[:, None])
        if self.probe is not None:
            self.missing.add(~self.probe.find(frames[1:]).present)

    def keep(self, step: Happened, recent: deque[tuple[Happened, bool]], beside: int) -> int:
        """Keep a step if it is an event, beside one, or drawn; gives for how many more steps an event is near."""
        usual = usual_of(self.rewards)
        kind = "ended" if step.ended else kind_of(step.paid, usual)
        event = bool(kind) and self.counts[kind] < EVENTS
        drawn = not kind and self.counts["else"] < OTHERS and self.random.random() < 0.05
        self.counts[kind if event else "else" if drawn else ""] += 1
        if event:
            self.kept.steps.extend(near for near, kept in recent if not kept)
        chosen = event or drawn or beside > 0
        if chosen:
            self.kept.steps.append(step)
        recent.append((step, chosen))
        return BESIDE if event else max(0, beside - 1)


def usual_of(rewards: Counter[float]) -> float:
    """The reward that says nothing: none at all, but where a game charges its player at most of its steps."""
    reward, count = rewards.most_common(1)[0] if rewards else (0.0, 0)
    return reward if count >= CHARGED * rewards.total() and rewards.total() >= LONG else 0.0


def rate_of(rewards: Counter[float]) -> float:
    """The share of steps at which another reward than the usual one was paid; 1 where no step is known."""
    return 1.0 - rewards[usual_of(rewards)] / rewards.total() if rewards else 1.0


def kind_of(paid: float, usual: float) -> str:
    """ "" for what is paid most of the time."""
    if close(paid, usual):
        return ""
    return "paid" if paid > usual else "punished"


class _Lasting:
    """A stretch that goes on: begun at a scene, kept once it is long enough."""

    def __init__(self, steps: int, kept: Watched) -> None:
        self.steps, self.kept = steps, kept
        self.scene: Scene | None = None
        self.actions: list[Tensor] = []

    def begin(self, scene: Scene, action: Tensor) -> None:
        if self.scene is None and len(self.kept.stretches) < STRETCHES:
            self.scene, self.actions = scene, [action]

    def add(self, action: Tensor) -> None:
        if self.scene is not None:
            self.actions.append(action)
            if len(self.actions) == self.steps:
                self.end()

    def end(self) -> None:
        """Keep what there is, unless it is short."""
        if self.scene is not None and len(self.actions) >= SHORT:
            self.kept.stretches.append(Stretch(self.scene, torch.stack(self.actions)))
        self.scene = None


def longest_runs(so: Tensor, lengths: Sequence[int]) -> list[int]:
    """The longest run in the first so many steps of each row of (N, T) bool."""
    out = []
    for row, length in zip(so, lengths, strict=True):
        runs = Runs(1)
        runs.add(row[:length, None])
        out.append(int(runs.longest[0]))
    return out
