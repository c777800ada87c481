"""The hub: who may join, who comes back, what is left behind, and what time does to sessions."""

from __future__ import annotations

import gc
import json
import random
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ReverieError
from engine.server.downloads import Downloads
from engine.server.errors import ServerError
from engine.server.hub import Hub
from engine.server.limits import Bucket, Limits
from engine.server.messages import Hello, Key, Resume
from engine.server.shelf import Shelf
from engine.server.stay import MOST_WORKS
from tests.counting import CountingWorld, Loaded, loaded, starts
from tests.players import Client, Clock, hub_of, pixel, until
from tests.tiny_worlds import write_tiny


def test_a_welcome_says_what_is_played_and_how() -> None:
    """Bug: a page that does not know its world's buttons, size or keys, or what resumes its session."""
    with hub_of() as hub:
        client = Client(hub, world="other", seed=4, start=1)
        welcome = client.event("welcome").fields
        assert client.events[0].name == "welcome" and welcome["resumed"] is False and welcome["protocol"] == 2
        world = welcome["world"]
        assert (world["name"], world["width"], world["height"], world["fps"], world["starts"]) == ("other", 6, 4, 10, 3)
        assert world["buttons"] == ["up", "down", "left", "right", "fire"]
        assert world["keys"] == {"up": 0, "w": 0, "space": 4} and world["labels"]["4"] == "Serve"
        assert world["settings"] == [{"name": "gain", "kind": "int", "value": 1, "low": None, "high": None}]
        assert (client.state()["start"], client.state()["seed"]) == (1, 4)
        assert client.frame().header.width == 6


@pytest.mark.parametrize("name", ["nothing", "../counting", "/etc/passwd", "counting/", "", "COUNTING", "\x00"])
def test_unknown_worlds_are_told(name: str) -> None:
    """Bug: a client's name that is joined to a path, or a world that takes a player's place without being played."""
    with hub_of() as hub:
        with pytest.raises(ServerError) as refused:
            hub.join(Hello(world=name))
        assert refused.value.code == "unknown_world" and refused.value.fatal
        assert hub.stats()["players"] == 0 and hub.memory.bytes == 0


def test_a_full_server_says_so_and_has_room_again() -> None:
    """Bug: more sessions than allowed, or a place that is never free again."""
    with hub_of(limits=Limits(players=2)) as hub:
        first, _ = Client(hub), Client(hub)
        with pytest.raises(ServerError) as refused:
            Client(hub)
        assert refused.value.code == "full" and refused.value.fatal
        first.leave()
        Client(hub)


def test_a_failed_join_frees_its_place() -> None:
    """Bug: every join that fails takes one of the places for good."""

    class Broken(CountingWorld):
        def initial(self, context: Any, rng: Any) -> Any:
            raise RuntimeError("no memory on the device")

    with hub_of({"counting": loaded(), "broken": Loaded(Broken(), starts())}, Limits(players=1)) as hub:
        for hello in (Hello(world="broken"), Hello(start=99), Hello(replay="x" * 40), Hello(world="?")):
            with pytest.raises(ServerError) as refused:
                hub.join(hello)
            assert refused.value.fatal
        assert Client(hub).frame()


def test_a_lost_connection_comes_back_to_the_same_session() -> None:
    """Bug: a reconnect that starts anew, or a session that plays on while nobody sees it."""
    with hub_of() as hub:
        first = Client(hub, seed=5)
        first.frame(lambda frame: frame.header.index >= 2)
        first.send(Key(True, 0, 1.0))
        first.leave(lost=True)
        assert hub.stats() | {"players": 1, "connected": 0} == hub.stats()
        until(lambda: hub.device.active == 0)
        index = first.guest.stay.shown.frame.index  # type: ignore[union-attr]
        second = Client(hub, resume=first.resume)
        welcome = second.event("welcome").fields
        assert welcome["resumed"] and welcome["session"] == first.resume.session
        assert welcome["key"] != first.resume.key
        first_frame = second.wait(lambda: second.frames)[0].header
        assert (first_frame.seq, first_frame.index) == (1, index)
        after = second.frame(lambda frame: frame.header.index >= index + 2)
        assert pixel(after)[1] == 0, "a key that was down when the connection was lost is still held"
        assert second.state()["seed"] == 5 and hub.device.players == 1


def test_only_the_newest_key_resumes() -> None:
    """Bug: a session that can be taken by whoever saw an old key, or guesses an id."""
    with hub_of() as hub:
        client = Client(hub)
        client.frame()
        old = client.resume
        client.leave(lost=True)
        Client(hub, resume=old)
        wrong = [old, Resume(old.session, ""), Resume(old.session, "é"), Resume("?", old.key), Resume("", "")]
        for resume in wrong:
            with pytest.raises(ServerError) as refused:
                hub.join(Hello(resume=resume))
            assert refused.value.code == "unknown_session" and refused.value.fatal
            with pytest.raises(ServerError):
                hub.guest(resume.session, resume.key)


