"""A world's live settings as components."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.web import glue
from app.web.glue import call, order
from engine.server.dials import dials_of

if TYPE_CHECKING:
    from engine.server.hub import Hub

SETTINGS = {
    "steps": ("Denoising steps", "More steps, a better picture; fewer, a faster one"),
    "temperature": ("Temperature", "How daring the dream is: low repeats the likeliest, high surprises"),
    "s_churn": ("Churn", "Fresh noise between the steps"),
    "s_noise": ("Noise scale", None),
    "sample_events": ("Draw rewards and endings", "Off: the likeliest ones"),
    "precision": ("Precision", None),
    "context_noise": ("Context noise", "Noise on what the dream remembers: a good one stays on its feet"),
}
"""Settings that have a name for people, and a word on what they do; others keep their own name."""
FOREMOST = ("steps", "temperature")
"""Settings shown at once; the others are one click away."""


def settings(hub: Hub, world: gr.HTML) -> None:
    """Components for the settings of the world that ``world`` tells of (``glue.FOLLOW_WORLD``), anew for each."""

    @gr.render(inputs=[world], triggers=[world.change], show_progress="hidden", concurrency_limit=1)
    def redraw(told: Any) -> None:
        name = told.get("name") if isinstance(told, dict) else None
        if name not in hub.shelf.names:
            return
        dials = dials_of(hub.shelf.open(name).loaded.world.settings, hub.limits)
        draw([dial for dial in dials if dial["kind"] in DRAWN])


def ear(listens: str, name: str) -> gr.HTML:
    """A component that is not seen, whose value is what the server told last."""
    return gr.HTML({}, html_template="", js_on_load=listens, visible="hidden", elem_id=name)


def draw(dials: Sequence[Mapping[str, Any]]) -> None:
    """Components for settings (see ``dials_of``), those of most interest first. All follow the session."""
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
        news = ear(glue.FOLLOW_STATE, "rv-dial-news")  # of their own: what is drawn later replaces listeners
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
