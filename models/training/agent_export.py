"""`reverie export` of an agent trained in a real environment: measured there, then put beside a world or on its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.checkpoint import MANIFEST, open_world_folder
from models.data.env_meta import action_spec
from models.nn.weights import load_weights
from models.policies.disk import POLICY, PolicyFile, read_policy, write_policy
from models.rssm.agent import Agent
from models.rssm.config import RssmConfig
from models.rssm.policy import ActorNet, DreamerPolicy
from models.training.agent_card import write_agent_card
from models.training.agent_eval import measure_agent
from models.training.card import write_card
from models.training.checkpoint import read_checkpoint
from models.training.options import ExportOptions


def trained_policy(folder: Path, run: dict[str, Any], best: bool) -> tuple[DreamerPolicy, dict[str, Any]]:
    """The agent of a run, and which of its weights they are. Raises ValueError when none was trained."""
    path = folder / "agent" / ("best.safetensors" if best else "checkpoint.safetensors")
    if not path.exists():
        what = "evaluated while training" if best else "trained"
        raise ValueError(f"{path}: got no such file, expected an agent {what}; run `reverie train dreamer --env`")
    config = RssmConfig.from_dict(run["config"])
    agent = Agent(config)
    parts, info = read_checkpoint(path)
    load_weights(agent, parts["agent"] if "agent" in parts else parts["model"], str(path))
    network = ActorNet(config, agent.enc, agent.rssm, agent.pol).eval().requires_grad_(False)
    return DreamerPolicy(network, action_spec(run["env"])), {"weights_of_step": info["step"], "best": best}


def export_agent(options: ExportOptions, run: dict[str, Any], record: dict[str, Any]) -> str:
    """Write the agent of a run and measure it; returns what came of it in a line.

    Into a world's folder when ``out`` is one, else into a folder of its own. Raises ValueError when it does not fit.
    """
    if options.games < 1:
        raise ValueError(f"games: got {options.games}, expected at least 1")
    policy, which = trained_policy(options.run_folder, run, options.best)
    beside = (options.out / MANIFEST).exists()
    if beside:
        policy.check(open_world_folder(options.out).manifest.spec)
    kept = {key: run[key] for key in ("preset", "seed", "env")} | record | which
    path = options.out / POLICY
    quality = {"real_game": measure_agent(half(policy), run["env"], options.games)}
    write_policy(path, policy, kept, quality)
    if beside:
        write_card(open_world_folder(options.out))
    else:
        write_agent_card(options.out, PolicyFile(policy, kept, quality))
    read_policy(path)
    said = ", ".join(f"{name} {row['mean']:+.2f} ± {row['error']:.2f}" for name, row in quality["real_game"].items())
    return f"{options.out}: an agent; return in the real environment: {said}"


def half(policy: DreamerPolicy) -> DreamerPolicy:
    """The policy as its file keeps it: what is measured is what plays."""
    weights = {name: tensor.half().float() for name, tensor in policy.weights().items()}
    return DreamerPolicy.load(policy.header(), weights, "the agent")
