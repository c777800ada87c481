"""Many players on one thread: shared steps, commands between them, work beside them, nobody's failure another's."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from engine import seat as seat_module
from engine.chores import Chores
from engine.controllers import RandomController
from engine.controls import Controls, Input
from engine.device import Device
from engine.errors import ReverieError
from engine.metrics import Rate, Share
from engine.outlet import Reply
from engine.pacer import Pacer
from engine.player import Player
from engine.seat import Seat
from engine.session import Session
from engine.shown import Shown
from models.types import Prediction
from models.world import Rng
from tests.counting import CountingState, CountingWorld, starts

WAIT = 30.0
FAST = 1e6


@pytest.fixture
def device() -> Iterator[Device]:
    with Device() as made:
        yield made


class Fatal(CountingWorld):
    """Steps from count 3 fail."""

    def step(
        self, state: CountingState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[CountingState, Prediction]:
        if bool((state.count == 3).any()):
            raise RuntimeError("the step failed")
        return super().step(state, action, rng, inspect=inspect)


def seat(world: CountingWorld | None = None, seed: int = 0, hash: str = "c0ffee", **options: Any) -> Seat:
    session = Session(world or CountingWorld(), starts(), world_hash=hash, seed=seed, rewind_s=5.0)
    return Seat(session, Controls(), **options)


def answer(seat: Seat, command: str) -> Reply:
    """The next reply to ``command``."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        reply = seat.reply(timeout_s=0.1)
        if reply and reply.command == command:
            return reply
    raise AssertionError(f"no reply to {command}")


def until(seat: Seat, true: Callable[[Shown], bool]) -> Shown:
    """The first frame shown of which ``true`` holds."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        shown = seat.latest(timeout_s=0.1)
        if shown and true(shown):
            return shown
    raise AssertionError("no such frame")


def hold(device: Device) -> threading.Event:
    """Keep the device busy until the event is set, so that what is asked for meanwhile comes together."""
    held, go = threading.Event(), threading.Event()

    def wait() -> None:
        held.set()
        assert go.wait(WAIT)

    device.call(wait)
    assert held.wait(WAIT)
    return go


def test_players_due_together_share_a_step(device: Device) -> None:
    """One step each would take as many times as long as there are players."""
    seats = [seat(seed=k, paused=True) for k in range(5)] + [seat(hash="other", paused=True)]
    for s in seats:
        device.add(s)
    go = hold(device)
    for s in seats:
        s.step()
    go.set()
    replies = [answer(s, "step").value for s in seats]
    assert [shown.batch for shown in replies] == [5, 5, 5, 5, 5, 1]
    assert all(shown.frame.index == 1 and shown.queue_ms >= 0 for shown in replies)
    assert (device.players, device.active) == (6, 0)


def test_no_more_rows_than_allowed() -> None:
    """The unbatched server must be what it says, and a batch beyond what fits in memory would fail."""
    for most, sizes in ((1, [1] * 5), (2, [1, 2, 2, 2, 2])):
        with Device(max_batch=most) as device:
            seats = [seat(seed=k, paused=True) for k in range(5)]
            for s in seats:
                device.add(s)
            go = hold(device)
            for s in seats:
                s.step()
            go.set()
            assert sorted(answer(s, "step").value.batch for s in seats) == sizes
    with pytest.raises(ValueError, match="max_batch: got 0"):
        Device(max_batch=0)


def test_who_joins_a_step() -> None:
    """Waiting for everybody would make the first late; a busy device that stepped each alone would make all late."""
    now = [100.0]
    device = Device(max_batch=4, clock=lambda: now[0])
    seats = [seat(seed=k, clock=lambda: now[0]) for k in range(6)]
    odd = seat(hash="other", clock=lambda: now[0])
    dues = [100.0, 100.004, 100.009, 100.03, 100.05, 100.3]

    def joined() -> list[int]:
        pairs = [(due, s) for due, s in zip(dues, seats, strict=True)]
        return [seats.index(s) for _, s in device._joined([pairs[0], (100.0, odd), *pairs[1:]], now[0])]

    assert joined() == [0]
    device._step_s = 0.02
    assert joined() == [0, 1]
    device._step_s = 0.08
    assert joined() == [0, 1, 2]
    now[0] += 3.0
    device._busy.add(100.0, 103.0)
    dues = [due + 3.0 for due in dues]
    assert joined() == [0, 1, 2, 3]


def test_each_plays_as_if_alone(device: Device) -> None:
    """Eight who share steps, each at a speed of its own, must see the frames that each would see alone."""
    seats = [seat(CountingWorld(end=30), seed=k) for k in range(8)]
    for k, s in enumerate(seats):
        s.controller(RandomController(sticky=0.5))
        s.speed(FAST if k % 2 else 20.0 + k)
        device.add(s)
    for s in seats:
        until(s, lambda shown: shown.frame.index > 20)
        s.pause()
        s.call("history", lambda session: session.history)
    for k, s in enumerate(seats):
        history = answer(s, "history").value
        alone = Session(CountingWorld(end=30), starts(), world_hash="c0ffee", seed=k)
        alone.controller = RandomController(sticky=0.5)
        digests = [alone.history.ticks[0].digest]
        for _ in range(len(history.ticks) - 1):
            alone.tick(Input())
            digests.append(alone.moment.past.digest)
        assert [tick.digest for tick in history.ticks] == digests


def test_one_who_fails_is_paused_and_the_others_play_on(device: Device) -> None:
    """A shared thread that died with one player's world would end everybody's game."""
    bad, good, same = seat(Fatal()), seat(), seat(Fatal(), seed=1, paused=True)
    for s in (bad, good, same):
        s.speed(FAST)
        device.add(s)
    assert str(answer(bad, "tick").error) == "the step failed"
    assert until(bad, lambda shown: shown.paused).frame.index == 3
    index = until(good, lambda shown: True).frame.index
    assert until(good, lambda shown: shown.frame.index > index + 20)
    bad.step()
    assert str(answer(bad, "step").error) == "the step failed"
    same.step()
    assert answer(same, "step").value.frame.index == 1
    bad.scrub(-2)
    bad.step()
    assert answer(bad, "step").value.frame.index == 2
    assert device.alive


def test_a_face_that_is_gone_does_not_end_play(device: Device) -> None:
    """A socket's loop that has been closed raises when told of a frame."""

    def gone() -> None:
        raise RuntimeError("event loop is closed")

    bad, good = seat(notify=gone), seat()
    for s in (bad, good):
        s.speed(FAST)
        device.add(s)
    until(bad, lambda shown: shown.frame.index > 5)
    until(good, lambda shown: shown.frame.index > 5)


