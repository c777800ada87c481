"""The online training loop: act in real environments, keep what happened, learn from it, in fixed proportion."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.nn.draws import TorchDraws
from models.nn.weights import load_weights, place
from models.rssm.agent import Agent
from models.rssm.config import RssmConfig
from models.training.checkpoint import load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint
from models.training.diamond import seeded
from models.training.env_rows import EnvRows
from models.training.loop import DivergedError
from models.training.optimizers import make_optimizer
from models.training.presets import OnlineConfig
from models.training.progress import TrainProgress, clock
from models.training.replay import Replay
from models.training.replay_batch import keep_latents, keep_step, replay_fields, to_batch
from models.training.stop import StopFlag
from models.training.train_ratio import TrainRatio

RECENT = 20
"""Episodes whose mean return is shown."""
MEAN_STEPS = 250
"""Newest steps of every environment whose mean picture a ``centred`` codec is told before the first update."""
LOG_EVERY = 50
"""Updates between TensorBoard entries, which are means over them."""
SHOWN = ("loss", "rew", "dyn", "entropy")
"""Metrics in the line of every minute, as far as the version has them."""
Evaluate = Callable[[Agent], dict[str, float]]
"""Plays whole episodes with the agent in environments of its own: at least ``mean``; nothing when it was stopped."""


class OnlineTraining:
    """An agent, its environments and its replay, and everything that an exact resume needs.

    ``step`` counts environment steps, restarts among them; ``updates`` the optimiser's.
    """

    def __init__(
        self,
        config: RssmConfig,
        online: OnlineConfig,
        rows: EnvRows,
        folder: Path,
        *,
        seed: int = 0,
        device: torch.device = torch.device("cpu"),
        autocast: Callable[[], AbstractContextManager[Any]],
        evaluate: Evaluate | None = None,
        checkpoint_seconds: float = 300.0,
        note_seconds: float = 60.0,
    ) -> None:
        self.config, self.online, self.rows, self.folder = config, online, rows, folder
        self.device, self.autocast, self.evaluate = device, autocast, evaluate
        self.checkpoint_seconds, self.note_seconds = checkpoint_seconds, note_seconds
        with seeded(seed):
            agent = Agent(config)
        place(agent, device)
        self.agent: Agent = agent
        self.optimizer = make_optimizer(agent, config)
        self.seed = seed
        self.replay = self.room_for(online.steps)
        self.ratio = TrainRatio(online.ratio / (online.batch * online.length))
        self.generators = {name: torch.Generator().manual_seed(seed + i) for i, name in enumerate(("act", "train"), 1)}
        self.carry: dict[str, Tensor] = agent.initial(len(rows))
        self.step = self.updates = self.episodes = self.owed = 0
        self.seconds, self.best = 0.0, -math.inf
        self.recent: deque[tuple[float, int]] = deque(maxlen=RECENT)
        self.curve: list[dict[str, float]] = []
        """What is noted every minute, and the evaluations, for the record."""
        self.logged: dict[str, list[float]] = {}
        if self.path.exists():
            self.load()

    @property
    def path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def room_for(self, steps: int) -> Replay:
        """An empty replay that keeps all of so many steps, as far as the capacity allows."""
        stored, rows = self.config.repval_stored, len(self.rows)
        length = self.online.length + int(stored)
        room = min(self.online.capacity, steps + rows * (length + 1))
        return Replay(replay_fields(self.config), rows, length, room, online=stored, seed=self.seed)

    @property
    def begin(self) -> int:
        """Windows before the first update."""
        return max(1, self.online.begin or self.online.batch * self.online.length)

    def play(self) -> tuple[tuple[float, int], ...]:
        """One step of all environments, kept in the replay; returns the episodes that ended."""
        tick = self.rows.tick
        obs = {name: value.to(self.device) for name, value in tick.obs.items()}
        draws = TorchDraws(self.generators["act"], self.device)
        with torch.no_grad():
            self.carry, action, latents = self.agent.act(self.carry, obs, tick.is_first.to(self.device), draws)
        self.replay.add(keep_step(self.config, tick, action.cpu(), latents))
        self.step += len(self.rows)
        return self.rows.step(action).ended

    def due(self) -> int:
        """How many updates the steps since the last call pay for; none before there is enough to draw from."""
        return int(self.ratio(self.step)) if self.replay.windows >= self.begin else 0

    def update(self) -> dict[str, float]:
        """One update of everything. Raises DivergedError on metrics that are not finite."""
        if self.updates == 0 and self.config.net.centred:
            self.agent.set_mean(self.replay.newest(MEAN_STEPS, "image").float().div(255).mean((0, 1)))
        windows = self.replay.sample(self.online.batch)
        batch = to_batch(self.config, windows).to(self.device)
        draws = TorchDraws(self.generators["train"], self.device)
        metrics, latents = self.agent.train_step(batch, draws, self.optimizer, self.autocast)
        self.updates += 1
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise self.diverged(f"{name} {value}")
        if self.config.repval_stored:
            self.replay.rewrite(windows, keep_latents(self.config, latents), skip=1)
        return metrics

    def diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"agent: got {what} at update {self.updates}, expected a finite number; run again with a lower --lr: it "
            "goes on from the last checkpoint"
        )

    def save(self) -> None:
        """Replay first, then the checkpoint that names its files, then what no checkpoint names is removed.

        Raises DivergedError, and keeps the files as they are, when a weight is not finite: an update can leave such
        ones behind losses that were.
        """
        if not all(bool(tensor.isfinite().all()) for tensor in self.agent.state_dict().values()):
            raise self.diverged("weights that are not finite")
        kept = self.replay.save(self.folder / "replay")
        rows, rows_info = self.rows.state()
        parts = {
            "agent": self.agent.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "carry": self.carry,
            "rows": rows,
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
        }
        info = {name: getattr(self, name) for name in ("step", "updates", "episodes", "owed", "seconds", "curve")}
        info |= {"recent": list(self.recent), "ratio": self.ratio.state(), "rows": rows_info, "replay": kept}
        info["best"] = self.best if math.isfinite(self.best) else None
        write_checkpoint(self.path, parts, {**info, "online": asdict(self.online)})
        self.replay.prune(self.folder / "replay", kept)

    def load(self) -> None:
        """Go on where the folder's checkpoint was written, with the same draws, windows and episodes."""
        parts, info = read_checkpoint(self.path)
        load_weights(self.agent, parts["agent"], str(self.path))
        load_optimizer(self.optimizer, parts.get("optimizer", {}))
        self.carry = {name: value.to(self.device) for name, value in parts["carry"].items()}
        for name, generator in self.generators.items():
            generator.set_state(parts["generators"][name].clone())
        for name in ("step", "updates", "episodes", "owed", "seconds", "curve"):
            setattr(self, name, info[name])
        self.best = -math.inf if info["best"] is None else info["best"]
        self.recent.extend((float(value), int(steps)) for value, steps in info["recent"])
        self.ratio.restore(info["ratio"])
        if self.step > self.online.steps:  # fewer steps than were done already
            self.replay = self.room_for(self.step)
        self.replay.restore(self.folder / "replay", info["replay"])
        lost = self.rows.restore(parts["rows"], info["rows"])
        if lost:
            print(f"{lost} of {len(self.rows)} environments did not come back as they were: new episodes begin there")

    def run(self, max_seconds: float, stop: StopFlag) -> bool:
        """Train until the steps are done, the time is over or a stop is called for; says whether it was stopped."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.step)
        begun = saved = noted = time.monotonic()
        before, first = self.seconds, self.updates
        with TrainProgress("agent", self.online.steps, self.step, max_seconds) as progress:
            while (now := time.monotonic()) - begun < max_seconds and not self.done and not stop.is_set():
                self.advance(writer, progress)
                self.seconds = before + now - begun
                rate = (self.updates - first) / max(now - begun, 1e-9)
                progress.show(self.step, self.text(rate, max_seconds - now + begun))
                if now - noted > self.note_seconds:
                    self.note(progress)
                    noted = now
                if now - saved > self.checkpoint_seconds:
                    self.save()
                    saved = now
            self.seconds = before + time.monotonic() - begun
            self.note(progress)
            self.save()
        writer.close()
        return stop.is_set()

    @property
    def done(self) -> bool:
        return self.step >= self.online.steps and not self.owed

    def advance(self, writer: Any, progress: TrainProgress) -> None:
        """An update where one is owed, else a step of the environments."""
        if self.owed:
            self.owed -= 1
            for name, value in self.update().items():
                self.logged.setdefault(name, []).append(value)
            if self.updates % LOG_EVERY == 0:
                for name, mean in self.means():
                    writer.add_scalar(f"agent/{name}", mean, self.step)
            return
        for value, steps in self.play():
            self.episodes += 1
            self.recent.append((value, steps))
            writer.add_scalar("episode/return", value, self.step)
            writer.add_scalar("episode/steps", steps, self.step)
        self.owed = self.due()
        every = self.online.eval_every
        if self.evaluate and every and self.step // every > (self.step - len(self.rows)) // every:
            self.measure(writer, progress)

    def means(self) -> Iterator[tuple[str, float]]:
        """The metrics since the last call, averaged."""
        for name, values in self.logged.items():
            yield name, sum(values) / len(values)
        self.logged = {}

    def measure(self, writer: Any, progress: TrainProgress) -> None:
        """Evaluate, and keep the weights when they never played better."""
        assert self.evaluate is not None
        result = self.evaluate(self.agent)
        if not result:
            return
        for name, value in result.items():
            writer.add_scalar(f"evaluation/{name}", value, self.step)
        self.curve.append({"step": self.step, "minutes": round(self.seconds / 60, 1), "evaluated": result["mean"]})
        progress.line(f"step {self.step}  evaluation: " + "  ".join(f"{k} {v:g}" for k, v in result.items()))
        if result["mean"] >= self.best:
            self.best = result["mean"]
            write_checkpoint(
                self.folder / "best.safetensors",
                {"agent": self.agent.state_dict()},
                {"step": self.step, "evaluation": result},
            )

    def mean_return(self) -> float:
        return sum(value for value, _ in self.recent) / max(len(self.recent), 1)

    def note(self, progress: TrainProgress) -> None:
        """A line that stays, and a point of the curve."""
        minutes = round(self.seconds / 60, 1)
        self.curve.append({"step": self.step, "minutes": minutes, "return": round(self.mean_return(), 3)})
        losses = "  ".join(f"{name} {sum(v) / len(v):.3g}" for name, v in self.logged.items() if name in SHOWN)
        progress.line(
            f"step {self.step}  {clock(self.seconds)}  updates {self.updates}  episodes {self.episodes}  "
            f"return of the last {len(self.recent)}: {self.mean_return():.2f}  {losses}"
        )

    def text(self, rate: float, left: float) -> str:
        return f"return {self.mean_return():.1f}  {rate:.2f} updates/s  {clock(max(left, 0))} left"
