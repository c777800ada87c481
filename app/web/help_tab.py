"""The tab that says how to play."""

from __future__ import annotations

import gradio as gr

WORDS = """
Every frame you see is made by a neural network that has learned how a game looks and behaves. It is shown the last few
frames and your buttons, and dreams the next frame, the reward, and whether the game is over.

**Playing.** Click the picture, then use the keys. On a phone, buttons appear below the picture. A gamepad's cross, left
stick and buttons work as soon as one of them is pressed.

**Time.** Going back leads through the frames just played; play on from any of them and the future is another. A fork
keeps the present one as a branch to come back to. The bar below the picture shows what happened and takes clicks.

**Inside.** The eye below the picture opens what the world holds at this frame. Where the world lets you, click a choice
or drag a bar to change it: the dream goes on from there, and "Undo edit" takes it back. Edits are part of replays.

**Workbench.** In lockstep (T) the real game and the dream go on from the same start under the same actions, side by
side with their difference: grey is equal, red brighter, blue darker in the dream. Y anchors the dream to reality again.
K shows the future of every action, O where the next frame is unsure, J looks for named faults, X keeps a glitch with a
note. Another world can stand beside, on the same inputs. Alarms below the picture say what the dream gets wrong.

**Sharing.** An instant replay is a clip with the actions that make it again. A replay link holds the world's hash, the
start, the seed and the actions: whoever opens it with the same world dreams the same frames again, and is told if any
of them differs.

**Programs** can play too: the stream's protocol is described in `docs/protocol.md`.
"""
KEYS = """
Promise.all([import("/static/shortcuts.js"), import("/static/keys.js")]).then(([{ SHORTCUTS, capsOf }, keys]) => {
  const cap = keys.capOf ?? ((key) => key.toUpperCase());
  const place = element.querySelector(".rv-columns");
  for (const group of new Set(SHORTCUTS.map((one) => one.group))) {
    const table = document.createElement("table");
    table.className = "rv-keys";
    const head = table.createTHead().insertRow().appendChild(document.createElement("th"));
    head.colSpan = 2;
    head.textContent = group;
    for (const one of SHORTCUTS.filter((one) => one.group === group)) {
      const row = table.insertRow(), caps = row.insertCell();
      for (const text of capsOf(one, cap)) {
        caps.appendChild(document.createElement("kbd")).textContent = text;
      }
      row.insertCell().textContent = one.help;
    }
    place.appendChild(document.createElement("section")).appendChild(table);
  }
});
"""
"""Draws the table of keys from the one the client itself goes by."""


def help_tab() -> None:
    """Build the tab's content inside the present Gradio block."""
    gr.Markdown(WORDS, elem_classes="rv-card")
    gr.Markdown("### Keys\nThe game's own keys are shown beside the picture and under Worlds.")
    gr.HTML("", html_template="<div class='rv-columns'></div>", js_on_load=KEYS, apply_default_css=False)
