"""Which agent a command means: one in a folder of its own, or one that lies beside a world."""

from __future__ import annotations

from pathlib import Path

from models.checkpoint import MANIFEST
from models.library import world_paths
from models.policies.disk import POLICY, find_agent
from models.training.options import EvalOptions


def agent_path(options: EvalOptions) -> Path | None:
    """The agent's file where the options mean an agent: its folder or name, or a world with --agent. Else None.

    Raises ValueError for --agent and a world that has none.
    """
    path = find_agent(options.world)
    if path is not None and (options.agent or not (path.parent / MANIFEST).exists()):
        return path
    if not options.agent:
        return None
    folder = world_paths().get(options.world, Path(options.world))
    if not (folder / POLICY).exists():
        raise ValueError(f"--agent: got {options.world!r} without {POLICY}, expected an agent, or a world that has one")
    return folder / POLICY
