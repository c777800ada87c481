"""A guest: bytes in from somebody who may be slow, careless or hostile; events and the newest frame out."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

from engine.server.errors import ServerError
from engine.server.flow import Flow
from engine.server.hub import Hub
from engine.server.limits import Limits
from engine.server.messages import Ack, Blur, Control, Hello, Key, Mouse, Ping, Pong
from engine.server.outbox import MOST_EVENTS
from tests.counting import loaded
from tests.players import Client, Clock, hub_of, pixel, tiny_loaded

UP, _, LEFT, RIGHT = range(4)
HEADER = "reverie_save"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hub_of() as hub:
        yield hub


@pytest.fixture
def client(hub: Hub) -> Client:
    """At a start's first frame, paused."""
    client = Client(hub, seed=1)
    client.value("pause")
    client.value("start", start=0, seed=1)
    return client


def shown_after_step(client: Client) -> Any:
    index = client.value("step")["index"]
    client.wait(lambda: client.frames and client.frames[-1].header.index == index)
    return client.frames[-1]


# -- input


def test_keys_reach_the_world_and_their_time_comes_back(client: Client) -> None:
    """Bug: a key that presses another button, is held for ever, or whose latency cannot be measured."""
    client.send(Key(True, RIGHT, 1234.5))
    client.send(Key(True, LEFT, 2000.0))
    client.send(Key(False, LEFT, 2001.0))
    client.send(Key(True, RIGHT, 2002.0))
    frame = shown_after_step(client)
    assert pixel(frame)[1] == 4, "tapped last, so it wins over what is held"
    assert shown_after_step(client).header.reward == 1
    client.send(Key(False, RIGHT, 3000.0))
    client.send(Key(True, UP, 3001.0))
    assert pixel(shown_after_step(client))[1] == 2 + 10 * 3
    client.send(Blur(4000.0))
    frame = shown_after_step(client)
    assert pixel(frame)[1] == 10 * 2 and frame.header.echo is None


def test_the_input_of_a_running_world_is_echoed_once(hub: Hub) -> None:
    """Bug: an echo that is lost with a frame that was never sent, so that slow frames do not count."""
    client = Client(hub, acks=False)
    client.wait(lambda: len(client.frames) == 2)
    client.send(Key(True, UP, 77.0))
    client.play(0.5)
    assert len(client.frames) == 2
    client.acks = True
    client.send_ack()
    frame = client.frame()
    assert frame.header.echo == 77.0 and frame.header.dropped
    assert client.frame().header.echo is None


def test_buttons_the_world_lacks_are_ignored(client: Client) -> None:
    """Bug: a key meant for the world before ends the connection, or an index reaches over the end."""
    for button in (5, 200, 255):
        client.send(Key(True, button, 1.0))
    client.send(Mouse(5.0, -3.0, 2.0))
    assert pixel(shown_after_step(client))[1] == 0


def test_a_ping_is_answered(client: Client) -> None:
    """Bug: a round trip that cannot be measured, and a page that takes the server for dead."""
    client.send(Ping(42.0))
    assert client.wait(lambda: client.others) == [Pong(42.0)]


# -- frames


def test_a_client_that_does_not_draw_gets_two_frames_and_then_the_newest(hub: Hub) -> None:
    """Bug: a slow reader that sees a queue of old frames, each later than the last."""
    client = Client(hub, acks=False)
    client.play(1.0)
    assert [frame.header.seq for frame in client.frames] == [1, 2]
    newest = client.guest.stay.shown.frame.index  # type: ignore[union-attr]
    client.acks = True
    client.send_ack()
    assert client.frame().header.index >= newest > 3
    client.play(0.4)
    steps = [frame.header.index for frame in client.frames[-3:]]
    assert steps == sorted(set(steps))


def test_the_window_holds_what_the_way_takes() -> None:
    """Bug: two frames on the way to a far-away player, who sees a fraction of those dreamt; or a window without end."""
    clock = Clock()
    flow = Flow(clock)
    flow.send()
    clock.now += 0.19
    flow.ack(1)
    sent = 0
    while flow.open(fps=15):
        flow.send()
        sent += 1
    assert sent == 2 + 3
    assert flow.waiting_s == 0
    clock.now += 3
    assert flow.waiting_s == 3
    slow = Flow(clock)
    slow.send()
    clock.now += 1e6
    slow.ack(1)
    while slow.open(fps=240) and slow.sent < 1000:
        slow.send()
    assert slow.sent < 50
    slow.ack(slow.sent)
    slow.ack(1)
    assert slow.acked == slow.sent and slow.waiting_s == 0


