"""The scripted players that collect episodes, playing a lockstep's real game: they look behind the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import ReverieError
from engine.lockstep import LockstepWorld
from engine.lockstep_run import Player
from engine.session import Session


def expert_for(session: Session, seed: int) -> Player:
    """Who plays one episode of the session's real game. Raises ReverieError: no game to look into, or none for it."""
    from models.envs.experts import EXPERTS, player_for

    world = session.world
    lead: Any = world.lead if isinstance(world, LockstepWorld) else world
    game = lead.env.game if hasattr(lead, "env") else getattr(lead, "game", "")
    if lead.spec.family != "real" or game not in EXPERTS:
        raise ReverieError(f"--controller: got expert, expected random or agent: {session.name} has no scripted player")
    players: dict[int, Any] = {}
    spec = world.spec.actions

    def act(session: Session) -> Tensor:
        state = session.moment.state
        env = game_at(lead, world.parts(state)[0] if isinstance(world, LockstepWorld) else state)
        if id(env) not in players:  # a game that is kept in several copies: a player follows one of them
            players.clear()
            players[id(env)] = player_for("expert", env, np.random.default_rng(seed))
        action = players[id(env)]()
        return torch.as_tensor(np.asarray(action)[None], dtype=spec.dtype)

    return act


def game_at(lead: Any, state: Any) -> Any:
    """The game's environment, standing where a state (batch 1) says."""
    if hasattr(lead, "restore"):
        lead.restore(state)
        return lead.env
    past = state.actions[0, : int(state.length[0])].numpy().tobytes()
    return lead.seat_at(int(state.seed[0]), past).env
