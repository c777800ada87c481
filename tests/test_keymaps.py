"""Keymaps: the right key presses the right button, and a damaged file says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.desktop.bindings import BINDINGS, reserved_keys
from app.keymaps import load_keymap
from app.paths import ASSETS
from engine.controls import Controls, action_for
from engine.errors import ReverieError
from models.types import ActionSpec

SHIPPED = sorted(path.stem for path in (ASSETS / "keymaps").glob("*.json"))
PONG = ActionSpec(("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"))
PONG_PLAYER_Y = 51


def write(folder: Path, name: str, data: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_keymaps_leave_the_windows_keys_alone(name: str) -> None:
    """Bug: a game's keymap takes a key of the window, so that pressing it pauses or quits."""
    keymap = load_keymap(name, [ASSETS / "keymaps"])
    assert not reserved_keys() & set(keymap.keys)
    assert set(keymap.labels) <= set(keymap.buttons()) | {"up", "down", "left", "right", "fire"}


def test_no_two_commands_share_a_key() -> None:
    """Bug: a new command shadows an older one's key."""
    pressed = [(key, binding.shift, binding.ctrl) for binding in BINDINGS for key in binding.keys]
    assert len(pressed) == len(set(pressed))


@pytest.mark.parametrize(("key", "sign"), [("up", -1), ("down", 1)])
def test_pong_up_moves_the_paddle_up(key: str, sign: int) -> None:
    """Bug: Pong's paddle goes down on the up key, since ALE calls its directions left and right."""
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    emulator = ALEInterface()
    emulator.loadROM(roms.get_rom_path("pong"))
    actions = list(emulator.getMinimalActionSet())
    for _ in range(80):
        emulator.act(actions[0])
    controls = Controls()
    controls.press(load_keymap("pong", [ASSETS / "keymaps"]).keys[key])
    action = int(action_for(PONG, controls.latch()))
    assert actions[action].name == PONG.names[action]
    before = int(emulator.getRAM()[PONG_PLAYER_Y])
    for _ in range(8):
        emulator.act(actions[action])
    assert (int(emulator.getRAM()[PONG_PLAYER_Y]) - before) * sign > 0


def test_the_users_file_wins_and_null_unbinds(tmp_path: Path) -> None:
    """Bug: a user's own keys are ignored, or a key cannot be freed."""
    shipped, user = tmp_path / "a", tmp_path / "b"
    shipped.mkdir()
    user.mkdir()
    write(shipped, "default", {"format": 1, "keys": {"up": "up", "space": "fire"}})
    write(shipped, "pong", {"format": 1, "keys": {"up": "right"}, "labels": {"fire": "Serve"}})
    write(user, "pong", {"format": 1, "keys": {"space": None, "k": "fire"}})
    keymap = load_keymap("pong-small", [shipped, user])
    assert dict(keymap.keys) == {"up": "right", "k": "fire"}
    assert keymap.label("fire") == "Serve"
    assert keymap.keys_of("fire") == ["k"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSON"),
        ([], "format"),
        ({"format": 2}, "format"),
        ({"format": 1, "keyz": {}}, "keyz"),
        ({"format": 1, "keys": {"upp": "up"}}, "'upp'"),
        ({"format": 1, "keys": {"up": 3}}, "'up'"),
        ({"format": 1, "labels": {"up": 3}}, "'up'"),
    ],
)
def test_a_damaged_keymap_is_named(tmp_path: Path, content: Any, said: str) -> None:
    """Bug: a typing mistake in a keymap is a traceback, or silently leaves a game without keys."""
    with pytest.raises(ReverieError, match=r"default\.json") as caught:
        load_keymap("pong", [write(tmp_path, "default", content)])
    assert said in str(caught.value)
