"""Settings: remembered, forgiving about what is missing, strict about what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings, load_settings, save_settings
from engine.errors import ReverieError


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    """Bug: a setting is written under another name than it is read."""
    settings = Settings(width=801, height=602, panel=False, clip_seconds=12.5, dreams="d", saves="s")
    save_settings(settings, tmp_path / "new" / "settings.json")
    assert load_settings(tmp_path / "new" / "settings.json") == settings


def test_missing_file_and_keys_mean_defaults(tmp_path: Path) -> None:
    """Bug: a new setting makes every older file unreadable."""
    assert load_settings(tmp_path / "none.json") == Settings()
    path = tmp_path / "settings.json"
    path.write_text('{"width": 700}')
    assert load_settings(path) == Settings(width=700)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"widht": 700}, "widht"),
        ({"width": "700"}, "width"),
        ({"width": True}, "width"),
        ({"width": 3}, "width"),
        ({"panel": 1}, "panel"),
        ([1], "object"),
        (None, "object"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, data: Any, said: str) -> None:
    """Bug: a wrong value is taken and breaks the window later, far from its cause."""
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ReverieError, match=said):
        load_settings(path)


def test_settings_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    """Bug: closing the window ends in a traceback where the config folder is read-only."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReverieError, match=r"settings\.json"):
        save_settings(Settings(), tmp_path / "file" / "settings.json")