@pytest.mark.parametrize("seq", [0, 3, 2**32 - 1])
def test_an_ack_of_a_frame_never_sent_ends_the_connection(hub: Hub, seq: int) -> None:
    """Bug: a client that acknowledges the future and opens its window as it likes."""
    client = Client(hub, acks=False)
    client.wait(lambda: len(client.frames) == 2)
    with pytest.raises(ServerError, match="ACK") as refused:
        client.send(Ack(seq))
    assert refused.value.fatal and refused.value.code == "protocol"


def test_the_state_follows_what_happens(hub: Hub) -> None:
    """Bug: controls of the page that show what was, because a change came without a reply."""
    client = Client(hub, world="other")
    client.value("speed", factor=4)
    state = client.state_where(lambda state: state["over"])
    assert state["paused"] and state["speed"] == 4 and ["terminated" in mark for mark in state["marks"]][-1]
    client.play(0.5)
    states = [event for event in client.events if event.name == "state"]
    client.play(0.5)
    assert [event for event in client.events if event.name == "state"] == states, "told again what was told"


# -- hostile


def test_a_flood_ends_the_connection() -> None:
    """Bug: one client that sends without end takes the server's time from all others."""
    with hub_of(clock=Clock()) as hub:
        client = Client(hub)
        with pytest.raises(ServerError) as refused:
            for k in range(1000):
                client.send(Key(k % 2 == 0, UP, 1.0))
        assert refused.value.code == "rate" and refused.value.fatal and k >= 400


def test_long_messages_count_for_more() -> None:
    """Bug: a flood of few, but huge messages."""
    with hub_of(clock=Clock()) as hub:
        client = Client(hub)
        with pytest.raises(ServerError) as refused:
            for _ in range(100):
                client.send(Control(1, "replay", {"link": "A" * 60_000}))
        assert refused.value.code == "rate"


def test_who_does_not_read_is_put_out(hub: Hub) -> None:
    """Bug: events that pile up without bound for a client that never takes them."""
    client = Client(hub)
    for _ in range(MOST_EVENTS + 10):
        client.guest.tell("error", code="internal", message="...", fatal=False)
    client.wait(lambda: client.ended)
    assert client.ended and client.ended.code == "too_slow" and len(client.events) < 20


def test_errors_that_are_not_fatal_are_told_and_play_goes_on(client: Client) -> None:
    """Bug: a mistyped argument that ends the connection, or an order refused without an answer."""
    client.guest.receive(b"\x02" + json.dumps({"id": 900, "do": "speed", "factor": 99}).encode())
    assert client.reply(900)["error"]["code"] == "bad_value"
    client.guest.receive(b"\x02" + json.dumps({"id": 901, "do": "explode"}).encode())
    assert client.reply(901)["error"]["code"] == "unsupported"
    client.guest.receive(struct.pack("<BBBd", 3, 9, 0, 1.0))
    assert client.event("error").fields["code"] == "bad_value"
    assert client.value("step")


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02{", b"\x03\x01", b"\xff" * 100, b"\x02" * 70_000])
def test_what_is_no_message_ends_the_connection(hub: Hub, data: bytes) -> None:
    """Bug: bytes that kill the connection's task with an untyped error, or are silently taken."""
    client = Client(hub)
    with pytest.raises(ServerError) as refused:
        client.guest.receive(data)
    assert refused.value.fatal


def test_one_hello_a_connection(hub: Hub) -> None:
    """Bug: a second hello that opens a second session nobody frees."""
    client = Client(hub)
    with pytest.raises(ServerError, match="second HELLO"):
        client.send(Hello())
    assert hub.stats()["players"] == 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=80),
        st.builds(lambda kind, rest: bytes([kind]) + rest, st.integers(1, 7), st.binary(max_size=40)),
        st.builds(
            lambda fields: b"\x02" + json.dumps(fields).encode(),
            st.fixed_dictionaries(
                {"id": st.integers(-1, 2**60), "do": st.sampled_from(["pause", "go_to", "load", "settings", "x"])},
                optional={
                    "position": st.integers(-5, 2**40),
                    "slot": st.integers(0, 10),
                    "changes": st.dictionaries(st.text(max_size=5), st.one_of(st.floats(), st.text(), st.none())),
                },
            ),
        ),
    )
)
def test_any_bytes_end_in_a_typed_error_or_none(guests: Client, data: bytes) -> None:
    """Bug: bytes that bring an exception nobody expects, or an error that is not fatal out of ``receive``."""
    fatal = None
    try:
        guests.guest.receive(data)
    except ServerError as error:
        fatal = error.fatal
    assert fatal in (None, True)


@pytest.fixture(scope="module")
def guests() -> Iterator[Client]:
    with hub_of(limits=Limits(message_rate=1e9, message_burst=1e9)) as hub:
        client = Client(hub)
        yield client
        client.wait(lambda: client.frames)
        client.value("pause")


