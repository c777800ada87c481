"""``reverie serve``: the worlds for browsers, on this machine or for others too."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from app.commands.arguments import MaybeText
from app.console import say
from engine.errors import ReverieError

if TYPE_CHECKING:
    from engine.server.hub import Hub

PORT = 7860
AUTO = "auto"


@dataclass(frozen=True)
class Serve:
    """Serve the worlds to browsers. Ctrl-C ends it."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for all of this machine's, which needs a token."""
    port: int = PORT
    """The port to listen on; 0 takes a free one."""
    token: MaybeText = None
    """What one must know to be let in; `auto` makes one and prints it in the address."""
    name: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME ...")] = ()
    """More names or addresses that lead here, such as a reverse proxy's."""
    players: int = 16
    """How many may play at once."""
    max_batch: int = 16
    """How many players' frames are made in one step of the model at most; 1 makes each by itself."""
    device: str = "cpu"
    """Where the models run: cpu, cuda, mps."""
    world: MaybeText = None
    """The world that is loaded first and played where none is asked for; Pong by default."""

    def __post_init__(self) -> None:
        check_port(self.port)
        for name in ("players", "max_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')}: got {getattr(self, name)}, expected at least 1")

    def run(self) -> int:
        say("Opening Reverie ...", "dim")
        from app.web.access import Access, is_loopback, new_token
        from app.web.serving import bind, serve

        token = new_token() if self.token == AUTO else self.token
        access = Access(self.host, self.port, token, self.name)
        with bind(self.host, self.port) as listener:
            flags = is_loopback(self.host)
            hub = open_hub(self.world, self.device, flags=flags, players=self.players, max_batch=self.max_batch)
            serve(hub, access, listener, on_ready=self._show)
        say("Ended.")
        return 0

    def _show(self, url: str) -> None:
        from app.web.access import is_wildcard

        say(f"Reverie is at {url}")
        if is_wildcard(self.host):
            say(f"From other machines: the same address with {socket.gethostname()} in place of 127.0.0.1")
        say("Ctrl-C ends it.")


def check_port(port: int) -> None:
    """Raises ValueError for a port that cannot be."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port: got {port}, expected 0 to 65535")


def open_hub(
    world: str | None,
    device: str,
    max_batch: int = 16,
    flags: bool = True,
    episode: Path | None = None,
    **limits: Any,
) -> Hub:
    """A hub of all worlds that can be named, ``world`` (a name or a folder) the default one; not started.

    flags: whether players may keep glitches on this machine, and play under its episodes; episode: one more of those.
    Raises ReverieError where there is no such world.
    """
    from engine.loading import list_worlds
    from engine.server.hub import Hub
    from engine.server.limits import Limits
    from engine.server.shelf import Shelf
    from models.checkpoint import WorldError
    from models.library import find_world

    names: list[Path] | None = None
    if world is not None:
        try:
            first = find_world(world).resolve()
        except WorldError as error:
            raise ReverieError(str(error)) from error
        names = [first, *(folder.path for folder in list_worlds() if folder.path.name != first.name)]
    return Hub(Shelf(names, device, keys_of), Limits(**limits), max_batch, flags=flags, episode=episode)


def keys_of(world: str) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """A world's keymap as the hub wants it: key -> button, button -> label."""
    from app.keymaps import load_keymap

    keymap = load_keymap(world)
    return keymap.keys, keymap.labels
