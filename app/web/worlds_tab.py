"""The tab that tells of the worlds: what each is, how good it was measured to be, how it is played."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.keymaps import load_keymap
from app.web.glue import call
from app.web.play_tab import look_of

if TYPE_CHECKING:
    from engine.server.shelf import Listing

COLUMNS = ["Measure", "Dream", "To compare", "What it says"]
CAPS = {"up": "↑", "down": "↓", "left": "←", "right": "→", "return": "Enter"}


def worlds_tab(listings: Sequence[Listing], tabs: gr.Tabs) -> None:
    """Build the tab's content inside the present Gradio block. tabs: those among which Play is found."""
    for number, listing in enumerate(listings):
        with gr.Accordion(listing.title, open=number == 0):
            with gr.Row():
                with gr.Column(scale=2, min_width=280):
                    gr.HTML(look_of(listing), elem_classes="rv-preview", js_on_load=None, apply_default_css=False)
                    play = gr.Button(f"Play {listing.title}", variant="primary")
                    play.click(None, None, [tabs], js=call("playWorld", json.dumps(listing.name)))
                with gr.Column(scale=3, min_width=280):
                    gr.Markdown(summary_of(listing.card), elem_classes="rv-card")
                    gr.HTML(keys_of(listing), js_on_load=None, apply_default_css=False)
            gr.HTML(quality_of(listing.quality), js_on_load=None, apply_default_css=False)
            with gr.Accordion("The whole card", open=False):
                gr.Markdown(readable(without(listing.card, "Quality")), elem_classes="rv-card")


def quality_of(measures: Mapping[str, Any]) -> str:
    """A table of a world's measured quality, as HTML."""
    from models.training.quality import quality_rows

    rows = [(row.measure, row.value, row.beside, row.meaning) for row in quality_rows(dict(measures))]
    if not rows:
        return "<p>It was not measured yet: <code>reverie eval</code> does that.</p>"
    head = "".join(f"<th scope='col'>{title}</th>" for title in COLUMNS)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    told = "<p>Measured on episodes that its training never saw; in brackets 95 % intervals.</p>"
    return f"{told}<table class='rv-quality'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def readable(card: str) -> str:
    """A card's Markdown as a page can show it: without pictures, smaller headings, links to files as text."""
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)\s*", "", card)
    text = re.sub(r"\[([^\]]*)\]\((?!https?://)[^)]*\)", r"\1", text)
    return re.sub(r"^#", "###", text, flags=re.MULTILINE)


def summary_of(card: str) -> str:
    """The card's first paragraph of words."""
    parts = (part.strip() for part in readable(card).split("\n\n"))
    return next((part for part in parts if part and not part.startswith("#")), "This world has no card.")


def without(card: str, heading: str) -> str:
    """The card without the section of this name."""
    return re.sub(rf"^## {re.escape(heading)}\n.*?(?=^## |\Z)", "", card, flags=re.MULTILINE | re.DOTALL)


def keys_of(listing: Listing) -> str:
    """A table of the game's buttons and their keys, as HTML."""
    from engine.server.pad import pad_of

    keymap = load_keymap(listing.name)
    pad = pad_of(listing.spec.actions, keymap.keys, keymap.labels)
    rows = []
    for index in range(len(pad.buttons)):
        keys = [
            CAPS.get(key, key.upper() if len(key) == 1 else key.title()) for key in pad.keys if pad.keys[key] == index
        ]
        caps = "".join(f"<kbd>{escape(key)}</kbd>" for key in keys) or "no key"
        rows.append(f"<tr><td>{caps}</td><td>{escape(pad.labels[index])}</td></tr>")
    names = ", ".join(map(escape, listing.spec.actions.names))
    return f"<table class='rv-keys'>{''.join(rows)}</table><p class='rv-actions'>Actions: {names}</p>"
