"""What a user chose once and expects to find again: a small JSON file in the platform's config folder."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from app.paths import config_folder
from engine.errors import ReverieError
from engine.files import write_file


@dataclass(frozen=True)
class Settings:
    """Settings of the desktop window. Missing keys keep their defaults; anything else is checked."""

    width: int = 960
    """Width of the window in pixels."""
    height: int = 720
    """Height of the window in pixels."""
    panel: bool = True
    """Show the panel beside the picture."""
    clip_seconds: float = 30.0
    """Length of an instant replay."""
    dreams: str = "dreams"
    """Folder of videos, screenshots and replays."""
    saves: str = "saves"
    """Folder of save slots."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            fits = isinstance(value, (int, float)) if kind is float else isinstance(value, kind)
            if not fits or (kind is not bool and isinstance(value, bool)):
                raise ValueError(f"{field.name}: got {value!r}, expected {kind.__name__} such as {field.default!r}")
        for name, low, high in (("width", 200, 16384), ("height", 200, 16384), ("clip_seconds", 1, 600)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: got {getattr(self, name)}, expected {low} to {high}")


def settings_path() -> Path:
    return config_folder() / "settings.json"


def load_settings(path: Path | None = None) -> Settings:
    """The user's settings, or the defaults where there is no file. Raises ReverieError on a file that does not fit."""
    path = path or settings_path()
    if not path.is_file():
        return Settings()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError(f"got {type(data).__name__}, expected an object")
        unknown = set(data) - {field.name for field in dataclasses.fields(Settings)}
        if unknown:
            raise ValueError(f"got unknown settings {sorted(unknown)}")
        return Settings(**data)
    except (OSError, ValueError) as error:
        raise ReverieError(f"settings {path}: {error}; mend the file, or remove it for the defaults") from error


def save_settings(settings: Settings, path: Path | None = None) -> None:
    """Write atomically, making the folder. Raises ReverieError where that cannot be written."""
    write_file(path or settings_path(), json.dumps(dataclasses.asdict(settings), indent=2) + "\n")
