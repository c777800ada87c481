"""Flagged glitches: kept whole, opened exactly as they were, exported as episodes; damage is told."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from app.cli import main
from app.commands.play import Play
from engine.controls import Input
from engine.errors import ReverieError
from engine.film import HEADER, pack, read_film, unpack
from engine.glitch_export import export_glitches
from engine.glitches import Glitch, glimpse_of, keep_glitch, list_glitches, open_glitch, remove_glitch, session_of
from engine.history_codec import encode_history
from engine.loading import LoadedWorld, load_world
from engine.session import Real, Session
from models.data.episode import EpisodeFile
from models.data.store import EpisodeStore
from tests.counting import loaded as counting
from tests.flagging import STEPS, Said, looks, played, played_episode, write_pong

MODES: tuple[Real, ...] = (False, True, "grounded", "lockstep")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pong(tmp_path_factory.mktemp("worlds"))


@pytest.fixture
def loaded(worlds: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedWorld:
    monkeypatch.setenv("REVERIE_WORLDS", str(worlds))
    return load_world("tiny")


@pytest.mark.parametrize("real", MODES)
def test_a_glitch_opens_exactly_where_it_was_flagged(loaded: LoadedWorld, tmp_path: Path, real: Real) -> None:
    """Catches: a state, a generator, a setting, a horizon or a part of the past that is lost on the way to disk."""
    session = played(loaded, real)
    glitch = keep_glitch(glimpse_of(session, " the ball is gone ", alarms=[Said("object lost", "no ball")]), tmp_path)
    again = session_of(open_glitch(glitch.id, tmp_path))
    assert (glitch.mode, glitch.note, glitch.alarms) == (real, "the ball is gone", (("object lost", "no ball"),))
    assert glitch.index == STEPS
    assert looks(again) == looks(session)
    assert encode_history(again.history) == encode_history(session.history)
    assert (again.horizon, again.world.settings) == (500, session.world.settings)
    actions = torch.tensor([2, 3, 0, 2, 5])
    here = [(session.step(action[None]), looks(session))[1] for action in actions]
    there = [(again.step(action[None]), looks(again))[1] for action in actions]
    assert there == here, "the same future under the same actions"


@pytest.mark.parametrize("real", MODES)
def test_what_led_to_it_can_be_rewound_over(loaded: LoadedWorld, tmp_path: Path, real: Real) -> None:
    """Catches: a film that is out of step with its past, or in which a state is not its own moment's."""
    session = played(loaded, real)
    again = session_of(keep_glitch(glimpse_of(session), tmp_path), loaded)
    for _ in range(STEPS):
        session.rewind(1)
        again.rewind(1)
        assert looks(again) == looks(session)
    assert session.frame.index == again.frame.index == (0 if real != "lockstep" else 1), "one moment was the anchor"
    action = torch.tensor([2])
    assert session.step(action).image.tobytes() == again.step(action).image.tobytes()


