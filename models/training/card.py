"""The README.md of a world folder: what the world is, how good it is, how it was trained."""

from __future__ import annotations

from typing import Any

from models.checkpoint import Manifest, WorldFolder
from models.files import write_atomic
from models.policies.disk import POLICY, PolicyFile, read_policy
from models.policies.pixels import PixelPolicy
from models.training.agent_card import agent_section
from models.training.quality import percent, quality_rows
from models.training.tools_card import tools_card


def card(manifest: Manifest, agent: PolicyFile | None = None, tools: str = "") -> str:
    """A world's card in Markdown, all of it from its world.json, its agent's file and what is said of its tools."""
    play = how_agent_plays(manifest, agent) if agent else ""
    parts = (
        header(manifest),
        how_to_play(manifest),
        how_good(manifest),
        play,
        tools,
        how_trained(manifest),
        licence(manifest),
    )
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def agent_of(folder: WorldFolder) -> PolicyFile | None:
    """The agent in a world's folder. Raises PolicyError where it is damaged."""
    path = folder.path / POLICY
    return read_policy(path) if path.exists() else None


def write_card(folder: WorldFolder) -> None:
    """Write a world's README.md anew."""
    write_atomic(folder.path / "README.md", card(folder.manifest, agent_of(folder), tools_card(folder)))


def licence(manifest: Manifest) -> str:
    """Whose the world is, and whose what it shows."""
    drawn = {
        "atari": "by an emulator from the original game, which belongs to its owner",
        "vizdoom": "by ViZDoom with the textures and figures of Freedoom, which are under the BSD licence",
        "car_racing": "by Gymnasium, which is under the MIT licence",
    }
    frames = drawn.get(manifest.provenance.get("env", {}).get("env"), "by the environment named above")
    return f"## Licence\n\nMIT, as Reverie itself. The frames it was trained on were rendered {frames}."


REMEMBERS = {"rssm": "its recurrent state, which at a start it finds by watching {context} real frames or more,"}
"""What the next frame is dreamt from, by family; otherwise the last frames."""


def title(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def header(manifest: Manifest) -> str:
    spec = manifest.spec
    env = manifest.provenance.get("env", {})
    game = f" of the Atari game {title(env['game'])}" if env.get("env") == "atari" else ""
    if not game and "game" in env:
        game = f" of {title(env['game'])}"
    from_what = REMEMBERS.get(spec.family, "the last {context}").format(context=spec.context)
    return f"""
# {title(spec.name)}

![preview](preview.gif)

A world model{game} of the {spec.family} family for [Reverie](../../../README.md): a network that dreams the next frame
from {from_what} and the action. {spec.height} x {spec.width} pixels, {spec.fps:g} steps a second
({spec.action_repeat} frames of the game each), {spec.actions.size} actions ({", ".join(spec.actions.names)}). Reward:
{spec.reward}. Termination: {spec.termination}."""


def how_to_play(manifest: Manifest) -> str:
    name = manifest.spec.name
    settings = ", ".join(f"{key} {value}" for key, value in manifest.settings.items())
    return f"""
## Play

```sh
reverie play {name}
```

In place of the name the path of this folder works too. The preview shows four starts side by side under random actions.
It opens with the settings {settings}; they can be changed while playing."""


def how_good(manifest: Manifest) -> str:
    rows = quality_rows(manifest.quality)
    measure = f"`reverie eval {manifest.spec.name}`"
    if not rows:
        return f"## Quality\n\nNot measured yet; {measure} does so and writes the numbers here."
    lines = [f"| {r.measure} | {r.value} | {r.beside} | {r.meaning} |" for r in rows]
    table = "\n".join(["| measure | dream | to compare | what it says |", "|---|---|---|---|", *lines])
    return f"""
## Quality

Measured by {measure} on episodes that training never saw; in brackets 95 % intervals.

{table}

{measured_on(manifest.quality.get("measured_on", {}))}"""


def how_agent_plays(manifest: Manifest, agent: PolicyFile) -> str:
    """The agent: what it is, how it learned, and how well it plays the real game."""
    if not isinstance(agent.policy, PixelPolicy):
        return agent_section(agent)
    known, config = agent.provenance, agent.policy.config
    weights = sum(parameter.numel() for parameter in agent.policy.network.parameters())
    lines = [
        f"`policy.safetensors` plays from pixels, in the dream and in the real game alike: a network of {weights} "
        f"weights that sees the last {config.frames} frames and its own last action. It cloned {known['labels']} on "
        f"{known['frames']} frames of {known['episodes']} episodes: {work_done(known)} on {known['hardware']}.\n"
    ]
    if games := agent.quality.get("real_game"):
        lines += ["| return in the real game | mean | standard deviation | least .. greatest | steps a game |"]
        lines += ["|---|---|---|---|---|"]
        for name, row in games.items():
            span = f"{row['least']:g} .. {row['greatest']:g}"
            mean = f"{row['mean']:.1f} ± {row['error']:.1f}"
            lines.append(f"| {GAMERS.get(name, name)} | {mean} | {row['deviation']:.1f} | {span} | {row['steps']} |")
        lines.append(f"\n{next(iter(games.values()))['games']} games each, from the same starts; ± the standard error.")
    if same := agent.quality.get("agreement"):
        lines.append(
            f"\nOn {same['frames']} frames of {same['episodes']} episodes that it never saw it does what the one it "
            f"cloned would do in {percent(same['share'])}; his most common action alone would reach "
            f"{percent(same['most_common'])}."
        )
    return "## Agent\n\n" + "\n".join(lines)


GAMERS = {
    "agent": "the agent",
    "teacher": "the scripted player it cloned, which reads the console's memory",
    "expert": "the noisy expert that played the episodes",
    "random": "random actions",
}


def measured_on(values: dict[str, Any]) -> str:
    """The settings of the measurement in a sentence."""
    if not values:
        return ""
    settings = ", ".join(f"{key} {value}" for key, value in values["settings"].items())
    return (
        f"Measured on {values['episodes']} held-out episodes of {values['steps']} steps with {settings}; "
        f"{values['segments']} segments, seed {values['seed']}."
    )


def work_done(work: dict[str, Any]) -> str:
    """One part's training in a phrase."""
    updates = f"{work['steps']} updates of {work['batch']} samples at learning rate {work['lr']:g}"
    return f"{updates}, {work['minutes']} minutes"


def how_trained(manifest: Manifest) -> str:
    known = manifest.provenance
    lines = []
    if data := known.get("data"):
        players = ", ".join(f"{count} {kind}" for kind, count in data.get("policies", {}).items())
        lines.append(f"- data: {data['train_steps']} steps in {data['train_episodes']} episodes, players: {players}")
    first = known.get("stage_before", {})
    for part in ("denoiser", "rew_end", "world"):
        works = [work for work in (first.get(part), known.get(part)) if work]
        lines += [f"- {part}: {said}" for said in dict.fromkeys(map(work_done, works))]
    if hardware := known.get("hardware"):
        lines.append(f"- hardware: {hardware}")
    if env := known.get("env"):
        rest = {key: value for key, value in env.items() if key not in ("actions", "objects", "height", "width")}
        lines.append(f"- environment: {', '.join(f'{key} {value}' for key, value in rest.items())}")
    if preset := known.get("preset"):
        lines.append(f"- preset {preset}, seed {known.get('seed')}")
    return "## Training\n\n" + ("\n".join(lines) if lines else "Not recorded.")
