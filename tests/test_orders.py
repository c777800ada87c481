"""Orders: each does what it says, and each gets exactly one reply."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engine.errors import ReverieError
from engine.server.dials import check_changes, dials_of
from engine.server.errors import ServerError
from engine.server.limits import MB, Limits
from engine.server.messages import Key
from engine.server.pad import pad_of
from engine.server.protocol import VERBS
from engine.session import Session
from models.types import ActionSpec
from tests.counting import CountingSettings, CountingWorld, Loaded, starts
from tests.players import Client, hub_of, pixel, tiny_loaded, until

VALID: dict[str, dict[str, Any]] = {
    "speed": {"factor": 2},
    "rewind": {"hold": False},
    "scrub": {"frames": -3},
    "go_to": {"position": 0},
    "save": {"slot": 1},
    "load": {"slot": 1},
    "branch": {"index": 0},
    "start": {"start": 1, "seed": 5},
    "controller": {"name": "random"},
    "real": {"on": True},
    "study": {"what": "clear"},
    "flag": {"note": "strange"},
    "inspect": {"on": True},
    "edit": {"view": "count", "changes": [[0, 1]]},
    "settings": {"changes": {"gain": 2}},
    "horizon": {"frames": 50},
    "world": {"name": "other", "start": None, "seed": None},
    "record": {"format": "gif", "seconds": 1},
    "replay": {"link": "nonsense"},
    "visible": {"on": True},
    "glitch": {"name": "none"},
}


@pytest.fixture
def client() -> Iterator[Client]:
    with hub_of() as hub:
        yield Client(hub, seed=1)


def test_every_verb_of_the_protocol_is_answered_once(client: Client) -> None:
    """Bug: a verb the protocol knows and nobody handles; an order answered twice, or never where one overtakes it."""
    verbs = [*(verb for verb in VERBS if verb not in ("world", "bye")), "world", "pause", "bye"]
    ids = {client.give(verb, **VALID.get(verb, {})): verb for verb in verbs}
    for id, verb in ids.items():
        assert client.reply(id)["do"] == verb
    client.play(0.3)
    told = [event.fields["id"] for event in client.events if event.name == "reply"]
    assert sorted(told) == sorted(ids)


def test_time_stands_still_steps_and_runs_again(client: Client) -> None:
    """Bug: a pause that lets a tick through, a step that plays two, a resume that does not."""
    client.frame(lambda frame: frame.header.index >= 1)
    client.value("pause")
    here = client.state_where(lambda state: state["paused"])["cursor"]
    assert client.value("step") == {"index": here + 1}
    assert client.value("step") == {"index": here + 2}
    client.value("resume")
    assert client.frame(lambda frame: frame.header.index > here + 2).header.paused is False


def test_time_goes_back_by_scrub_go_to_and_rewind(client: Client) -> None:
    """Bug: a move on the timeline in the wrong direction, by the wrong count, or without pausing first."""
    client.value("speed", factor=8)
    client.frame(lambda frame: frame.header.index >= 12)
    client.value("scrub", frames=-4)
    there = client.state()["cursor"]
    assert client.state()["paused"] and there == client.state()["length"] - 5
    client.value("go_to", position=2)
    assert client.state()["cursor"] == 2
    client.value("scrub", frames=1)
    assert client.state()["cursor"] == 3
    client.value("rewind", hold=True)
    client.frame(lambda frame: frame.header.cursor == 0)
    client.value("rewind", hold=False)
    assert client.frames[-1].header.index == 0


def test_a_slot_brings_its_moment_back(client: Client) -> None:
    """Bug: a load that goes to another moment; a missing slot that is no typed error."""
    client.value("pause")
    index = client.value("step")["index"]
    client.value("save", slot=3)
    client.value("step")
    assert client.value("load", slot=3) == {"index": index}
    assert client.state()["slots"] == ["3"]
    assert client.code("load", slot=4) == "unknown_slot"


def test_forks_count_and_end_at_the_limit() -> None:
    """Bug: forks without end, each keeping its own past, until the machine has no memory left."""
    with hub_of(limits=Limits(branches=3)) as hub:
        client = Client(hub)
        client.value("pause")
        assert client.value("fork") == {"branch": 1}
        assert client.value("fork") == {"branch": 2}
        before = hub.memory.bytes
        assert client.code("fork") == "memory"
        assert hub.memory.bytes == before
        assert client.value("branch", index=0) == {"branch": 0}
        assert client.state()["branches"] == 3
        assert ["fork" for _, kind in client.state()["marks"] if kind == "fork"]


def test_memory_of_a_fork_that_failed_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a refused fork that keeps its reservation, so that the session can fork less and less."""

    def fails(session: Session) -> Session:
        raise ReverieError("fork: got a session that cannot be copied")

    monkeypatch.setattr(Session, "fork", fails)
    with hub_of({"counting": loaded_with_real()}) as hub:
        client = Client(hub)
        client.value("real", on=True)
        before, branches = hub.memory.bytes, client.guest.stay.play.branches
        assert client.code("fork") == "bad_value"
        assert (hub.memory.bytes, client.guest.stay.play.branches) == (before, branches)