def test_only_the_last_seconds_are_taken(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: a film that is a moment too long or too short, or that goes beyond what was rewound."""
    session = played(loaded)
    session.rewind(4)
    glimpse = glimpse_of(session, seconds=6 / 15)
    assert [moment.frame.index for moment in glimpse.moments] == [5, 6, 7, 8, 9, 10]
    assert glimpse.history.first == 5
    glitch = keep_glitch(glimpse, tmp_path)
    assert (glitch.steps, glitch.index, round(glitch.seconds, 3)) == (5, 10, 0.333)
    assert keep_glitch(glimpse_of(Session.open(loaded)), tmp_path).episodes == (), "nothing led to a first frame"


def test_a_glitch_beside_an_episode(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: an episode that is not found again, or that goes on at another frame; its labels left behind."""
    path = EpisodeStore(tmp_path / "store").add(0, played_episode())
    session = Session.open(loaded, real="lockstep", episode=path, seed=2)
    for _ in range(STEPS):
        session.tick(Input())
    glitch = keep_glitch(glimpse_of(session), tmp_path / "g")
    again = session_of(glitch)
    assert looks(again) == looks(session)
    for _ in range(5):
        assert session.tick(Input()).image.tobytes() == again.tick(Input()).image.tobytes()
    whole = played_episode()
    first = session.world.length - 1  # type: ignore[attr-defined]
    export_glitches([glitch], tmp_path / "out")
    episode = EpisodeStore(tmp_path / "out").episodes("train")[0].read()
    assert torch.equal(episode.frames, whole.frames[first : first + len(episode) + 1])
    assert torch.equal(episode.objects, whole.objects[first : first + len(episode) + 1])
    assert torch.equal(episode.actions, whole.actions[first : first + len(episode)])
    path.unlink()
    with pytest.raises(ReverieError, match="expected the file it was flagged under"):
        session_of(glitch)


# -- on disk


@pytest.fixture
def kept(tmp_path: Path) -> Glitch:
    session = Session.open(counting(), seed=3)
    [session.tick(Input()) for _ in range(6)]
    return keep_glitch(glimpse_of(session, "odd"), tmp_path / "glitches")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut, flip, Path.unlink])