def test_a_face_is_told_of_frames_and_replies(device: Device) -> None:
    """A face that sleeps until told would sleep for ever."""
    told = threading.Event()
    s = seat(notify=told.set, paused=True)
    device.add(s)
    assert told.wait(WAIT)
    until(s, lambda shown: True)
    told.clear()
    s.call("count", lambda session: session.frame.index)
    assert told.wait(WAIT)
    assert answer(s, "count").value == 0


def test_suspended_takes_no_ticks(device: Device) -> None:
    """Who has left the page must cost nothing, and find everything as it was."""
    away, there = seat(), seat()
    for s in (away, there):
        s.speed(FAST)
        device.add(s)
    until(away, lambda shown: shown.frame.index > 3)
    away.suspend(True)
    answer(away, "suspend")
    assert away.suspended
    assert device.active == 1
    away.call("index", lambda session: session.frame.index)
    index = answer(away, "index").value
    seen = until(there, lambda shown: True).frame.index
    until(there, lambda shown: shown.frame.index > seen + 30)
    away.step()
    assert isinstance(answer(away, "step").error, ReverieError)
    away.call("index", lambda session: session.frame.index)
    assert answer(away, "index").value == index
    away.suspend(False)
    until(away, lambda shown: shown.frame.index > index)


def test_removed_is_answered(device: Device) -> None:
    """A command without an answer would hang a face."""
    s = seat()
    device.add(s)
    s.speed(FAST)
    until(s, lambda shown: shown.frame.index > 3)
    s.replies()
    go = hold(device)
    s.step()
    s.call("before", lambda session: 1)
    device.remove(s)
    s.call("after", lambda session: 2)
    go.set()
    for name in ("step", "before", "after"):
        assert isinstance(answer(s, name).error, ReverieError)
    assert device.players == 0


def test_removed_is_forgotten(device: Device) -> None:
    """A seat that the sleeping thread still held would keep its minute of moments in memory until another came."""
    s = seat(paused=True)
    device.add(s)
    until(s, lambda shown: True)
    time.sleep(0.2)
    device.remove(s)
    gone = weakref.ref(s)
    del s
    end = time.monotonic() + WAIT
    while gone() is not None and time.monotonic() < end:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None


