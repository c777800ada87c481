"""Players of a server that measure it: real WebSocket clients that press keys and note when the answer comes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.server.protocol import (
    PATH,
    Ack,
    Blur,
    Control,
    Event,
    FrameHeader,
    FrameMessage,
    Hello,
    Key,
    decode_server,
    encode_client,
)

PRESS_S = (0.15, 0.45)
"""Between two edges of a key, drawn evenly, so that they fall on every phase of a frame."""
OPEN_S = 60.0
"""How long a server may take to welcome a player."""


@dataclass
class Notes:
    """What one player saw: headers of frames with the second they came in, bytes of pictures, and how many
    milliseconds after a key's edge its frame came."""

    frames: list[tuple[float, FrameHeader]] = field(default_factory=list)
    bytes: int = 0
    latency_ms: list[float] = field(default_factory=list)
    errors: list[Mapping[str, Any]] = field(default_factory=list)


class LoadPlayer:
    """One connection that plays at random. Times are of ``time.perf_counter``."""

    def __init__(self, address: str, world: str | None = None, seed: int = 0) -> None:
        self.notes = Notes()
        self._address, self._world, self._seed = address, world, seed
        self._chance = random.Random(seed)

    async def play(self, seconds: float, measure_from: float = 0.0) -> Notes:
        """Join, play for ``seconds``, say goodbye. What comes in the first ``measure_from`` seconds is not noted."""
        from websockets.asyncio.client import connect

        url = f"ws://{self._address}{PATH}"
        async with connect(url, max_size=None, compression=None, open_timeout=OPEN_S) as socket:
            hello = Hello(world=self._world, start=None, seed=self._seed, replay=None, resume=None, pictures=("png",))
            await socket.send(encode_client(hello))
            buttons = await asyncio.wait_for(self._welcome(socket), OPEN_S)
            presses = asyncio.create_task(self._press(socket, buttons))
            begin = time.perf_counter()
            try:
                async with asyncio.timeout(seconds):
                    async for data in socket:
                        assert isinstance(data, bytes)
                        await self._take(socket, data, time.perf_counter() - begin >= measure_from)
            except TimeoutError:
                await socket.send(encode_client(Control(0, "bye", {})))
            finally:
                presses.cancel()
                await asyncio.gather(presses, return_exceptions=True)
        return self.notes

    async def _welcome(self, socket: Any) -> int:
        """Wait for the welcome; returns how many buttons the world has."""
        while True:
            message = decode_server(await socket.recv())
            if isinstance(message, Event) and message.name == "welcome":
                return len(message.fields["world"]["buttons"])
            if isinstance(message, Event) and message.name == "error":
                raise ConnectionRefusedError(str(message.fields))

    async def _take(self, socket: Any, data: bytes, noted: bool) -> None:
        message, now = decode_server(data), time.perf_counter()
        if isinstance(message, FrameMessage):
            await socket.send(encode_client(Ack(message.header.seq)))
            if noted:
                self.notes.frames.append((now, message.header))
                self.notes.bytes += len(message.picture)
                if message.header.echo is not None:
                    self.notes.latency_ms.append(now * 1000 - message.header.echo)
        elif isinstance(message, Event) and message.name == "error":
            self.notes.errors.append(message.fields)

    async def _press(self, socket: Any, buttons: int) -> None:
        """Keys down and up, for as long as it is let."""
        while buttons:
            await asyncio.sleep(self._chance.uniform(*PRESS_S))
            button = self._chance.randrange(buttons)
            await socket.send(encode_client(Key(True, button, time.perf_counter() * 1000)))
            await asyncio.sleep(self._chance.uniform(*PRESS_S))
            await socket.send(encode_client(Blur(time.perf_counter() * 1000)))


async def play_together(
    address: str, players: int, seconds: float, world: str | None = None, measure_from: float = 0.0
) -> list[Notes]:
    """``players`` at once, each with a seed of its own, in one thread."""
    crowd = [LoadPlayer(address, world, seed) for seed in range(players)]
    return list(await asyncio.gather(*(player.play(seconds, measure_from) for player in crowd)))