@pytest.mark.parametrize("file", ["moment.safetensors", "film.safetensors", "clip.mp4", "clip.replay.json"])
def test_a_damaged_glitch_is_refused(kept: Glitch, file: str, damage: Callable[[Path], None]) -> None:
    """Catches: a glitch that opens as something else than what was flagged."""
    damage(kept.path / file)
    with pytest.raises(ReverieError, match=rf"{file}: got .* the glitch is damaged"):
        open_glitch(kept.path)
    assert list_glitches(kept.path.parent) == [kept], "it is listed, so that it can be removed"
    remove_glitch(kept.id, kept.path.parent)
    assert list(kept.path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "newer"),
        ({"format": True}, "newer"),
        ({"note": 3}, "note"),
        ({"mode": "elsewhere"}, "mode"),
        ({"index": True}, "index"),
        ({"alarms": ["x"]}, "alarms"),
        ({"episodes": ["../../etc"]}, "files"),
        ({"sha256": {}}, "files"),
        ({"extra": 1}, "extra"),
        ({"at": 1e300}, "at"),
        ({"at": float("nan")}, "at"),
        ({"index": -1}, "index"),
        ({"seconds": float("inf")}, "seconds"),
        ({"note": "\ud800"}, "characters"),
        ({"world": "\x1b[2Jpong"}, "characters"),
        ({"alarms": [["frozen", "\0"]]}, "characters"),
    ],
)
def test_a_foreign_description_is_refused(
    kept: Glitch, change: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Catches: a glitch.json that fails later with a traceback, or leads out of its folder."""
    about = kept.path / "glitch.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), **change}))
    with pytest.raises(ReverieError, match=said):
        open_glitch(kept.path)
    with caplog.at_level(logging.WARNING):
        assert list_glitches(kept.path.parent) == []
    assert "left out a damaged glitch" in caplog.text
    for text in ("{", "[" * 400_000):
        about.write_text(text)
        with pytest.raises(ReverieError, match="cannot be read"):
            open_glitch(kept.path)
        assert list_glitches(kept.path.parent) == []


def test_glitches_of_one_second_have_names_of_their_own(kept: Glitch) -> None:
    """Catches: the second of two flags that replaces the first; a beginning of a name that opens any of several."""
    session = Session.open(counting(), seed=3)
    glimpse = replace(glimpse_of(session), at=kept.at)
    others = [keep_glitch(glimpse, kept.path.parent) for _ in range(2)]
    assert [glitch.id for glitch in others] == [f"{kept.id}-2", f"{kept.id}-3"]
    assert [glitch.id for glitch in list_glitches(kept.path.parent)] == [kept.id, f"{kept.id}-2", f"{kept.id}-3"]
    assert open_glitch(kept.id, kept.path.parent) == kept, "a whole name comes before longer ones"
    with pytest.raises(ReverieError, match=r"expected one of counting-\S+, counting-\S+-2"):
        open_glitch("count", kept.path.parent)
    for wrong in ("none", "../glitches", "", "/"):
        with pytest.raises(ReverieError, match="expected"):
            open_glitch(wrong, kept.path.parent)


def test_a_folder_with_other_things_is_not_removed(kept: Glitch) -> None:
    """Catches: somebody's own folder, with a glitch.json in it, or a glitch with notes put beside it, deleted; a glitch
    removed by no name at all."""
    folder = kept.path.parent
    with pytest.raises(ReverieError, match="got ''"):
        remove_glitch("", folder)
    (kept.path / ".DS_Store").touch()
    for foreign in (kept.path / "thesis.txt", kept.path / "src"):
        foreign.mkdir() if foreign.suffix == "" else foreign.touch()
        with pytest.raises(ReverieError, match=f"got a folder with '{foreign.name}' in it"):
            remove_glitch(kept.id, folder)
        assert foreign.exists()
        foreign.rmdir() if foreign.is_dir() else foreign.unlink()
    assert open_glitch(kept.id, folder) == kept
    remove_glitch(kept.id, folder)
    assert list(folder.iterdir()) == []


def test_a_note_keeps_what_can_be_written(tmp_path: Path) -> None:
    """Catches: half a character out of a browser, or a terminal's command, in a note: the list of glitches breaks."""
    glimpse = glimpse_of(Session.open(counting(), seed=3), "\ud800the\x1b[2J ball\nis gone \u00e9\U0001f47b\0 ")
    assert keep_glitch(glimpse, tmp_path).note == "the[2J ball\nis gone \u00e9\U0001f47b"


def film_of(kept: Glitch, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write a glitch's film again with another header."""
    path = kept.path / "film.safetensors"
    with safe_open(path, "pt") as file:
        header, tensors = json.loads(file.metadata()[HEADER]), {n: file.get_tensor(n).clone() for n in file.keys()}  # noqa: SIM118
    header = change(header) or header
    tensors |= {name: torch.zeros(8, dtype=torch.uint8) for name in header["shapes"] if name not in tensors}
    path.write_bytes(save(tensors, metadata={HEADER: json.dumps(header)}))


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["shapes"].update({"state.last": [0, 1 << 62]}),
        lambda h: h["shapes"].update({"state.last": [10**12]}),
        lambda h: h["shapes"].update({"state.last": [float("inf")]}),
        lambda h: (h["shapes"].update({"carry.x": [1 << 40]}), h["types"].update({"carry.x": "uint8"}))[0],
        lambda h: h["types"].update({"state.last": "quint8"}),
        lambda h: h.update(carriers=[]),
        lambda h: h["frames"][0].update(index="x"),
        lambda h: h["frames"][0].update(reward=None),
    ],
)
def test_a_film_that_claims_what_it_is_not(kept: Glitch, change: Callable[[dict[str, Any]], Any]) -> None:
    """Catches: a film that takes all memory, or that fails with a traceback in the middle of play; the checksums of a
    hostile glitch fit."""
    session = Session.open(counting(), seed=3)
    [session.tick(Input()) for _ in range(6)]
    assert len(read_film(kept.path / "film.safetensors", session.moment)) == 6
    film_of(kept, change)
    with pytest.raises(ReverieError, match="damaged film"):
        read_film(kept.path / "film.safetensors", session.moment)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: half a glitch, which would be listed and could not be opened."""
    session = Session.open(counting(), seed=3)
    [session.tick(Input()) for _ in range(3)]

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.glitches.write_episodes", full)
    with pytest.raises(ReverieError, match="the disk is full"):
        keep_glitch(glimpse_of(session), tmp_path / "g")
    assert list((tmp_path / "g").iterdir()) == []


def test_another_version_of_the_world_is_told(loaded: LoadedWorld, tmp_path: Path) -> None:
    """Catches: a glitch opened in a world that was trained further since, as if it were that world's."""
    glitch = replace(keep_glitch(glimpse_of(played(loaded)), tmp_path), world_hash="0" * 64)
    with pytest.raises(ReverieError, match=r"got no world 000000000000 here \(flagged in tiny\)"):
        session_of(glitch)


