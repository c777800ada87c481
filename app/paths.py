"""Where things lie: what ships with Reverie, and what belongs to the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def config_folder() -> Path:
    """The platform's folder for a user's settings (not created): XDG on Linux, AppData on Windows, Library on macOS."""
    if sys.platform == "win32":
        base = os.environ.get("APPDATA")
        return Path(base or Path.home() / "AppData" / "Roaming") / "Reverie"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Reverie"
    base = os.environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "reverie"
