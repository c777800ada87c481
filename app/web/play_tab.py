"""The tab in which one plays: the canvas client, and around it what a player may want to change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from app.web import glue
from app.web.glue import call, command, order
from engine.server.dials import dials_of

if TYPE_CHECKING:
    from engine.server.hub import Hub
    from engine.server.shelf import Listing

PLAYERS = {"human": "You", "agent": "Agent", "random": "Chance", "again": "This episode again"}
"""Controllers by name, as a player reads them."""
SETTINGS = {
    "steps": ("Denoising steps", "More steps, a better picture; fewer, a faster one"),
    "temperature": ("Temperature", "How daring the dream is: low repeats the likeliest, high surprises"),
    "s_churn": ("Churn", "Fresh noise between the steps"),
    "s_noise": ("Noise scale", None),
    "sample_events": ("Draw rewards and endings", "Off: the likeliest ones"),
    "precision": ("Precision", None),
}
"""Settings that have a name for people, and a word on what they do; others keep their own name."""
FOREMOST = ("steps", "temperature")
"""Settings shown at once; the others are one click away."""
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
    world = _ear(glue.FOLLOW_WORLD, "rv-world-news")
    news = _ear(glue.FOLLOW_STATE, "rv-news")
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
        with gr.Column(scale=3, min_width=300, elem_classes=["rv-panel", "rv-controls"]):
            picker = _picker(listings, default)
            who, real, speed = _players()
            _dials(hub, world)
            horizon = _horizon()
    with gr.Row(elem_classes=["rv-below", "rv-controls"]):
        slots, begin = _keep(), _begin_and_share()
    outputs = [who, real, speed, buttons["rv-pause"], buttons["rv-branch"], horizon, slots]
    news.news(None, [news], outputs, js=call("stateUpdates", "news", "news"))
    world.change(None, [world], [*picker, who, real, begin], js=_world_updates(listings))
    gr.HTML("", html_template="", js_on_load=glue.HANDS, visible="hidden")


def _ear(listens: str, name: str) -> gr.HTML:
    """A component that is not seen, whose value is what the server told last."""
    return gr.HTML({}, html_template="", js_on_load=listens, visible="hidden", elem_id=name)


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


def _players() -> tuple[gr.Radio, gr.Checkbox, gr.Slider]:
    with gr.Group():
        who = gr.Radio([(text, name) for name, text in PLAYERS.items()], value="human", label="Who plays")
        real = gr.Checkbox(False, label="In the real game", info="The same controls, the game it learned from")
        speed = gr.Slider(0.25, 4, 1, step=0.25, label="Speed", info="Of the game; a slow machine holds less")
    who.input(None, [who], js=order("controller", "{name}", "name"))
    real.input(None, [real], js=order("real", "{on}", "on"))
    speed.input(None, [speed], js=order("speed", "{factor}", "factor"))
    return who, real, speed


def _dials(hub: Hub, world: gr.HTML) -> None:
    """The settings of whatever world is played; drawn anew for each world."""

    @gr.render(inputs=[world], triggers=[world.change], show_progress="hidden", concurrency_limit=1)
    def draw(told: Any) -> None:
        name = told.get("name") if isinstance(told, dict) else None
        if name not in hub.shelf.names:
            return
        dials = dials_of(hub.shelf.open(name).loaded.world.settings, hub.limits)
        draw_dials([dial for dial in dials if dial["kind"] in DRAWN])


def draw_dials(dials: Sequence[Mapping[str, Any]]) -> None:
    """Components for settings (see ``dials_of``), those of most interest first, and all of them following the session."""
    first = [dial for dial in dials if dial["name"] in FOREMOST]
    rest = [dial for dial in dials if dial["name"] not in FOREMOST]
    components = []
    if first:
        with gr.Group():
            components += [_dial(dial) for dial in first]
    if rest:
        with gr.Accordion("How else it dreams" if first else "How it dreams", open=not first):
            components += [_dial(dial) for dial in rest]
    if components:
        names = json.dumps([dial["name"] for dial in [*first, *rest]])
        news = _ear(glue.FOLLOW_STATE, "rv-dial-news")  # of their own: what is drawn later replaces listeners
        news.news(None, [news], components, js=call("settingUpdates", f"news, {names}", "news"))


def _dial(dial: Mapping[str, Any]) -> gr.components.Component:
    """One setting as a component that changes it."""
    name = str(dial["name"])
    label, info = SETTINGS.get(name, (name.replace("_", " ").capitalize(), None))
    component: Any = DRAWN[dial["kind"]](dial, label=label, info=info, interactive=True)
    change = order("settings", f"{{changes: {{{json.dumps(name)}: value}}}}", "value")
    if isinstance(component, gr.Number):
        component.submit(None, [component], js=change)
        component.blur(None, [component], js=change)
    else:
        component.input(None, [component], js=change)
    return component


def _number(dial: Mapping[str, Any], **shown: Any) -> gr.components.Component:
    low, high, value, whole = dial.get("low"), dial.get("high"), dial["value"], dial["kind"] == "int"
    if low is None or high is None:
        return gr.Number(value, precision=0 if whole else None, minimum=low, maximum=high, **shown)
    return gr.Slider(low, high, value, step=1 if whole else (high - low) / 100, **shown)


def _switch(dial: Mapping[str, Any], **shown: Any) -> gr.components.Component:
    return gr.Checkbox(dial["value"], **shown)


def _choice(dial: Mapping[str, Any], **shown: Any) -> gr.components.Component:
    return gr.Dropdown(list(dial.get("choices", [dial["value"]])), value=dial["value"], **shown)


DRAWN = {"int": _number, "float": _number, "bool": _switch, "choice": _choice}
"""How settings of each kind are drawn; lists have no component and keep their value."""


def _horizon() -> gr.Number:
    info = "Frames until an episode is cut off; 0: never"
    horizon = gr.Number(0, label="Horizon", info=info, precision=0, minimum=0, elem_id="rv-horizon")
    change = order("horizon", "{frames: frames > 0 ? frames : null}", "frames")
    horizon.submit(None, [horizon], js=change)
    horizon.blur(None, [horizon], js=change)
    return horizon


def _keep() -> gr.Radio:
    with gr.Column(min_width=300), gr.Group():
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
    with gr.Column(min_width=300), gr.Group():
        info = "The last ones as a clip, with the actions that make them again"
        seconds = gr.Slider(5, 60, 30, step=5, label="Instant replay, seconds", info=info)
        with gr.Row(elem_classes="rv-buttons"):
            mp4 = gr.Button("MP4", size="md", min_width=60, elem_id="rv-mp4")
            gif = gr.Button("GIF", size="md", min_width=60, elem_id="rv-gif")
            link = gr.Button("Replay link", size="md", min_width=100, elem_id="rv-link")
        address = gr.Textbox(label="Dreams this episode again", lines=2, max_lines=3, buttons=["copy"], visible=False)
    with gr.Column(min_width=300), gr.Group():
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
    """From the world event to the picker, its look, the players and the starts."""
    looks = {listing.name: look_of(listing) for listing in listings}
    return call("worldUpdates", f"world, {json.dumps(looks)}, {json.dumps(PLAYERS)}", "world")
