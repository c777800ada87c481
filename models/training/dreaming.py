"""An agent that learns in a dream that stays as it is: actor and critic inside a trained world, from its stored play.

The real game is not played at all. What the world believes at every stored frame is worked out once; every update
begins imagined play at some of these states.
"""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn

from models.data.env_meta import action_repeat, action_spec, fps
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from models.files import write_atomic
from models.nn.draws import TorchDraws
from models.nn.precision import arithmetic
from models.nn.weights import load_weights, place
from models.rssm.actions import to_vector
from models.rssm.agent import Agent, Arithmetic
from models.rssm.config import RssmConfig
from models.rssm.core import RssmState
from models.rssm.heads import scalar_dist
from models.training.checkpoint import read_checkpoint
from models.training.diamond import data_summary, episode_settings, seeded
from models.training.export import read_json
from models.training.laprop import LaProp
from models.training.loop import Loop, TrainConfig
from models.training.options import TrainOptions
from models.training.run_folder import check_run, hardware, prepare
from models.training.stop import StopFlag
from models.types import ActionSpec

PART = "agent"
CHUNK, ROWS = 64, 24
"""Frames and episodes that are seen at once while the latents are worked out."""
TRAIN = TrainConfig(steps=20_000, batch=256, lr=3e-4, clip=1e9, warmup=200)
"""batch: imagined plays an update."""
ENTROPY = 3e-3


@dataclass(frozen=True)
class Latents:
    """What a world believes at stored frames: deter (N, D) float16, stoch (N, S) uint8 classes, going (N,) bool.

    going: the episode did not end there.
    """

    deter: Tensor
    stoch: Tensor
    going: Tensor


@torch.no_grad()
def latents_of(
    agent: Agent,
    episodes: list[EpisodeFile],
    spec: ActionSpec,
    seed: int,
    device: torch.device,
    context: Arithmetic = nullcontext,
) -> Latents:
    """The posterior along whole episodes, from their first frames on; several episodes at a time."""
    order = sorted(range(len(episodes)), key=lambda i: len(episodes[i]))
    draws = TorchDraws(torch.Generator().manual_seed(seed), device)
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for first in track(range(0, len(order), ROWS), description="seeing the stored play", transient=True):
        with context():
            parts += seen_along(agent, [episodes[i] for i in order[first : first + ROWS]], spec, draws, device)
    return Latents(*(torch.cat([part[k] for part in parts]) for k in range(3)))