def loaded_with_real() -> Any:
    """A counting world whose real game is a counting world too."""
    return Loaded(CountingWorld(), starts())


@pytest.fixture(autouse=True)
def real_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real game of every counting world counts ten times as fast."""

    def real(loaded: Any) -> Any:
        return CountingWorld(settings=CountingSettings(gain=10)) if isinstance(loaded.world, CountingWorld) else None

    for place in ("engine.loading", "engine.server.shelf"):
        monkeypatch.setattr(f"{place}.real_world_for", real)


def test_the_real_game_and_back(client: Client) -> None:
    """Bug: a real game that is never opened, or a way back that starts the dream anew."""
    client.value("pause")
    client.value("step")
    index = client.state()["cursor"]
    assert client.value("real", on=True) == {"on": True}
    assert client.state()["real"]
    client.value("step")
    client.wait(lambda: client.frames[-1].header.real and client.frames[-1].header.index == 1)
    assert pixel(client.frames[-1])[0] == 10
    client.value("real", on=False)
    assert not client.state()["real"] and client.state()["cursor"] == index


def test_memory_of_a_real_game_that_does_not_open_comes_back(client: Client) -> None:
    """Bug: a game that fails to open takes its memory every time it is asked for, until nobody can join."""
    before = client.hub.memory.bytes
    with pytest.raises(ValueError, match="start"):
        client.guest.stay.play.prepare_real(99, 0)
    assert client.hub.memory.bytes == before


def test_the_real_game_where_there_is_none() -> None:
    """Bug: an untyped error, or a device thread that dies, where a world has no game."""
    with hub_of({"tiny": tiny_loaded()}) as hub:
        client = Client(hub)
        assert client.code("real", on=True) == "unsupported"
        assert client.code("controller", name="agent") == "unsupported"
        assert client.event("welcome").fields["world"]["real"] is False
        assert "agent" not in client.event("welcome").fields["world"]["controllers"]


def test_a_start_and_a_seed_are_taken(client: Client) -> None:
    """Bug: a start that ignores its seed, or a seed that JavaScript cannot hold."""
    client.value("pause")
    assert client.value("start", start=2, seed=77) == {"start": 2, "seed": 77}
    assert client.state()["cursor"] == client.state()["length"] - 1
    follows = client.value("start", start=None, seed=None)
    assert follows["start"] == 0 and 0 <= follows["seed"] < 2**53 and follows["seed"] != 77
    assert client.code("start", start=99, seed=None) == "bad_value"


def test_an_episode_that_ended_waits_and_goes_on() -> None:
    """Bug: play that stops for good at an episode's end, or a next seed beyond what JSON numbers hold."""
    with hub_of() as hub:
        client = Client(hub, world="other")
        client.value("speed", factor=16)
        client.state_where(lambda state: state["over"] and state["paused"])
        client.value("resume")
        state = client.state_where(lambda state: not state["over"])
        assert isinstance(state["seed"], int) and state["start"] == 1
        client.frame(lambda frame: frame.header.index == 5 and frame.header.terminated)


def test_chance_plays_and_the_episode_is_played_again(client: Client) -> None:
    """Bug: a controller that never changes; an episode played again that takes other actions."""
    client.value("pause")
    client.value("start", start=0, seed=2)
    client.value("controller", name="random")
    for _ in range(6):
        client.value("step")
    assert client.state()["controller"] == "random"
    client.value("speed", factor=16)
    assert client.value("controller", name="again") == {"frames": 6}
    client.state_where(lambda state: state["controller"] == "human")
    session = client.guest.stay.play.seat.sessions[0]
    kept = client.hub.device.call(lambda: [moment.frame for moment in session.kept]).result()
    first, second = [k for k, frame in enumerate(kept) if frame.index == 0][-2:]
    actions = [[frame.action for frame in kept[begin + 1 : begin + 7]] for begin in (first, second)]
    images = [[frame.image.tolist() for frame in kept[begin : begin + 7]] for begin in (first, second)]
    assert len(set(actions[0])) > 1 and actions[0] == actions[1] and images[0] == images[1]