def test_commands_wait_for_a_step_and_for_a_file_but_ticks_do_not(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow disk must stop nobody's game, and a load must not overtake the save it is meant to read."""
    go, write = threading.Event(), seat_module.write_save

    def slow(*arguments: Any) -> None:
        assert go.wait(WAIT)
        write(*arguments)

    monkeypatch.setattr(seat_module, "write_save", slow)
    s = seat()
    device.add(s)
    s.speed(FAST)
    s.save_to(tmp_path / "a.safetensors")
    s.load_from(tmp_path / "a.safetensors")
    s.call("loaded", lambda session: session.frame.index)
    index = until(s, lambda shown: True).frame.index
    until(s, lambda shown: shown.frame.index > index + 10)
    assert [reply.command for reply in s.replies()] == ["speed"]
    go.set()
    assert answer(s, "save_to").error is None
    assert answer(s, "load_from").error is None
    assert answer(s, "loaded").value <= index
    s.load_from(tmp_path / "missing")
    assert isinstance(answer(s, "load_from").error, ReverieError)


def test_removed_while_a_file_is_written(device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save under way when its player leaves must be answered, and once."""
    entered, go, written = threading.Event(), threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        entered.set()
        assert go.wait(WAIT)
        written.set()

    monkeypatch.setattr(seat_module, "write_save", slow)
    s = seat(paused=True)
    device.add(s)
    s.save_to(tmp_path / "a.safetensors")
    s.pause()
    assert entered.wait(WAIT)
    device.remove(s)
    go.set()
    assert written.wait(WAIT)
    device.call(lambda: None).result(WAIT)
    assert [reply.command for reply in s.replies()] == ["save_to", "pause"]


def test_calls(device: Device) -> None:
    """A failed call must neither vanish nor end the thread; a call after the end must not hang its caller."""
    assert device.call(lambda: threading.current_thread().name).result(WAIT) == "reverie-device"
    with pytest.raises(ZeroDivisionError):
        device.call(lambda: 1 // 0).result(WAIT)
    device.close()
    with pytest.raises(RuntimeError, match="device was closed"):
        device.call(lambda: 1).result(WAIT)
    with pytest.raises(RuntimeError, match="before close"):
        device.add(seat())


def count_to(n: int, log: list[str] | None = None, name: str = "") -> Generator[int, None, str]:
    try:
        for k in range(n):
            if log is not None:
                log.append(name)
            yield k
        return f"{name} done"
    finally:
        if log is not None:
            log.append(f"{name} closed")


def wait_for(log: list[str], entry: str) -> None:
    end = time.monotonic() + WAIT
    while entry not in log and time.monotonic() < end:
        time.sleep(0.01)
    assert entry in log


def test_a_job_ends_while_seats_play_without_a_pause(device: Device) -> None:
    """Long work that only ran in pauses would never end on a busy server; one in a single piece would stop all play."""
    seats = [seat(seed=k) for k in range(3)]
    for s in seats:
        s.speed(FAST)
        device.add(s)
    until(seats[0], lambda shown: shown.frame.index > 5)
    during: list[int] = []

    def work() -> Generator[None, None, str]:
        for _ in range(3):
            during.append(seats[0].sessions[0].frame.index)
            yield
        return "done"

    assert device.job(work()).result(WAIT) == "done"
    assert during[0] < during[1] < during[2]


def test_jobs_take_turns_and_are_closed_when_cancelled(device: Device) -> None:
    """A cancelled gallery that went on would cost everybody; one that hogged the thread would starve the other."""
    log: list[str] = []
    go = hold(device)
    one, two = device.job(count_to(3, log, "a")), device.job(count_to(10**9, log, "b"))
    go.set()
    assert one.result(WAIT) == "a done"
    assert log[:4] == ["a", "b", "a", "b"]
    assert two.cancel()
    wait_for(log, "b closed")

    def fail() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        device.job(fail()).result(WAIT)
    last = device.job(count_to(10**9, log, "c"))
    wait_for(log, "c")
    device.close()
    with pytest.raises(RuntimeError, match="device was closed"):
        last.result(WAIT)
    assert log[-1] == "c closed"


def test_a_slice_waits_for_players_but_not_for_ever() -> None:
    """A slice longer than the time until the next tick would make it late; none at all would never end."""
    now = [0.0]
    chores = Chores(lambda: None, lambda: now[0])

    def work() -> Generator[None, None, None]:
        while True:
            now[0] += 0.1
            yield

    assert not chores.slice_fits(None)
    chores.job(work())
    assert chores.slice_fits(None)
    assert chores.slice_fits(0.05)  # how long it takes is not known yet
    assert not chores.slice_fits(0.0)
    chores.run_slice()
    assert not chores.slice_fits(0.05)
    assert chores.slice_fits(0.2)
    now[0] += 0.3
    assert chores.slice_fits(0.0)


def test_a_dead_thread_tells_everybody(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces that wait for frames must learn that there will be none."""
    seats = [seat(paused=True), seat(paused=True)]
    for s in seats:
        device.add(s)
        until(s, lambda shown: True)

    def broken() -> bool:
        raise MemoryError("broken")

    monkeypatch.setattr(device._chores, "run_call", broken)
    seats[0].pause()
    for s in seats:
        assert isinstance(answer(s, "runner").error, MemoryError)
    with pytest.raises(MemoryError):
        device.call(lambda: None).result(WAIT)


def test_many_commands_do_not_stop_the_others(device: Device) -> None:
    """A player who floods the device with commands must not keep another from playing, nor lose an answer."""
    flood, s = seat(paused=True), seat()
    for other in (flood, s):
        other.speed(FAST)
        device.add(other)
    for k in range(3000):
        flood.call(f"{k}", lambda session: session.history)
    index = until(s, lambda shown: True).frame.index
    until(s, lambda shown: shown.frame.index > index + 5)
    assert answer(flood, "2999").error is None


def test_slow_commands_of_many_do_not_add_up_between_two_steps() -> None:
    """Players who each order something slow must not all be served before the next step; and each is in time."""
    now = [0.0]
    device = Device(clock=lambda: now[0])
    seats, served = [seat(clock=lambda: now[0]) for _ in range(4)], []

    def slow(name: int) -> Callable[[Session], None]:
        def run(_: Session) -> None:
            now[0] += 0.03
            served.append(name)

        return run

    for name, other in enumerate(seats):
        device.add(other)
        for _ in range(2):
            other.call("slow", slow(name))
    for count in range(1, 9):
        device._serve()
        assert len(served) == count
    assert served == [0, 1, 2, 3, 0, 1, 2, 3]


def test_live_measures() -> None:
    """What a player is told about the speed must be what is so: late when late, and nothing of a speed before."""
    now = [10.0]
    controls = Controls(clock=lambda: now[0])
    player = Player(Session(CountingWorld(), starts(), world_hash="c0ffee"), controls, clock=lambda: now[0])

    def tick(seconds: float) -> Shown:
        now[0] += seconds
        player.pacer.advance()
        return player.tick()

    assert not any(tick(0.1).late for _ in range(15))
    assert [tick(0.2).late for _ in range(8)][-1]
    player.set_speed(0.5)
    assert not any(tick(0.2).late for _ in range(8))
    player.set_speed(4.0)
    assert not tick(0.2).late
    controls.press("up", stamp=77.0)
    shown = tick(0.1)
    assert (shown.stamp, shown.input_at) == (77.0, now[0] - 0.1)
    assert tick(0.1).stamp is None
    assert [tick(0.2).late for _ in range(8)][-1]
    player.pause(True)
    assert not player.shown().late


def test_rate_over_a_time_and_share_of_a_time() -> None:
    """Counting events instead of the time between them would be one off; a stale share would outlast the load."""
    now = [5.0]
    rate = Rate(size=100, clock=lambda: now[0])
    assert rate.over(1.0) is None
    for _ in range(9):
        rate.tick()
        now[0] += 0.125
    assert rate.over(1.0) == pytest.approx(8.0)
    assert rate.over(1.01) is None
    share = Share(seconds=2.0, clock=lambda: now[0])
    assert share.value == 0.0
    share.add(now[0], now[0] + 1.0)
    now[0] += 1.0
    assert share.value == pytest.approx(1.0)
    now[0] += 1.0
    assert share.value == pytest.approx(0.5)
    now[0] += 0.5
    assert share.value == pytest.approx(0.25)
    now[0] += 2.0
    assert share.value == 0.0


def test_ticks_come_together_but_stay_in_time() -> None:
    """Phases that never met would need a step each; a pull without a bound would run the game too fast."""
    now = [0.0]
    pacer = Pacer(10.0, clock=lambda: now[0])
    pacer.advance()
    now[0] = 0.07
    assert pacer.advance(pull=0.02) == 0.0
    assert pacer.due == pytest.approx(0.2 - 0.002)
    now[0] = 0.197
    pacer.advance(pull=0.02)
    assert pacer.due == pytest.approx(0.297)
    now[0] = 0.28
    pacer.advance()
    assert pacer.due == pytest.approx(0.397)


def test_pausing_makes_no_time() -> None:
    """Who pauses and goes on many times a second must not play faster; who paused long owes nothing."""
    now = [0.0]
    pacer = Pacer(10.0, clock=lambda: now[0])
    pacer.advance()
    now[0] = 0.03
    pacer.restart()
    assert pacer.due == pytest.approx(0.1)
    now[0] = 5.0
    pacer.restart()
    assert pacer.due == pytest.approx(5.0)
