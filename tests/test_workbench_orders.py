"""Orders of the workbench: where it is played, anchors, studies and flags, each with its one reply."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import ReverieError
from engine.server import workbench
from engine.server.errors import ServerError
from engine.server.limits import Limits
from engine.server.link import MAX_HASH, read_link
from engine.server.messages import Control
from engine.server.protocol import MAX_NESTED, decode_client, encode_client
from engine.session import Session
from models.types import View
from tests.counting import CountingSettings, CountingWorld, Loaded, loaded, starts
from tests.players import Client, hub_of, until

WORLDS = {"counting": loaded(), "twin": loaded(hash="beef"), "brief": loaded(end=5, hash="feed")}


@pytest.fixture(autouse=True)
def real_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real game of every counting world counts ten times as fast; ``alone`` has none."""

    def real(loaded: Any) -> Any:
        return CountingWorld(settings=CountingSettings(gain=10)) if loaded.hash != "a10e" else None

    for place in ("engine.loading", "engine.server.shelf"):
        monkeypatch.setattr(f"{place}.real_world_for", real)


@pytest.fixture
def client() -> Iterator[Client]:
    with hub_of(WORLDS) as hub:
        client = Client(hub, seed=1)
        client.value("pause")
        yield client


def views(client: Client) -> list[str]:
    """Names of the views of the newest look inside."""
    looks = [message for message in client.others if hasattr(message, "views")]
    return [view["name"] for view in looks[-1].views] if looks else []  # type: ignore[attr-defined]


def test_lockstep_begins_is_told_and_is_left(client: Client) -> None:
    """Catches: a lockstep that is not told apart from the real game, or a way back that begins the dream anew."""
    client.value("step")
    at = client.state()["cursor"]
    assert client.value("real", on="lockstep") == {"on": "lockstep", "against": None, "episode": None}
    state = client.state()
    assert state["lockstep"] and state["against"] == "" and not state["real"] and not state["grounded"]
    client.value("inspect", on=True)
    client.value("step")
    client.wait(lambda: client.frames[-1].header.lockstep and client.frames[-1].header.index == 1)
    client.wait(lambda: "lockstep" in views(client))
    assert client.value("real", on=False) == {"on": False}
    state = client.state()
    assert not state["lockstep"] and state["cursor"] == at


def test_what_a_world_offers_beside_itself() -> None:
    """Catches: a choice of worlds that do not fit, or lockstep offered where there is nothing to be in step with."""
    other = Loaded(CountingWorld(), starts(), "a10e")
    with hub_of({**WORLDS, "alone": other}) as hub:
        world = Client(hub).event("welcome").fields["world"]
        assert (world["lockstep"], world["real"], world["flags"]) == (True, True, False)
        assert world["rivals"] == ["alone", "brief", "twin"]
    with hub_of({"alone": other}) as hub:
        client = Client(hub)
        world = client.event("welcome").fields["world"]
        assert (world["lockstep"], world["rivals"]) == (False, [])
        assert client.code("real", on="lockstep") == "unsupported"
    with hub_of({"alone": other, "twin": loaded(hash="beef")}) as hub:
        client = Client(hub, world="alone")
        assert client.event("welcome").fields["world"]["lockstep"]
        assert client.value("real", on="lockstep", against="twin")["against"] == "twin"
        assert client.state()["lockstep"]


def test_another_world_beside_and_the_first_one_again(client: Client) -> None:
    """Catches: a world beside that never changes, or whose memory is kept for good with every change."""
    client.value("real", on="lockstep")
    before = client.hub.memory.bytes
    for name in ("twin", "brief", "twin"):
        told = client.value("real", on="lockstep", against=name)
        assert told == {"on": "lockstep", "against": name, "episode": None}
        assert client.state_where(lambda state, name=name: state["against"] == name)["lockstep"]
    client.value("real", on="lockstep", against=None)
    assert client.state_where(lambda state: state["against"] == "")["lockstep"]
    assert client.hub.memory.bytes == before


def test_worlds_that_cannot_stand_beside(client: Client) -> None:
    """Catches: a name from outside that opens another folder, or a world beside the dream alone."""
    assert client.code("real", on="lockstep", against="nowhere") == "unknown_world"
    assert client.code("real", on="lockstep", against="counting") == "bad_value"
    assert client.code("real", on=True, against="twin") == "bad_value"
    assert not client.state()["lockstep"]


