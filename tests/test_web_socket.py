"""The stream and the files over a real port: what a client sees that behaves, and one that does not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

import app.web.serving
import app.web.socket
from app.web.access import Access
from app.web.files import KEY_HEADER
from app.web.socket import Connection, Lobby
from engine.server.guest import Guest
from engine.server.limits import Limits
from engine.server.messages import Resume
from engine.server.protocol import CLOSE_CODES, Hello, Key, encode_client
from tests.counting import loaded
from tests.serving import WAIT_S, Player, Running, counting_hub, dial, running, until

LIMITS = Limits(players=3, hello_s=1.0, upload_mb=0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    hub = counting_hub(LIMITS, counting=loaded(), other=loaded(hash="0ther"))
    with running(hub) as made:
        yield made


@pytest.fixture(autouse=True)
def nobody(server: Running) -> Iterator[None]:
    """Every test begins without players, and ends without."""
    yield
    for stay in list(server.hub._stays.values()):
        server.hub.leave(stay.guest, lost=False) if stay.guest else None
    until(lambda: not server.server.app.state.lobby.connections or not server.hub.stats()["players"], "all are gone")


def raw(server: Running, *messages: bytes | str) -> Player:
    """A connection that has sent just this."""
    player = Player(dial(server.stream))
    for message in messages:
        player.socket.send(message)
    return player


def pixel(picture: bytes) -> list[int]:
    """RGB of a picture's first pixel."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return [int(value) for value in image[0, 0, ::-1]]


def test_a_pressed_button_moves_the_dream_and_its_time_comes_back(server: Running) -> None:
    """Bug: input does not reach the model, or the frame that answers it does not say so, and latency is not known."""
    player = server.join()
    up = player.welcome.fields["world"]["buttons"].index("up")
    player.frame()
    player.send(encode_client(Key(True, up, 1234.5)))
    while player.frames[-1].header.echo != 1234.5:
        player.frame()
    action = player.welcome.fields["world"]["actions"].index("UP")
    assert pixel(player.frames[-1].picture)[1] % 10 == action
    assert player.frame().header.echo is None, "one input is answered by one frame"
    numbers = [frame.header.seq for frame in player.frames]
    assert numbers == list(range(1, len(numbers) + 1))
    player.close()


def test_orders_are_answered_each_once_and_in_order(server: Running) -> None:
    """Bug: a reply waits behind frames, is lost among them, or comes twice."""
    player = server.join(Hello("counting", seed=5))
    verbs = ["pause", "step", "step", "save", "fork", "nonsense", "resume"]
    answers = [player.do(verb, **({"slot": 1} if verb == "save" else {})) for verb in verbs]
    assert [answer["do"] for answer in answers] == verbs
    assert [answer["ok"] for answer in answers] == [True, True, True, True, True, False, True]
    assert answers[5]["error"]["code"] == "unsupported"
    player.close()
    assert sum(event.name == "reply" for event in player.events) == len(verbs)


def test_a_client_that_goes_frees_its_session_at_once(server: Running) -> None:
    """Bug: closed tabs keep computing, and keep their places, until something times out."""
    for code in (1000, 1001):
        player = server.join()
        player.frame()
        player.close(code)
        until(lambda: server.hub.stats()["players"] == 0, f"the session is gone after {code}")


def test_a_lost_connection_goes_on_where_it_was(server: Running) -> None:
    """Bug: a moment without network ends the dream, or somebody else can take it over."""
    player = server.join(Hello("counting", seed=7))
    while len(player.frames) < 4:
        player.frame()
    before = player.welcome.fields
    player.socket.socket.close()
    until(lambda: server.hub.stats()["connected"] == 0, "the loss is noticed")
    assert server.hub.stats()["players"] == 1
    wrong = raw(server, encode_client(Hello(resume=Resume(before["session"], "x" * 32))))
    assert wrong.end() == CLOSE_CODES["unknown_session"]
    again = server.join(Hello(resume=Resume(before["session"], before["key"])))
    after = again.welcome.fields
    assert after["resumed"] and after["session"] == before["session"] and after["key"] != before["key"]
    assert again.frame().header.index >= player.frames[-1].header.index
    again.close()