def test_a_session_taken_over_is_left_by_the_old_connection() -> None:
    """Bug: two connections that share one session's frames, or an old one whose end ends the new one's session."""
    with hub_of() as hub:
        old = Client(hub)
        old.frame()
        new = Client(hub, resume=old.resume)
        old.wait(lambda: old.ended)
        assert old.event("bye") and old.ended and old.ended.code == "expired"
        with pytest.raises(ServerError):
            old.give("pause")
        old.leave()
        assert hub.guest(new.resume.session, new.resume.key) is new.guest
        assert new.value("pause") is None


def test_replies_on_their_way_reach_who_resumes() -> None:
    """Bug: a reply that was not sent when the connection was lost is gone, and the page waits for ever."""
    with hub_of() as hub:
        first = Client(hub)
        first.frame()
        id = first.give("pause")
        until(lambda: first.guest.stay.shown is not None and first.guest.stay.shown.paused)
        second = Client(hub, resume=first.resume)
        assert second.reply(id)["ok"] and second.events[0].name == "welcome"


def test_who_leaves_frees_everything_at_once() -> None:
    """Bug: sessions, memory, threads or seats that stay behind; the server grows with every visitor."""
    with hub_of() as hub:
        Client(hub).leave()
        threads = threading.active_count()
        for k in range(60):
            client = Client(hub)
            if k % 3 == 0:
                client.frame()
                client.give("bye")
            client.leave(lost=k % 2 == 0)
        stats = hub.stats()
        assert (stats["players"], hub.memory.bytes, hub.device.players) == (0, 0, 0)
        assert threading.active_count() <= threads


def test_moments_go_with_who_leaves_and_with_the_world_left() -> None:
    """Bug: hundreds of megabytes of moments that nobody can go back to, until Python looks for circles of objects."""
    with hub_of() as hub:
        gc.collect()
        gc.disable()
        try:
            client = Client(hub)
            for leave in (lambda: client.value("world", name="other", start=None, seed=None), client.leave):
                client.value("pause")
                for _ in range(3):
                    client.value("step")
                client.value("save", slot=1)
                kept = [weakref.ref(m) for m in client.guest.stay.play.seat.sessions[0].kept[:-2]]
                assert kept and all(moment() is not None for moment in kept)
                leave()
                until(lambda kept=kept: all(moment() is None for moment in kept))
        finally:
            gc.enable()


def test_slow_work_of_who_has_left_is_not_done() -> None:
    """Bug: clips ordered by the dozen, by visitors who leave at once, keep the workers from those who are there."""
    with hub_of() as hub:
        client, gate, done = Client(hub), threading.Event(), []
        stay = client.guest.stay
        stay.work(gate.wait)
        for k in range(MOST_WORKS - 1):
            stay.work(lambda k=k: done.append(k))
        with pytest.raises(ServerError) as refused:
            stay.work(gate.wait)
        assert refused.value.code == "rate"
        client.leave()
        gate.set()
        until(lambda: not stay._works)
        assert done == []


def test_time_stops_going_back_when_the_connection_is_lost() -> None:
    """Bug: rewind was held when the connection broke; after it came back, time runs backwards with no key held."""
    with hub_of() as hub:
        client = Client(hub)
        client.frame()
        client.value("rewind", hold=True)
        client.wait(lambda: client.frames[-1].header.rewinding)
        client.leave(lost=True)
        again = Client(hub, resume=client.resume)
        again.wait(lambda: again.frames and not again.frames[-1].header.rewinding)
        again.frame(lambda frame: frame.header.index > again.frames[0].header.index)


def test_a_lost_session_expires() -> None:
    """Bug: sessions of lost connections that are kept for ever, or not as long as promised."""
    clock = Clock()
    with hub_of(clock=clock) as hub:
        kept, gone = Client(hub), Client(hub)
        for client in (kept, gone):
            client.frame()
            client.leave(lost=True)
        clock.now += 59
        hub.sweep()
        Client(hub, resume=kept.resume).frame()
        clock.now += 2
        hub.sweep()
        with pytest.raises(ServerError, match="start a new one"):
            Client(hub, resume=gone.resume)
        assert hub.device.players == 1


def test_a_session_nobody_saw_is_not_kept() -> None:
    """Bug: a storm of connections that vanish at once fills all places for a minute."""
    with hub_of(limits=Limits(players=2)) as hub:
        for _ in range(5):
            Client(hub, acks=False).leave(lost=True)
        assert hub.stats()["players"] == 0


