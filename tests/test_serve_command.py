"""The server as a program: its port, its address, its end, and what the commands ask of it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import app.web.serving
from app.cli import main
from app.commands.serve import keys_of, open_hub
from app.web.access import Access
from app.web.serving import bind, open_in_browser, page_url
from engine.errors import ReverieError
from engine.server.errors import ServerError
from engine.server.protocol import Hello, encode_client
from tests.serving import WAIT_S, Player, counting_hub, dial, until

PROGRAM = """
import tempfile
from app.web.access import Access
from app.web.serving import bind, serve
from tests.serving import counting_hub
hub = counting_hub()
place = hub.downloads.place()
serve(hub, Access(), bind(port=0), on_ready=lambda url: print(url, place, flush=True), page=False)
print("ended", flush=True)
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a command asked the server for; nothing is served."""
    found: dict[str, Any] = {}

    def serve(hub: Any, access: Access, listener: socket.socket, **options: Any) -> None:
        found.update(hub=hub, access=access, port=listener.getsockname()[1], **options)
        options["on_ready"](page_url(replace(access, port=found["port"]), options.get("query")))

    monkeypatch.setattr(app.web.serving, "serve", serve)
    monkeypatch.setattr("engine.loading.load_world", lambda *_, **__: pytest.fail("no world is loaded for this"))
    monkeypatch.setattr(webbrowser, "open", lambda url: found.setdefault("opened", url))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return found


@pytest.mark.parametrize("sign", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_it_cleanly(sign: str) -> None:
    """Bug: Ctrl-C or a service manager's stop ends in a traceback or an error's exit code, leaves files behind, or
    waits for clients that stay."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[1], text=True, stdout=-1, stderr=-1
    ) as process:
        try:
            assert process.stdout and process.stderr
            url, place = process.stdout.readline().split()
            assert httpx.get(url + "api/stats").json()["players"] == 0 and Path(place).is_dir()
            player = Player(dial(url.replace("http", "ws") + "api/play"))
            player.send(encode_client(Hello()))
            player.frame()
            process.send_signal(getattr(signal, sign))
            assert player.end() == 1012 and player.events[-1].name == "bye"
            said, complained = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert (process.returncode, said, complained) == (0, "ended\n", "")
    assert not Path(place).exists()


def test_a_port_that_is_taken_is_said_so() -> None:
    """Bug: a second server ends in a traceback, or silently shares or steals the port."""
    with bind(port=0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ReverieError, match=f"{port}.*--port 0"):
            bind(port=port)
        with bind(port=port, or_free=True) as other:
            assert other.getsockname()[1] not in (0, port)


def test_a_host_that_is_none_of_this_machines_is_said_so() -> None:
    """Bug: a mistyped host ends in a traceback."""
    for host in ("no such host", "203.0.113.9"):
        with pytest.raises(ReverieError, match=host):
            bind(host, 0)


def test_a_listening_socket_is_closed_where_serving_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: after an error the port stays taken, or the device's thread goes on."""

    def fail(*_: Any) -> None:
        raise ReverieError("no page")

    monkeypatch.setattr(app.web.serving, "build_application", fail)
    hub, listener = counting_hub(), bind(port=0)
    port = listener.getsockname()[1]
    with pytest.raises(ReverieError, match="no page"):
        app.web.serving.serve(hub, Access(), listener)
    bind(port=port).close()
    with pytest.raises(ServerError):
        hub.join(Hello())


@pytest.mark.parametrize(
    ("access", "query", "url"),
    [
        (Access(), {}, "http://127.0.0.1:7860/"),
        (Access("0.0.0.0", 80, "a&b=c d e"), {"world": "x"}, "http://127.0.0.1:80/?token=a%26b%3Dc+d+e&world=x"),
        (Access("::1", 1), {}, "http://[::1]:1/"),
        (Access("localhost", 9), {"seed": "3"}, "http://localhost:9/?seed=3"),
    ],
)
def test_the_address_can_be_opened_as_it_is_printed(access: Access, query: dict[str, str], url: str) -> None:
    """Bug: the printed address is one that no browser opens, or a token with a special character is cut."""
    assert page_url(access, query) == url


def test_play_opens_the_page_with_what_was_asked_for(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bug: `reverie play --seed 3` plays another seed in the browser; or the page is reachable from elsewhere; or the
    address is only shown where a browser cannot be opened."""
    options = ["--seed", "3", "--start", "2", "--horizon", "50", "--controller", "random", "--real", "--port", "0"]
    monkeypatch.setenv("DISPLAY", ":0")
    assert main(["play", "pong", *options]) == 0
    told = {"world": "pong", "seed": "3", "start": "2", "horizon": "50", "controller": "random", "real": "1"}
    assert asked["query"] == told
    assert asked["access"].host == "127.0.0.1" and asked["access"].token is None
    url = f"http://127.0.0.1:{asked['port']}/?world=pong&seed=3"
    assert url in capsys.readouterr().out
    until(lambda: "opened" in asked, "the browser is opened")
    assert asked["opened"].startswith(url)


def test_play_without_a_display_prints_the_address(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: over SSH a text browser takes the terminal, or nothing says where to go."""
    assert main(["play", "--port", "0"]) == 0
    assert f"http://127.0.0.1:{asked['port']}/" in capsys.readouterr().out
    assert "opened" not in asked and asked["query"] == {} and not open_in_browser("http://127.0.0.1/")


def test_play_takes_a_free_port_where_its_own_is_taken(asked: dict[str, Any]) -> None:
    """Bug: `reverie play` twice ends in an error the second time."""
    with bind(port=0) as first:
        assert main(["play", "--port", str(first.getsockname()[1])]) == 0
        assert asked["port"] != first.getsockname()[1]


def test_serve_makes_a_token_where_it_is_told_to(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Bug: `--token auto` locks with the word auto, or nobody is told what it made."""
    options = ["--players", "3", "--max-batch", "2", "--name", "play.example"]
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--token", "auto", *options]) == 0
    access = asked["access"]
    assert len(access.token) >= 20 and access.token != "auto"
    said = capsys.readouterr().out
    assert f"?token={access.token}" in said and socket.gethostname() in said
    assert access.knows_host("play.example") and asked["hub"].limits.players == 3


def test_any_folder_can_be_the_default_world(tmp_path: Path) -> None:
    """Bug: a world one has just made cannot be served without an environment variable, or hides all others."""
    from engine.loading import list_worlds

    shipped = list_worlds()[0].path
    mine = tmp_path / "mine"
    mine.symlink_to(shipped)
    hub = open_hub(str(mine), "cpu")
    assert hub.shelf.default == shipped.resolve().name and set(hub.shelf.names) == {w.path.name for w in list_worlds()}
    with pytest.raises(ReverieError, match="pong"):
        open_hub("pogn", "cpu")


def test_keys_come_from_the_keymaps() -> None:
    """Bug: the browser's keys are others than the window's."""
    keys, labels = keys_of("pong")
    assert keys["up"] == "right" and labels["right"]
