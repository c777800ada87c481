"""Whether there is a display that a window can be opened on."""

from __future__ import annotations

import os
import sys

NOT_SEEN = ("dummy", "offscreen", "evdev")

HINT = (
    "No display was found, so no window can be opened.\n"
    "To get one: run this on a desktop; over SSH connect with `ssh -Y` and try again; "
    "or start a virtual one, `xvfb-run -a reverie play --window`."
)


def missing_display() -> str | None:
    """None where a window can be seen, else why not."""
    servers = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in servers):
        return "neither DISPLAY nor WAYLAND_DISPLAY is set"
    import pygame

    try:
        pygame.display.init()
    except pygame.error as error:
        return f"SDL: {error}"
    driver = pygame.display.get_driver()
    pygame.display.quit()
    asked = os.environ.get("SDL_VIDEODRIVER", "").lower()
    hidden = driver.lower() in NOT_SEEN or (driver.lower() == "kmsdrm" and asked != "kmsdrm")
    return f"SDL found only its driver {driver!r}" if hidden else None
