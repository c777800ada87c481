"""Action accuracy where a game cannot clone its state: stored play is played again from its seed, then branched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from models.data.env_meta import FLAGGED
from models.data.episode import EpisodeFile
from models.envs.adapter import GameEnv, channels_first, make_env
from models.training.branches import HOLD, TAIL, Branches, distinct
from models.training.rollout import all_places, context_at, draw
from models.types import ActionSpec


def held_actions(spec: ActionSpec) -> tuple[Tensor, tuple[str, ...]]:
    """What is held: every discrete action; or nothing, and each component at either end of its range."""
    if spec.kind == "discrete":
        return torch.arange(spec.size), spec.names
    rest = spec.noops(1)[0]
    rows, names = [rest], ["nothing"]
    for i, name in enumerate(spec.names):
        for bound, sign in ((spec.low[i], "-"), (spec.high[i], "")):
            if bound != float(rest[i]):
                row = rest.clone()
                row[i] = bound
                rows.append(row)
                names.append(f"{sign}{name}")
    return torch.stack(rows), tuple(names)


def stored_branches(
    episodes: Sequence[EpisodeFile],
    count: int,
    length: int,
    seed: int,
    hold: int = HOLD,
    on_state: Callable[[int], None] = lambda n: None,
) -> Branches:
    """States out of stored episodes, with every held action's future from each in the real game.

    The game is made from the episodes' own settings. Raises ValueError where it does not come to the stored frame
    again, or ends in too many futures.
    """
    episodes = [episode for episode in episodes if FLAGGED not in episode.header.meta]  # begun in the middle of a game
    if not episodes:
        raise ValueError("evaluation: got flagged glitches only, expected whole episodes; `reverie collect` plays some")
    places = draw(all_places([len(e) for e in episodes], length, hold), 2 * count, seed)
    meta = episodes[0].header.meta
    env = make_env(meta["game"], meta["size"])
    held, names = held_actions(env.actions)
    kept, futures = [], []
    try:
        for place in places:
            frames = [play_again(env, episodes[place.episode], place.t, action, hold) for action in held]
            if all(len(branch) == hold for branch in frames):
                stacked = torch.stack([torch.stack(branch) for branch in frames])
                if distinct(stacked[:, -TAIL:]) > 1:
                    kept.append(place)
                    futures.append(stacked)
                    on_state(1)
            if len(kept) == count:
                break
    finally:
        env.close()
    if not kept:
        raise ValueError(f"evaluation: got no state of {meta['game']} from which actions differ, expected {count}")
    seeds = tuple(sorted({episodes[place.episode].header.meta["seed"] for place in kept}))
    return Branches(context_at(episodes, kept, length), torch.stack(futures), None, seeds, held, names)


def play_again(env: GameEnv, episode: EpisodeFile, t: int, action: Tensor, hold: int) -> list[Tensor]:
    """The frames (3, H, W) uint8 after frame ``t`` of an episode under one action; fewer than ``hold`` if it ends."""
    env.reset(seed=episode.header.meta["seed"])
    move = getattr(env, "move", env.step)
    taken = episode.slice("actions", 0, t)
    for past in taken:
        move(past.item() if past.ndim == 0 else past.numpy())
    seen = channels_first(env.render())
    if not torch.equal(seen, episode.slice("frames", t, t + 1)[0]):
        raise ValueError(
            f"{episode.header.path}: got another frame {t} on playing it again, expected the stored one; it was "
            "recorded with another version of the game: collect anew"
        )
    frames: list[Tensor] = []
    for _ in range(hold):
        frame, _, terminated, truncated, _ = env.step(action.item() if action.ndim == 0 else action.numpy())
        frames.append(channels_first(frame))
        if terminated or truncated:
            break
    return frames
