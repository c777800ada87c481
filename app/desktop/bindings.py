"""The window's own keys: one table, from which key presses are understood and the help is drawn."""

from __future__ import annotations

from dataclasses import dataclass

SLOTS = tuple("123456789")


@dataclass(frozen=True)
class Command:
    """What the player asked of the window. ``number``: a slot, where the command takes one. ``down``: False when a held
    key was let go."""

    name: str
    number: int = 0
    down: bool = True


@dataclass(frozen=True)
class Binding:
    """One command and its keys (names of Pygame), as shown in the help under ``group``."""

    command: str
    keys: tuple[str, ...]
    help: str
    group: str
    shift: bool = False
    ctrl: bool = False
    held: bool = False
    """The command lasts while the key is down; its end is a Command with down=False."""
    repeats: bool = False
    """A key kept down gives the command again and again."""


BINDINGS: tuple[Binding, ...] = (
    Binding("pause", ("p",), "Pause, go on", "Time"),
    Binding("step", (".",), "Pause and step", "Time", repeats=True),
    Binding("slower", ("-",), "Slower", "Time", repeats=True),
    Binding("faster", ("=",), "Faster", "Time", repeats=True),
    Binding("normal_speed", ("0",), "Speed of the game", "Time"),
    Binding("rewind", ("backspace",), "Rewind while held", "Time", held=True),
    Binding("forward", ("backspace",), "Forward again", "Time", shift=True, repeats=True),
    Binding("new_start", ("return", "n"), "Next start", "Dream"),
    Binding("seed", ("g",), "Same start, new seed", "Dream"),
    Binding("fork", ("f",), "Fork: keep a branch here", "Dream"),
    Binding("branch", ("b",), "Next branch", "Dream"),
    Binding("controller", ("c",), "Change who plays", "Dream"),
    Binding("fewer_steps", ("[",), "Fewer sampler steps", "Dream", repeats=True),
    Binding("more_steps", ("]",), "More sampler steps", "Dream", repeats=True),
    Binding("cooler", (",",), "Cooler dream", "Dream", repeats=True),
    Binding("hotter", ("/",), "Hotter dream", "Dream", repeats=True),
    Binding("shorter", (";",), "Shorter horizon", "Dream", repeats=True),
    Binding("longer", ("'",), "Longer horizon", "Dream", repeats=True),
    Binding("look_inside", ("v",), "Look inside the world", "Dream"),
    Binding("undo", ("u",), "Take back the last edit", "Dream"),
    Binding("lockstep", ("t",), "Lockstep with the real game", "Workbench"),
    Binding("place", ("c",), "Change where it is played", "Workbench", shift=True),
    Binding("beside", ("e",), "Another world in lockstep", "Workbench"),
    Binding("anchor", ("y",), "Dream back to reality", "Workbench"),
    Binding("every_action", ("k",), "Every action's future", "Workbench"),
    Binding("seeds", ("k",), "The same future, other chances", "Workbench", shift=True),
    Binding("unsure", ("o",), "Where is it unsure?", "Workbench"),
    Binding("check", ("j",), "Check this world", "Workbench"),
    Binding("clear", ("j",), "Put the answers away", "Workbench", shift=True),
    Binding("flag", ("x",), "Flag this glitch", "Workbench"),
    Binding("load", SLOTS, "Load a slot", "Keep"),
    Binding("save", SLOTS, "Save to a slot", "Keep", ctrl=True),
    Binding("clip", ("r",), "Instant replay to MP4", "Keep"),
    Binding("gif", ("r",), "Instant replay to GIF", "Keep", shift=True),
    Binding("screenshot", ("f12",), "Screenshot", "Keep"),
    Binding("help", ("f1", "h"), "This help", "Window"),
    Binding("panel", ("tab",), "Panel on, off", "Window"),
    Binding("fullscreen", ("f11",), "Fullscreen", "Window"),
    Binding("quit", ("escape",), "Quit", "Window"),
)

CAPS = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "return": "Enter",
    "escape": "Esc",
    "backspace": "Backspace",
    "space": "Space",
}


def cap(key: str) -> str:
    """A key's name as its cap reads."""
    return CAPS.get(key, key.upper() if len(key) == 1 or key[1:].isdigit() else key.title())


def caps(binding: Binding) -> list[str]:
    """The caps to show for a binding, without their modifier."""
    return ["1–9"] if binding.keys == SLOTS else [cap(key) for key in binding.keys]


def modifier(binding: Binding) -> str:
    return "⇧" if binding.shift else "Ctrl" if binding.ctrl else ""


def command_of(key: str, *, shift: bool, ctrl: bool) -> Binding | None:
    """The binding of a key press, or None. Shift and ctrl must match."""
    for binding in BINDINGS:
        if key in binding.keys and binding.shift == shift and binding.ctrl == ctrl:
            return binding
    return None


def reserved_keys() -> frozenset[str]:
    """Keys that a keymap may not give to a game."""
    return frozenset(key for binding in BINDINGS for key in binding.keys)
