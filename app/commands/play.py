"""``reverie play``: a world in the browser, in a window, or dreamt into a video."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import MaybeFile, MaybeFloat, MaybeNumber, MaybePlayer, MaybeSize, MaybeText, World
from app.commands.serve import PORT, check_port, open_hub
from app.console import complain, say
from app.settings import Settings, load_settings, save_settings, settings_path
from engine.errors import ReverieError

if TYPE_CHECKING:
    from app.desktop.game import GameChoices
    from engine.glitch import Glitch

HEADLESS_STEPS = 450


@dataclass(frozen=True)
class Play:
    """Play in a world: in the browser, on this machine alone. Ctrl-C ends it."""

    world: World = None
    """A world's name (see `reverie worlds`) or its folder; Pong by default."""
    window: bool = False
    """Play in a window of its own instead of the browser. F1 shows its keys."""
    headless: bool = False
    """Dream without anyone playing, into a video and a replay file beside it."""
    port: int = PORT
    """The page's port on this machine; a free one is taken where it is in use, and for 0."""
    steps: int = HEADLESS_STEPS
    """How many steps to dream (headless)."""
    out: MaybeFile = None
    """The video, .mp4 or .gif (headless); dreams/WORLD.mp4 by default."""
    seed: int = 0
    """What the dream's chances follow from."""
    start: int = 0
    """Which of the world's real starts to begin from."""
    size: MaybeSize = None
    """Size of the window (--window), or of the video, in pixels."""
    fps: MaybeFloat = None
    """Frames a second in the window (--window); the game's own by default."""
    horizon: MaybeNumber = None
    """Frames until an episode is cut off; none by default."""
    controller: MaybePlayer = None
    """Who plays first: human, or random when headless; agent is the world's own, where it has one."""
    real: bool = False
    """Play the real game instead of the dream."""
    lockstep: bool = False
    """Play the real game and the dream side by side, under the same actions."""
    against: MaybeText = None
    """Another world in the same lockstep."""
    episode: MaybeFile = None
    """An episode of a store in place of the real game (--lockstep); its actions are played."""
    glitch: MaybeText = None
    """Begin at a flagged glitch, paused: its ID or folder (see `reverie glitches`)."""
    device: str = "cpu"
    """Where the model runs: cpu, cuda, mps."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("seed", 0), ("start", 0), ("horizon", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"--{name}: got {value}, expected at least {least}")
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise ValueError(f"--fps: got {self.fps}, expected more than 0, up to 1000")
        if (self.headless or self.out) and (self.lockstep or self.against or self.glitch):
            raise ValueError("--headless, --out: got --lockstep, --against or --glitch too; see `reverie lockstep`")
        if self.episode and not (self.lockstep or self.against):
            raise ValueError("--episode: got it without --lockstep, expected both: it is played under there")
        if self.episode and self.controller:
            raise ValueError(f"--controller: got {self.controller} with --episode, expected one of them")
        if self.real and (self.lockstep or self.against):
            raise ValueError("--real: got it with --lockstep or --against, expected one or the other")
        if self.glitch and (self.world or self.real or self.lockstep or self.against):
            raise ValueError("--glitch: got it with a world, or where to play, expected it alone: a glitch says both")
        parse_size(self.size)
        check_port(self.port)

    def run(self) -> int:
        self._check_episode()
        if self.headless or self.out is not None:
            return self._dream(self._name())
        if not self.window:
            return self._page()
        from app.desktop.display import HINT, missing_display

        missing = missing_display()
        if missing is not None:
            raise ReverieError(f"--window: {missing}. {HINT} `reverie play` alone needs none: it serves a page.")
        return self._window()

    def _page(self) -> int:
        say("Opening Reverie ...", "dim")
        from app.web.access import Access
        from app.web.serving import bind, open_in_browser, serve
        from engine.reopening import world_path
        from engine.session import bare_hash

        def show(url: str) -> None:
            say(f"Play at {url}\nCtrl-C ends it." if open_in_browser(url) else f"Open {url}\nCtrl-C ends it.")

        glitch = self._flagged()
        world = self.world if glitch is None else str(world_path(glitch, bare_hash(glitch.world_hash)))
        with bind(port=self.port, or_free=True) as listener:
            query = self._query(world, glitch)
            serve(open_hub(world, self.device, episode=self.episode), Access(), listener, query=query, on_ready=show)
        return 0

    def _flagged(self) -> Glitch | None:
        """The glitch to begin at. The folder it lies in is from now on that of all glitches."""
        if self.glitch is None:
            return None
        from engine.glitches import FOLDER, open_glitch

        glitch = open_glitch(self.glitch)
        os.environ[FOLDER] = str(glitch.path.resolve().parent)
        return glitch

    def _query(self, world: str | None, glitch: Glitch | None = None) -> dict[str, str]:
        """What the page is asked to begin with: the options that were given."""
        from engine.server.episodes import name_of

        where = "lockstep" if self.lockstep or self.against else "1" if self.real else None
        asked = {
            "world": Path(world).resolve().name if world else None,
            "seed": self.seed or None,
            "start": self.start or None,
            "horizon": self.horizon,
            "controller": self.controller,
            "real": where,
            "against": self.against,
            "episode": name_of(self.episode) if self.episode else None,
            "glitch": glitch.id if glitch else None,
        }
        return {name: str(value) for name, value in asked.items() if value is not None}

    def _check_episode(self) -> None:
        """Raises ReverieError for an episode that does not fit the world, before anything is opened."""
        if self.episode is None:
            return
        from engine.episodes import check_episode
        from models.checkpoint import WorldError, open_world_folder
        from models.library import find_world

        try:
            folder = open_world_folder(find_world(self._name()))
        except WorldError as error:
            raise ReverieError(str(error)) from error
        check_episode(self.episode, folder, folder.manifest.spec)

    def _name(self) -> str:
        if self.world is not None:
            return self.world
        from engine.loading import DEFAULT_WORLD

        return DEFAULT_WORLD

    def _dream(self, name: str) -> int:
        from engine.controllers import controller_for
        from engine.headless import dream
        from engine.loading import load_world

        loaded = load_world(name, device=self.device)
        spec = loaded.world.spec
        size = parse_size(self.size)
        summary = dream(
            loaded,
            self.steps,
            self.seed,
            controller_for(self.controller or "random", loaded),
            self.out or Path("dreams") / f"{spec.name}.mp4",
            start=self.start,
            horizon=self.horizon,
            scale=max(1, min(size[0] // spec.width, size[1] // spec.height)) if size else None,
            real=self.real,
        )
        returns = ", ".join(f"{value:g}" for value in summary.returns)
        say(f"{summary.frames} frames, {summary.fps:.1f} a second; return {returns}")
        say(f"video   {summary.clip}\nreplay  {summary.replay}  (again: reverie replay {summary.replay})")
        return 0

    def _window(self) -> int:
        settings = load_settings()
        size = parse_size(self.size)
        if size:
            settings = with_size(settings, size)
        from app.desktop.main import play_in_window

        chosen = play_in_window(self._choices(), settings)
        if chosen != settings:
            try:
                save_settings(chosen)
            except ReverieError as error:
                complain(f"{error} (the window's size is forgotten, see {settings_path()})")
        return 0

    def _choices(self) -> GameChoices:
        from app.desktop.game import GameChoices

        glitch = self._flagged()
        return GameChoices(
            world=glitch.world if glitch else self._name(),
            device=self.device,
            seed=self.seed,
            start=self.start,
            horizon=self.horizon,
            controller=self.controller or "human",
            real=self.real,
            fps=self.fps,
            lockstep=self.lockstep,
            against=self.against,
            episode=self.episode,
            glitch=glitch.path if glitch else None,
        )


def parse_size(text: str | None) -> tuple[int, int] | None:
    """960x720 as (960, 720). Raises ReverieError for anything else."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{2,5})[x×](\d{2,5})", text.strip().lower())
    if match is None:
        raise ReverieError(f"--size: got {text!r}, expected WIDTHxHEIGHT in pixels such as 960x720")
    return int(match[1]), int(match[2])


def with_size(settings: Settings, size: tuple[int, int]) -> Settings:
    from dataclasses import replace

    try:
        return replace(settings, width=size[0], height=size[1])
    except ValueError as error:
        raise ReverieError(f"--size: {error}") from error
