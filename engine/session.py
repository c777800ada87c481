"""A session: one player in one world. Deterministic; reads no clock."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engine.again import seen_again
from engine.controllers import Carry, Controller, HumanController, Seen
from engine.controls import Input
from engine.errors import ReverieError
from engine.history import Edit, History, Past, derive_seed, edit_of, made_here, ticks_of
from engine.lockstep import ANCHOR, SEEDS, LockstepWorld
from engine.modes import PREFIXES, Real, bare_hash, episode_hash, other_hash, real_of
from engine.moment import Frame, MarkKind, Moment, Timeline, image_of
from engine.ring import Ring
from engine.saves import read_save, write_save
from engine.transition import Move, advance, begin, edited, settings_of
from models.types import Context, View
from models.world import Rng, WorldModel

if TYPE_CHECKING:
    from engine.loading import LoadedWorld
    from engine.tools import Tools

__all__ = ["PREFIXES", "Frame", "Real", "Session", "Timeline", "bare_hash", "episode_hash", "other_hash", "real_of"]


class Session:
    """Ticks of a world, and the moments kept to go back to.

    world: any WorldModel. starts: contexts to start from, one a row. world_hash: identifies the world in saves and
    replays; name: by which replays find it again (None: its spec's). seed: of the first episode, in [0, 2**63). start:
    index of the first start. horizon: frames until an episode is truncated; None: never. rewind_s: seconds of game time
    (at spec.fps) kept to go back to. tools: what the world brings along to be looked at with. against: the name of the
    world beside it in a lockstep, "" without one; episode: that of the episode it is under, "" without one.

    When an episode is over, the next tick (with ``auto_restart``) shows a new start instead of a step: the next start's
    index, and a seed that follows from the old one. Without ``auto_restart`` the world is simply stepped on.
    Settings, horizon and controller are the player's present choice: going back in time does not undo them.
    """

    def __init__(
        self,
        world: WorldModel[Any],
        starts: Context,
        *,
        world_hash: str,
        name: str | None = None,
        seed: int = 0,
        start: int = 0,
        horizon: int | None = None,
        rewind_s: float = 60.0,
        tools: Tools | None = None,
        against: str = "",
        episode: str = "",
    ) -> None:
        starts.check(world.spec)
        if rewind_s < 0:
            raise ValueError(f"rewind_s: got {rewind_s}, expected 0 or more seconds")
        self._world, self._starts = world, starts
        self._name, self._world_hash = name or world.spec.name, world_hash
        self._tools, self.against, self.episode = tools, against, episode
        self._controller: Controller = HumanController()
        self._slots: dict[str, Moment] = {}
        self.auto_restart = True
        self.horizon = horizon
        self._ring = Ring(self._begin(start, seed, None), math.ceil(rewind_s * world.spec.fps) + 1)

    @classmethod
    def open(
        cls,
        loaded: LoadedWorld,
        *,
        real: Real = False,
        against: LoadedWorld | None = None,
        episode: Path | str | None = None,
        **options: Any,
    ) -> Session:
        """A session in a loaded world, in its real game, grounded in it, or in lockstep with it.

        against: another world in the same lockstep; without a real game the world leads and ``against`` follows it.
        episode: a file with an episode that takes the real game's place; its actions play, until somebody else does.
        ``options`` as of the constructor. Raises ReverieError for what is not there or does not fit.
        """
        from engine.opening import opening_of

        found = opening_of(loaded, real, against, None if episode is None else Path(episode))
        known = {"name": found.name, "tools": found.tools, "against": found.against, "episode": found.episode}
        session = cls(found.world, loaded.starts, world_hash=found.world_hash, **{**known, **options})
        if found.controller is not None:
            session.controller = found.controller
        return session

    # -- what is

    @property
    def world(self) -> WorldModel[Any]:
        return self._world

    @property
    def name(self) -> str:
        """By which saves and replays find the world again."""
        return self._name

    @property
    def world_hash(self) -> str:
        return self._world_hash

    @property
    def moment(self) -> Moment:
        """Where play stands."""
        return self._ring.now

    @property
    def frame(self) -> Frame:
        """The current frame (without views)."""
        return self.moment.frame

    @property
    def start(self) -> int:
        """Index of the current episode's start."""
        return self.moment.past.start

    @property
    def starts(self) -> int:
        """How many starts there are."""
        return self._starts.frames.shape[0]

    @property
    def seed(self) -> int:
        """Seed of the current episode."""
        return self.moment.past.seed

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the slots saved to."""
        return tuple(self._slots)

    @property
    def history(self) -> History:
        """The past of the current moment, whole: what ``engine.replay`` writes."""
        return History(self._name, self._world_hash, ticks_of(self.moment.past), made_with=made_here())

    @property
    def tools(self) -> Tools:
        """What the world brings along to be looked at with."""
        if self._tools is None:
            from engine.tools import Tools

            self._tools = Tools()
        return self._tools

    @property
    def kept(self) -> list[Moment]:
        """Every moment held: those to go back to and the slots. Some may be the same object, in other forks too."""
        return [*self._ring.moments, *self._slots.values()]

    @property
    def timeline(self) -> Timeline:
        return self._ring.timeline()

    def recent(self, seconds: float) -> list[Frame]:
        """The last ``seconds`` of game time at most, oldest first, up to the current frame; never across a load."""
        return [moment.frame for moment in self.trail(max(1, round(seconds * self._world.spec.fps)))]

    def trail(self, count: int) -> list[Moment]:
        """Up to ``count`` moments that lead up to the current one, oldest first, itself last; never across a load."""
        return self._ring.recent(count)

    def mark(self, kind: MarkKind) -> None:
        """Put a mark on the timeline where play stands."""
        self._ring.mark(kind)

    # -- live choices

    @property
    def controller(self) -> Controller:
        return self._controller

    @controller.setter
    def controller(self, controller: Controller) -> None:
        carry = controller.initial(self._world.spec)
        self._ring.now = replace(self.moment, carry=carry, carrier=controller.name)
        self._controller = controller

    @property
    def horizon(self) -> int | None:
        return self._horizon

    @horizon.setter
    def horizon(self, frames: int | None) -> None:
        if frames is not None and frames < 1:
            raise ValueError(f"horizon: got {frames}, expected at least 1 frame, or None for no horizon")
        self._horizon = frames

    def settings(self, **changes: Any) -> Any:
        """Change the world's settings (sampler steps, ...) without a reset; returns those in force now."""
        if changes:
            self.set_world(self._world.with_settings(**changes))
        return self._world.settings

    def adopt(self, settings: Mapping[str, Any]) -> None:
        """Put recorded settings (see ``settings_of``) in force. Raises ValueError where the world lacks them."""
        now = settings_of(self._world)
        changes = {key: value for key, value in settings.items() if now.get(key) != value}
        self.settings(**{key: tuple(value) if isinstance(value, list) else value for key, value in changes.items()})

    def set_world(self, world: WorldModel[Any]) -> None:
        """Go on in a sibling of the world: same spec, same kind of state. Replays know of its settings alone."""
        if world.spec != self._world.spec:
            raise ValueError(f"set_world: got the world {world.spec}, expected a sibling of {self._world.spec}")
        self._world = world

    # -- play

    def tick(self, input: Input, inspect: bool = False) -> Frame:
        """One tick: the controller acts, the world steps. A new start where the episode was over, see the class."""
        move = self.plan(input)
        return self.new_start() if move is None else self._advance(move, inspect)

    def plan(self, input: Input) -> Move | None:
        """What the controller does at the next tick, without doing it; None where a new start is due instead."""
        if self.auto_restart and self.frame.over:
            return None
        moment = self.moment
        rng = Rng.from_state(moment.player_rng)
        sight = getattr(self._world, "sight", None)
        image = moment.frame.image if sight is None else image_of(sight(moment.state))
        seen = Seen(self._world.spec, moment.frame.index, image, moment.state)
        carry, action = self._controller.act(self._carry(moment), seen, input, rng)
        name = self._controller.name
        return Move(action, carry, rng.state(), name, name)

    def given(self, action: Tensor, controller: str = "given") -> Move:
        """The move of a given action, a batch of 1, whoever is the controller."""
        moment = self.moment
        return Move(action, moment.carry, moment.player_rng, controller, moment.carrier)

    def apply(self, moment: Moment, views: tuple[View, ...] = ()) -> Frame:
        """Go on to the moment that a move has led to; with its views, where there are any."""
        self._ring.append(moment)
        return replace(moment.frame, views=views) if views else moment.frame

    def step(self, action: Tensor, controller: str = "given", inspect: bool = False) -> Frame:
        """One step under a given action, a batch of 1, whoever is the controller; never a new start."""
        return self._advance(self.given(action, controller), inspect)

    def new_start(self, start: int | None = None, seed: int | None = None) -> Frame:
        """Begin a new episode: by default the next start's index, and a seed that follows from the present one."""
        past = self.moment.past
        start = (past.start + 1) % self.starts if start is None else start
        seed = derive_seed(past.seed, "next start") if seed is None else seed
        return self._ring.append(self._begin(start, seed, past)).frame

    def edit(self, name: str, value: Tensor) -> Frame:
        """Change the state by hand: its view ``name`` gets a value (1, ...). Rewinding by one moment undoes it.

        It is part of the past, as a tick is: saves and replays hold it. Raises ValueError where the world cannot.
        """
        return self.apply_edit(edit_of(name, value))

    def apply_edit(self, edit: Edit) -> Frame:
        """``edit`` as a history holds it."""
        frame = self._ring.append(edited(self._world, self.moment, edit, horizon=self._horizon)).frame
        self._ring.mark("anchor" if edit.name == ANCHOR and isinstance(self._world, LockstepWorld) else "edit")
        return frame

    def anchor(self) -> Frame:
        """Have the dreams of a lockstep begin again from reality: an edit. Raises ReverieError without a reality."""
        if not isinstance(self._world, LockstepWorld):
            raise ReverieError(
                "anchor: got a session without a reality beside it, expected a lockstep; begin one first"
            )
        seed = derive_seed(self.seed, f"{ANCHOR} {self.frame.index}") % SEEDS
        return self.edit(ANCHOR, torch.tensor([[float(seed)]]))

    def inside(self) -> tuple[View, ...]:
        """A look inside the world at the current moment, without a step; nothing where the world cannot."""
        look = getattr(self._world, "inside", None)
        if look is None:
            return ()
        with torch.no_grad():
            views: tuple[View, ...] = look(self.moment.state)
        return views

    def look(self) -> tuple[View, ...]:
        """All that a look inside the step to the current moment showed: it is made again; ``inside`` where none is."""
        moments = self._ring.recent(2)
        again = seen_again(self._world, *moments) if len(moments) == 2 else None
        return self.inside() if again is None else again

    # -- time travel

    def rewind(self, frames: int) -> Frame:
        """Go back, as far as moments are kept. What lies ahead is kept until the next tick."""
        return self._ring.move(-_count("rewind", frames)).frame

    def forward(self, frames: int) -> Frame:
        """Go forward again over what was rewound."""
        return self._ring.move(_count("forward", frames)).frame

    def save(self, slot: str) -> None:
        """Keep the current moment under a name."""
        self._slots[slot] = self.moment

    def load(self, slot: str) -> Frame:
        """Go to a saved moment. It joins the timeline, so that rewinding leads back to where one came from."""
        if slot not in self._slots:
            have = ", ".join(sorted(self._slots)) or "none"
            raise ReverieError(f"slot {slot}: got nothing saved there, expected one of: {have}; save first")
        return self._ring.append(self._slots[slot]).frame

    def save_to(self, path: Path | str) -> None:
        """Write the current moment and its history to a file, atomically. Raises ReverieError when it cannot."""
        write_save(Path(path), self.moment, self.history)

    def load_from(self, path: Path | str) -> Frame:
        """Go to a moment written by ``save_to``. Raises ReverieError: a damaged file, or one of another world."""
        return self._ring.append(read_save(Path(path), self.moment, self.history)).frame

    def forget(self) -> None:
        """Let go of all there is to go back to: the moments kept and the slots."""
        self._ring, self._slots = Ring(self.moment, 1), {}

    def fork(self) -> Session:
        """A session of its own at the same moment, with the same past: same future under the same actions.

        Both timelines remember where they parted.
        """
        self._ring.mark("fork")
        return self.still()

    def still(self) -> Session:
        """A copy at the same moment that stays there, whatever is played on; unlike a fork it leaves no mark."""
        twin = copy.copy(self)
        twin._ring, twin._slots = self._ring.copy(), dict(self._slots)
        return twin

    # -- inside

    def _carry(self, moment: Moment) -> Carry:
        same = moment.carrier == self._controller.name
        return moment.carry if same else self._controller.initial(self._world.spec)

    def _begin(self, start: int, seed: int, before: Past | None) -> Moment:
        return begin(
            self._world, self._starts, start, seed, controller=self._controller, horizon=self._horizon, before=before
        )

    def _advance(self, move: Move, inspect: bool) -> Frame:
        return self.apply(*advance(self._world, self.moment, move, horizon=self._horizon, inspect=inspect))


def _count(name: str, frames: int) -> int:
    if frames < 0:
        raise ValueError(f"{name}: got {frames} frames, expected 0 or more")
    return frames
