"""Replay links: an episode that survives an address, and nothing else that does."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.controllers import RandomController
from engine.controls import Input
from engine.history import Action, History, Past
from engine.replay import play_replay
from engine.server.arguments import MAX_LINK
from engine.server.errors import ServerError
from engine.server.link import MAX_INFLATED, MAX_TICKS, make_link, read_link
from engine.session import Session
from tests.counting import loaded

WORLD = loaded()
HASH = "5f" * 32


def played(ticks: int = 12) -> Session:
    """A session in its second episode, with settings, horizon and controller changed on the way, and a rewind."""
    session = Session.open(WORLD, seed=3)
    session.tick(Input())
    session.new_start(start=2, seed=2**63 - 1)
    session.controller = RandomController()
    for k in range(ticks):
        session.tick(Input())
        if k == 3:
            session.settings(gain=5)
            session.horizon = 50
        if k == 7:
            session.rewind(2)
    return session


def episode(actions: list[Action], **values: Any) -> History:
    """A history of one episode without a world, every digest another one."""
    node = Past(None, None, 1, 7, {"steps": 4}, None, "human", b"start+++")
    ticks = [node]
    for k, action in enumerate(actions):
        node = replace(node, before=node, action=action, digest=struct.pack("<Q", k))
        ticks.append(node)
    return History("pong", HASH, tuple(ticks), made_with={"torch": "2", "threads": 1})


def plain(history: History) -> list[tuple[Any, ...]]:
    """All of the ticks but their digests and links."""
    return [(t.action, t.start, t.seed, dict(t.settings), t.horizon, t.controller) for t in history.ticks]


def unpacked(text: str) -> tuple[dict[str, Any], bytes, bytes]:
    """Header, check and actions of a link."""
    payload = zlib.decompress(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[1:])
    header, _, actions = payload[16:].partition(b"\0")
    return json.loads(header), payload[:16], actions


def packed(header: Any, check: bytes = bytes(16), actions: bytes = b"", version: int = 1) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    data = bytes([version]) + zlib.compress(check + text + b"\0" + actions)
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


HEADER, CHECK, ACTIONS = unpacked(make_link(episode([1, 2, 3])))


def refusal(text: str) -> str:
    with pytest.raises(ServerError) as caught:
        read_link(text)
    assert (caught.value.code, caught.value.fatal) == ("link", False)
    assert len(str(caught.value)) < 500
    return str(caught.value)


def test_the_same_dream_again() -> None:
    """Catches: a link that forgot a setting, a horizon, the seed's last digits or the episode's start."""
    session = played()
    text = make_link(session.history)
    link = read_link(text)
    last = session.history.since(len(session.history.ticks) - 1)
    assert plain(link.history) == plain(last)
    assert (link.history.world, link.history.world_hash) == ("counting", "c0ffee")
    assert link.history.made_with == last.made_with
    assert all(tick.digest == b"" for tick in link.history.ticks)
    assert all(b.before is a for a, b in pairwise(link.history.ticks))
    frames = list(play_replay(link.history, WORLD, check=False))
    assert frames[-1].image.tobytes() == session.frame.image.tobytes()
    assert [frame.index for frame in frames] == list(range(len(last.ticks)))
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)


def test_whether_it_was_the_same() -> None:
    """Catches: a page that says "every frame was the same" whatever was shown."""
    session = played()
    link = read_link(make_link(session.history))
    again = Session.open(WORLD, seed=99)
    again.tick(Input())
    for tick in link.history.ticks:
        again.horizon = tick.horizon
        again.adopt(tick.settings)
        if tick.action is None:
            again.new_start(tick.start, tick.seed)
        else:
            again.step(torch.tensor([tick.action]), tick.controller)
    assert link.matches(again.history)
    again.rewind(1)
    assert not link.matches(again.history)
    again.step(torch.tensor([3]))
    assert not link.matches(again.history)
    assert not link.matches(read_link(make_link(session.history)).history)


def test_a_link_of_a_rewound_episode_ends_where_play_stands() -> None:
    """Catches: a link that goes on with frames which the player has taken back."""
    session = played()
    before = make_link(session.history)
    session.rewind(4)
    after = read_link(make_link(session.history))
    assert len(after.history.ticks) == len(read_link(before).history.ticks) - 4


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        ([], "u1"),
        ([0, 255], "u1"),
        ([0, 256, 65_535], "u2"),
        ([(0.5, -1.0), (0.25, 1.0)], "f4"),
        ([(float(torch.tensor(0.1)),)], "f4"),
        ([(0.1,)], "f8"),
        ([(1e300, 0.0)], "f8"),
    ],
)
def test_actions_of_every_kind(actions: list[Action], kind: str) -> None:
    """Catches: continuous actions rounded on their way, indices cut to a byte, a start without actions."""
    text = make_link(episode(actions))
    assert [tick.action for tick in read_link(text).history.ticks] == [None, *actions]
    assert unpacked(text)[0]["type"] == kind


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 17), max_size=60)
    | st.lists(st.tuples(st.floats(-1, 1, width=32), st.floats(-100, 100)), max_size=20)
)
def test_any_actions_come_back(actions: list[Action]) -> None:
    """Catches: an action that does not survive."""
    assert [tick.action for tick in read_link(make_link(episode(actions))).history.ticks[1:]] == actions


def test_links_are_short() -> None:
    """Catches: a format that no chat or mail would carry: half a minute of uniform random play has to stay short."""
    generator = torch.Generator().manual_seed(0)
    actions: list[Action] = torch.randint(6, (450,), generator=generator).tolist()
    assert len(make_link(episode(actions))) < 800


def test_the_longest_episode() -> None:
    """Catches: a link that can be made and not be read, or one too long to be sent."""
    actions: list[Action] = torch.randint(18, (MAX_TICKS - 1,)).tolist()
    text = make_link(episode(actions))
    assert len(text) <= MAX_LINK
    assert len(read_link(text).history.ticks) == MAX_TICKS
    with pytest.raises(ServerError, match="got an episode of 20001 frames, expected at most 20000"):
        make_link(episode([*actions, 0]))
    noise: list[Action] = [tuple(row) for row in torch.rand(15_000, 2).tolist()]
    with pytest.raises(ServerError, match="characters, expected at most 60000; save a replay file"):
        make_link(episode(noise))


@pytest.mark.parametrize("actions", [[1, (0.5,)], [(0.5,), (0.5, 1.0)], [-1], [65_536], [(float("nan"),)]])
def test_actions_that_no_world_has(actions: list[Action]) -> None:
    """Catches: a link made of half an action."""
    with pytest.raises(ValueError, match="actions|inhomogeneous"):
        make_link(episode(actions))


def test_a_link_of_a_link() -> None:
    """Catches: a check over unknown digests, by which any playback would count as different."""
    with pytest.raises(ValueError, match="without digests"):
        make_link(read_link(make_link(episode([1]))).history)


def test_whole_addresses_are_links_too() -> None:
    """Catches: a pasted address being refused."""
    text = make_link(episode([1, 2]))
    for address in (f"http://127.0.0.1:7860/?replay={text}&world=pong", f"/#replay={text}", f" {text}\n"):
        assert read_link(address) == read_link(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got '', 0 characters"),
        ("A", "of a whole link"),
        ("AAAAA", "of a whole link"),
        ("../../etc/passwd", "of a whole link"),
        ("AQ==", "of a whole link"),
        ("AQ", "cut"),
        ("AgAA", "version 2"),
        ("AQAA", "damaged"),
        ("A" * (MAX_LINK + 1), "60001 characters"),
        (packed(HEADER, CHECK, ACTIONS, version=9), "got version 9, expected 1"),
        (packed(HEADER, CHECK, ACTIONS)[:-6], "cut|damaged|whole"),
        (packed(b"x" * (MAX_INFLATED + 1)), "cut, or too much of it"),
        (packed(b"["), "no JSON"),
        (packed(b"[]"), "no JSON"),
        (packed(b"[" * 20_000), "more than 10000 brackets"),
        (packed(b'{"a":' * 9000 + b"1" + b"}" * 9000), "no JSON"),
        (packed(b"\xff"), "no JSON"),
        (packed({}), "expected exactly"),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_link(text: str, words: str) -> None:
    """Catches: an address that raises something else, or inflates beyond all memory."""
    assert re.search(words, refusal(text))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra": 1}, "the keys"),
        ({"world": ""}, "world ''"),
        ({"world": "x" * 101}, "up to 100"),
        ({"world_hash": None}, "world_hash None"),
        ({"start": 1}, "start 1"),
        ({"start": [0]}, "start"),
        ({"start": [0, -1]}, "pairs .start, seed."),
        ({"start": [0, 2**63]}, "below 2..63"),
        ({"start": [0, True]}, "start"),
        ({"start": ["a", "b"]}, "start"),
        ({"settings": {}}, "pairs"),
        ({"settings": []}, "pairs"),
        ({"settings": [[0, 1]]}, "values of its kind"),
        ({"settings": [[0, {"a": {"b": 1}}]]}, "values of its kind"),
        ({"settings": [[1, {}]]}, "rising from 0"),
        ({"settings": [[0, {}], [9, {}]]}, "rising from 0"),
        ({"settings": [["0", {}]]}, "rising from 0"),
        ({"horizon": [[0, 0]]}, "horizon"),
        ({"horizon": [[0, True]]}, "horizon"),
        ({"controller": [[0, "\n"]]}, "controller"),
        ({"controller": [[0, None]]}, "controller"),
        ({"made_with": []}, "made_with"),
        ({"made_with": {"a": [[]]}}, "made_with"),
        ({"components": True}, "actions of True numbers"),
        ({"components": -1}, "actions of -1 numbers"),
        ({"components": 257}, "0 to 256"),
        ({"components": "1"}, "actions of '1' numbers"),
        ({"type": "f4"}, "actions of type 'f4'"),
        ({"type": ["u1"]}, "actions of type"),
        ({"type": "O"}, "actions of type 'O'"),
        ({"type": "u2"}, "3 bytes of actions"),
        ({"type": "u1", "components": 2}, "actions of type 'u1'"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_headers(change: dict[str, Any], words: str) -> None:
    """Catches: a value of another type in a crafted link, which would fail only in the middle of a dream."""
    assert re.search(words, refusal(packed(HEADER | change, CHECK, ACTIONS)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_actions_that_are_no_numbers(value: float) -> None:
    """Catches: a NaN that reaches a model."""
    text = packed(HEADER | {"type": "f4", "components": 1}, CHECK, struct.pack("<f", value))
    assert "not finite" in refusal(text)


def test_too_many_actions() -> None:
    """Catches: a short text that makes the server dream for hours."""
    assert "fewer than 20000" in refusal(packed(HEADER, CHECK, bytes(MAX_TICKS)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from("AZaz09-_=%é")), min_size=1, max_size=3))
def test_damaged_links(changes: list[tuple[int, str]]) -> None:
    """Catches: a mistyped character that plays another episode, or fails in other words."""
    text = make_link(episode([1, 2, 3]))
    damaged = list(text)
    for position, character in changes:
        damaged[position % len(damaged)] = character
    try:
        link = read_link("".join(damaged))
    except ServerError as error:
        link = None
        told = error.code
    assert link == read_link(text) if link is not None else told == "link"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: base64.urlsafe_b64encode(b"\1" + data).decode()))
def test_random_links(text: str) -> None:
    """Catches: any other exception than a ServerError for what strangers put into an address."""
    refusal(text)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
INNER = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=4), PLAIN, max_size=2)
JSON = INNER | st.lists(INNER, max_size=3) | st.dictionaries(st.text(max_size=8), INNER, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(HEADER)), JSON, min_size=1), st.binary(max_size=16))
def test_headers_with_any_values(change: dict[str, Any], actions: bytes) -> None:
    """Catches: a crafted header of an unforeseen type that raises TypeError."""
    refused = ""
    try:
        read_link(packed(HEADER | change, CHECK, actions))
    except ServerError as error:
        refused = error.code
    assert refused in ("", "link")
