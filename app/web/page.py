"""The page: Gradio around the canvas client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.routes import STATIC_PATH_LIB
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from app.paths import ASSETS
from app.web.gallery_tab import gallery_tab
from app.web.glue import call
from app.web.help_tab import help_tab
from app.web.play_tab import play_tab
from app.web.theme import TITLE, theme
from app.web.worlds_tab import worlds_tab

if TYPE_CHECKING:
    from fastapi import FastAPI

    from engine.server.hub import Hub

T = TypeVar("T")
STATIC = Path(__file__).parent / "static"
HEAD = """
<meta name="color-scheme" content="light dark">
<meta name="description" content="Play inside learned world models">
<link rel="stylesheet" href="/static/page.css">
<link rel="modulepreload" href="/static/panel.js">
"""
HEADER = f"<div class='rv-head'><h1>{TITLE}</h1><p>Every frame is dreamt in answer to your keys.</p></div>"
CACHE_S = 600
"""How long Gradio keeps files it made, in seconds."""


def build_page(hub: Hub) -> gr.Blocks:
    """The page over a hub: it plays, makes galleries, and tells of the worlds."""
    return _within_loop(lambda: _build(hub))


def _build(hub: Hub) -> gr.Blocks:
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=(CACHE_S, CACHE_S)) as blocks:
        with gr.Row(elem_classes="rv-top"):
            gr.HTML(HEADER, js_on_load=None, apply_default_css=False, scale=9)
            dark = gr.Button("Light / dark", size="sm", scale=0, min_width=104)
            dark.click(None, js=call("toggleDark"))
        with gr.Tabs(selected="play") as tabs:
            with gr.Tab("Play", id="play"):
                play_tab(hub)
            with gr.Tab("Gallery", id="gallery"):
                gallery_tab(hub)
            with gr.Tab("Worlds", id="worlds"):
                worlds_tab(hub.shelf.listings(), tabs)
            with gr.Tab("Help", id="help"):
                help_tab()
    blocks.queue(max_size=16, default_concurrency_limit=4)
    return blocks


def mount(app: FastAPI, blocks: gr.Blocks) -> FastAPI:
    """Serve the page at ``/`` of the application, after the routes it has already."""
    _serve_more_files(app)
    options: dict[str, Any] = {
        "theme": theme(),
        "head": HEAD,
        "favicon_path": str(STATIC / "favicon.png"),
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": "64mb",
        "mcp_server": False,
        "pwa": False,
        "enable_monitoring": False,
    }
    return _within_loop(lambda: gr.mount_gradio_app(app, blocks, path="/", **options))


def _serve_more_files(app: FastAPI) -> None:
    """Gradio's own files, which it expects under the same address as the page's, and the page's font."""
    for folder in Path(STATIC_PATH_LIB).iterdir():
        if folder.is_dir():
            app.router.routes.insert(0, Mount(f"/static/{folder.name}", StaticFiles(directory=folder)))
    app.router.routes.insert(0, Mount("/static/inter", StaticFiles(directory=ASSETS / "fonts")))


def _within_loop(build: Callable[[], T]) -> T:
    """``build()`` while an event loop runs: where none does, Gradio makes loops of its own and closes none of them."""

    async def built() -> T:
        return build()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(built())
    return build()