# -- saves that players bring


@pytest.fixture
def save(client: Client, tmp_path: Path) -> Path:
    """A save of the session after three steps."""
    for _ in range(3):
        client.value("step")
    file = client.hub.file(client.value("save_file")["url"].split("/")[3])
    assert file is not None
    return file


def test_a_save_comes_back(client: Client, save: Path) -> None:
    """Bug: a save that was taken home and cannot be played on, or goes on otherwise."""
    client.send(Key(True, UP, 1.0))
    after = pixel(shown_after_step(client))
    client.value("step")
    assert client.guest.load_save(save) == {"index": 3}
    assert pixel(shown_after_step(client))[0] == after[0]
    other = Client(client.hub, world="counting")
    assert other.guest.load_save(save) == {"index": 3}


def test_a_save_of_another_world_is_refused(client: Client, save: Path) -> None:
    """Bug: another world's state in this one, which fails at every step."""
    other = Client(client.hub, world="other")
    with pytest.raises(ServerError, match="expected one of") as refused:
        other.guest.load_save(save)
    assert refused.value.code == "bad_value" and not refused.value.fatal
    assert str(save) not in refused.value.message
    assert other.frame()


def changed(save: Path, path: Path, tensors: dict[str, Any] | None = None, **frame: Any) -> Path:
    """A copy of a save with other tensors and values of its frame, its checksum made right."""
    from engine.saves import _sha256

    with safe_open(save, "pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()[HEADER])
    kept |= tensors or {}
    header["frame"] |= frame
    header["sha256"] = _sha256(kept)
    save_file(kept, path, {HEADER: json.dumps(header)})
    return path


def test_a_forged_save_is_found_out_before_it_is_played(client: Client, save: Path, tmp_path: Path) -> None:
    """Bug: a file made by hand whose picture, shapes or numbers break the stream or the device's step later."""
    import torch

    assert client.guest.load_save(changed(save, tmp_path / "same")) == {"index": 3}
    forged: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"image": torch.zeros(400, 600, 3, dtype=torch.uint8)}, {}),
        ({"image": torch.zeros(4, 6, 3)}, {}),
        ({"state.frame": torch.zeros(1, 3, 99, 99, dtype=torch.uint8)}, {}),
        ({"state.count": torch.zeros(2, dtype=torch.int64)}, {}),
        ({"rng": torch.zeros(1, 7, dtype=torch.uint8)}, {}),
        ({"rng": torch.Generator().get_state().expand(2, -1).clone()}, {}),
        ({"player_rng": torch.zeros(0, 5056, dtype=torch.uint8)}, {}),
        ({}, {"index": 2**40}),
        ({}, {"index": "3"}),
        ({}, {"total": float("nan")}),
        ({}, {"reward": None}),
        ({}, {"terminated": 1}),
        ({}, {"controller": 7}),
        ({}, {"action": 99}),
        ({}, {"views": [1]}),
        ({}, {"surplus": 1}),
    ]
    for tensors, frame in forged:
        with pytest.raises(ServerError) as refused:
            client.guest.load_save(changed(save, tmp_path / "forged", tensors, **frame))
        assert refused.value.code == "bad_value", (list(tensors), frame)
    client.value("step")
    assert client.value("link")


