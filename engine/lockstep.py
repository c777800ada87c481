"""Worlds stepped together under the same actions, each on its own frames: the real game and what is dreamed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.lockstep_state import joined, parts_of, shared_of
from engine.lockstep_views import lockstep_views
from engine.readings import Reading, events, measure, readings_of
from models.nn.workers import release_workers
from models.types import Context, Prediction, View
from models.world import Rng, WorldModel

if TYPE_CHECKING:
    from models.training.probe import Probe

__all__ = ["ANCHOR", "LockstepWorld", "Reading"]

ANCHOR = "anchor"
"""The edit by which followers begin again from reality; its value is a seed."""
SEEDS = 10**6
"""Seeds of an anchor are below this: it is an edit, whose numbers are float32 and not larger."""


class LockstepWorld:
    """A lead and those that follow it, behind the contract of a single world.

    lead: mostly a real game (its family is "real"), or another dream. A real game begins afresh and is played by no-ops
    until there is a context; one that has ``past(state, length)`` gives the context itself; a dream begins from the
    context given. followers begin from the lead's frames. Then each goes on by itself, or, with ``told``, is told
    every frame of the lead's (it must be able to observe). All followers draw the same noise, whoever else is there.
    probe: reads where the objects are.

    The frame is the first follower's (with ``told``: what it expected), ``sight`` is the lead's; reward and termination
    are the lead's. Settings and edits are the first follower's; a view or an edit of another part has that part's name
    in front ("NAME: view"). The edit ``anchor`` has all followers begin again from the lead's last frames.

    The state has the fields of all parts and: window (B, T, 3, H, W) uint8 and taken (B, T - 1, ...), the lead's last
    frames and what was done at them; shown (B, F, 3, H, W) uint8, what each follower showed; since (B,) int64, steps
    since they knew reality; readings (B, F, 6) float32, see ``engine.readings``; places (B, 1 + F, K, 3) float32: y, x
    and whether it is seen, of each object in the lead's frame and in each follower's, zeros where it is not.

    Raises ValueError where the parts differ in size or actions, or cannot observe.
    """

    def __init__(
        self,
        lead: WorldModel[Any],
        followers: Sequence[WorldModel[Any]],
        *,
        told: bool = False,
        probe: Probe | None = None,
    ) -> None:
        if not followers:
            raise ValueError("lockstep: got no follower, expected at least one world beside the lead")
        for world in followers:
            _check_pair(lead, world, told)
        self.lead, self.followers, self.told, self.probe = lead, tuple(followers), told, probe
        self.dreamed = lead.spec.family != "real"
        self.names = _names(lead, self.followers, self.dreamed)
        self.objects: tuple[str, ...] = probe.names if probe else ()
        first = self.followers[0].spec
        self.length = max(2, *(world.spec.context for world in self.followers))
        self.alone = any(getattr(world, "alone", False) for world in (lead, *self.followers))
        name = f"{first.name} ({'grounded' if told else 'lockstep'})"
        self.spec = replace(first, name=name, termination=lead.spec.termination)

    @property
    def settings(self) -> Any:
        return self.followers[0].settings

    def with_settings(self, **changes: Any) -> LockstepWorld:
        followers = (self.followers[0].with_settings(**changes), *self.followers[1:])
        return LockstepWorld(self.lead, followers, told=self.told, probe=self.probe)

    # -- play

    def initial(self, context: Context, rng: Rng) -> Any:
        context.check(self.spec)
        lead, known = self._opening(context, rng)
        window, taken = known.frames[:, -self.length :].clone(), known.actions[:, 1 - self.length :].clone()
        state = self._known(lead, known, {"window": window, "taken": taken}, _draw(rng))
        release_workers()  # the probe's: whoever begins is seldom the thread that goes on
        return state

    def step(self, state: Any, action: Tensor, rng: Rng, *, inspect: bool = False) -> tuple[Any, Prediction]:
        """One step of the lead, then one of each follower; a row draws what the lead does, then the followers' seed."""
        rng.check(len(state.since))
        self.spec.actions.check(action, len(state.since))
        lead, *parts = parts_of(state)
        lead, fact = self.lead.step(lead, action, rng, inspect=inspect and self.dreamed)
        real, seeds = fact.frame.cpu(), _draw(rng)
        said: list[Prediction] = []
        for k, world in enumerate(self.followers):
            act, own = action.clone(), Rng.seeded(seeds)  # no two parts share what they remember
            if self.told:
                parts[k], seen = world.observe(parts[k], act, real, own, inspect=inspect)  # type: ignore[attr-defined]
            else:
                parts[k], seen = world.step(parts[k], act, own, inspect=inspect)
            said.append(seen)
        # What only ran out of time is no end that anybody could have foretold: nobody is right or wrong about it.
        told = True if fact.cut is None else ~fact.cut.cpu()
        happened = [(seen.reward.cpu(), seen.terminated.cpu() & told) for seen in (fact, *said)]
        done = action.cpu().to(state.taken.dtype)
        shared = {
            "window": torch.cat([state.window[:, 1:], real[:, None]], dim=1),
            "taken": torch.cat([state.taken[:, 1:], done[:, None]], dim=1),
            "since": torch.zeros_like(state.since) if self.told else state.since + 1,
        }
        shown = torch.stack([seen.frame.cpu() for seen in said], dim=1)
        after = self._read([lead, *parts], shared, shown, events(happened[0], happened[1:]))
        views = (*self._own(after), *self._named([fact, *said])) if inspect else ()
        return after, Prediction(after.shown[:, 0].clone(), fact.reward, fact.terminated, views, fact.cut)

    def frame(self, state: Any) -> Tensor:
        return state.shown[:, 0]

    def sight(self, state: Any) -> Tensor:
        """The lead's frame (B, 3, H, W) uint8: what there is to act on."""
        return state.window[:, -1]

    # -- inside

    def parts(self, state: Any) -> tuple[Any, ...]:
        """The lead's state, then each follower's."""
        return parts_of(state)

    def readings(self, state: Any, row: int = 0) -> list[Reading]:
        """What each follower got right and wrong, in one row of a state."""
        return readings_of(state.readings[row], state.since[row], state.places[row], len(self.objects))

    def inside(self, state: Any) -> tuple[View, ...]:
        """The views of a step that follow from the state alone."""
        looks = [getattr(world, "inside", None) for world in (self.lead if self.dreamed else None, *self.followers)]
        views = [look(part) if look else () for look, part in zip(looks, parts_of(state), strict=True)]
        return (*self._own(state), *self._prefixed(views))

    def edit(self, state: Any, name: str, value: Tensor) -> Any:
        """``anchor``, value (B, 1) a seed a row: the followers begin again from reality. Else a part is edited."""
        if name == ANCHOR:
            seeds = _seeds(value, len(state.since))
            known = Context(state.window, state.taken)
            return self._known(parts_of(state)[0], known, {"window": state.window, "taken": state.taken}, seeds)
        part, inner = self._addressed(name)
        worlds, parts, shared = (self.lead, *self.followers), list(parts_of(state)), shared_of(state)
        try:
            parts[part] = worlds[part].edit(parts[part], inner, value)
        except ValueError as error:
            raise ValueError(f"edit {name}: {error}" if inner != name else str(error)) from error
        frame = worlds[part].frame(parts[part]).cpu()
        window, shown = shared["window"].clone(), shared["shown"].clone()
        if part:
            shown[:, part - 1] = frame
        else:
            window[:, -1] = frame
        shared = {"window": window, "taken": shared["taken"], "since": shared["since"]}
        return self._read(parts, shared, shown, _quiet(state.readings))

    # -- helpers

    def _opening(self, context: Context, rng: Rng) -> tuple[Any, Context]:
        """The lead at its beginning, and what is known of the way there: ``length`` frames or more."""
        lead = self.lead.initial(context, rng)
        if (past := getattr(self.lead, "past", None)) is not None:
            return lead, past(lead, self.length)
        noops = self.spec.actions.noops(len(rng))
        frames = list(context.frames.unbind(1)) if self.dreamed else [self.lead.frame(lead).cpu()]
        actions = list(context.actions.unbind(1)) if self.dreamed else []
        while len(frames) < self.length:
            lead, seen = self.lead.step(lead, noops, rng)
            frames.append(seen.frame.cpu())
            actions.append(noops)
        return lead, Context(torch.stack(frames, dim=1), torch.stack(actions, dim=1))

    def _known(self, lead: Any, known: Context, shared: dict[str, Tensor], seeds: Sequence[int]) -> Any:
        """The state in which all followers know what is ``known`` of the lead, and have foretold nothing yet."""
        batch, count = len(known.frames), len(self.followers)
        parts = [world.initial(known, Rng.seeded(seeds)) for world in self.followers]
        shown = torch.stack([world.frame(p).cpu() for world, p in zip(self.followers, parts, strict=True)], dim=1)
        since = torch.zeros(batch, dtype=torch.int64)
        return self._read([lead, *parts], {**shared, "since": since}, shown, torch.zeros(batch, count, 4))

    def _read(self, parts: list[Any], shared: dict[str, Tensor], shown: Tensor, happened: Tensor) -> Any:
        """The state of all parts, measured; happened: (B, F, 4), see ``engine.readings.events``."""
        window = shared["window"]
        readings = torch.cat([measure(window[:, -2], window[:, -1], shown), happened], dim=-1)
        tensors = {**shared, "shown": shown, "readings": readings, "places": self._places(window[:, -1], shown)}
        return joined(parts, tensors)

    def _places(self, real: Tensor, shown: Tensor) -> Tensor:
        if self.probe is None:
            return torch.zeros(len(real), 1 + shown.shape[1], 1, 3)
        found = self.probe.find(torch.cat([real[:, None], shown], dim=1))
        seen = found.present[..., None].float()
        return torch.cat([found.places * seen, seen], dim=-1)

    def _own(self, state: Any) -> tuple[View, ...]:
        return lockstep_views(state, self.names, self.objects, self.told)

    def _named(self, seen: Sequence[Prediction]) -> tuple[View, ...]:
        return self._prefixed([part.views for part in seen])

    def _prefixed(self, views: Sequence[tuple[View, ...]]) -> tuple[View, ...]:
        """The first follower's views, then the others', the lead's last."""
        order = [*range(1, len(views)), 0]
        return tuple(replace(view, name=self._address(part) + view.name) for part in order for view in views[part])

    def _address(self, part: int) -> str:
        """What stands before the names of a part's views."""
        return "" if part == 1 else f"{self.names[part]}: "

    def _addressed(self, name: str) -> tuple[int, str]:
        """The part that a view's name speaks of, and the view's name there."""
        for part in range(len(self.names)):
            address = self._address(part)
            if address and name.startswith(address) and (part or self.dreamed):
                return part, name.removeprefix(address)
        return 1, name


