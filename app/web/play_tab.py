"""The tab in which one plays: the canvas client, and around it what a player may want to change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import gradio as gr

from app.web import glue
from app.web.dials import ear, settings
from app.web.glue import call, command, order

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.shelf import Listing

PLAYERS = {"human": "You", "agent": "Agent", "random": "Chance", "again": "This episode again"}
"""Controllers by name, as a player reads them."""
PLACES = {
    "dream": "The dream",
    "real": "The real game",
    "grounded": "The dream, told what the real game does",
    "lockstep": "Both in lockstep",
}
"""Where a world can be played, as a player reads it."""
SLOTS = [str(slot) for slot in range(1, 10)]
TRANSPORT = (
    ("rv-pause", "Pause", command("pause")),
    ("rv-step", "Step", command("step")),
    ("rv-rewind", "Rewind", None),
    ("rv-forward", "Forward", call("forward")),
    ("rv-new", "New start", command("new_start")),
    ("rv-seed", "New seed", command("seed")),
    ("rv-fork", "Fork", command("fork")),
    ("rv-branch", "Next branch", command("branch")),
)
"""The buttons below the picture: id, text, and what a click does (None: rewind, which is held, see ``glue.HANDS``)."""


def play_tab(hub: Hub) -> None:
    """Build the tab's content inside the present Gradio block."""
    listings, default = hub.shelf.listings(), hub.shelf.default
    world = ear(glue.FOLLOW_WORLD, "rv-world-news")
    news = ear(glue.FOLLOW_STATE, "rv-news")
    with gr.Row(elem_classes="rv-play"):
        with gr.Column(scale=7, min_width=320):
            gr.HTML(
                "",
                html_template='<div id="reverie"></div>',
                js_on_load=glue.STAGE,
                elem_id="rv-stage",
                apply_default_css=False,
            )
            buttons = _transport()
            with gr.Row(elem_classes=["rv-below", "rv-controls"]):
                slots, begin = _keep(), _begin_and_share()
        with gr.Column(scale=3, min_width=300, elem_classes=["rv-panel", "rv-controls"]):
            picker = _picker(listings, default)
            who, place, speed = _players()
            settings(hub, world)
            horizon = _horizon()
    outputs = [who, place, speed, buttons["rv-pause"], buttons["rv-branch"], horizon, slots]
    news.news(None, [news], outputs, js=call("stateUpdates", "news", "news"))
    world.change(None, [world], [*picker, who, place, begin], js=_world_updates(listings))
    gr.HTML("", html_template="", js_on_load=glue.HANDS, visible="hidden")


def _transport() -> dict[str, gr.Button]:
    buttons = {}
    with gr.Row(elem_classes=["rv-transport", "rv-controls"]):
        for name, text, js in TRANSPORT:
            buttons[name] = gr.Button(text, size="md", min_width=96, elem_id=name)
            if js:
                buttons[name].click(None, js=js)
    return buttons


def _picker(listings: Sequence[Listing], default: str) -> tuple[gr.Dropdown, gr.HTML]:
    """The world, and a look at it."""
    with gr.Group():
        world = gr.Dropdown(
            [(listing.title, listing.name) for listing in listings], value=default, label="World", elem_id="rv-world"
        )
        first = next(listing for listing in listings if listing.name == default)
        look = gr.HTML(
            look_of(first), elem_classes="rv-preview", padding=True, js_on_load=None, apply_default_css=False
        )
    world.input(None, [world], js=order("world", "{name}", "name"))
    return world, look


def _players() -> tuple[gr.Radio, gr.Radio, gr.Slider]:
    with gr.Group():
        who = gr.Radio([(text, name) for name, text in PLAYERS.items()], value="human", label="Who plays")
        info = "In lockstep both go on from the same start under the same actions, side by side"
        places = [(text, name) for name, text in PLACES.items()]
        place = gr.Radio(places, value="dream", label="Where", info=info, elem_classes="rv-places")
        speed = gr.Slider(0.25, 4, 1, step=0.25, label="Speed", info="Of the game; a slow machine holds less")
    who.input(None, [who], js=order("controller", "{name}", "name"))
    place.input(None, [place], js=call("playAt", "place", "place"))
    speed.input(None, [speed], js=order("speed", "{factor}", "factor"))
    return who, place, speed


