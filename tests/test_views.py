"""Looks inside: what is sent of each kind of view, and edits as part of a session's past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from engine.controls import Input
from engine.edits import changed
from engine.errors import ReverieError
from engine.history import Edit, edit_of
from engine.history_codec import decode_history, encode_history
from engine.loading import LoadedWorld
from engine.playback import Playback
from engine.player import Player
from engine.replay import play_replay
from engine.server.limits import MB, Limits
from engine.server.link import make_link, read_link
from engine.server.messages import ViewsMessage
from engine.server.protocol import decode_server
from engine.server.views import MOST_BYTES, Looks
from engine.session import Session
from models.types import View
from tests.players import Client, hub_of
from tests.tiny_worlds import endless, random_starts, tiny_world


def tiny_loaded() -> LoadedWorld:
    """A tiny world that never ends."""
    world = endless(tiny_world())
    return LoadedWorld(world, None, random_starts(world.spec, 3), "tiny")


WORLD = tiny_loaded()


def view(kind: Any, value: torch.Tensor, name: str = "v", **more: Any) -> View:
    return View(name, kind, value[None], **more)


def sent(*views: View) -> ViewsMessage:
    message = decode_server(Looks().message(3, views, "png"))
    assert isinstance(message, ViewsMessage) and message.seq == 3
    return message


def part(message: ViewsMessage, place: int) -> bytes:
    facts = message.views[place]
    return message.data[facts["offset"] : facts["offset"] + facts["bytes"]]


def test_a_film_strip_is_its_pictures_side_by_side() -> None:
    """Catches: a strip that is transposed, has its colours swapped, or its pictures in another order."""
    frames = torch.randint(256, (3, 3, 5, 4), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    message = sent(view("film_strip", frames, labels=("a", "b", "c")))
    image = cv2.imdecode(np.frombuffer(part(message, 0), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    for k in range(3):
        assert np.array_equal(image[:, 4 * k : 4 * k + 4], frames[k].permute(1, 2, 0).numpy())
    assert (message.views[0]["shape"], message.views[0]["type"]) == ([3, 3, 5, 4], "png")
    assert message.views[0]["labels"] == ["a", "b", "c"]


def test_numbers_arrive_as_they_are_and_in_their_places() -> None:
    """Catches: values that are rounded, or read from the part of another view."""
    vector, grid = torch.tensor([0.1, -2.5, 1e-8]), torch.eye(2, 3)
    message = sent(
        view("vector", vector, "a"), view("one_hot_grid", grid, "b", editable=True), view("scalar", vector[1])
    )
    assert np.array_equal(np.frombuffer(part(message, 0), "<f4"), vector.numpy())
    assert np.array_equal(np.frombuffer(part(message, 1), "<f4").reshape(2, 3), grid.numpy())
    assert np.frombuffer(part(message, 2), "<f4").tolist() == [-2.5]
    assert [facts["shape"] for facts in message.views] == [[3], [2, 3], []]
    assert [facts["editable"] for facts in message.views] == [False, True, False]


def test_feature_maps_come_in_levels_between_their_extremes() -> None:
    """Catches: maps of one value that divide by zero; extremes that do not come out at 0 and 255."""
    message = sent(view("feature_maps", torch.tensor([[[-1.0, 3.0]]])), view("feature_maps", torch.ones(2, 1, 1), "w"))
    assert list(part(message, 0)) == [0, 255] and list(part(message, 1)) == [0, 0]
    assert (message.views[0]["low"], message.views[0]["high"]) == (-1.0, 3.0)


def test_a_grid_of_pictures_is_one_picture_in_its_order() -> None:
    """Catches: rows and columns swapped, or the parts of one picture spread over its neighbours."""
    grid = torch.randint(256, (2, 3, 3, 5, 4), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    message = sent(view("picture_grid", grid, labels=("a", "b"), columns=("1", "2", "3")))
    image = cv2.imdecode(np.frombuffer(part(message, 0), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert image.shape == (10, 12, 3)
    for row, column in ((0, 0), (0, 2), (1, 1)):
        cut = image[5 * row : 5 * row + 5, 4 * column : 4 * column + 4]
        assert np.array_equal(cut, grid[row, column].permute(1, 2, 0).numpy())
    assert (message.views[0]["shape"], message.views[0]["columns"]) == ([2, 3, 3, 5, 4], ["1", "2", "3"])


def test_every_kind_is_sent_with_its_values_and_nothing_unknown() -> None:
    """Catches: a kind that is sent in other units, or without what is missing in it."""
    values = {"curves": (2, 4), "path": (5, 3), "heat_map": (3, 4), "matrix": (2, 3)}
    for kind, shape in values.items():
        value = torch.rand(shape, generator=torch.Generator().manual_seed(3))
        value[0, 0] = torch.nan
        message = sent(view(kind, value))
        got = np.frombuffer(part(message, 0), "<f4").reshape(shape)
        assert np.array_equal(got, value.numpy(), equal_nan=True), kind


def test_what_stands_there_for_minutes_is_sent_once() -> None:
    """Catches: the answer to a question that is sent with every frame; one that is taken for an older of its name."""
    looks = Looks()

    def send(*views: View) -> ViewsMessage:
        message = decode_server(looks.message(1, views, "png"))
        assert isinstance(message, ViewsMessage)
        return message

    pinned, moving = view("vector", torch.ones(3), "pinned"), view("scalar", torch.ones(()), "moving")
    assert len(send(pinned, moving).data) == 16
    again = send(pinned, view("scalar", torch.zeros(()), "moving"))
    assert again.views[0] == {"name": "pinned", "same": True, "offset": 0, "bytes": 0}
    assert np.frombuffer(part(again, 1), "<f4").tolist() == [0.0]
    assert len(send(view("vector", torch.ones(3), "pinned")).data) == 12, "another answer of the same name"
    assert len(send(pinned).data) == 12, "not the one before"
    send(moving)
    assert len(send(pinned).data) == 12, "the client no longer has it"


def test_of_two_views_of_a_name_one_is_sent() -> None:
    """Catches: two views that a page draws into the same card, one over the other with every frame."""
    message = sent(view("scalar", torch.ones(()), "a"), view("scalar", torch.zeros(()), "a"))
    assert len(message.views) == 1 and np.frombuffer(message.data, "<f4").tolist() == [1.0]


def test_what_is_too_large_is_left_out() -> None:
    """Catches: one enormous view that fills the line of a player, or takes the small ones with it."""
    large = torch.zeros(MOST_BYTES // 4)
    message = sent(view("vector", large, "fits"), view("vector", large, "not"), view("vector", large[:0], "small"))
    assert [facts["name"] for facts in message.views] == ["fits", "small"]


def test_an_edit_keeps_every_bit_and_refuses_what_is_none() -> None:
    """Catches: an edit that replays with other numbers; a forged one that fills the memory or crashes."""
    value = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(edit_of("deter", value).value(), value)
    for bad in (torch.zeros(3), torch.zeros(2, 3), torch.full((1, 2), torch.nan), torch.zeros(1, 0)):
        with pytest.raises(ValueError, match="edit deter: got"):
            edit_of("deter", bad)
    good = edit_of("deter", torch.zeros(1, 9))
    for shape, data in (((8,), good.data), ((9, 2), good.data), ((10**9,), good.data), ((9,), b"x"), ((), good.data)):
        with pytest.raises(ValueError, match="edit deter: got"):
            Edit("deter", shape, data).value()


def test_changes_of_a_grid_leave_one_choice_a_row() -> None:
    """Catches: two choices in one row, or a change that reaches into the next one."""
    grid = view("one_hot_grid", torch.eye(3)[[0, 2]], editable=True)
    value = changed(grid, [(4, 0.0)])
    assert value.tolist() == [[[1, 0, 0], [0, 1, 0]]]
    assert grid.value[0, 1].tolist() == [0, 0, 1]
    assert changed(view("vector", torch.zeros(3)), [(1, 0.5), (2, -1)]).tolist() == [[0, 0.5, -1]]
    for bad in ([], [(6, 1.0)], [(-1, 1.0)], [(0, float("nan"))], [(0, 1e9)]):
        with pytest.raises(ReverieError, match="edit v: got"):
            changed(grid, bad)


def edited_session() -> Session:
    """Steps, an edit, more steps."""
    session = Session.open(WORLD, seed=5)
    for _ in range(2):
        session.tick(Input())
    session.edit("hidden", torch.full_like(session.moment.state.hidden, 0.7))
    for _ in range(2):
        session.tick(Input())
    return session


def test_an_edit_changes_the_state_and_going_back_undoes_it() -> None:
    """Catches: an edit that takes a step, changes kept moments, or cannot be undone."""
    session = Session.open(WORLD, seed=5)
    session.tick(Input())
    before = session.moment
    hidden = before.state.hidden.clone()
    frame = session.edit("hidden", torch.ones_like(hidden))
    assert torch.equal(session.moment.state.hidden, torch.ones_like(hidden))
    assert torch.equal(before.state.hidden, hidden)
    assert (frame.index, frame.reward, frame.total) == (1, 0.0, before.frame.total)
    assert torch.equal(session.moment.rng, before.rng)
    assert [mark.kind for mark in session.timeline.marks if mark.position == 2] == ["edit"]
    session.rewind(1)
    assert session.moment is before
    with pytest.raises(ValueError, match="expected 'hidden'"):
        session.edit("nothing", torch.ones(1, 3))
    assert session.moment is before


def test_an_edit_is_part_of_replay_save_and_link(tmp_path: Path) -> None:
    """Catches: a dream that was edited and comes out as if it had not been."""
    session = edited_session()
    history = session.history
    frames = list(play_replay(history, WORLD))
    assert [frame.index for frame in frames] == [0, 1, 2, 2, 3, 4]
    again = decode_history(json.loads(json.dumps(encode_history(history))), "test")
    assert [tick.edit for tick in again.ticks] == [tick.edit for tick in history.ticks]
    assert history.episodes()[0][2] == [0, 0, 0, 0]
    session.save_to(tmp_path / "a.safetensors")
    other = Session.open(WORLD, seed=1)
    other.load_from(tmp_path / "a.safetensors")
    assert torch.equal(other.moment.state.hidden, session.moment.state.hidden)
    assert list(play_replay(other.history, WORLD))[-1].index == 4
    link = read_link(make_link(history))
    played = Session.open(WORLD)
    playback = Playback(link.history.ticks)
    while not playback.over:
        turn = playback.turn(played)
        frame = play(turn)
        playback.took(played, frame)
    assert link.matches(played.history)


def play(turn: Any) -> Any:
    from engine.batcher import take_turns

    (frame,) = take_turns([turn])
    assert not isinstance(frame, Exception), frame
    return frame


def test_a_history_without_edits_is_written_as_before() -> None:
    """Catches: files and links that an older Reverie could no longer read, for nothing."""
    session = Session.open(WORLD)
    session.tick(Input())
    assert encode_history(session.history)["format"] == 1 and "edits" not in encode_history(session.history)


@pytest.mark.parametrize(
    "edits",
    [[], "x", [[1]], [[0, "hidden", [1], ""]], [[1, "hidden", [1], "!"]], [[1, "", [1], "eJxjYGBgAAAABAAB"]]],
)
def test_forged_edits_are_refused_in_words(edits: Any) -> None:
    """Catches: a file from outside that raises anything else than the error meant for it."""
    data = encode_history(edited_session().history) | {"edits": edits}
    with pytest.raises(ReverieError, match="edits: got"):
        decode_history(data, "test")


def test_the_player_looks_inside_and_edits_what_it_shows() -> None:
    """Catches: views of another moment beside a frame, or an edit whose effect is not shown."""
    from engine.controls import Controls

    player = Player(Session.open(WORLD, seed=5), Controls())
    player.inspect = True
    shown = player.tick()
    assert {"denoising", "context", "hidden"} <= {v.name for v in shown.frame.views} and shown.inspect
    assert player.shown().frame is shown.frame
    player.edit("hidden", [(0, 0.25)])
    after = player.shown().frame
    assert player.paused and after.index == shown.frame.index
    assert {v.name: v for v in after.views}["hidden"].value[0, 0] == 0.25
    player.scrub(-1)
    assert all(v.value[0, 0] != 0.25 for v in player.shown().frame.views if v.name == "hidden")
    player.scrub(1)
    player.inspect = False
    assert player.shown().frame.views == ()
    player.inspect = True
    with pytest.raises(ReverieError, match="expected one of those shown that can be edited"):
        player.edit("denoised", [(0, 0.25)])


def test_a_new_start_is_looked_into_too() -> None:
    """Catches: the look inside of the episode before beside the first frame of the next one."""
    from engine.controls import Controls

    player = Player(Session.open(WORLD, seed=5, horizon=1), Controls())
    player.inspect = True
    player.tick()
    shown = player.tick()
    assert shown.frame.index == 0
    (hidden,) = [view for view in shown.frame.views if view.name == "hidden"]
    assert torch.equal(hidden.value, player.session.inside()[0].value)


def test_edits_count_as_memory() -> None:
    """Catches: edits without end, each kept with the past, that fill the memory of a server."""
    with hub_of({"tiny": tiny_loaded()}) as hub:
        client = Client(hub, seed=1)
        client.value("inspect", on=True)
        client.value("step")
        views(client)
        before = hub.memory.bytes
        client.value("edit", view="hidden", changes=[[1, 0.5]])
        grown = hub.memory.bytes - before
        assert grown > 0
        assert client.code("edit", view="hidden", changes=[[10_000, 1]]) == "bad_value"
        assert hub.memory.bytes == before + grown, "one that was refused gives it back"
        client.guest.stay.play.budget.reserve(int(Limits().session_mb * MB) - hub.memory.bytes, "test")
        assert client.code("edit", view="hidden", changes=[[1, 0.5]]) == "memory"


@pytest.fixture
def client() -> Iterator[Client]:
    with hub_of({"tiny": tiny_loaded()}) as hub:
        yield Client(hub, seed=1)


def views(client: Client) -> ViewsMessage:
    """The last look inside, once that of the last frame is there."""
    client.play(0.2)
    found = [message for message in client.others if isinstance(message, ViewsMessage)]
    assert found and found[-1].seq == client.frames[-1].header.seq
    return found[-1]


def test_a_client_looks_inside_only_when_it_asks(client: Client) -> None:
    """Catches: views sent to everybody; views whose frame never comes; an edit that reaches another view."""
    client.play(0.2)
    assert not client.others
    client.value("inspect", on=True)
    client.value("pause")
    client.value("step")
    assert client.state_where(lambda state: state["inspect"])
    look = views(client)
    names = [facts["name"] for facts in look.views]
    assert "hidden" in names
    assert client.value("edit", view="hidden", changes=[[1, 0.5]]) is None
    edited = views(client)
    place = [facts["name"] for facts in edited.views].index("hidden")
    assert np.frombuffer(part(edited, place), "<f4")[1] == 0.5
    assert [kind for _, kind in client.state()["marks"] if kind == "edit"] == ["edit"]
    assert client.code("edit", view="denoising", changes=[[0, 1]]) == "bad_value"
    assert client.code("edit", view="hidden", changes=[[10_000, 1]]) == "bad_value"
    client.value("inspect", on=False)
    client.play(0.1)
    client.others.clear()
    client.value("step")
    client.play(0.2)
    assert not [m for m in client.others if isinstance(m, ViewsMessage)]


def test_settings_with_bounds_are_told_them() -> None:
    """Catches: a temperature without a slider, or one that goes where the world does not."""
    from engine.server.dials import dials_of
    from engine.server.limits import Limits
    from models.rssm.settings import HOTTEST, RssmSettings

    dials = {dial["name"]: dial for dial in dials_of(RssmSettings(), Limits())}
    assert (dials["temperature"]["low"], dials["temperature"]["high"]) == (0.0, HOTTEST)
    assert (dials["reward_unit"]["low"], dials["reward_unit"]["high"]) == (None, None)


def test_a_stick_reaches_a_continuous_world() -> None:
    """Catches: an axis that moves another component, or none; values of an action that nobody is told."""
    from engine.server.messages import Axis
    from tests.tiny_rssm import DRIVE, tiny_rssm_world

    world = tiny_rssm_world("v3", DRIVE)
    loaded = LoadedWorld(world, None, random_starts(world.spec, 2), "drive")
    with hub_of({"drive": loaded}) as hub:
        client = Client(hub, seed=1)
        told = client.event("welcome").fields["world"]
        assert [axis["name"] for axis in told["axes"]] == ["steer", "gas", "brake"]
        client.value("pause")
        client.send(Axis(0, -0.25, 1.0))
        client.send(Axis(1, 0.5, 2.0))
        client.send(Axis(9, 1.0, 3.0))
        client.value("step")
        assert client.state_where(lambda state: state["action"] == [-0.25, 0.5, 0.0])