def test_the_connection_that_takes_over_outlives_the_old_one(server: Running) -> None:
    """Bug: the old connection's end ends, or suspends, the session that another connection plays by now."""
    old = server.join()
    old.frame()
    key = Resume(old.welcome.fields["session"], old.welcome.fields["key"])
    new = server.join(Hello(resume=key))
    assert old.end() == CLOSE_CODES["expired"]
    assert [event.name for event in old.events].count("bye") == 1
    count = len(new.frames)
    while len(new.frames) < count + 5:
        new.frame()
    assert server.hub.stats()["connected"] == 1
    new.close()


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([b'\x01{"protocol":99}'], "version"),
        ([b"\x01{}"], "version"),
        ([b"\x07\x00\x00\x00\x00\x00\x00\x00\x00"], "protocol"),
        (["hello"], "protocol"),
        ([b""], "protocol"),
        ([], "protocol"),
        ([b"\x01" + b" " * 65_536], "too_large"),
        ([encode_client(Hello("../../etc/passwd"))], "unknown_world"),
        ([encode_client(Hello("counting", start=99))], "bad_value"),
        ([encode_client(Hello(replay="AAAA"))], "link"),
        ([encode_client(Hello("counting"))] * 2, "protocol"),
        ([encode_client(Hello("counting")), "text"], "protocol"),
    ],
)
def test_what_ends_a_connection_says_why(server: Running, messages: list[bytes | str], code: str) -> None:
    """Bug: a client that gets something wrong is cut off without a word, or left to wait for ever."""
    player = raw(server, *messages)
    assert player.end() == CLOSE_CODES[code]
    told = [event.fields for event in player.events if event.name == "error"]
    assert len(told) == 1 and told[0]["code"] == code and told[0]["fatal"] and told[0]["message"]
    until(lambda: server.hub.stats()["players"] == 0, "nothing is left of it")


def test_a_giant_message_is_refused_before_it_is_read(server: Running) -> None:
    """Bug: a message of any size is collected in memory."""
    player = server.join()
    with suppress(ConnectionClosed):  # it may be refused while it is still on its way
        player.socket.send([b"\x02" + b"x" * 60_000] * 40)
    assert player.end() in (1009, 1006), "1006: the rest was still on its way, and the reset overtook the close code"
    until(lambda: server.hub.stats()["connected"] == 0, "it is gone")


def test_one_more_than_there_is_room_for_is_told(server: Running) -> None:
    """Bug: over the limit a client hangs, or takes somebody else's place."""
    players = [server.join() for _ in range(LIMITS.players)]
    late = raw(server, encode_client(Hello()))
    assert late.end() == CLOSE_CODES["full"]
    for player in players:
        player.frame()
        player.close()