@pytest.mark.parametrize(
    "rows",
    [
        [torch.tensor([k, 2**40 * k]) for k in range(4)],
        [torch.tensor([[k > 1, True]]) for k in range(3)],
        [torch.full((2, 3), k / 3) for k in range(5)],
        [torch.zeros(1, 0, 3)] * 2,
    ],
)
def test_what_is_packed_comes_back(rows: list[Tensor]) -> None:
    """Catches: a type whose bytes come back as other numbers; damage that is not noticed, or that takes all memory."""
    packed, like = pack(rows), rows[0]
    again = unpack(packed, len(rows), like.dtype, tuple(like.shape))
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(again, rows, strict=True))
    if like.numel():
        for count in (len(rows) - 1, len(rows) + 1):
            with pytest.raises(ValueError, match="expected"):
                unpack(packed, count, like.dtype, tuple(like.shape))
        with pytest.raises(ValueError, match="inflated"):
            unpack(packed[1:], len(rows), like.dtype, tuple(like.shape))


# -- the command


def test_the_command(
    loaded: LoadedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches: a verb that does something else than it says, or an export of all that leaves one out."""
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path / "g"))
    monkeypatch.chdir(tmp_path)
    assert main(["glitches"]) == 0
    assert "No glitches yet" in capsys.readouterr().out
    dream = keep_glitch(glimpse_of(played(loaded), "odd", alarms=[Said("frozen", "it stands still")]))
    real = keep_glitch(glimpse_of(played(loaded, "lockstep")))
    assert main(["glitches", "list"]) == 0
    told = capsys.readouterr().out
    assert dream.id in told
    assert "[frozen]" in told
    assert "lockstep" in told
    assert main(["glitches", "show", dream.id]) == 0
    assert "it stands still" in capsys.readouterr().out
    assert main(["glitches", "export"]) == 0
    told = capsys.readouterr().out
    assert f"left out {dream.id}" in told
    assert "data/pong-glitches: 2 episodes of 14 steps" in told
    assert main(["glitches", "remove", dream.id, real.id]) == 0
    assert list_glitches() == []
    assert main(["glitches", "show", dream.id]) == 2
    with pytest.raises(SystemExit):
        main(["glitches", "open"])
    assert "expected one" in capsys.readouterr().err


def test_play_begins_at_a_glitch(loaded: LoadedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a page or a window that opens another world than the flagged one, or another glitch."""
    monkeypatch.setenv("REVERIE_GLITCHES", str(tmp_path / "elsewhere"))
    glitch = keep_glitch(glimpse_of(played(loaded, "lockstep")), tmp_path / "g")
    asked = Play(glitch=str(glitch.path))
    choices = asked._choices()
    assert (choices.world, choices.glitch) == ("tiny", glitch.path)
    assert open_glitch(glitch.id) == glitch, "from now on glitches are those beside it"
    query = asked._query("tiny", glitch)
    assert query == {"world": "tiny", "glitch": glitch.id}
    assert Play("tiny", lockstep=True)._query("tiny") == {"world": "tiny", "real": "lockstep"}
    assert Play(against="other")._query(None) == {"real": "lockstep", "against": "other"}
    for wrong in ({"world": "tiny"}, {"real": True}, {"headless": True}, {"lockstep": True}):
        with pytest.raises(ValueError, match="--"):
            Play(**{"glitch": glitch.id, **wrong})  # type: ignore[arg-type]


def test_an_episode_file_of_a_glitch_is_one(kept: Glitch) -> None:
    """Catches: episodes in a glitch's folder that only the export can read."""
    episode = EpisodeFile(kept.path / kept.episodes[0]).read()
    assert len(episode) == kept.steps == 6