def test_somebody_new_takes_the_place_of_who_is_gone() -> None:
    """Bug: a full house of sessions that nobody is connected to, or nobody sits at."""
    clock = Clock()
    with hub_of(limits=Limits(players=2), clock=clock) as hub:
        idle, lost = Client(hub), Client(hub)
        lost.frame()
        lost.leave(lost=True)
        Client(hub)
        with pytest.raises(ServerError, match="expected fewer"):
            Client(hub)
        clock.now += 601
        hub.sweep()
        Client(hub).value("pause")
        idle.wait(lambda: idle.ended)
        assert idle.ended and idle.ended.code == "expired"


def test_an_idle_session_waits_until_somebody_is_there() -> None:
    """Bug: a forgotten tab that dreams all night; or one that cannot be woken."""
    clock = Clock()
    with hub_of(clock=clock) as hub:
        client = Client(hub)
        client.frame()
        clock.now += 601
        hub.sweep()
        told = client.event("error", lambda fields: fields["code"] == "idle").fields
        assert told["fatal"] is False
        assert client.state_where(lambda state: state["suspended"])["asleep"] == ["idle"]
        until(lambda: hub.device.active == 0)
        client.play(0.05)
        index = client.frames[-1].header.index
        client.play(0.4)
        assert client.frames[-1].header.index == index
        client.send(Key(True, 0, 5.0))
        client.frame(lambda frame: frame.header.index > index)
        clock.now += 1
        hub.sweep()
        assert client.state_where(lambda state: not state["suspended"])


def test_a_client_that_draws_nothing_costs_nothing() -> None:
    """Bug: a frozen page whose world is dreamt on."""
    clock = Clock()
    with hub_of(clock=clock) as hub:
        client = Client(hub, acks=False)
        client.wait(lambda: len(client.frames) == 2)
        clock.now += 6
        hub.sweep()
        until(lambda: client.guest.stay.play.seat.suspended and hub.device.active == 0)
        client.acks = True
        client.send_ack()
        client.frame(lambda frame: frame.header.index > 3)


def test_a_hidden_page_costs_nothing() -> None:
    """Bug: a tab in the background that takes its share of the device."""
    with hub_of() as hub:
        client = Client(hub)
        client.frame()
        client.value("visible", on=False)
        assert client.state_where(lambda state: state["suspended"])["asleep"] == ["hidden"]
        until(lambda: hub.device.active == 0)
        client.value("visible", on=True)
        client.frame(lambda frame: frame.header.index > 2)


def test_players_share_steps_and_keep_to_themselves() -> None:
    """Bug: a session whose frames depend on who else plays, or on the other world's players."""

    def course(others: int) -> list[tuple[int, int, int]]:
        with hub_of() as hub:
            crowd = [Client(hub, world=name) for name in ["counting", "other"] * others]
            client = Client(hub, seed=11)
            client.value("pause")
            client.value("start", start=0, seed=11)
            client.value("controller", name="random")
            seen = []
            for _ in range(6):
                index = client.value("step")["index"]
                client.wait(lambda index=index: client.frames[-1].header.index == index)
                seen.append(pixel(client.frames[-1]))
                for other in crowd:
                    other.pump()
            return seen

    assert course(0) == course(2)


def test_a_link_as_hello_plays_itself() -> None:
    """Bug: a replay's address that opens the default world, or plays without saying how it went."""
    with hub_of() as hub:
        client = Client(hub, world="other", seed=8)
        client.value("pause")
        client.value("start", start=2, seed=8)
        for _ in range(3):
            client.value("step")
        link = client.value("link")["link"]
        again = Client(hub, world="counting", replay=link)
        assert again.event("welcome").fields["world"]["name"] == "other"
        told = again.event("playback").fields
        assert told == {"frames": 4, "different": 0, "complete": True, "same": True}
        assert again.state_where(lambda state: state["paused"])["start"] == 2
    with hub_of({"counting": loaded()}) as hub, pytest.raises(ServerError) as refused:
        hub.join(Hello(replay=link))
    assert refused.value.code == "link"


def test_the_end_is_told() -> None:
    """Bug: a server that stops without a word, or leaves files and threads behind."""
    hub = hub_of().start()
    client = Client(hub)
    client.frame()
    path = hub.file(client.value("save_file")["url"].split("/")[3])
    hub.close()
    hub.close()
    client.wait(lambda: client.ended)
    assert client.event("bye").fields["reason"] == "closing"
    assert path is not None and not path.exists() and not path.parent.parent.exists()
    assert not hub.device.alive
    with pytest.raises(ServerError):
        hub.join(Hello())


def test_stats_are_json() -> None:
    """Bug: numbers that no monitor can read, or a count that misses who plays."""
    clock = Clock()
    with hub_of(clock=clock) as hub:
        client = Client(hub)
        client.frame(lambda frame: frame.header.index >= 2)
        clock.now += 1
        hub.sweep()
        stats = json.loads(json.dumps(hub.stats()))
        assert (stats["players"], stats["connected"], stats["active"]) == (1, 1, 1)
        assert stats["frames_per_s"] > 0 and stats["memory_mb"] > 0