def seen_along(
    agent: Agent, episodes: list[EpisodeFile], spec: ActionSpec, draws: TorchDraws, device: torch.device
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """The same of episodes side by side, chunk by chunk; what is beyond an episode's end is left out."""
    state = agent.rssm.initial(len(episodes), device)
    longest, out = max(len(e) for e in episodes) + 1, []
    for start in range(0, longest, CHUNK):
        stop = min(start + CHUNK, longest)
        frames = torch.zeros(len(episodes), stop - start, *episodes[0].header.shape, dtype=torch.uint8)
        actions = torch.zeros(len(episodes), stop - start, spec.size)
        inside = torch.zeros(len(episodes), stop - start, dtype=torch.bool)
        going = torch.ones(len(episodes), stop - start, dtype=torch.bool)
        for row, episode in enumerate(episodes):
            end = min(stop, len(episode) + 1)
            if end <= start:
                continue
            frames[row, : end - start] = episode.slice("frames", start, end)
            inside[row, : end - start] = True
            before = to_vector(spec, episode.slice("actions", max(start - 1, 0), end - 1))
            actions[row, end - start - len(before) : end - start] = before
            if end == len(episode) + 1:
                going[row, end - start - 1] = not bool(episode.slice("terminated", end - 2, end - 1))
        reset = torch.zeros_like(inside)
        reset[:, 0] = start == 0
        tokens = agent.enc({"image": frames.to(device)})
        seen = agent.rssm.observe(state, tokens, actions.to(device), reset.to(device), draws)
        state = seen.last()
        out.append((seen.deter[inside].half().cpu(), seen.stoch[inside].argmax(-1).byte().cpu(), going[inside]))
    return out


class DreamTask:
    """Actor and critic of an agent whose world is frozen (spec section 8 without the replay value loss)."""

    name = "agent"

    def __init__(self, agent: Agent, latents: Latents, batch: int, seed: int, device: torch.device) -> None:
        for part in (agent.enc, agent.rssm, agent.dec, agent.rew, agent.con):
            part.requires_grad_(False)
        self.model, self.latents, self.size, self.device = agent, latents, batch, device
        self.network: nn.Module = agent
        self.generator = torch.Generator().manual_seed(seed)

    def batch(self) -> tuple[RssmState, Tensor]:
        """States (N, ...) to dream on from, and 1 where the game goes on."""
        rows = torch.randint(len(self.latents.going), (self.size,), generator=self.generator)
        classes = self.model.config.net.classes
        stoch = nn.functional.one_hot(self.latents.stoch[rows].long(), classes).float()
        state = RssmState(self.latents.deter[rows].float().to(self.device), stoch.to(self.device))
        return state, self.latents.going[rows].float().to(self.device)

    def loss(self, batch: tuple[RssmState, Tensor], progress: float) -> tuple[Tensor, dict[str, float]]:
        rules = self.model.config.behaviour
        self.model.target.update(self.model.val, self.model.slowval, rules.slow_rate, rules.slow_every)
        losses, _ = self.model.behave(*batch, TorchDraws(self.generator, self.device))
        total = losses.actor.mean() + losses.critic.mean()
        scalars = {"policy": losses.actor, "value": losses.critic, **losses.metrics}
        means = {name: float(value.detach().mean()) for name, value in scalars.items()}
        return total, {"loss": float(total.detach()), **means}

    @torch.no_grad()
    def validate(self, model: nn.Module) -> tuple[dict[str, float], Tensor | None]:
        """What the critic expects, and how sure the actor is, at a fixed draw of stored states."""
        assert isinstance(model, Agent)
        generator, before = torch.Generator().manual_seed(0), self.generator
        self.generator = generator
        state, _ = self.batch()
        self.generator = before
        feature = model.rssm.feature(state)
        value = scalar_dist(model.config.net, model.val(feature)).mean()
        return {"value": float(value.mean()), "entropy": float(model.policy(feature).entropy().mean())}, None

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        return {"generator": self.generator.get_state()}, {}

    def restore(self, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
        self.generator.set_state(tensors["generator"].clone())


def agent_in(world_run: Path, entropy: float, seed: int) -> tuple[Agent, RssmConfig, dict[str, Any]]:
    """An untaught agent around the averaged weights of a trained world, and that run. Raises ValueError."""
    run = read_json(world_run / "run.json")
    path = world_run / "world" / "checkpoint.safetensors"
    if run.get("family") != "dreamer" or not path.exists():
        raise ValueError(f"--init: got {world_run}, expected a run of `reverie train dreamer --data` with its world")
    config = RssmConfig.from_dict(run["config"])
    config = replace(config, behaviour=replace(config.behaviour, entropy=entropy))
    with seeded(seed):
        agent = Agent(config)
    own, world = agent.state_dict(), read_checkpoint(path)[0]["ema"]
    load_weights(agent, own | world, str(path))
    return agent, config, run


def train_in_dream(options: TrainOptions) -> int:
    """`reverie train dreamer --data STORE --part agent --init RUN`. Returns 0, or 130 after Ctrl-C."""
    if options.data is None or options.init is None:
        raise ValueError("train dreamer --part agent: got no --data or no --init, expected a store and a world's run")
    device = prepare(options)
    store = EpisodeStore(options.data)
    settings = episode_settings(store)
    entropy = ENTROPY if options.entropy is None else options.entropy
    agent, config, world = agent_in(options.init, entropy, options.seed)
    place(agent, device)
    spec = action_spec(settings)
    bounds = {"action_kind": spec.kind, "action_low": list(spec.low), "action_high": list(spec.high)}
    pace = {"fps": fps(settings), "action_repeat": action_repeat(settings), "observes": "image"}
    folder = options.out or Path("runs") / f"dreamer-{settings['game']}-agent"
    run: dict[str, Any] = {"format": 1, "family": "dreamer", "part": PART, "preset": world["preset"]}
    check_run(folder, run | {"seed": options.seed, "config": config.to_dict(), "env": settings | bounds | pace})
    train = replace(TRAIN, steps=options.steps or TRAIN.steps, batch=options.batch or TRAIN.batch)
    train = replace(train, lr=options.lr or train.lr)
    context = arithmetic(options.precision, device)
    latents = latents_of(agent, store.episodes("train"), spec, options.seed, device, context)
    task = DreamTask(agent, latents, train.batch, options.seed, device)
    loop = Loop(
        task,
        train,
        folder / PART,
        autocast=context,
        validate_every=options.validate_every,
        checkpoint_seconds=options.checkpoint_minutes * 60,
        optimizer=lambda model, given: LaProp((p for p in model.parameters() if p.requires_grad), lr=given.lr),
    )
    with StopFlag() as stop:
        outcome = loop.run(options.max_minutes * 60, stop)
    keep_record(folder, outcome.step, outcome.seconds, train, hardware(device), data_summary(store))
    if outcome.interrupted:
        print(f"stopped at step {outcome.step}; run the same command again to go on")
        return 130
    print(f"{folder}: trained; `reverie export {folder} assets/worlds/NAME` puts it beside its world and measures it")
    return 0


def keep_record(
    folder: Path, updates: int, seconds: float, train: TrainConfig, machine: str, data: dict[str, Any]
) -> None:
    """Keep what was done in the run's folder, for the agent's provenance."""
    known = {"updates": updates, "minutes": round(seconds / 60, 1), "batch": train.batch, "hardware": machine}
    known |= {"stored_steps": data["train_steps"], "train": asdict(train)}
    write_atomic(folder / "record.json", json.dumps({PART: known, "hardware": machine, "data": data}, indent=1))
