"""Lockstep under an episode on disk, as a server offers it: which there are, by what name, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from app.commands.play import Play
from engine.episodes import check_episode, game_of, stored_episodes
from engine.errors import ReverieError
from engine.glitches import list_glitches
from engine.server.episodes import Episodes, name_of
from engine.server.shelf import Shelf
from models.checkpoint import open_world_folder
from models.data.episode import Episode
from models.data.store import EpisodeStore
from models.library import find_world
from tests.counting import NAMES, loaded
from tests.players import Client, hub_of

WORLDS = {"counting": loaded(), "twin": loaded(hash="beef")}
STEPS = 9


def episode(first: int = 0, **meta: Any) -> Episode:
    """Frames that show how far it is, and actions 1, 2, 3, 1 ..."""
    shown = torch.arange(first, first + STEPS + 1, dtype=torch.uint8)
    last = torch.arange(STEPS) == STEPS - 1
    actions = torch.arange(STEPS) % 3 + 1
    return Episode(
        frames=shown[:, None, None, None].expand(-1, 3, 4, 6).clone(),
        actions=actions,
        rewards=(actions == 3).float(),
        terminated=last,
        truncated=torch.zeros_like(last),
        objects=torch.zeros(STEPS + 1, 0, 3),
        meta={"actions": list(NAMES), **meta},
    )


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EpisodeStore:
    """A store of the counting game: 8 and 10 are trained on, 9 and 19 are held out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path / "glitches"))
    store = EpisodeStore(tmp_path / "data" / "counting")
    for number in (8, 9, 10, 19):
        store.add(number, episode(number))
    return store


@pytest.fixture
def client() -> Iterator[Client]:
    with hub_of(WORLDS, flags=True) as hub:
        client = Client(hub, seed=1)
        client.value("pause")
        yield client


def under(client: Client, name: str | None, **args: Any) -> dict[str, Any]:
    client.value("real", on="lockstep", episode=name, **args)
    return dict(client.state_where(lambda state: state["lockstep"] and state["episode"] == (name or "")))


def test_what_is_offered_and_to_whom() -> None:
    """Catches: files of this machine named to others, old episodes first, trained ones before held-out ones."""
    with hub_of(WORLDS, flags=True) as hub:
        world = Client(hub).event("welcome").fields["world"]
        assert world["episodes"] == ["heldout/000019", "heldout/000009", "train/000010", "train/000008"]
        assert world["lockstep"] and not world["real"]
    with hub_of(WORLDS) as hub:
        client = Client(hub)
        assert client.event("welcome").fields["world"]["episodes"] == []
        assert client.code("real", on="lockstep", episode="heldout/000019") == "unsupported"


def test_at_most_so_many(store: EpisodeStore) -> None:
    """Catches: a world's facts that grow with the store, or whose held-out episodes are the ones left out."""
    (store.folder / "train" / "notes.safetensors").write_bytes(b"")
    assert list(stored_episodes(loaded(), most=3)) == ["heldout/000019", "heldout/000009", "train/000010"]
    assert len(stored_episodes(loaded())) == 4


def test_an_episode_is_played_by_its_own_actions(client: Client) -> None:
    """Catches: live actions under recorded frames, frames of another episode, a lockstep that says nothing of it."""
    state = under(client, "heldout/000019")
    assert state["controller"] == "episode" and state["against"] == ""
    client.value("inspect", on=True)
    client.value("step")
    session = client.guest.stay.play.seat.session
    lead, at = session.world.lead, session.moment  # type: ignore[attr-defined]
    assert at.frame.action == lead.played[0] and at.frame.index == 1
    shown = session.world.sight(at.state)  # type: ignore[attr-defined]
    assert shown.unique().tolist() == [19 + lead.first + 1]
    assert under(client, "train/000008", against="twin")["against"] == "twin"
    assert client.code("real", on="lockstep") == "unsupported", "there is no real game here"
    assert client.state()["episode"] == "train/000008"


def test_who_took_over_gives_it_back(client: Client) -> None:
    """Catches: an episode that is chosen again and goes on under the person's actions."""
    under(client, "heldout/000019")
    client.value("controller", name="human")
    assert client.state_where(lambda state: state["controller"] == "human")["episode"] == "heldout/000019"
    client.value("real", on=False)
    under(client, "heldout/000019")
    assert client.state_where(lambda state: state["controller"] == "episode")


def test_its_end_is_an_end_and_a_new_start_begins_it_again(client: Client) -> None:
    """Catches: an episode that stands still for good after its end, or goes on with what is not in it."""
    under(client, "heldout/000009")
    client.value("speed", factor=16)
    client.value("resume")
    assert client.state_where(lambda state: state["over"] and state["paused"])
    lead = client.guest.stay.play.seat.session.world.lead  # type: ignore[attr-defined]
    client.wait(lambda: client.frames[-1].header.index == len(lead.played))
    client.value("pause")
    client.value("start")
    client.value("pause")
    client.value("step")
    frame = client.guest.stay.play.seat.session.frame
    assert 0 < frame.index < len(lead.played) and not frame.over and frame.controller == "episode"


