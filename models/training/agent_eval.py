"""How well an agent plays: whole episodes of its real environment beside chance, printed and kept in its file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from torch import Tensor

from models.checkpoint import MANIFEST, open_world_folder
from models.envs.vector_batch import SerialEnvs
from models.policies.disk import read_policy, write_policy
from models.rssm.actions import from_vector, to_vector
from models.rssm.agent import Agent
from models.rssm.policy import ActorNet, DreamerPolicy, terms
from models.training.env_rows import EnvRows
from models.training.options import EvalOptions
from models.training.real_games import FIRST_SEED, summary
from models.types import ActionSpec
from models.world import Rng

ROWS = 4
"""Environments side by side in an evaluation."""


class Player(Protocol):
    """Plays several rows at once in the game's terms; a policy of ``models.policies`` is one."""

    def initial(self, batch: int) -> dict[str, Tensor]: ...

    def act(self, carry: dict[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]: ...


class Chance:
    """Uniform actions, anew at every step."""

    def __init__(self, spec: ActionSpec) -> None:
        self.spec = spec

    def initial(self, batch: int) -> dict[str, Tensor]:
        return {}

    def act(self, carry: dict[str, Tensor], obs: Tensor, rng: Rng) -> tuple[dict[str, Tensor], Tensor]:
        if self.spec.kind == "discrete":
            return carry, rng.integers(self.spec.size)
        draw = torch.stack([torch.rand(self.spec.size, generator=g) for g in rng.generators])
        return carry, from_vector(self.spec, 2 * draw - 1)


def play_episodes(
    player: Player,
    rows: EnvRows,
    first: int,
    count: int,
    tick: Callable[[], Any] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
) -> list[tuple[float, int]]:
    """Return and steps of the episodes with seeds first .. first + count - 1, in that order.

    ``rows`` must number its episodes from ``first``. Episodes that start beyond them are played but not counted, so
    that short ones are not preferred. After a stop those that are done.
    """
    done: dict[int, tuple[float, int]] = {}
    carry, rng = player.initial(len(rows)), Rng.seeded(range(first, first + len(rows)))
    tick_now = rows.tick
    while len(done) < count and not stopped():
        if bool(tick_now.is_first.any()):
            fresh = player.initial(len(rows))
            carry = {name: where(tick_now.is_first, fresh[name], value) for name, value in carry.items()}
        carry, action = player.act(carry, next(iter(tick_now.obs.values())), rng)
        tick_now = rows.step(to_vector(rows.spec, action))
        for row in tick_now.is_last.nonzero()[:, 0].tolist():
            if rows.seeds[row] < first + count:
                done[rows.seeds[row]] = (rows.returns[row], len(rows.actions[row]))
                tick()
    return [done[seed] for seed in sorted(done)]


def where(mask: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """By row."""
    return torch.where(mask.reshape(-1, *[1] * (no.ndim - 1)), yes, no)


class Evaluation:
    """Plays the same episodes at every call, in environments of its own that are made at the first."""

    def __init__(self, game: str, size: int, episodes: int) -> None:
        self.game, self.size, self.episodes = game, size, episodes
        self.rows: EnvRows | None = None
        self.stopped: Callable[[], bool] = lambda: False

    def __call__(self, agent: Agent) -> dict[str, float]:
        if self.rows is None:
            self.rows = eval_rows(self.game, self.size, self.episodes)
        else:
            self.rows.begin()
        network = ActorNet(agent.config, agent.enc, agent.rssm, agent.pol)
        player = DreamerPolicy(network, self.rows.spec)
        done = play_episodes(player, self.rows, FIRST_SEED, self.episodes, stopped=self.stopped)
        if len(done) < self.episodes:
            return {}
        numbers = summary(done)
        return {name: float(value) for name, value in numbers.items()}

    def close(self) -> None:
        if self.rows is not None:
            self.rows.close()


def eval_rows(game: str, size: int, episodes: int) -> EnvRows:
    """Rows that begin with the first episode of evaluations."""
    return EnvRows(SerialEnvs(game, min(ROWS, episodes), size), lambda episode: FIRST_SEED + episode)


def measure_agent(policy: DreamerPolicy, env: dict[str, Any], games: int) -> dict[str, Any]:
    """Returns of the agent in its real environment beside chance, over the same ``games`` episodes.

    By name: mean, standard deviation, standard error, least and greatest return, steps an episode.
    """
    if games < 1:
        raise ValueError(f"games: got {games}, expected at least 1")
    columns = (TextColumn("real episodes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    out: dict[str, Any] = {}
    with Progress(*columns) as progress:
        task = progress.add_task("", total=2 * games)
        for name, player in (("agent", policy), ("random", Chance(policy.actions))):
            rows = eval_rows(env["game"], env.get("size", 64), games)
            try:
                check_env(policy, rows, env)
                out[name] = summary(play_episodes(player, rows, FIRST_SEED, games, lambda: progress.advance(task)))
            finally:
                rows.close()
    return out


def check_env(policy: DreamerPolicy, rows: EnvRows, env: dict[str, Any]) -> None:
    """Raises ValueError when the environment is not what the agent was trained in."""
    got, want = (rows.space, terms(rows.spec)), (policy.config.space, terms(policy.actions))
    if got != want:
        raise ValueError(f"{env['game']}: got an environment with {got}, expected {want} as the agent was trained with")


def evaluate_agent(path: Path, options: EvalOptions) -> int:
    """Measure an agent, print the table and store the numbers. Returns 0, or 130 after Ctrl-C, with nothing stored."""
    from models.training.agent_card import write_agent_card

    console, found = Console(), read_policy(path)
    if not isinstance(found.policy, DreamerPolicy):
        raise ValueError(f"{path}: got an agent of kind {found.policy.kind!r}, which `reverie export` measures")
    env = found.provenance.get("env")
    if not isinstance(env, dict) or not isinstance(env.get("game"), str):
        raise ValueError(f"{path}: got a policy that does not say where it was trained, expected its environment")
    try:
        games = measure_agent(found.policy, env, options.games)
    except KeyboardInterrupt:
        console.print("stopped; nothing was stored")
        return 130
    show(console, path.parent.name, games)
    if options.save:
        measured = replace(found, quality={**found.quality, "real_game": games})
        write_policy(path, measured.policy, measured.provenance, measured.quality)
        if (path.parent / MANIFEST).exists():
            from models.training.card import write_card

            write_card(open_world_folder(path.parent))
        else:
            write_agent_card(path.parent, measured)
        console.print(f"stored in {path} and README.md")
    return 0


def show(console: Console, name: str, games: dict[str, Any]) -> None:
    table = Table(title=f"{name}: return in the real environment, {games['agent']['games']} episodes each")
    for column in ("", "mean", "standard error", "deviation", "least .. greatest", "steps"):
        table.add_column(column)
    for who, row in games.items():
        numbers = (f"{row['mean']:.2f}", f"{row['error']:.2f}", f"{row['deviation']:.2f}")
        table.add_row(who, *numbers, f"{row['least']:g} .. {row['greatest']:g}", str(row["steps"]))
    console.print(table)