def test_a_failure_in_the_server_is_one_clients_and_is_told(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: an error nobody foresaw leaves a client without an answer, or takes the others along."""
    other, player = server.join(), server.join()
    receive = Guest.receive

    def fail(guest: Guest, data: bytes) -> None:
        if guest.session == player.welcome.fields["session"]:
            raise ZeroDivisionError("a bug")
        receive(guest, data)

    monkeypatch.setattr(Guest, "receive", fail)
    player.send(encode_client(Key(True, 0, 1.0)))
    assert player.end() == CLOSE_CODES["internal"]
    assert "a bug" not in str(player.events[-1].fields), "what failed inside is for the log"
    assert other.do("pause")["ok"]
    other.close()


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a message that cannot leave keeps its task, its session and its place for ever."""
    monkeypatch.setattr(app.web.socket, "SEND_S", 0.05)

    class Stuck:
        """Says hello, and never takes a message."""

        sent = 0

        async def accept(self) -> None: ...

        async def receive(self) -> dict[str, Any]:
            if self.sent:
                await asyncio.Event().wait()
            self.sent = 1
            return {"type": "websocket.receive", "bytes": encode_client(Hello())}

        async def send_bytes(self, data: bytes) -> None:
            await asyncio.Event().wait()

        async def close(self, code: int, reason: str) -> None: ...

    with counting_hub() as hub:

        async def main() -> None:
            lobby = Lobby(hub)
            await asyncio.wait_for(lobby.serve(Stuck()), 10)  # type: ignore[arg-type]
            assert not lobby.connections
            lobby.close()

        asyncio.run(main())
        assert hub.stats()["players"] == 0


def test_how_a_client_left_counts_even_where_sending_fails_first() -> None:
    """Bug: a tab closed while a frame is on its way counts as a lost connection, and its session is kept on."""

    class Leaving:
        """Says hello and closes; sending fails before that is read."""

        def __init__(self) -> None:
            self.failed = asyncio.Event()
            self.messages = [{"type": "websocket.receive", "bytes": encode_client(Hello())}]

        async def accept(self) -> None: ...

        async def receive(self) -> dict[str, Any]:
            if self.messages:
                return self.messages.pop()
            await self.failed.wait()
            await asyncio.sleep(0.05)
            return {"type": "websocket.disconnect", "code": 1001}

        async def send_bytes(self, data: bytes) -> None:
            self.failed.set()
            raise OSError("gone")

    with counting_hub() as hub:
        left: list[bool] = []
        hub.leave = lambda guest, lost, key=None: left.append(lost)  # type: ignore[method-assign]

        async def main() -> None:
            lobby = Lobby(hub)
            await asyncio.wait_for(lobby.serve(Leaving()), 10)  # type: ignore[arg-type]
            lobby.close()

        asyncio.run(main())
    assert left == [False]


def test_there_is_an_end_to_connections_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: connections that never say hello are opened without limit."""
    monkeypatch.setattr(app.web.socket, "WAITING", 2)
    with running(counting_hub(Limits(players=1))) as server:
        silent = [raw(server) for _ in range(3)]
        until(lambda: len(server.server.app.state.lobby.connections) == 3, "they wait")
        assert raw(server).end() == CLOSE_CODES["full"]
        for player in silent:
            player.close()


def test_a_connection_without_a_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: connections that ask for nothing are kept until none are left to be had; or open streams are cut as well."""
    monkeypatch.setattr(app.web.serving, "REQUEST_S", 0.2)
    with running(counting_hub()) as server:
        player = server.join()
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\nHost:")
            with suppress(ConnectionResetError):
                assert silent.recv(1) == b""
        assert player.do("pause")["ok"]
        player.close()


def test_the_end_of_the_server_is_told() -> None:
    """Bug: a client cannot tell a server that ends from a lost network, and tries again for ever."""
    with running(counting_hub()) as server:
        player = server.join()
        player.frame()
        server.server.should_exit = True
        assert player.end() == 1012
        assert player.events[-1].name == "bye" and player.events[-1].fields["reason"] == "closing"


def test_a_page_of_elsewhere_cannot_connect(server: Running) -> None:
    """Bug: the check of who asks is not part of the application."""
    with pytest.raises(InvalidStatus) as refused:
        dial(server.stream, origin="http://evil.example")
    assert refused.value.response.status_code == 403
    server.join(origin=server.origin).close()


def test_compression_is_off(server: Running) -> None:
    """Bug: pictures, compressed already, are compressed again for nothing, and each client costs a window of memory."""
    player = Player(dial(server.stream, compression="deflate"))
    assert player.socket.protocol.extensions == []
    player.close()


# -- files


def test_a_recording_can_be_fetched_with_its_replay(server: Running) -> None:
    """Bug: the address in a reply leads nowhere, or anybody who can guess a name gets the file."""
    player = server.join()
    while len(player.frames) < 3:
        player.frame()
    clip = player.do("record", format="gif", seconds=2)["value"]
    for url, name in ((clip["url"], clip["name"]), (clip["replay_url"], clip["replay_name"])):
        answer = httpx.get(server.origin + url)
        assert answer.status_code == 200 and answer.content
        assert name in answer.headers["content-disposition"] and "no-store" in answer.headers["cache-control"]
        _, _, _, token, _ = url.split("/")
        for other in (
            f"/api/files/{token}/other.gif",
            f"/api/files/{'x' * 24}/{name}",
            f"/api/files/{token}/..%2f{name}",
        ):
            assert httpx.get(server.origin + other).status_code == 404, other
    player.close()


def test_a_save_goes_out_and_comes_back(server: Running, tmp_path: Path) -> None:
    """Bug: what was saved cannot be brought back, or to anybody's session."""
    player = server.join()
    player.do("pause")
    player.do("step")
    there = player.do("step")["value"]["index"]
    save = httpx.get(server.origin + player.do("save_file")["value"]["url"]).content
    player.do("step")
    address = f"{server.origin}/api/sessions/{player.welcome.fields['session']}/save"
    key = {KEY_HEADER: player.welcome.fields["key"]}
    for form in ({"content": save}, {"files": {"file": ("a.safetensors", save)}}):
        answer = httpx.post(address, headers=key, **form)  # type: ignore[arg-type]
        assert answer.json() == {"ok": True, "value": {"index": there}}, answer.text
    for headers, content, status, code in (
        ({KEY_HEADER: "wrong"}, save, 404, "unknown_session"),
        ({}, save, 404, "unknown_session"),
        (key, b"\x00" * 99, 400, "bad_value"),
        (key, save[:-40], 400, "bad_value"),
        (key, b"", 400, "bad_value"),
        (key, b"\x00" * 200_000, 413, "too_large"),
    ):
        answer = httpx.post(address, headers=headers, content=content)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert player.do("step")["value"]["index"] == there + 1, "refused ones change nothing"
    player.close()


def test_one_save_at_a_time_is_on_its_way(server: Running) -> None:
    """Bug: saves sent by the hundred at once to one session fill the disk before the first of them is judged."""
    player = server.join()
    path = f"/api/sessions/{player.welcome.fields['session']}/save"
    key = {KEY_HEADER: player.welcome.fields["key"]}
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n{KEY_HEADER}: {key[KEY_HEADER]}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", int(server.origin.rpartition(":")[2]))) as slow:
        slow.sendall(head.encode() + b"abc")
        until(lambda: httpx.post(server.origin + path, headers=key, content=b"x").status_code == 429, "it is refused")
    until(lambda: httpx.post(server.origin + path, headers=key, content=b"x").status_code == 400, "it has its turn")
    player.close()


def test_worlds_and_numbers_are_told(server: Running) -> None:
    """Bug: a page cannot list what there is; a world without a preview, or a made-up name, is a server error."""
    worlds = httpx.get(f"{server.origin}/api/worlds").json()
    assert [world["name"] for world in worlds] == ["counting", "other"]
    assert worlds[0]["preview"] is None and worlds[0]["actions"][1] == "FIRE" and worlds[1]["hash"] == "0ther"
    assert httpx.get(f"{server.origin}/api/stats").json()["players"] == 0
    for name in ("counting", "nothing", "..%2f..%2fpong", "%00", "x" * 3000):
        assert httpx.get(f"{server.origin}/api/worlds/{name}/preview.gif").status_code == 404, name


def test_the_pages_files_are_modules_and_never_stale(server: Running) -> None:
    """Bug: a browser runs no module of a wrong type, or keeps yesterday's; a path leads out of the folder."""
    answer = httpx.get(f"{server.origin}/static/main.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "no-cache"
    again = httpx.get(f"{server.origin}/static/main.js", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304 and again.headers["cache-control"] == "no-cache" and not again.content
    for path in ("..%2fsocket.py", "%2e%2e/socket.py", "..%2f..%2f..%2fREADME.md", "nothing.js", "", "%00"):
        assert httpx.get(f"{server.origin}/static/{path}").status_code == 404, path


def test_the_token_guards_every_way_in() -> None:
    """Bug: files, facts or the stream are open although the page asks for the token."""
    access = replace(Access(), token="a-long-enough-token")
    with running(counting_hub(), access) as server:
        for path in ("/", "/api/worlds", "/api/stats", "/static/main.js", "/api/files/x/y"):
            assert httpx.get(server.origin + path).status_code == 401, path
        with pytest.raises(InvalidStatus):
            dial(server.stream)
        server.join(additional_headers={"Authorization": "Bearer a-long-enough-token"}).close()


def test_a_connection_is_woken_from_any_thread_even_after_its_loop() -> None:
    """Bug: the device's thread dies because a page was closed a moment ago."""

    async def made() -> Connection:
        with counting_hub() as hub:
            return Connection(None, Lobby(hub))  # type: ignore[arg-type]

    asyncio.run(made())._wake()
