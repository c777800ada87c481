"""The console command: quick to answer, clear about what does not fit, the right exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import app.desktop.display
from app.cli import main
from app.commands import doctor
from engine.errors import ReverieError
from tests.counting import loaded

SUBCOMMANDS = (
    "play",
    "serve",
    "replay",
    "worlds",
    "doctor",
    "collect",
    "train",
    "export",
    "eval",
    "report",
    "atlas",
    "bench",
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, a user without settings, and the counting world for every name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("REVERIE_DEBUG", raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr("engine.loading.load_world", lambda name, device="cpu": loaded())
    return tmp_path


def test_the_command_line_loads_nothing_heavy() -> None:
    """Bug: an import somewhere makes `reverie --help` take seconds."""
    heavy = {"torch", "pygame", "gymnasium", "numpy", "PIL", "gradio", "fastapi", "starlette", "uvicorn", "websockets"}
    code = f"import sys, app.cli; print({heavy!r} & set(sys.modules) or 'light')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "light"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: a command is written and not wired."""
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in SUBCOMMANDS)


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: an option's type is one that the parser cannot read."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"reverie {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["play", "--size", "3"], "WIDTHxHEIGHT"),
        (["play", "--steps", "0"], "--steps"),
        (["play", "--fps", "nan"], "--fps"),
        (["play", "--horizon", "0"], "--horizon"),
        (["play", "--controller", "cat"], "human"),
        (["play", "--port", "65536"], "--port"),
        (["play", "--window"], "xvfb-run"),
        (["serve", "--port", "-1"], "--port"),
        (["serve", "--players", "0"], "--players"),
        (["serve", "--max-batch", "0"], "--max-batch"),
        (["serve", "--host", "0.0.0.0"], "--token auto"),
        (["serve", "--token", "1234"], "at least 8"),
        (["plai"], "play"),
        (["bench", "--seconds", "-1"], "--seconds"),
        (["play", "--headless", "--out", "dream.avi"], ".gif"),
        (["play", "--headless", "--start", "99"], "start"),
        (["replay", "none.json"], "none.json"),
    ],
)
def test_input_that_does_not_fit_is_two_and_a_message(
    here: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: a mistyped value ends in a traceback or with exit code 0."""
    try:
        code: Any = main(arguments)
    except SystemExit as ended:
        code = ended.code
    error = capsys.readouterr().err
    assert code == 2
    assert said in error and "Traceback" not in error


def test_an_unknown_world_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: a mistyped world is only refused, and one has to search for the right name."""
    (tmp_path / "boxing").mkdir()
    (tmp_path / "boxing" / "world.json").write_text("{}")
    monkeypatch.setenv("REVERIE_WORLDS", str(tmp_path))
    assert main(["play", "boxng", "--headless"]) == 2
    assert "boxing" in capsys.readouterr().err


def test_a_dream_is_replayed_bit_for_bit(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: what the command line writes cannot be played again, or a changed replay passes as the same."""
    assert main(["play", "--headless", "--steps", "20", "--seed", "3", "--horizon", "7", "--out", "a.gif"]) == 0
    assert main(["replay", "a.replay.json", "--out", "b.gif"]) == 0
    assert (here / "a.gif").read_bytes() == (here / "b.gif").read_bytes()
    assert "the same bit for bit" in capsys.readouterr().out
    replay = json.loads((here / "a.replay.json").read_text())
    replay["actions"][3] = (replay["actions"][3] + 1) % 8
    (here / "c.replay.json").write_text(json.dumps(replay))
    assert main(["replay", "c.replay.json"]) == 2


def test_ctrl_c_ends_quietly(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: an interrupted command ends in a traceback, or with exit code 0."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.loading.load_world", interrupt)
    assert main(["play", "--headless"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_debug_keeps_the_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: there is no way to see where an error came from."""
    monkeypatch.setenv("REVERIE_DEBUG", "1")
    with pytest.raises(ReverieError):
        main(["play", "--headless", "--out", "dream.avi"])


def test_the_window_plays_and_remembers_its_size(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the window cannot be opened from the command line, or forgets how large it was."""
    import pygame

    monkeypatch.setattr(app.desktop.display, "missing_display", lambda: None)
    from app.desktop.playing import Playing

    turn = Playing.turn

    def turn_and_quit(playing: Playing) -> bool:
        if playing.pilot.shown is not None and playing.pilot.shown.frame.index > 3:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_TAB, mod=0))
            pygame.event.post(pygame.event.Event(pygame.QUIT))
        return turn(playing)

    monkeypatch.setattr(Playing, "turn", turn_and_quit)
    assert main(["play", "--window", "--size", "700x500", "--fps", "200"]) == 0
    kept = json.loads((here / "config" / "reverie" / "settings.json").read_text())
    assert (kept["width"], kept["height"], kept["panel"]) == (700, 500, False)


def test_worlds_says_what_to_do_without_any(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: an empty table, and no word about what to do."""
    monkeypatch.setattr("engine.loading.list_worlds", list)
    assert main(["worlds"]) == 0
    assert "REVERIE_WORLDS" in capsys.readouterr().out


def test_doctor_counts_what_is_missing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: the doctor finds a missing package and calls everything fine, or does not say how to mend it."""
    monkeypatch.setattr("engine.loading.list_worlds", list)
    monkeypatch.setattr(doctor, "PACKAGES", ("torch", "no-such-package"))
    assert main(["doctor", "--seconds", "0"]) == 1
    out = capsys.readouterr().out
    assert "no-such-package" in out and "make setup" in out and "2 missing" in out


def test_doctor_measures_the_default_world(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the doctor reads the bench's report wrongly and fails where everything is in order."""
    monkeypatch.setattr("engine.loading.list_worlds", lambda: [type("Folder", (), {"path": Path("counting")})])
    findings = list(doctor.worlds(0.05))
    assert [finding.name for finding in findings] == ["worlds", "speed"]
    assert findings[1].verdict == "ok" and "counting" in findings[1].text


def test_bench_prints_its_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: the table asks the report for a number it does not hold."""
    assert main(["bench", "--seconds", "0.05"]) == 0
    assert "frames/s" in capsys.readouterr().out