def test_memory_of_a_lockstep_that_does_not_open_comes_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: worlds that do not fit and take their memory each time they are tried."""
    before = client.hub.memory.bytes

    def fails(*_: Any, **__: Any) -> Any:
        raise ReverieError("lockstep: got worlds that do not fit")

    monkeypatch.setattr("engine.loading.lockstep_world_for", fails)
    assert client.code("real", on="lockstep", against="twin") == "bad_value"
    assert client.hub.memory.bytes == before


def test_an_anchor_is_told_and_counts_as_memory(client: Client) -> None:
    """Catches: an anchor outside a lockstep that pauses play or breaks it; anchors without end that fill the memory."""
    before = client.hub.memory.bytes
    assert client.code("anchor") == "bad_value"
    assert client.hub.memory.bytes == before
    client.value("real", on="lockstep")
    client.value("step")
    before = client.hub.memory.bytes
    client.value("anchor")
    assert client.hub.memory.bytes == before + workbench.OVERHEAD
    marks = client.state_where(lambda state: any(kind == "anchor" for _, kind in state["marks"]))["marks"]
    assert [place for place, kind in marks if kind == "anchor"] == [client.state()["cursor"]]


def test_a_fork_in_lockstep_takes_the_memory_of_a_lockstep(client: Client) -> None:
    """Catches: branches of a lockstep that are counted as the dream's alone, a fraction of what they take."""
    client.value("real", on="lockstep")
    play, before = client.guest.stay.play, client.hub.memory.bytes
    assert client.value("fork") == {"branch": 1}
    grown = client.hub.memory.bytes - before
    assert grown > play.ring_bytes
    client.value("real", on="lockstep", against="twin")  # the forked lockstep is gone, and what it took
    client.value("real", on="lockstep", against=None)
    assert client.hub.memory.bytes == before and play.branches == 1


def test_a_link_of_a_lockstep_is_played_with_the_same_world_beside(client: Client) -> None:
    """Catches: a link that is refused for the length of its hash, or is played beside another world."""
    client.value("real", on="lockstep", against="twin")
    for _ in range(3):
        client.value("step")
    text = client.value("link")["link"]
    assert len(read_link(text).history.world_hash) <= MAX_HASH
    client.value("real", on="lockstep", against="brief")
    client.value("replay", link=text)
    ended = client.event("playback")
    assert ended.fields["same"] is True and ended.fields["different"] == 0
    assert client.state_where(lambda state: state["against"] == "twin")["lockstep"]
    with hub_of({"counting": loaded()}) as hub:
        assert Client(hub).code("replay", link=text) == "link"


def test_a_save_of_a_lockstep_leads_back_there(client: Client) -> None:
    """Catches: a save whose emulator is given a state from outside, or that is refused for the dream beside it."""
    client.value("real", on="lockstep")
    for _ in range(3):
        client.value("step")
    save = client.hub.file(client.value("save_file")["url"].split("/")[3])
    assert save is not None
    client.value("step")
    assert client.guest.load_save(save) == {"index": 3}
    assert client.state_where(lambda state: state["lockstep"])
    client.value("real", on=False)
    with pytest.raises(ServerError, match="save"):
        client.guest.load_save(save)


# -- studies


class Slow:
    """Studies of as many slices as are wanted, which note what becomes of them."""

    def __init__(self, slices: int = 3) -> None:
        self.slices, self.closed, self.begun = slices, 0, 0

    def __call__(self, orders: Any, order: Any) -> Any:
        return self.work

    def work(self, session: Session) -> Generator[Any, None, tuple[View, ...]]:
        self.begun += 1
        try:
            for _ in range(self.slices):
                yield
        except GeneratorExit:
            self.closed += 1
            raise
        return (View("answer", "vector", torch.tensor([[float(session.frame.index), 7.0]])),)


