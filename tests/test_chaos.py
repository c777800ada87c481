"""Many clients that behave badly beside one that does not: its stream goes on, and nothing of theirs is left."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake, WebSocketException

from engine.server.limits import Limits
from engine.server.messages import Ack, Ping, Resume
from engine.server.protocol import Control, Hello, Key, encode_client
from tests.counting import loaded
from tests.serving import Player, Running, counting_hub, dial, running, until

LIMITS = Limits(players=24, hello_s=2.0, silent_s=1.0, resume_s=1.0, memory_mb=600.0, session_mb=64.0)
GONE = (WebSocketException, OSError, EOFError, TimeoutError, httpx.HTTPError)
"""How it ends for a client that is cut off."""
HELLO = encode_client(Hello("counting"))
SAMPLES = [
    HELLO,
    encode_client(Control(1, "pause", {})),
    encode_client(Control(2, "settings", {"changes": {"gain": 2}})),
    encode_client(Key(True, 0, 1.0)),
    encode_client(Ack(1)),
    encode_client(Ping(1.0)),
]


def greeted(server: Running) -> Player:
    return server.join(Hello("counting"))


def until_cut(player: Player, messages: int, message: Callable[[int], bytes | str]) -> None:
    """Send messages until the server ends it, reading nothing; then read what it says."""
    with suppress(*GONE):
        for k in range(messages):
            player.socket.send(message(k))
    player.end()


def noise(server: Running, rng: random.Random) -> None:
    for _ in range(6):
        until_cut(Player(dial(server.stream)), 5, lambda k: rng.randbytes(rng.randrange(200)))
        until_cut(greeted(server), 50, lambda k: rng.randbytes(rng.randrange(1, 100)))


def mutants(server: Running, rng: random.Random) -> None:
    def mutant(_: int) -> bytes:
        data = bytearray(rng.choice(SAMPLES))
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)

    for _ in range(6):
        until_cut(greeted(server), 60, mutant)


def giants(server: Running, rng: random.Random) -> None:
    for size in (65_537, 1 << 20, 8 << 20):
        until_cut(greeted(server), 3, lambda k, size=size: b"\x02" + b"{" * size)  # type: ignore[misc]


def endless_message(server: Running, rng: random.Random) -> None:
    player = greeted(server)
    with suppress(*GONE):
        player.socket.send(b"x" * 1000 for _ in range(10_000))
    player.end()


def brackets(server: Running, rng: random.Random) -> None:
    for text in ("[" * 60_000, '{"a":' * 10_000, '"' * 60_000, "9" * 60_000, '{"id":1e999}'):
        until_cut(greeted(server), 1, lambda k, text=text: b"\x02" + text.encode())  # type: ignore[misc]


def wrong_versions(server: Running, rng: random.Random) -> None:
    for version in ("99", "0", "null", '"1"', "[1]", "1.5", "-1", "1e99"):
        until_cut(Player(dial(server.stream)), 1, lambda k, v=version: b'\x01{"protocol":%s}' % v.encode())  # type: ignore[misc]


def key_flood(server: Running, rng: random.Random) -> None:
    for _ in range(3):
        until_cut(greeted(server), 20_000, lambda k: encode_client(Key(k % 2 == 0, 0, float(k))))


def order_flood(server: Running, rng: random.Random) -> None:
    for verb, args in (("step", {}), ("link", {}), ("save_file", {}), ("record", {"format": "gif", "seconds": 60})):
        until_cut(greeted(server), 2000, lambda k, v=verb, a=args: encode_client(Control(k, v, a)))  # type: ignore[misc]


def hoarder(server: Running, rng: random.Random) -> None:
    player = greeted(server)
    for k in range(60):
        player.do("fork") if k % 3 else player.do("save", slot=k % 9 + 1)
    player.close()


def wanderer(server: Running, rng: random.Random) -> None:
    player = greeted(server)
    for k in range(30):
        player.send(encode_client(Control(k, "world", {"name": ("counting", "other", "../pong")[k % 3]})))
    while sum(event.name == "reply" for event in player.events) < 30:
        player.read()
    player.close()


def never_acknowledges(server: Running, rng: random.Random) -> None:
    player = greeted(server)
    with suppress(*GONE):
        for _ in range(20):
            player.socket.recv(timeout=0.1)
    player.socket.socket.close()


def never_reads(server: Running, rng: random.Random) -> None:
    player = Player(dial(server.stream))
    player.send(HELLO)
    with suppress(*GONE):
        for k in range(400):
            player.send(encode_client(Ping(float(k))))
    threading.Event().wait(2)
    player.socket.socket.close()


def wrong_acks(server: Running, rng: random.Random) -> None:
    for seq in (0, 10_000, 2**32 - 1):
        until_cut(greeted(server), 1, lambda k, seq=seq: encode_client(Ack(seq)))  # type: ignore[misc]


def half_open(server: Running, rng: random.Random) -> None:
    starts = [b"", b"GET", b"GET /api/play HTTP/1.1\r\nHost: 127.0.0.1\r\n", os.urandom(300), b"\x16\x03\x01" * 30]
    held = []
    for start in starts * 3:
        held.append(socket.create_connection(("127.0.0.1", server.port)))
        held[-1].sendall(start)
    silent = [dial(server.stream) for _ in range(5)]
    threading.Event().wait(1)
    for connection in held:
        connection.close()
    for client in silent:
        client.socket.close()


def storm(server: Running, rng: random.Random) -> None:
    for k in range(40):
        player = Player(dial(server.stream))
        if k % 4:
            player.send(HELLO)
        if k % 2:
            linger = struct.pack("ii", 1, 0)  # closed with a reset
            player.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            player.socket.socket.close()
        else:
            player.close(1000 + k % 3 if k % 3 != 2 else 3000)


def path_tricks(server: Running, rng: random.Random) -> None:
    names = ("../counting", "/etc/passwd", "counting/../counting", "..\\x", "\0", "x" * 5000, "counting\n", "%2e%2e")
    for name in names:
        with suppress(*GONE):
            until_cut(Player(dial(server.stream)), 1, lambda k, name=name: encode_client(Hello(name)))  # type: ignore[misc]
        until_cut(Player(dial(server.stream)), 1, lambda k, name=name: encode_client(Hello(replay=name)))  # type: ignore[misc]
    for path in ("/static/../socket.py", "/api/files/../../etc/passwd", "/api/worlds/..%2f..%2fx/preview.gif", "//x//"):
        with suppress(*GONE):
            assert httpx.get(server.origin + path).status_code in (404, 400)


def strangers(server: Running, rng: random.Random) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        for _ in range(5):
            with pytest.raises(InvalidHandshake):
                dial(server.stream, origin=origin)
    for _ in range(5):
        assert httpx.get(server.origin + "/api/stats", headers={"host": "evil.example"}).status_code == 421


def thieves(server: Running, rng: random.Random) -> None:
    for _ in range(20):
        hello = Hello(resume=Resume(f"{rng.getrandbits(96):x}", f"{rng.getrandbits(192):x}"))
        until_cut(Player(dial(server.stream)), 1, lambda k, hello=hello: encode_client(hello))  # type: ignore[misc]


def text_and_twice(server: Running, rng: random.Random) -> None:
    for message in ("hello", HELLO, ""):
        until_cut(greeted(server), 1, lambda k, message=message: message)  # type: ignore[misc]


def uploads(server: Running, rng: random.Random) -> None:
    address = f"{server.origin}/api/sessions/x/save"
    for content in (b"", os.urandom(1 << 20)):
        with suppress(*GONE):
            assert httpx.post(address, content=content).status_code in (404, 413)
    with suppress(*GONE):
        httpx.post(address, content=(b"x" * 1000 for _ in range(100)))
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /api/sessions/x/save HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n\r\nabc")
        threading.Event().wait(0.5)


BAD = (
    *(noise, mutants, giants, endless_message, brackets, wrong_versions, key_flood, order_flood, hoarder, wanderer),
    *(never_acknowledges, never_reads, wrong_acks, half_open, storm, path_tricks, strangers, thieves, text_and_twice),
    uploads,
)


STEP_S = 0.02
"""Between the honest player's steps, of three messages each: a fast machine would pass the limit on messages."""


