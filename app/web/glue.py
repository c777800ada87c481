"""Listeners of Gradio's events that run in the browser alone; what they do stands in ``static/panel.js``."""

from __future__ import annotations

PANEL = 'import("/static/panel.js")'
STAGE = f'{PANEL}.then((panel) => panel.mount(element.querySelector("#reverie")));'
"""Mounts the client in the stage, when Gradio has drawn it."""
FOLLOW_WORLD = f"{PANEL}.then((panel) => panel.followWorld((world) => {{ props.value = world; }}));"
"""Keeps what the server says of the world as a component's value, which triggers its event "change"."""
FOLLOW_STATE = f"""
{PANEL}.then((panel) => panel.followState(element, (news) => {{ props.value = news; trigger("news"); }}));
"""
"""Keeps what changed last in the session's state as a component's value, and triggers its event "news"."""
HANDS = f'{PANEL}.then((panel) => {{ panel.holdRewind("rv-rewind"); panel.giveBackKeys(".rv-controls"); }});'
"""What buttons need beside their clicks."""


def call(function: str, arguments: str = "", parameters: str = "") -> str:
    """A listener that calls a function of the panel and returns what it returns, for the listener's outputs."""
    return f"async ({parameters}) => (await {PANEL}).{function}({arguments})"


def order(verb: str, arguments: str = "{}", parameters: str = "") -> str:
    """A listener that gives the session an order."""
    return call("order", f'"{verb}", {arguments}', parameters)


def command(name: str, how: str = "{}", parameters: str = "") -> str:
    """A listener that gives one of the client's commands."""
    return call("command", f'"{name}", {how}', parameters)