def _check_pair(lead: WorldModel[Any], world: WorldModel[Any], told: bool) -> None:
    kind = "grounded" if told else "lockstep"
    if told and not hasattr(world, "observe"):
        raise ValueError(f"{kind}: got the world {world.spec.name}, expected one of a family that can observe")
    ours, theirs = ((w.spec.height, w.spec.width, w.spec.actions.names, w.spec.actions.kind) for w in (world, lead))
    if ours != theirs:
        raise ValueError(
            f"{kind}: got {lead.spec.name} with size and actions {theirs}, expected those of {world.spec.name}, {ours}"
        )


def _names(lead: WorldModel[Any], followers: Sequence[WorldModel[Any]], dreamed: bool) -> tuple[str, ...]:
    """A name for every part, each once."""
    if not dreamed and len(followers) == 1:
        return "real", "dream"
    names = [lead.spec.name if dreamed else "real"]
    for world in followers:
        name, count = world.spec.name, 2
        while name in names:
            name, count = f"{world.spec.name} {count}", count + 1
        names.append(name)
    return tuple(names)


def _draw(rng: Rng) -> list[int]:
    """A seed a row, by which every follower draws the same noise."""
    seeds: list[int] = rng.integers(2**31 - 1).tolist()
    return seeds


def _seeds(value: Tensor, batch: int) -> list[int]:
    if tuple(value.shape) != (batch, 1):
        raise ValueError(f"edit {ANCHOR}: got shape {tuple(value.shape)}, expected {(batch, 1)}: a seed a row")
    seeds = value[:, 0].tolist()
    if not all(0 <= seed < SEEDS and seed == int(seed) for seed in seeds):
        raise ValueError(f"edit {ANCHOR}: got {seeds}, expected whole numbers from 0 to {SEEDS - 1}")
    return [int(seed) for seed in seeds]


def _quiet(readings: Tensor) -> Tensor:
    """The events of a state changed by hand: no reward, and over where the lead is."""
    ended = readings[..., 4:5]
    return torch.cat([torch.zeros_like(readings[..., 2:4]), ended, ended], dim=-1)
