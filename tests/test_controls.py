"""From keys to actions."""

from __future__ import annotations

import threading

import pytest
import torch

from engine.controls import Controls, Input, action_for
from engine.keys import keys_for
from models.types import ActionSpec

MOVES = ["UP", "RIGHT", "LEFT", "DOWN", "UPRIGHT", "UPLEFT", "DOWNRIGHT", "DOWNLEFT"]
ALE = ActionSpec(("NOOP", "FIRE", *MOVES, *(f"{move}FIRE" for move in MOVES)))
PONG = ActionSpec(("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"))


def named(spec: ActionSpec, *buttons: str) -> str:
    return spec.names[int(action_for(spec, Input(frozenset(buttons))))]


@pytest.mark.parametrize("name", ALE.names[1:])
def test_every_ale_combination(name: str) -> None:
    """A combination parsed wrongly would make a diagonal unreachable."""
    held = [part for part in ("up", "down", "left", "right", "fire") if part.upper() in name]
    assert named(ALE, *held) == name


def test_longest_combination_the_world_has() -> None:
    """Falling back to the no-op, or to FIRE, when the world lacks the full combination would drop a held direction."""
    assert named(PONG, "up", "right", "fire") == "RIGHTFIRE"
    assert named(PONG, "up", "right") == "RIGHT"
    assert named(PONG, "up") == "NOOP"
    assert named(PONG) == "NOOP"


def test_actions_by_name() -> None:
    """A key bound to a whole action's name must not be read as nothing; case must not matter."""
    assert named(PONG, "LeftFire") == "LEFTFIRE"
    assert named(ActionSpec(("wait", "Jump")), "jump") == "Jump"


def test_components_and_mouse() -> None:
    """A swapped bound or an unclipped mouse would send the world actions out of range."""
    spec = ActionSpec(("w", "steer", "mouse_x", "mouse_y"), "buttons", (0, -1, -10, -5), (1, 1, 10, 5))
    action = action_for(spec, Input(frozenset({"W", "-steer"}), (99.0, -3.0)))
    assert action.tolist() == [[1.0, -1.0, 10.0, -3.0]]
    assert torch.equal(spec.check(action, 1), action)
    assert action_for(spec, Input()).tolist() == [[0.0] * 4]


def test_tap_between_latches_counts_once() -> None:
    """A quick tap that begins and ends between two ticks must neither be lost nor repeated."""
    controls = Controls()
    controls.press("fire")
    controls.release("fire")
    assert controls.latch().buttons == {"fire"}
    assert controls.latch().buttons == frozenset()


def test_latest_opposite_wins_and_the_other_returns() -> None:
    """Pressing left while right is held must turn left, and turn back when left is let go."""
    controls = Controls()
    controls.press("right")
    controls.press("left")
    assert controls.latch().buttons == {"left"}
    controls.press("right")  # a key repeat is not a new press
    assert controls.latch().buttons == {"left"}
    controls.release("left")
    assert controls.latch().buttons == {"right"}
    controls.press("-steer")
    controls.press("steer")
    assert controls.latch().buttons == {"right", "steer"}


def test_two_keys_of_one_button() -> None:
    """Letting go of W while the up arrow is still held must keep the button held."""
    controls = Controls()
    controls.press("up", "w")
    controls.press("up", "arrow")
    controls.release("up", "w")
    controls.latch()
    assert controls.latch().buttons == {"up"}
    controls.release("up", "arrow")
    assert controls.latch().buttons == frozenset()


def test_mouse_sums_and_clear_forgets() -> None:
    """Only the last mouse event counting would lose motion; a lost focus must not leave a key stuck."""
    controls = Controls()
    controls.move(2, 1)
    controls.move(3, -5)
    assert controls.latch().mouse == (5, -4)
    assert controls.latch().mouse == (0, 0)
    controls.press("up")
    controls.clear()
    assert controls.latch() == Input()


def test_time_of_the_oldest_event() -> None:
    """Measuring from the newest event would flatter the latency."""
    times = iter([1.0, 2.0, 3.0])
    controls = Controls(clock=lambda: next(times))
    controls.press("up")
    controls.press("fire")
    assert controls.latch_timed().since == 1.0
    assert controls.latch_timed().since is None


def test_stamp_of_the_oldest_event() -> None:
    """A frame that answered with a newer event's stamp, or with one already answered, would flatter the latency."""
    controls = Controls()
    controls.press("up", stamp=100.0)
    controls.release("up", stamp=101.0)
    controls.move(1.0, 0.0, stamp=102.0)
    assert controls.latch_timed().stamp == 100.0
    assert controls.latch_timed().stamp is None
    controls.release("up", stamp=103.0)  # is not held: nothing happens
    assert controls.latch_timed().stamp is None
    controls.move(1.0, 0.0)
    controls.press("fire", stamp=104.0)
    assert controls.latch_timed().stamp == 104.0


def test_time_nobody_played_is_not_delay() -> None:
    """A key pressed in a pause of a minute would show up as a minute of latency; forgetting the key would lose it."""
    controls = Controls()
    controls.press("up", stamp=1.0)
    controls.untimed()
    latch = controls.latch_timed()
    assert (latch.input.buttons, latch.since, latch.stamp) == ({"up"}, None, None)


def test_no_motion_is_lost_between_threads() -> None:
    """An unlocked read-and-reset would drop events that arrive in between."""
    controls, total = Controls(), 0.0

    def push() -> None:
        for _ in range(2000):
            controls.move(1, 0)

    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        total += controls.latch().mouse[0]
    assert total + controls.latch().mouse[0] == 6000


DRIVE = ActionSpec(("steer", "gas", "brake"), "continuous", (-1.0, 0.0, 0.0), (1.0, 1.0, 0.5))


def test_a_stick_leans_by_degrees_and_a_button_wins() -> None:
    """Catches: a stick that is full or nothing, goes beyond its bounds, stays where it was, or fights the keys."""
    controls = Controls()
    controls.lean("steer", -0.25)
    controls.lean("brake", 0.5)
    controls.lean("gas", -1.0)
    assert action_for(DRIVE, controls.latch()).tolist() == [[-0.25, 0.0, 0.25]]
    assert action_for(DRIVE, controls.latch()).tolist() == [[-0.25, 0.0, 0.25]], "it stands until told otherwise"
    controls.press("steer")
    controls.lean("brake", 7.0)
    assert action_for(DRIVE, controls.latch()).tolist() == [[1.0, 0.0, 0.5]]
    controls.clear()
    assert action_for(DRIVE, controls.latch()).tolist() == [[0.0, 0.0, 0.0]]
    assert controls.latch_timed().since is None
    controls.lean("steer", 0.5, stamp=3.0)
    assert controls.latch_timed().stamp == 3.0


def test_keys_for_a_world_without_a_keymap() -> None:
    """Catches: a continuous world that no key plays, or a keymap of its own that is overruled."""
    arrows = {"left": "left", "up": "up"}
    found = keys_for(DRIVE, arrows)
    assert found == {"left": "-steer", "right": "steer", "up": "gas", "down": "brake"}
    own = {"x": "gas"}
    assert keys_for(DRIVE, own) is own
    discrete = ActionSpec(("NOOP", "JUMP"))
    assert keys_for(discrete, arrows) is arrows
    both = ActionSpec(("a", "b"), "continuous", (-2.0, -2.0), (2.0, 2.0))
    assert keys_for(both, arrows) == {"left": "-a", "right": "a", "down": "-b", "up": "b"}