def test_settings_change_live_and_are_judged(client: Client) -> None:
    """Bug: settings that need a reset, or a wrong one that breaks the session."""
    client.value("pause")
    assert client.value("settings", changes={"gain": 3}) == {"gain": 3}
    index = client.value("step")["index"]
    client.wait(lambda: client.frames[-1].header.index == index)
    assert pixel(client.frames[-1])[0] == 3 * index
    assert client.state()["settings"] == {"gain": 3}
    assert client.code("settings", changes={"colour": 1}) == "bad_value"
    assert client.code("settings", changes={"gain": "many"}) == "bad_value"
    assert client.code("settings", changes={"gain": True}) == "bad_value"


def test_sampler_steps_are_limited() -> None:
    """Bug: one player who asks for a hundred sampler steps slows down everybody."""
    with hub_of({"tiny": tiny_loaded()}) as hub:
        client = Client(hub)
        assert client.value("settings", changes={"steps": 16.0})["steps"] == 16
        assert client.code("settings", changes={"steps": 17}) == "bad_value"
        dial = next(d for d in client.event("welcome").fields["world"]["settings"] if d["name"] == "steps")
        assert (dial["kind"], dial["low"], dial["high"]) == ("int", 1, 16)


def test_a_horizon_ends_episodes(client: Client) -> None:
    """Bug: a horizon that is taken and not obeyed."""
    client.value("horizon", frames=3)
    client.value("start", start=None, seed=None)
    assert client.state_where(lambda state: state["over"])["horizon"] == 3


def test_another_world_and_orders_meant_for_the_old_one(client: Client) -> None:
    """Bug: a switch that keeps the old session, its memory or its buttons, or loses orders on the way."""
    client.value("pause")
    before = client.hub.memory.bytes
    ids = [client.give("world", name="other", start=2, seed=9), *(client.give("step") for _ in range(3))]
    replies = [client.reply(id) for id in ids]
    assert replies[0]["value"] == {"name": "other"}
    assert client.event("world").fields["name"] == "other"
    state = client.state_where(lambda state: state["start"] == 2)
    assert state["seed"] == 9 and client.hub.device.players == 1
    until(lambda: client.hub.memory.bytes == before)
    assert client.value("step")["index"] >= 1


def test_a_world_that_cannot_be_opened_leaves_the_old_one_running(client: Client) -> None:
    """Bug: a failed switch that ends the session, or names that reach the disk."""
    for name in ("nothing", "../counting", "/etc/passwd", "counting/../other", "."):
        assert client.code("world", name=name, start=None, seed=None) == "unknown_world"
    assert client.code("world", name="other", start=99, seed=None) == "bad_value"
    assert client.hub.device.players == 1
    index = client.frames[-1].header.index if client.frames else 0
    client.frame(lambda frame: frame.header.index > index)


def test_clips_and_saves_lie_behind_addresses(client: Client) -> None:
    """Bug: a clip without its actions, addresses that lead nowhere, or out of the folder."""
    client.frame(lambda frame: frame.header.index >= 3)
    clip = client.value("record", format="gif", seconds=600)
    for address, name in ((clip["url"], clip["name"]), (clip["replay_url"], clip["replay_name"])):
        _, _, prefix, token, last = address.split("/")
        path = client.hub.file(token)
        assert (prefix, last) == ("files", name) and path is not None and path.name == name and path.stat().st_size
    save = client.value("save_file")
    assert save["name"].endswith(".safetensors") and client.hub.file(save["url"].split("/")[3])
    assert client.hub.file("..") is None and client.hub.file("") is None


def test_a_link_plays_the_same_frames_again(client: Client) -> None:
    """Bug: a link that forgets a settings change in the middle, or a playback that says it was the same when not."""
    client.value("pause")
    client.value("start", start=0, seed=1)
    client.send(Key(True, 0, 1.0))
    for k in range(6):
        if k == 3:
            client.value("settings", changes={"gain": 4})
        client.value("step")
    client.wait(lambda: client.frames[-1].header.index == 6)
    last, link = pixel(client.frames[-1]), client.value("link")["link"]
    client.value("settings", changes={"gain": 1})
    client.value("world", name="other", start=None, seed=None)
    assert client.value("replay", link=link) == {"frames": 7}
    told = client.event("playback").fields
    assert (told["frames"], told["complete"], told["same"]) == (7, True, True)
    assert client.event("world", lambda fields: fields["name"] == "counting")
    client.wait(lambda: client.frames[-1].header.index == 6)
    assert pixel(client.frames[-1]) == last
    assert client.state_where(lambda state: state["paused"])["controller"] == "human"


