"""The web application: the stream, what it knows as JSON, files, and the page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from app.web.access import Access, Guard
from app.web.files import add_files
from app.web.socket import Lobby
from engine.server.protocol import PATH

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.shelf import Listing

SWEEP_S = 1.0
NO_STORE = {"Cache-Control": "no-store"}
logger = logging.getLogger(__name__)


def build_application(hub: Hub, access: Access | None = None, page: bool = True) -> FastAPI:
    """The application over a hub that is started and closed by the caller.

    access: who may reach it, by default all on this machine. page: with the page at ``/`` (Gradio). Its ``state.lobby``
    holds the connections. While it runs it sweeps the hub each second.
    """
    lobby = Lobby(hub)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(sweep(hub))
        try:
            yield
        finally:
            sweeping.cancel()
            lobby.close()

    app = FastAPI(title="Reverie", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.lobby = lobby
    app.add_middleware(Guard, access=access or Access())
    app.add_api_websocket_route(PATH, lobby.serve)
    add_facts(app, hub)
    add_files(app, hub)
    if page:
        from app.web.page import build_page, mount

        return mount(app, build_page(hub))
    return app


def add_facts(app: FastAPI, hub: Hub) -> None:
    """What the server knows, as JSON."""

    @app.get("/api/worlds")
    def worlds() -> Response:
        return JSONResponse([facts_of(listing) for listing in hub.shelf.listings()], headers=NO_STORE)

    @app.get("/api/stats")
    def stats() -> Response:
        facts: dict[str, Any] = hub.stats()
        return JSONResponse(facts, headers=NO_STORE)


def facts_of(listing: Listing) -> dict[str, Any]:
    """A world on offer, as JSON data; its preview's address where it has one."""
    spec = listing.spec
    return {
        "name": listing.name,
        "title": listing.title,
        "family": spec.family,
        "width": spec.width,
        "height": spec.height,
        "fps": spec.fps,
        "actions": list(spec.actions.names),
        "hash": listing.hash,
        "card": listing.card,
        "preview": f"/api/worlds/{quote(listing.name)}/preview.gif" if listing.preview else None,
        "quality": dict(listing.quality),
    }


async def sweep(hub: Hub) -> None:
    """See to idle, silent and expired sessions, each second."""
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            await run_in_threadpool(hub.sweep)
        except Exception:
            logger.exception("the sweep failed")
