"""From what the runner shows to what the panel draws: remembers the pace of frames and when a reward came."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter

from app.desktop.buttons import hints
from app.desktop.game import Game
from app.desktop.status import Mode, Status
from app.desktop.status import shown as measure
from engine.metrics import Meter
from engine.runner import Shown

GLOW_S = 1.4
PACES = 256
CONTROLLERS = {"human": "You", "random": "Chance", "agent": "Agent", "replay": "Replay"}


class Look:
    """The measures of one game that only the window can take. ``clock`` in seconds, that of the game's controls."""

    def __init__(self, game: Game, clock: Callable[[], float] = perf_counter) -> None:
        self.game = game
        self._clock = clock
        self._pace_ms: deque[float] = deque(maxlen=PACES)
        self._input_ms = Meter(64)
        self._came: float | None = None
        self._reward = 0.0
        self._reward_at = float("-inf")

    def take(self, shown: Shown, before: Shown | None) -> None:
        """A new frame has come."""
        if before is None or before.frame is shown.frame:
            return
        now = self._clock()
        still = shown.paused or shown.rewinding or before.paused or before.rewinding
        if self._came is not None and not still:
            self._pace_ms.append((now - self._came) * 1000)
        self._came = now
        follows = shown.frame.index == before.frame.index + 1
        if shown.frame.reward and follows:
            self._reward, self._reward_at = shown.frame.reward, now

    def displayed(self, shown: Shown) -> None:
        """That frame is on the screen."""
        if shown.input_at is not None:
            self._input_ms.add((self._clock() - shown.input_at) * 1000)

    @property
    def glow(self) -> float:
        """1 when a reward has just come, fading to 0."""
        return max(0.0, 1 - (self._clock() - self._reward_at) / GLOW_S)

    def status(self, shown: Shown) -> Status:
        game, frame = self.game, shown.frame
        return Status(
            title=title(game.name),
            where=where(shown, game.family),
            real=shown.real or shown.grounded or shown.lockstep,
            mode=mode(shown),
            controller=CONTROLLERS.get(shown.controller, shown.controller.capitalize()),
            total=frame.total,
            last_reward=self._reward,
            reward_glow=self.glow,
            terminated=frame.terminated,
            truncated=frame.truncated,
            fps=shown.fps or float("nan"),
            target_fps=game.fps,
            step_ms=shown.step_ms,
            pace_ms=tuple(self._pace_ms),
            input_ms=self._input_ms.p50,
            speed=shown.speed,
            sampler=sampler(shown.settings),
            horizon=f"{shown.horizon} frames" if shown.horizon else "off",
            start=f"{shown.start + 1} of {game.starts}",
            seed=shown.seed,
            index=frame.index,
            branch=f"{shown.branch + 1} of {shown.branches}" if shown.branches > 1 else "",
            more=(*drift(shown), *action_rows(game.action_names, frame.action), *temperature(shown.settings)),
            buttons=hints(game.keymap, game.action_names, frame.action),
            alarms=tuple((alarm.name, alarm.text) for alarm in shown.alarms),
        )


def mode(shown: Shown) -> Mode:
    if shown.rewinding:
        return "rewinding"
    if not shown.paused:
        return "playing"
    return "ended" if shown.frame.over else "paused"


def where(shown: Shown, family: str) -> str:
    """Where it is played, in words."""
    if shown.lockstep:
        under = f" under {shown.episode}" if shown.episode else ""
        return f"in lockstep{f' with {shown.against}' if shown.against else ''}{under}"
    if shown.grounded:
        return "the dream beside the real game"
    return "the real game" if shown.real else f"dream · {family}"


def action_rows(names: tuple[str, ...], action: int | tuple[float, ...]) -> tuple[tuple[str, str], ...]:
    """The action done last, a row for each of its components, where they are numbers."""
    if isinstance(action, int):
        return ()
    pairs = zip(names, action, strict=True)
    return tuple((title(name), f"{value:.2f}".replace("-", "−")) for name, value in pairs)


def drift(shown: Shown) -> tuple[tuple[str, str], ...]:
    """How far the dreams of a lockstep are from reality now, as a row; "–" where nothing moved."""
    view = next((view for view in shown.frame.views if view.name == "drift" and view.kind == "curves"), None)
    if view is None:
        return ()
    now = " · ".join(measure(float(value), digits=1) for value in view.value[0, :, -1])
    return (("Drift", f"{now} dB" if now != "–" else now),)


def temperature(settings: object) -> tuple[tuple[str, str], ...]:
    """The temperature of a world that has one, as a row."""
    value = getattr(settings, "temperature", None)
    return (("Temperature", f"{value:g}"),) if isinstance(value, float) else ()


def sampler(settings: object) -> str:
    """The number of sampler steps in words; empty where there are none."""
    steps = getattr(settings, "steps", None)
    return f"{steps} {'step' if steps == 1 else 'steps'}" if isinstance(steps, int) else ""


def title(name: str) -> str:
    """A world's name to read: ms_pacman becomes Ms Pacman."""
    return name.replace("_", " ").replace("-", " ").title()