def test_a_link_that_shows_other_frames_is_found_out() -> None:
    """Bug: telling a player that the dream was the same without having looked."""
    with hub_of() as hub:
        client = Client(hub, seed=3)
        client.value("pause")
        client.value("start", start=0, seed=1)
        client.value("step")
        link = client.value("link")["link"]
    with hub_of({"counting": Loaded(CountingWorld(settings=CountingSettings(gain=7)), starts(1))}) as hub:
        other = Client(hub)
        other.guest.stay.play.world.loaded.starts.frames.add_(1)
        assert other.value("replay", link=link) == {"frames": 2}
        assert other.event("playback").fields["same"] is False


def test_a_link_beyond_the_limits_is_refused() -> None:
    """Bug: a link as a way around the limit of sampler steps."""
    with hub_of({"tiny": tiny_loaded()}) as hub:
        client = Client(hub)
        client.value("settings", changes={"steps": 16})
        client.value("pause")
        client.value("start", start=None, seed=1)
        client.value("step")
        link = client.value("link")["link"]
    with hub_of({"tiny": tiny_loaded()}, Limits(max_sampler_steps=3)) as hub:
        client = Client(hub)
        assert client.code("replay", link=link) == "link"
        client.frame()


def test_too_many_orders_are_refused_not_lost(client: Client) -> None:
    """Bug: a flood of orders that fills the device's queue for everybody."""
    ids = [client.give("start", start=None, seed=None) for _ in range(40)]
    replies = [client.reply(id) for id in ids]
    refused = [reply["error"]["code"] for reply in replies if not reply["ok"]]
    assert set(refused) <= {"rate"} and len(replies) == 40
    client.value("pause")


def test_memory_is_counted_by_what_could_be_kept() -> None:
    """Bug: sessions that fit at first and take all memory once their rings are full."""
    world = tiny_loaded()
    with hub_of({"tiny": world}, Limits(session_mb=1, memory_mb=1.5)) as hub:
        first = Client(hub)
        assert 0 < hub.memory.bytes <= MB
        rewind_s = hub.memory.bytes / first.guest.stay.play.world.moment_bytes / world.world.spec.fps
        assert rewind_s < 30
        codes = {first.order("fork").get("error", {}).get("code") for _ in range(6)}
        assert codes == {None, "memory"}
        with pytest.raises(ServerError, match="all sessions") as refused:
            for _ in range(8):
                Client(hub)
        assert refused.value.code == "memory" and refused.value.fatal
        before = hub.stats()["players"]
        first.leave()
        assert hub.stats()["players"] == before - 1
        Client(hub)


PONG = ActionSpec(("NOOP", "FIRE", "RIGHT", "LEFT", "RIGHTFIRE", "LEFTFIRE"))
DRIVE = ActionSpec(("steer", "gas", "mouse_x"), "continuous", low=(-1.0, 0.0, -9.0), high=(1.0, 1.0, 9.0))


def test_a_pad_has_what_the_world_knows() -> None:
    """Bug: buttons that do nothing, or keys that press a button the world lacks."""
    pad = pad_of(PONG, {"up": "right", "w": "right", "space": "fire", "q": "down"}, {"right": "Paddle up"})
    assert pad.buttons == ("left", "right", "fire")
    assert pad.keys == {"up": 1, "w": 1, "space": 2}
    assert pad.labels == {0: "Left", 1: "Paddle up", 2: "Fire"}
    assert pad_of(DRIVE, {}, {}).buttons == ("steer", "-steer", "gas")
    assert pad_of(ActionSpec(("noop", "jump")), {}, {}).buttons == ("jump",)


def test_dials_know_their_kinds() -> None:
    """Bug: a whole number taken for a switch, a choice without its choices, a tuple that comes back as a list."""
    settings, limits = tiny_loaded().world.settings, Limits()
    dials = {dial["name"]: dial for dial in dials_of(settings, limits)}
    assert [dials[name]["kind"] for name in ("steps", "rho", "sample_events", "precision")] == [
        *("int", "float", "bool", "choice")
    ]
    assert "fp32" in dials["precision"]["choices"]
    assert check_changes(settings, {"rho": 3, "steps": 4.0}, limits) == {"rho": 3.0, "steps": 4}
    for bad in ({"steps": 1.5}, {"sample_events": 1}, {"precision": 3}, {"rho": [1]}, {"__class__": 1}, {"steps": 0}):
        with pytest.raises(ServerError):
            check_changes(settings, bad, limits)
