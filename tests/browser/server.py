"""``reverie serve`` as a program, with the shipped worlds and a tiny one, and a line to it that can be cut."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from models.checkpoint import Manifest, write_world_folder
from tests.tiny_worlds import endless, random_starts, tiny_config, tiny_world

ROOT = Path(__file__).parents[2]
OPENS_S = 180.0
RESET = struct.pack("ii", 1, 0)


def write_endless(path: Path) -> None:
    """A world folder of noise that never ends and never rewards."""
    world = endless(tiny_world())
    values: dict[str, Any] = {"family": "diamond", "config": tiny_config().to_dict()}
    values |= {"settings": asdict(world.settings), "spec": world.spec}
    write_world_folder(
        path, Manifest(**values), world.weights(), random_starts(world.spec, 3), {"README.md": b"# Tiny"}
    )


@dataclass(frozen=True)
class Serving:
    """A server that runs."""

    origin: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.origin.rsplit(":", maxsplit=1)[1])

    @property
    def glitches(self) -> Path:
        """Where flagged glitches are kept."""
        return self.log.parent / "glitches"

    def stats(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.origin}/api/stats", timeout=30)
        return dict(answer.raise_for_status().json())

    def until(self, what: str, wait_s: float = 60.0, **expected: int) -> dict[str, Any]:
        """Wait until its statistics are as expected."""
        end = time.monotonic() + wait_s
        while any((stats := self.stats())[name] != value for name, value in expected.items()):
            assert time.monotonic() < end, f"expected that {what} ({expected}), got {stats} after {wait_s} s"
            time.sleep(0.05)
        return stats


@contextmanager
def serving(folder: Path, tiny: bool = True, cwd: Path = ROOT) -> Iterator[Serving]:
    """A server of its own, with its files in ``folder``. Raises AssertionError where it says an error.

    tiny: offer the tiny world beside those that ship with Reverie. cwd: where it is started, and finds its ``data``.
    """
    if tiny:
        write_endless(folder / "worlds" / "tiny")
    log = folder / "server.log"
    kept = {"REVERIE_WORLDS": folder / "worlds", "XDG_CONFIG_HOME": folder, "GRADIO_TEMP_DIR": folder / "gradio"}
    kept["REVERIE_GLITCHES"] = folder / "glitches"
    env = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
        **{name: str(path) for name, path in kept.items()},
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0"]
    with (
        log.open("w") as said,
        subprocess.Popen(command, cwd=cwd, env=env, stdout=said, stderr=subprocess.STDOUT) as process,
    ):
        try:
            yield Serving(_address(process, log), log)
            process.terminate()
            process.wait(20)
        finally:
            process.kill()
    text = log.read_text()
    assert "Traceback" not in text and "ERROR" not in text, text


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + OPENS_S
    while (found := re.search(r"(http://127\.0\.0\.1:\d+)/", log.read_text())) is None:
        assert process.poll() is None and time.monotonic() < end, f"the server did not start: {log.read_text()}"
        time.sleep(0.1)
    return found[1]


class Line:
    """A port that leads to a server, until it is cut; then nothing answers there until it is mended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """As when a cable is pulled and plugged in somewhere else: both sides get a reset."""
        with self._lock:
            self._is_cut = True
            ends, self._ends = self._ends, []
        for end in ends:
            _reset(end)

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    _reset(near)
                    continue
                far = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=pair, daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        end.shutdown(socket.SHUT_RDWR)
    end.close()