def test_a_shelf_opens_each_world_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: the weights once for every player; a world's card or preview that is not found."""
    write_tiny(tmp_path / "tiny")
    monkeypatch.setenv("REVERIE_WORLDS", str(tmp_path))
    shelf = Shelf()
    assert "tiny" in shelf.names and shelf.default == "pong"
    listing = shelf.listing("tiny")
    assert (listing.title, listing.card, listing.preview) == ("Tiny", "# Tiny\n", None)
    assert shelf.by_hash(listing.hash) == "tiny" and shelf.by_hash("") is None
    opened: list[Any] = []
    threads = [threading.Thread(target=lambda: opened.append(shelf.open("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(world.loaded.world) for world in opened}) == 1
    assert Shelf([tmp_path / "tiny"]).default == "tiny"
    with pytest.raises(ReverieError, match="nothing"):
        Shelf(["nothing"])


def test_a_damaged_world_is_a_typed_error(tmp_path: Path) -> None:
    """Bug: a world whose weights are damaged takes the server down, or the place of a player."""
    write_tiny(tmp_path / "tiny")
    shelf = Shelf([tmp_path / "tiny"])
    (tmp_path / "tiny" / "starts.safetensors").write_bytes(b"nothing")
    with Hub(shelf) as hub:
        with pytest.raises(ServerError) as refused:
            hub.join(Hello())
        assert refused.value.fatal and hub.stats()["players"] == 0


def test_downloads_go_when_their_time_is_over(tmp_path: Path) -> None:
    """Bug: a disk that fills with clips; an address that outlives its file."""
    clock = Clock()
    downloads = Downloads(600, clock)
    path = downloads.place() / "clip ü.gif"
    path.write_bytes(b"GIF")
    address = downloads.offer(path)
    token = address.split("/")[3]
    assert address.endswith("/clip%20%C3%BC.gif") and downloads.file(token) == path
    clock.now += 601
    assert downloads.file(token) is None
    downloads.sweep()
    assert not path.exists()
    downloads.close()


def test_tokens_come_back_with_time() -> None:
    """Bug: a rate limit that forgives a flood, or never forgives."""
    clock = Clock()
    bucket = Bucket(10, 20, clock)
    assert [bucket.take() for _ in range(21)] == [True] * 20 + [False]
    clock.now += 0.5
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]
    clock.now += 1e9
    assert bucket.take(20) and not bucket.take(0.1)


@pytest.mark.parametrize("wrong", [{"players": 0}, {"players": 1.5}, {"idle_s": -1}, {"session_mb": 4096}])
def test_limits_are_judged_when_made(wrong: dict[str, Any]) -> None:
    """Bug: a limit of nothing that locks everybody out, found out by the first player."""
    with pytest.raises(ValueError, match="Limits"):
        Limits(**wrong)


def misbehave(hub: Hub, chance: random.Random) -> None:
    """Join, order this and that, perhaps come back, and leave, rudely. Raises what no client should bring about."""
    client = None
    try:
        client = Client(hub, world=chance.choice(["counting", "other"]), acks=chance.random() < 0.7)
        for _ in range(chance.randrange(5)):
            what = chance.choice(["world", "fork", "step", "record", "pump", "start", "noise"])
            if what == "noise":
                client.guest.receive(chance.randbytes(9))
            elif what == "pump":
                client.pump()
            else:
                start = {"start": None, "seed": None}
                args = {"world": {"name": "other", **start}, "start": start, "record": {"format": "gif", "seconds": 1}}
                client.give(what, **args.get(what, {}))
        if chance.random() < 0.4:
            client = Client(hub, resume=client.resume)
    except ServerError as error:
        if error.code not in ("full", "protocol", "unknown_session", "expired", "memory"):
            raise
    finally:
        if client is not None:
            client.leave(lost=chance.random() < 0.5)


def test_a_storm_of_players_leaves_nothing_behind_and_hurts_nobody() -> None:
    """Bug: a race between joining, resuming, changing worlds and leaving that keeps a seat, memory or a place."""
    clock = Clock()
    with hub_of(limits=Limits(players=6, message_burst=1e9), clock=clock) as hub, ThreadPoolExecutor(6) as pool:
        honest = Client(hub)
        rude = [pool.submit(misbehave, hub, random.Random(k)) for k in range(80)]
        while not all(future.done() for future in rude):
            honest.value("step")
        for future in rude:
            future.result()
        assert not [event for event in honest.events if event.name == "error"] and honest.frames
        clock.now += 61
        hub.sweep()
        assert hub.stats()["players"] == 1
        until(lambda: hub.device.players == 1)
        until(lambda: hub.memory.bytes == honest.guest.stay.play.ring_bytes)