def test_a_forged_state_of_the_real_game_reaches_no_emulator(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bug: an emulator is given a state made by hand, which ends the whole server; or a true save is refused."""
    import torch

    from tests.counting import CountingWorld

    for place in ("engine.loading", "engine.server.shelf"):
        monkeypatch.setattr(f"{place}.real_world_for", lambda loaded: CountingWorld())
    client.guest.stay.play.world.real = True
    client.value("real", on=True)
    for _ in range(3):
        client.value("step")
    save = client.hub.file(client.value("save_file")["url"].split("/")[3])
    assert save is not None
    forged = changed(save, tmp_path / "forged", {"state.count": torch.tensor([77])})
    assert client.guest.load_save(forged) == {"index": 3}
    assert pixel(shown_after_step(client))[0] == 4, "played again, not taken from the file"
    image = torch.zeros(4, 6, 3, dtype=torch.uint8)
    assert client.guest.load_save(changed(save, tmp_path / "picture", {"image": image})) == {"index": 3}
    with safe_open(save, "pt") as file:
        header = json.loads(file.metadata()[HEADER])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for actions in ([None, 1, 1, 3], [None, 1, 1, 10**30], [None, 1, 1, 99], [None, 1, 1, [0.5]]):
        header["history"]["actions"] = actions
        save_file(tensors, tmp_path / "other", {HEADER: json.dumps(header)})
        with pytest.raises(ServerError) as refused:
            client.guest.load_save(tmp_path / "other")
        assert refused.value.code == "bad_value" and not refused.value.fatal, actions


def test_a_save_that_cannot_be_stepped_on_from_is_refused(tmp_path: Path) -> None:
    """Bug: a forged state, taken in, makes every step fail that others share with it, as often as play goes on."""
    import torch

    from tests.counting import CountingWorld, Loaded, starts

    class Failing(CountingWorld):
        def step(self, state: Any, action: Any, rng: Any, *, inspect: bool = False) -> Any:
            if int(state.count.max()) == 77:
                raise RuntimeError("no such row")
            return super().step(state, action, rng, inspect=inspect)

    with hub_of({"failing": Loaded(Failing(), starts(), "f"), "tiny": tiny_loaded()}) as hub:
        for world, tensors in (
            ("failing", {"state.count": torch.tensor([77])}),
            ("tiny", {"state.actions": torch.tensor([[0, 10**9, 0]])}),
        ):
            client = Client(hub, world=world)
            client.value("pause")
            save = hub.file(client.value("save_file")["url"].split("/")[3])
            assert save is not None
            with pytest.raises(ServerError, match="save: ") as refused:
                client.guest.load_save(changed(save, tmp_path / "forged", tensors))
            assert refused.value.code == "bad_value"
            assert client.guest.load_save(save) is not None
            client.value("step")


def test_histories_of_saves_count_as_memory(client: Client, save: Path, tmp_path: Path) -> None:
    """Bug: saves brought one after the other, each with a long history of its own, fill the machine's memory."""
    memory, before = client.hub.memory, client.hub.memory.bytes
    client.guest.load_save(save)
    taken = memory.bytes - before
    assert taken >= 16 * save.stat().st_size
    (tmp_path / "bad").write_bytes(save.read_bytes()[:-9])
    with pytest.raises(ServerError):
        client.guest.load_save(tmp_path / "bad")
    assert memory.bytes == before + taken, "one that is refused takes nothing"
    client.guest.stay.play.budget.reserve(client.hub.limits.session_mb * 2**20 - memory.bytes, "test")
    with pytest.raises(ServerError) as refused:
        client.guest.load_save(save)
    assert refused.value.code == "memory"


def test_the_memory_of_a_controller_in_a_forged_save_is_not_taken(client: Client, save: Path, tmp_path: Path) -> None:
    """Bug: a controller that fails at every step because a file gave it a memory of another shape."""
    import torch

    client.value("controller", name="random")
    path = changed(save, tmp_path / "carry", {"carry.last": torch.zeros(5, 5), "carry.begun": torch.zeros(3)})
    client.guest.load_save(path)
    assert client.value("step") == {"index": 4}


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "huge"])
def test_damaged_saves_are_typed_errors(client: Client, save: Path, tmp_path: Path, damage: str) -> None:
    """Bug: a damaged upload that ends in a crash of the server, or hours of reading."""
    data = save.read_bytes()
    bad = {
        "empty": b"",
        "cut": data[:-50],
        "noise": data[:500] + bytes(900) + data[1400:],
        "huge": data + bytes(9 << 20),
    }
    path = tmp_path / "bad"
    path.write_bytes(bad[damage])
    with pytest.raises(ServerError) as refused:
        client.guest.load_save(path)
    assert refused.value.code == ("too_large" if damage == "huge" else "bad_value")


def test_a_save_for_a_session_that_has_ended(client: Client, save: Path) -> None:
    """Bug: an upload that waits for ever for a session that is gone."""
    client.leave()
    with pytest.raises(ServerError) as refused:
        client.guest.load_save(save)
    assert refused.value.code == "expired"


def test_a_world_that_fails_is_told_and_the_others_play_on() -> None:
    """Bug: a model's error that ends the stream without a word, or everybody's."""
    from tests.counting import CountingWorld, Loaded, starts

    class Failing(CountingWorld):
        def step(self, state: Any, action: Any, rng: Any, *, inspect: bool = False) -> Any:
            if int(state.count.max()) == 2:
                raise RuntimeError("the device is gone")
            return super().step(state, action, rng, inspect=inspect)

    with hub_of({"failing": Loaded(Failing(), starts(), "f"), "counting": loaded()}) as hub:
        client, other = Client(hub, world="failing"), Client(hub, world="counting")
        told = client.event("error").fields
        assert told["code"] == "internal" and "RuntimeError" in told["message"] and not told["fatal"]
        assert client.state_where(lambda state: state["paused"])
        assert client.code("step") == "internal"
        other.frame(lambda frame: frame.header.index > 4)