def test_a_study_is_answered_with_its_views(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an answer that is never seen, is of another moment, or stays when it was taken back."""
    monkeypatch.setattr(workbench, "study_of", Slow())
    client.value("inspect", on=True)
    client.value("step")
    before = client.hub.memory.bytes
    assert client.value("study", what="seeds") == {"study": "seeds", "views": ["answer"]}
    client.wait(lambda: "answer" in views(client))
    assert client.hub.memory.bytes == before, "what it took while it went on is given back"
    assert client.state()["study"] == ""
    client.value("study", what="clear")
    client.value("step")
    client.wait(lambda: views(client) and "answer" not in views(client))


def test_a_second_study_cancels_the_first_and_each_is_answered(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a study that goes on behind the next one, is never answered, or gets the other's answer."""
    slow = Slow(slices=10**9)
    monkeypatch.setattr(workbench, "study_of", slow)
    first = client.give("study", what="check")
    assert client.state_where(lambda state: state["study"] == "check")
    monkeypatch.setattr(workbench, "study_of", Slow())
    assert client.value("study", what="seeds")["study"] == "seeds"
    reply = client.reply(first)
    assert not reply["ok"] and "cancel" in reply["error"]["message"]
    until(lambda: slow.closed == 1)


@pytest.mark.parametrize("leave", ["leaves", "another world", "clear", "another place"])
def test_a_study_ends_with_what_it_was_asked_of(client: Client, monkeypatch: pytest.MonkeyPatch, leave: str) -> None:
    """Catches: work for somebody who has gone, that takes the device from those who play."""
    slow = Slow(slices=10**9)
    monkeypatch.setattr(workbench, "study_of", slow)
    before = client.hub.memory.bytes
    asked = client.give("study", what="check")
    client.state_where(lambda state: state["study"] == "check")
    if leave == "leaves":
        client.leave()
    elif leave == "another world":
        client.value("world", name="twin", start=None, seed=None)
    elif leave == "clear":
        client.value("study", what="clear")
    else:
        client.value("real", on=True)
    until(lambda: slow.closed == 1)
    if leave != "leaves":
        assert not client.reply(asked)["ok"]
    if leave == "clear":
        assert client.hub.memory.bytes == before


def test_only_so_many_study_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a server that everyone keeps busy with questions until nobody can play."""
    slow = Slow(slices=10**9)
    monkeypatch.setattr(workbench, "study_of", slow)
    with hub_of(WORLDS, Limits(studies=1)) as hub:
        one, other = Client(hub), Client(hub)
        one.give("study", what="seeds")
        one.state_where(lambda state: state["study"] == "seeds")
        assert other.code("study", what="seeds") == "rate"
        one.give("study", what="check")
        one.state_where(lambda state: state["study"] == "check")
        one.leave()
        monkeypatch.setattr(workbench, "study_of", Slow())
        assert other.value("study", what="seeds")["study"] == "seeds"


def test_studies_have_bounds(client: Client) -> None:
    """Catches: a future, or a number of samples, that a player chooses without end; an action that is none."""
    limits = client.hub.limits
    assert client.code("study", what="every_action", frames=limits.study_frames + 1) == "bad_value"
    assert client.code("study", what="unsure", count=limits.study_samples + 1) == "bad_value"
    assert client.code("study", what="sequences", sequences=None) == "bad_value"
    assert client.code("study", what="sequences", sequences=[["JUMP"]]) == "bad_value"
    assert client.code("study", what="sequences", sequences=[["UP"] * 33]) == "bad_value"
    assert client.code("study", what="everything") == "bad_value"
    full = Control(
        1, "study", {"what": "sequences", "sequences": [["UPRIGHT"] * 32] * 8, "frames": None, "count": None}
    )
    data = encode_client(full)
    assert data.count(b"[") <= MAX_NESTED and decode_client(data) == full


# -- flags


def test_a_flag_is_kept_where_the_server_is_the_players_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches: a note that is lost, a flag without a mark, or more of them than the disk is to hold."""
    from engine.glitches import list_glitches

    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path))
    with hub_of(WORLDS, Limits(flags=2)) as hub:
        hub.flags = True
        client = Client(hub, seed=1)
        assert client.event("welcome").fields["world"]["flags"]
        client.value("pause")
        client.value("step")
        told = client.value("flag", note="the ball is gone")
        client.value("flag", note=None)
        assert client.code("flag", note="a third") == "memory"
        marks = client.state_where(lambda state: any(kind == "flag" for _, kind in state["marks"]))["marks"]
        assert [kind for _, kind in marks].count("flag") == 1
        client.leave()
    kept = list_glitches(tmp_path)
    assert [glitch.note for glitch in kept] == ["the ball is gone", ""] and told["id"] == kept[0].id


def test_a_server_for_others_keeps_no_flags(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches: strangers who fill the disk of whoever serves them."""
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path / "glitches"))
    assert client.code("flag", note="mine") == "unsupported"
    assert not (tmp_path / "glitches").exists()


@pytest.mark.parametrize(("host", "flags"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_flags_by_where_the_server_listens(host: str, flags: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: ``reverie serve --host 0.0.0.0`` that keeps files for everyone."""
    from app.commands.serve import Serve

    given: list[Any] = []
    monkeypatch.setattr("app.web.serving.serve", lambda hub, *_, **__: given.append(hub))
    Serve(host=host, port=0, token="a-token-of-some-length").run()
    assert given[0].flags is flags
