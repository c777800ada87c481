"""What the cards say of an agent that learned in its own dreams; and the README.md of one that has no world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.files import write_atomic
from models.policies.disk import PolicyFile

WHO = {"agent": "the agent", "random": "random actions"}


def agent_card(name: str, found: PolicyFile) -> str:
    """An agent's card in Markdown, all of it from its file."""
    env = found.provenance["env"]
    actions = ", ".join(env["actions"])
    seen = "pictures" if env["observes"] == "image" else "a vector of numbers"
    title = name.replace("_", " ").replace("-", " ").capitalize()
    return f"""# {title}

An agent of the Dreamer family for [Reverie](../../../README.md) that plays `{env["game"]}`. It sees {seen}, acts
{env["fps"]:g} times a second ({env["action_repeat"]} steps of the game each), and chooses among or sets: {actions}.

`policy.safetensors` holds all that it needs to play. `reverie eval {name}` plays the real environment with it again.

{agent_section(found)}
## Licence

MIT, as Reverie itself.
"""


def agent_section(found: PolicyFile) -> str:
    """How it learned and how well it plays, for its own card and for a world's."""
    known, learned = found.provenance, found.provenance["agent"]
    weights = sum(tensor.numel() for tensor in found.policy.weights().values())
    took = work_in_dream(learned) if "stored_steps" in learned else work_online(learned, known["env"])
    lines = [
        "## Agent",
        "",
        f"Dreamer V3's recipe, preset `{known['preset']}`, seed {known['seed']}: a world model was learned from what "
        f"happened, the actor and its critic in that model's dreams alone. {weights} weights play. {took}, "
        f"{learned['minutes']} minutes on {learned['hardware']}.",
        "",
    ]
    return "\n".join([*lines, *games_table(found.quality.get("real_game", {}))])


def work_online(learned: Mapping[str, Any], env: Mapping[str, Any]) -> str:
    """What an agent that played the real environment took to learn."""
    return (
        f"Training took {learned['steps']} steps of the real environment ({learned['steps'] * env['action_repeat']} "
        f"of the game) in {learned['episodes']} episodes, {learned['updates']} updates of {learned['batch']} x "
        f"{learned['length']} steps"
    )


def work_in_dream(learned: Mapping[str, Any]) -> str:
    """The same of one that learned in a finished world: it never played the real game."""
    return (
        f"It never played the real game: it learned inside the world beside it, from {learned['stored_steps']} "
        f"stored states, in {learned['updates']} updates of {learned['batch']} imagined plays"
    )


def games_table(games: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns in the real environment as a table's lines."""
    if not games:
        return ["Not measured yet.", ""]
    lines = ["| return in the real game | mean | standard deviation | least .. greatest | steps an episode |"]
    lines.append("|---|---|---|---|---|")
    for name, row in games.items():
        mean, span = f"{row['mean']:.1f} ± {row['error']:.1f}", f"{row['least']:g} .. {row['greatest']:g}"
        lines.append(f"| {WHO.get(name, name)} | {mean} | {row['deviation']:.1f} | {span} | {row['steps']} |")
    count = next(iter(games.values()))["games"]
    return [
        *lines,
        "",
        f"{count} whole episodes each, from the same seeds, none of them of training; ± the standard error.",
        "",
    ]


def write_agent_card(folder: Path, found: PolicyFile) -> None:
    """Write an agent's README.md anew."""
    write_atomic(folder / "README.md", agent_card(folder.name, found))