def scripted(player: Player, steps: int) -> list[bytes]:
    """The pictures of an episode of fixed start, seed and input, step by step."""
    assert player.do("pause")["ok"] and player.do("start", start=0, seed=5)["ok"]
    pictures = []
    for k in range(steps):
        player.send(encode_client(Key(k % 3 == 0, k % 2, float(k))))
        index = player.do("step")["value"]["index"]
        assert index == k + 1, "steps are answered in order, each once"
        while player.frames[-1].header.index != index or player.frames[-1].header.length < index:
            player.frame()
        pictures.append(player.frames[-1].picture)
        time.sleep(STEP_S)
    assert player.do("resume")["ok"]
    return pictures


def own_threads() -> dict[str, int]:
    """Threads of this project by name, without their numbers."""
    names = [thread.name.rsplit("_", 1)[0] for thread in threading.enumerate() if thread.name.startswith("reverie-")]
    return {name: names.count(name) for name in names}


def test_one_honest_player_among_many_others() -> None:
    """Bug: a client that lies, floods, stalls or breaks off takes from another's stream: a lost reply, a changed frame,
    an error that is not its own; or leaves a session, memory or a thread behind."""
    hub = counting_hub(LIMITS, counting=loaded(), other=loaded(hash="0ther"))
    with running(hub) as server:
        alone = server.join(Hello("counting"))
        expected = scripted(alone, 40)
        alone.close()
        until(lambda: hub.stats()["players"] == 0, "nobody is there")
        honest = server.join(Hello("counting"))
        honest.frame()
        memory = hub.memory.bytes
        failed: list[str] = []

        def behave_badly(bad: Callable[[Running, random.Random], None], seed: int) -> None:
            try:
                bad(server, random.Random(seed))
            except ConnectionClosed:
                pass  # that it was cut off is right
            except Exception as error:
                failed.append(f"{bad.__name__}: {error!r}")

        threads = [threading.Thread(target=behave_badly, args=(bad, k), daemon=True) for k, bad in enumerate(BAD)]
        for thread in threads:
            thread.start()
        rounds = 0
        while any(thread.is_alive() for thread in threads) or not rounds:
            assert scripted(honest, 40) == expected
            rounds += 1
        for thread in threads:
            thread.join()
        assert not failed
        until(lambda: hub.stats()["players"] == 1, "only the honest one is left")
        until(lambda: len(server.server.app.state.lobby.connections) == 1, "every other connection has ended")
        until(lambda: hub.memory.bytes == memory, "what the others reserved is given back")
        assert hub.device.players == 1
        assert all(count <= 3 for count in own_threads().values()), own_threads()
        index = honest.frames[-1].header.index
        while honest.frames[-1].header.index < index + 3:
            honest.frame()
        numbers = [frame.header.seq for frame in honest.frames]
        assert numbers == list(range(1, len(numbers) + 1)), "frames come in order, none twice"
        replies = [event.fields["id"] for event in honest.events if event.name == "reply"]
        assert replies == list(range(1, honest.orders + 1)), "every order is answered once, in order"
        assert not [event for event in honest.events if event.name == "error"]
        honest.close()
    assert not own_threads(), "no thread outlives the server"
