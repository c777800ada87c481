"""``reverie doctor``: what is here, how fast it is, what is missing and how to mend it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from app.console import console, say
from engine.errors import ReverieError

PACKAGES = (
    "torch",
    "numpy",
    "safetensors",
    "fastapi",
    "gradio",
    "pygame-ce",
    "gymnasium",
    "ale-py",
    "imageio-ffmpeg",
    "pillow",
    "rich",
    "tyro",
    "uvicorn",
    "websockets",
)
INSTALL = "make setup"
Verdict = Literal["ok", "note", "missing"]
SIGNS = {"ok": ("✓", "green"), "note": ("·", "yellow"), "missing": ("✗", "bold red")}


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``mend``: the command, or the step, that mends it."""

    verdict: Verdict
    name: str
    text: str
    mend: str = ""


@dataclass(frozen=True)
class Doctor:
    """Check the installation; exit code 1 when something needed is missing."""

    seconds: float = 3.0
    """How long to measure the default world's speed; 0 leaves it out."""

    def run(self) -> int:
        missing = 0
        for finding in self._findings():
            sign, style = SIGNS[finding.verdict]
            console().print(f" [{style}]{sign}[/] {finding.name:<12}", end="")
            say(finding.text)
            if finding.mend:
                say(f"   {'':<12}→ {finding.mend}", "bold")
            missing += finding.verdict == "missing"
        say("\nEverything needed is here." if not missing else f"\n{missing} missing; the arrows tell how to mend it.")
        return 1 if missing else 0

    def _findings(self) -> Iterator[Finding]:
        yield python()
        yield from packages()
        yield device()
        yield page()
        yield display()
        yield video()
        yield settings()
        yield from worlds(self.seconds)


def python() -> Finding:
    return Finding("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def packages() -> Iterator[Finding]:
    """What is installed, in one line, and one line for each package that is not."""
    found, absent = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    yield Finding("ok", "packages", ", ".join(found))
    for name in absent:
        yield Finding("missing", name, "is not installed", INSTALL)


def device() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("missing", "device", f"PyTorch cannot be imported: {error}", INSTALL)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"CPU, {cores} cores, {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        return Finding("ok", "device", f"{torch.cuda.get_device_name()} (--device cuda); {text}")
    return Finding("ok", "device", text)


def page() -> Finding:
    """Whether the browser page can be served, and on which port."""
    try:
        from app.web.serving import PORT, bind
    except ImportError as error:
        return Finding("missing", "page", f"the web server cannot be imported: {error}", INSTALL)
    try:
        bind().close()
    except (ReverieError, OSError) as error:
        return Finding("note", "page", f"{error}", "reverie play takes a free port by itself")
    return Finding("ok", "page", f"reverie play serves it on 127.0.0.1:{PORT}")


def display() -> Finding:
    try:
        from app.desktop.display import missing_display

        missing = missing_display()
    except ImportError as error:
        return Finding("missing", "display", f"Pygame cannot be imported: {error}", INSTALL)
    if missing:
        mend = "reverie play needs none; for reverie play --window use a desktop, ssh -Y, or xvfb-run -a"
        return Finding("note", "display", f"none ({missing})", mend)
    return Finding("ok", "display", "found")


def video() -> Finding:
    try:
        import imageio_ffmpeg

        path = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        return Finding(
            "note", "video", f"no ffmpeg for MP4, only GIF ({error})", "pip install --force-reinstall imageio-ffmpeg"
        )
    return Finding("ok", "video", f"MP4 by {os.path.basename(path)}, GIF")


def settings() -> Finding:
    from app.settings import load_settings, settings_path

    try:
        load_settings()
    except ReverieError as error:
        return Finding("missing", "settings", str(error), f"remove {settings_path()}")
    return Finding(
        "ok", "settings", f"{settings_path()}{'' if settings_path().exists() else ' (none yet: the defaults)'}"
    )


def worlds(seconds: float) -> Iterator[Finding]:
    """The worlds found, and the default one's speed."""
    try:
        from engine.loading import DEFAULT_WORLD, list_worlds, load_world

        names = [folder.path.name for folder in list_worlds()]
        mend = "" if names else "set REVERIE_WORLDS to a folder of worlds, or train one: docs/training.md"
        yield Finding("ok" if names else "missing", "worlds", ", ".join(names) or "none found", mend)
        if not names or seconds <= 0:
            return
        from engine.bench import bench

        report = bench(load_world(DEFAULT_WORLD), seconds)
    except (ImportError, ReverieError, ValueError, OSError) as error:
        yield Finding("missing", "worlds", str(error), "git checkout assets/worlds, or reinstall: make setup")
        return
    yield speed(report["world"], report["paths"])


def speed(world: str, paths: dict[str, dict[str, float]]) -> Finding:
    """The fastest path of a world, from a report of ``engine.bench``."""
    name, best = max(paths.items(), key=lambda item: item[1]["fps"])
    text = f"{world}: {best['fps']:.0f} frames a second, {best['p50_ms']:.0f} ms each ({name})"
    if best["fps"] < 15:
        return Finding("note", "speed", text, "press [ in the window for fewer sampler steps, or close other programs")
    return Finding("ok", "speed", text)