@pytest.mark.parametrize(
    "name",
    [
        *("heldout/000018", "../data/counting/heldout/000019", "heldout/../heldout/000019", "/etc/passwd", "000019"),
        *("heldout/000019.safetensors", "heldout//000019", "HELDOUT/000019", "heldout/000019 ", "file/../../x"),
    ],
)
def test_no_name_opens_a_file_that_is_not_offered(client: Client, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a path from a player that reaches the disk."""

    def opened(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("engine.episodes.check_episode", opened)
    assert client.code("real", on="lockstep", episode=name) == "bad_value"


def test_only_in_lockstep(client: Client) -> None:
    """Catches: a real game that is silently an episode."""
    for on in (True, False, "grounded"):
        assert client.code("real", on=on, episode="heldout/000019") == "bad_value"


def test_memory_of_an_episode_comes_back(client: Client, store: EpisodeStore) -> None:
    """Catches: frames of every episode ever chosen counted for good, or a damaged file that takes its memory."""
    under(client, "heldout/000019")
    before = client.hub.memory.bytes
    for name in ("train/000008", "heldout/000009", "heldout/000019"):
        under(client, name)
        assert client.hub.memory.bytes == before
    store.path(10).write_bytes(b"not an episode")
    assert client.code("real", on="lockstep", episode="train/000010") == "bad_value"
    assert client.hub.memory.bytes == before
    assert client.state()["episode"] == "heldout/000019"


def test_a_link_is_played_where_the_episode_is_known(client: Client) -> None:
    """Catches: a link under an episode that plays under another one, or under none."""
    under(client, "heldout/000019")
    for _ in range(3):
        client.value("step")
    text = client.value("link")["link"]
    under(client, "train/000008")
    client.value("replay", link=text)
    told = client.event("playback").fields
    assert told["complete"] and told["different"] == 0 and told["same"]
    assert client.state_where(lambda state: state["episode"] == "heldout/000019")
    with hub_of(WORLDS, flags=True) as hub:
        assert Client(hub).code("replay", link=text) == "link"


def test_a_glitch_under_an_offered_episode_opens_again(client: Client, store: EpisodeStore) -> None:
    """Catches: a flagged moment under an episode that only a window can open, or that opens under another one."""
    under(client, "heldout/000019")
    for _ in range(3):
        client.value("step")
    name = client.value("flag", note="here")["id"]
    assert [glitch.id for glitch in list_glitches()] == [name]
    client.value("real", on=False)
    assert client.value("glitch", name=name)["index"] == 3
    state = client.state_where(lambda state: state["lockstep"])
    assert state["episode"] == "heldout/000019" and state["paused"]
    store.path(19).unlink()
    assert client.code("glitch", name=name) == "unsupported"


def test_a_save_under_an_episode_is_loaded(client: Client, tmp_path: Path) -> None:
    """Catches: a save of such a lockstep that its own server refuses."""
    under(client, "heldout/000019")
    for _ in range(3):
        client.value("step")
    path = tmp_path / "kept.safetensors"
    client.guest.stay.play.seat.session.save_to(path)
    client.value("step")
    assert client.guest.load_save(path) == {"index": 3}


def test_a_file_that_is_in_no_store(tmp_path: Path) -> None:
    """Catches: `reverie play --episode` with a file of one's own that the page does not know; two names for a file."""
    own = tmp_path / "my own (2).safetensors"
    episode(50).write(own)
    assert name_of(own) == "file/my-own-2-"
    with hub_of(WORLDS, flags=True, episode=own) as hub:
        client = Client(hub, seed=1)
        client.value("pause")
        assert client.event("welcome").fields["world"]["episodes"][:2] == ["file/my-own-2-", "heldout/000019"]
        under(client, "file/my-own-2-")
    stored = tmp_path / "data" / "counting" / "train" / "000008.safetensors"
    shelf = Shelf(open_worlds=WORLDS)
    offered = Episodes(shelf, stored).offered("counting")
    assert list(offered) == ["train/000008", "heldout/000019", "heldout/000009", "train/000010"]


def test_an_episode_of_another_game_is_refused(tmp_path: Path) -> None:
    """Catches: a dream of Pong beside Freeway's frames, or an error about tensors."""
    folder = open_world_folder(find_world("pong"))
    spec, path = folder.manifest.spec, tmp_path / "one.safetensors"
    assert game_of(folder, spec) == "pong"
    for game, said in (("freeway", "an episode of freeway"), ("pong", "frames")):
        episode(game=game).write(path)
        with pytest.raises(ReverieError, match=said):
            check_episode(path, folder, spec)
    path.write_bytes(b"nonsense")
    with pytest.raises(ReverieError, match=r"one\.safetensors"):
        check_episode(path, folder, spec)
    with pytest.raises(ReverieError, match="no such file"):
        Play(lockstep=True, episode=tmp_path / "none.safetensors").run()


def test_the_options_of_play(tmp_path: Path) -> None:
    """Catches: an episode that is silently ignored, and a page that is not asked for it."""
    path = Path("data/counting/heldout/000019.safetensors")
    for wrong in ({}, {"real": True}, {"lockstep": True, "controller": "agent"}, {"headless": True}):
        with pytest.raises(ValueError, match="--"):
            Play(episode=path, **wrong)
    play = Play(lockstep=True, episode=path)
    assert play._query(None) == {"real": "lockstep", "episode": "heldout/000019"}
    assert play._choices().episode == path