def _horizon() -> gr.Number:
    info = "Frames until an episode is cut off; 0: never"
    horizon = gr.Number(0, label="Horizon", info=info, precision=0, minimum=0, elem_id="rv-horizon")
    change = order("horizon", "{frames: frames > 0 ? frames : null}", "frames")
    horizon.submit(None, [horizon], js=change)
    horizon.blur(None, [horizon], js=change)
    return horizon


def _keep() -> gr.Radio:
    with gr.Column(min_width=230), gr.Group():
        slot = gr.Radio(SLOTS, value="1", label="Keep", info="All are empty", elem_classes="rv-slots")
        with gr.Row(elem_classes=["rv-buttons", "rv-pairs"]):
            save = gr.Button("Save", size="md", min_width=80, elem_id="rv-save")
            load = gr.Button("Load", size="md", min_width=80, elem_id="rv-load")
            download = gr.Button("Save to a file", size="md", min_width=120, elem_id="rv-save-file")
            upload = gr.UploadButton("Load a file", size="md", min_width=120, elem_id="rv-load-file")
    save.click(None, [slot], js=command("save", "{number: Number(slot)}", "slot"))
    load.click(None, [slot], js=command("load", "{number: Number(slot)}", "slot"))
    download.click(None, js=order("save_file"))
    upload.upload(None, [upload], js=call("loadSave", "file", "file"))
    return slot


def _begin_and_share() -> gr.Number:
    with gr.Column(min_width=230), gr.Group():
        info = "The last ones as a clip, with the actions that make them again"
        seconds = gr.Slider(5, 60, 30, step=5, label="Instant replay, seconds", info=info)
        with gr.Row(elem_classes=["rv-buttons", "rv-pairs", "rv-clips"]):
            mp4 = gr.Button("MP4", size="md", min_width=60, elem_id="rv-mp4")
            gif = gr.Button("GIF", size="md", min_width=60, elem_id="rv-gif")
            link = gr.Button("Replay link", size="md", min_width=100, elem_id="rv-link")
        address = gr.Textbox(label="Dreams this episode again", lines=2, max_lines=3, buttons=["copy"], visible=False)
    with gr.Column(min_width=230), gr.Group():
        with gr.Row():
            start = gr.Number(0, label="Start", precision=0, minimum=0, min_width=110)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=2**53 - 1, min_width=110)
        with gr.Row(elem_classes="rv-buttons"):
            begin = gr.Button("Begin there", size="md", min_width=90, elem_id="rv-begin")
    mp4.click(None, [seconds], js=order("record", '{format: "mp4", seconds}', "seconds"))
    gif.click(None, [seconds], js=order("record", '{format: "gif", seconds}', "seconds"))
    link.click(None, None, [address], js=call("showLink"))
    begin.click(None, [start, seed], js=order("start", "{start, seed}", "start, seed"))
    return start


def look_of(listing: Listing) -> str:
    """A world at a glance, as HTML."""
    spec = listing.spec
    facts = f"{spec.family}, {spec.width} × {spec.height} pixels, {spec.fps:g} frames a second"
    source = preview_address(listing)
    picture = f'<img src="{source}" alt="{escape(listing.title)}, dreamt">' if source else ""
    return f"{picture}<p>{escape(facts)}</p>"


def preview_address(listing: Listing) -> str | None:
    return f"/api/worlds/{quote(listing.name)}/preview.gif" if listing.preview else None


def _world_updates(listings: Sequence[Listing]) -> str:
    """From the world event to the picker, its look, the players, the places and the starts."""
    looks = {listing.name: look_of(listing) for listing in listings}
    given = ", ".join(map(json.dumps, (looks, PLAYERS, PLACES)))
    return call("worldUpdates", f"world, {given}", "world")
