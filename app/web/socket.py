"""The stream: one WebSocket a player, its bytes in to the guest, events and the newest frame out."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from engine.server.errors import ServerError
from engine.server.protocol import Hello, decode_client, encode_event

if TYPE_CHECKING:
    from engine.server.guest import Guest
    from engine.server.hub import Hub

SEND_S = 20.0
"""How long one message may take to leave; then the client counts as one that does not read."""
GONE_S = 1.0
"""How long to look for the close code of a client that is gone."""
WAITING = 64
"""Connections there may be beside those of players: still to say hello, or being told why not."""
LEFT = (1000, 1001)
"""Close codes of a client that means to go; with any other its session is kept for a while."""
AGAIN = 1012
"""Close code of a server that goes down."""
logger = logging.getLogger(__name__)


class Lobby:
    """All connections of one hub. Lives on one event loop; what may take long runs on a few threads of its own."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.connections: set[Connection] = set()
        self.doors = ThreadPoolExecutor(2, "reverie-door")
        self.pictures = ThreadPoolExecutor(2, "reverie-picture")

    async def serve(self, websocket: WebSocket) -> None:
        """One connection, from its accept to its end."""
        await websocket.accept()
        connection = Connection(websocket, self)
        if len(self.connections) >= self.hub.limits.players + WAITING:
            await connection.refuse(ServerError("full", "got too many connections; try again in a moment", True))
            return
        self.connections.add(connection)
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)

    async def say_goodbye(self) -> None:
        """Tell every client that the server goes down."""
        await asyncio.gather(*(connection.say_goodbye() for connection in list(self.connections)))

    def close(self) -> None:
        for pool in (self.doors, self.pictures):
            pool.shutdown(wait=False, cancel_futures=True)


class Connection:
    """One client: a task that hears it and one that speaks to it, which end together."""

    def __init__(self, websocket: WebSocket, lobby: Lobby) -> None:
        self.websocket, self.lobby, self.hub = websocket, lobby, lobby.hub
        self.loop = asyncio.get_running_loop()
        self.ready = asyncio.Event()
        self.ended = False
        """Whether the last message is on its way, which nothing may follow."""

    async def run(self) -> None:
        try:
            guest = await self._enter()
        except ServerError as error:
            await self.refuse(error)
            return
        except WebSocketDisconnect:
            return
        lost = True
        try:
            lost = await self._play(guest)
        except ServerError as error:
            lost = False
            await self.refuse(error)
        except Exception:
            logger.exception("a connection failed")
            await self.refuse(ServerError("internal", "something failed in the server; connect again", True))
        finally:
            self.hub.leave(guest, lost)

    async def refuse(self, error: ServerError) -> None:
        """Tell why, and close with the error's code."""
        fields = {"code": error.code, "message": error.message, "fatal": True}
        await self._end(encode_event("error", **fields), error.close_code, error.code)

    async def say_goodbye(self) -> None:
        await self._end(encode_event("bye", reason="closing", message="The server goes down"), AGAIN, "closing")

    async def _end(self, event: bytes, code: int, reason: str) -> None:
        """The last message, and the end; without a word where the client is gone, or takes nothing."""
        try:
            self.ended = True
            await self._send(event)
            await self.websocket.close(code, reason)
        except (WebSocketDisconnect, RuntimeError, OSError, ServerError):
            return

    # -- inside

    async def _enter(self) -> Guest:
        """What the first message asks for. Raises ServerError, WebSocketDisconnect."""
        limit = self.hub.limits.hello_s
        try:
            async with asyncio.timeout(limit):
                hello = decode_client(await self._receive())
        except TimeoutError:
            raise ServerError("protocol", f"got nothing in {limit:g} s, expected a HELLO first", True) from None
        if not isinstance(hello, Hello):
            got = type(hello).__name__.upper()
            raise ServerError("protocol", f"got {got} as the first message, expected HELLO", True)
        return await self.loop.run_in_executor(self.lobby.doors, self.hub.join, hello)

    async def _play(self, guest: Guest) -> bool:
        """Until either side ends it; whether the connection was lost, rather than closed by the client."""
        guest.on_ready = self._wake
        self.ready.set()
        hearing = asyncio.create_task(self._hear(guest))
        speaking = asyncio.create_task(self._speak(guest))
        try:
            await asyncio.wait((hearing, speaking), return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                speaking.result()
                await asyncio.wait(
                    (hearing,), timeout=GONE_S
                )  # nobody is there any more: how it left is yet to be read
        finally:
            hearing.cancel()
            speaking.cancel()
            await asyncio.gather(hearing, speaking, return_exceptions=True)
        return hearing.cancelled() or hearing.result() not in LEFT

    async def _hear(self, guest: Guest) -> int:
        """Pass on what comes, in order, until the client closes; returns its close code."""
        while True:
            try:
                data = await self._receive()
            except WebSocketDisconnect as end:
                return end.code
            guest.receive(data)
            await asyncio.sleep(0)  # a flood that is there already must not keep the others waiting

    async def _speak(self, guest: Guest) -> None:
        """Send what waits: every event, then the newest frame, until the connection ends."""
        try:
            while True:
                await self.ready.wait()
                self.ready.clear()
                await self._speak_once(guest)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return

    async def _speak_once(self, guest: Guest) -> None:
        while not self.ended:
            event = guest.next_event()
            if event is not None:
                await self._send(event)
                continue
            shown = guest.next_frame()
            if shown is None:
                return
            for message in await self.loop.run_in_executor(self.lobby.pictures, guest.messages, shown):
                if not self.ended:
                    await self._send(message)

    async def _receive(self) -> bytes:
        """The next binary message. Raises WebSocketDisconnect at the end, ServerError for text."""
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        data: bytes | None = message.get("bytes")
        if data is None:
            raise ServerError("protocol", "got a text message, expected binary ones only", True)
        return data

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self.websocket.send_bytes(data)
        except TimeoutError:
            raise ServerError("too_slow", f"a message did not leave in {SEND_S:g} s", True) from None

    def _wake(self) -> None:
        """Something can be sent. Called from any thread; nothing to do where the speaker has yet to look anyway."""
        if self.ready.is_set():
            return
        with suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self.ready.set)
