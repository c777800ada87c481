"""An Atari emulator at the level the preprocessing needs: single frames, screens, lives, and states to restore."""

from __future__ import annotations

import difflib
import re
from typing import Any, Protocol

import numpy as np

MAX_FRAMES = 108_000


class Emulator(Protocol):
    """What Atari's preprocessing asks of an emulator; ale-py's ALEInterface has it."""

    def act(self, action: int) -> float: ...
    def getScreenRGB(self, array: np.ndarray, /) -> Any: ...  # noqa: N802
    def lives(self) -> int: ...
    def game_over(self) -> bool: ...
    def reset_game(self) -> None: ...


def game_names() -> list[str]:
    """All games of the installed ale-py that one player can play, in snake case (space_invaders).

    The others (combat, joust, ...) would end the whole process when loaded.
    """
    from ale_py import ALEInterface
    from ale_py.roms import get_all_rom_ids, get_rom_path

    roms = {name: get_rom_path(name) for name in get_all_rom_ids()}
    return sorted(name for name, path in roms.items() if path and ALEInterface.isSupportedROM(path) is not None)


def rom_of(game: str) -> str:
    """The ROM id of a game given as pong, Pong, SpaceInvaders, ALE/Pong-v5 or PongNoFrameskip-v4.

    Raises ValueError with the nearest names when there is none.
    """
    stem = re.sub(r"(NoFrameskip)?-v\d+$", "", game.removeprefix("ALE/"))
    wanted = re.sub(r"[^a-z0-9]", "", stem.lower())
    names = game_names()
    for name in names:
        if name.replace("_", "") == wanted:
            return name
    near = difflib.get_close_matches(stem.lower(), names, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(near)}?" if near else "ale-py's games are named like pong or space_invaders"
    raise ValueError(f"game: got {game!r}, expected one of ale-py's {len(names)} games; {hint}")


class Ale:
    """One ALE emulator with a game loaded: minimal action set, no sticky actions, frame skip 1."""

    def __init__(self, game: str) -> None:
        from ale_py import ALEInterface, LoggerMode
        from ale_py.roms import get_rom_path

        self.game = rom_of(game)
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.setInt("max_num_frames_per_episode", MAX_FRAMES)
        rom = get_rom_path(self.game)
        if rom is None:
            raise ValueError(f"game: got {self.game!r} without its ROM, expected ale-py to carry it; reinstall ale-py")
        self.rom = rom
        self.seed(0)
        self.action_names = tuple(action.name for action in self.ale.getMinimalActionSet())

    def seed(self, seed: int) -> None:
        """Seed the emulator's own randomness, which takes loading the game anew."""
        self.ale.setInt("random_seed", seed % 2**31)
        self.ale.loadROM(self.rom)
