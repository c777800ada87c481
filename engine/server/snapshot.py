"""What a client is told of its world, its session and each frame: ``world`` and ``state`` events, frame headers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from engine.server.dials import dials_of, values_of
from engine.server.limits import Limits
from engine.server.messages import Codec, FrameHeader
from engine.server.shelf import Shelved
from engine.shown import Shown
from models.types import ActionSpec

EXACT = 2**53 - 1
"""The largest whole number that every JSON reader takes exactly; a larger seed is told as text."""
MARKS = 512
"""The most marks of a timeline that are told: the newest."""
MOST_ALARMS = 16


def world_facts(
    world: Shelved, limits: Limits, rivals: Sequence[str] = (), flags: bool = False, episodes: Sequence[str] = ()
) -> dict[str, Any]:
    """A world as its player has to know it. controllers: those that can be chosen; real: whether its game is here.

    rivals: names of worlds that can stand beside it. flags: whether glitches can be flagged. episodes: names of those
    that can take the real game's place in a lockstep.
    """
    spec = world.spec
    agent = ["agent"] if world.agent is not None else []
    return {
        "name": world.name,
        "title": world.listing.title,
        "family": spec.family,
        "width": spec.width,
        "height": spec.height,
        "fps": spec.fps,
        "actions": list(spec.actions.names),
        **world.pad.told(),
        "axes": axes_of(spec.actions),
        "starts": world.starts,
        "settings": dials_of(world.loaded.world.settings, limits),
        "controllers": ["human", "random", *agent, "again"],
        "real": world.real,
        "grounded": world.real and hasattr(world.loaded.world, "observe"),
        "lockstep": world.real or bool(rivals) or bool(episodes),
        "rivals": list(rivals),
        "episodes": list(episodes),
        "flags": flags,
        "hash": world.listing.hash,
    }


def axes_of(spec: ActionSpec) -> list[dict[str, Any]]:
    """The components of a world's actions, which a stick may set to anything between; none where they are discrete."""
    bounds = zip(spec.names, spec.low, spec.high, strict=False)
    return [{"name": name.lower(), "low": low, "high": high} for name, low, high in bounds]


def choices_of(shown: Shown) -> object:
    """What of a state changes by somebody's doing, not with every frame."""
    return (
        *(shown.controller, shown.start, shown.seed, shown.horizon, shown.settings, shown.slots, shown.paused),
        *(shown.speed, shown.real, shown.branch, shown.branches, shown.replaying, shown.frame.over),
        *(shown.inspect, shown.grounded, shown.lockstep, shown.against, shown.episode, shown.alarms, shown.study),
    )


def state_facts(shown: Shown, asleep: Collection[str]) -> dict[str, Any]:
    """What is in force in a session, as its newest frame tells.

    asleep: why it is suspended, nothing when it is not. marks: [position, kind], at most MARKS of them. action: what
    was done last where actions have several components, else None. alarms: [name, text, since], since:
    the index of a frame.
    """
    action = shown.frame.action
    timeline = shown.timeline
    return {
        "controller": shown.controller,
        "start": shown.start,
        "seed": shown.seed if shown.seed <= EXACT else str(shown.seed),
        "horizon": shown.horizon,
        "settings": values_of(shown.settings),
        "slots": sorted(shown.slots),
        "paused": shown.paused,
        "suspended": bool(asleep),
        "asleep": sorted(asleep),
        "replaying": shown.replaying,
        "speed": shown.speed,
        "real": shown.real,
        "grounded": shown.grounded,
        "lockstep": shown.lockstep,
        "against": shown.against,
        "episode": shown.episode,
        "alarms": [[alarm.name, alarm.text, alarm.since] for alarm in shown.alarms[:MOST_ALARMS]],
        "study": shown.study,
        "inspect": shown.inspect,
        "action": None if isinstance(action, int) else [round(value, 3) for value in action],
        "branch": shown.branch,
        "branches": shown.branches,
        "over": shown.frame.over,
        "marks": [[mark.position, mark.kind] for mark in timeline.marks[-MARKS:]],
        "length": timeline.length,
        "cursor": timeline.cursor,
    }


def frame_header(shown: Shown, codec: Codec, seq: int) -> FrameHeader:
    """What goes before a frame's picture, as far as the frame itself tells."""
    frame, timeline = shown.frame, shown.timeline
    height, width = frame.image.shape[:2]
    return FrameHeader(
        codec=codec,
        seq=seq,
        index=frame.index,
        width=width,
        height=height,
        cursor=timeline.cursor,
        length=timeline.length,
        branch=shown.branch,
        branches=shown.branches,
        paused=shown.paused,
        rewinding=shown.rewinding,
        terminated=frame.terminated,
        truncated=frame.truncated,
        real=shown.real,
        replaying=shown.replaying,
        grounded=shown.grounded,
        lockstep=shown.lockstep,
        late=shown.late,
        model_ms=shown.step_ms,
        queue_ms=shown.queue_ms,
        fps=shown.fps,
        reward=frame.reward,
        total=frame.total,
        speed=shown.speed,
        batch=shown.batch,
    )
