"""`reverie report`, whole: a page that needs nothing else, and what an error or an interruption leaves."""

from __future__ import annotations

import errno
import re
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from models.checkpoint import WorldError, open_world_folder
from models.data.store import EpisodeStore
from models.study import beside, checks
from models.study import report as reporting
from models.study.heldout import Game
from models.study.places import Effort
from models.study.pooled import Pooled
from models.study.report import game_of, write_report
from models.study.report_data import Material, Report, faults_of
from models.study.report_html import page
from models.study.report_plots import curves
from models.study.report_rows import rows
from tests.oracle_worlds import played, quiet
from tests.stores import fill_counting_store
from tests.tiny_worlds import tiny_config, write_tiny

SMALL = Effort(ends=8, events=8, beside=4, rest=8, dreams=4, steps=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny worlds of the counting game, one and <two>, and its store: data/counting."""
    top = tmp_path_factory.mktemp("report")
    fill_counting_store(top / "data" / "counting", 40)
    said = {"env": {"env": "counting", "game": "counting"}, "hardware": "<b>&</b>"}
    write_tiny(top / "one", provenance=said)
    write_tiny(top / "<two>", provenance=said, settings={"steps": 1})
    return top


def told(folder: Path, out: Path, names: tuple[str, ...] = ("one",), seed: int = 0) -> int:
    worlds = [str(folder / name) for name in names]
    return write_report(worlds, out, 3, folder / "data" / "counting", seed, SMALL)


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    """The page of both worlds."""
    out = folder / "new" / "folder" / "both.html"
    assert told(folder, out, ("one", "<two>")) == 0
    return out.read_text()


class Reader(HTMLParser):
    """Tags and attributes of a page, and those left open at its end."""

    VOID = ("meta", "img", "input", "br", "path", "use")

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_the_page_stands_alone(text: str) -> None:
    """Catches: a page that asks the network or another file for anything, runs a script, or is not closed."""
    reader = read(text)
    assert reader.open == []
    for tag, attributes in reader.tags:
        assert tag not in ("script", "link", "iframe", "object")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/", "#")), f"{tag} {name}={value[:40]}"
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_names_are_escaped(text: str) -> None:
    """Catches: a world's name, or a text out of its folder, that becomes a part of the page."""
    assert "&lt;two&gt;" in text
    assert "<two>" not in text
    assert "<b>&</b>" not in text
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in text


def test_ids_are_of_one_each(text: str) -> None:
    """Catches: drawings whose clip paths and markers are taken for those of another one."""
    ids = [a["id"] for _, a in read(text).tags if "id" in a]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]*)\)", text)) | set(re.findall(r'xlink:href="#([^"]*)"', text))
    assert used <= set(ids)
    links = {(a.get("href") or "")[1:] for t, a in read(text).tags if t == "a"}
    assert links <= set(ids)


def test_drawings_take_the_colours_of_the_page(text: str) -> None:
    """Catches: black letters on a dark page."""
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.S)
    assert len(drawings) >= 3
    for drawing in drawings:
        assert "var(--ink)" in drawing
        assert "#a1b2" not in drawing
        assert "<style" not in drawing
        assert "#000000" not in drawing


def test_all_is_there(text: str) -> None:
    """Catches: a part of the report that is lost on the way to the page."""
    for said in (
        "Moving PSNR after 5 steps",
        "Reward above 0: F1",
        "End of the game",
        "Real frames shown first",
        "p95",
    ):
        assert said in text
    assert text.count('<figure class="clip">') == text.count('class="moving"') == text.count('class="still"') > 4
    assert "can neither be taken back nor replayed" in text
    assert "▲" in text


def test_the_same_call_writes_the_same_measures(folder: Path, text: str) -> None:
    """Catches: numbers that depend on the clock, on the order of a set, or on who is measured beside."""
    again, alone = folder / "again.html", folder / "alone.html"
    assert told(folder, again, ("one", "<two>")) == 0
    assert measures(again.read_text()) == measures(text)
    assert told(folder, alone) == 0
    first = re.findall(r'<td><span class="b">([^<]*)</span>', measures(alone.read_text()))
    both = re.findall(r'</th><td><span class="b">([^<]*)</span>', measures(text))
    assert both == first


def measures(text: str) -> str:
    """The table of measures and all clips: what does not depend on how fast the machine is."""
    start, stop = text.index('<section id="measures">'), text.index('<section id="speed">')
    return text[start:stop]


def test_an_interruption_leaves_the_old_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches: Ctrl-C that leaves half a page, or a traceback."""

    def interrupted(*_: Any) -> Report:
        raise KeyboardInterrupt

    out = folder / "kept.html"
    out.write_text("old")
    monkeypatch.setattr(reporting, "measure", interrupted)
    assert told(folder, out) == 130
    assert out.read_text() == "old"
    assert list(folder.glob(".kept*")) == []
    assert "no report was written" in capsys.readouterr().out


def test_a_full_disk_is_one_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: half a page where the disk is full."""

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("models.files.os.fsync", full)
    with pytest.raises(OSError, match=r"could not write \d+ bytes to .*full.html.*free some disk space"):
        told(folder, folder / "full.html")
    assert list(folder.glob("*full*")) == []


def test_errors_come_before_the_work(folder: Path, tmp_path: Path) -> None:
    """Catches: minutes of work for worlds that do not fit each other, or for a file that cannot be written."""
    one, data = str(folder / "one"), folder / "data" / "counting"
    with pytest.raises(ValueError, match="expected every world once"):
        write_report([one, one], tmp_path / "x.html", 1, data, 0)
    with pytest.raises(ValueError, match=f"--out: got the folder {tmp_path}"):
        write_report([one], tmp_path, 1, data, 0)
    with pytest.raises(ValueError, match=r"--against pong: got frames of 64 x 64.*worlds of one game"):
        write_report([one, "pong"], tmp_path / "x.html", 1, data, 0)
    with pytest.raises(WorldError, match="got 'no such world'"):
        write_report([one, "no such world"], tmp_path / "x.html", 1, data, 0)
    with pytest.raises(ValueError, match="episodes: got 0"):
        write_report([one], tmp_path / "x.html", 0, data, 0)
    write_tiny(tmp_path / "nameless", provenance={})
    with pytest.raises(ValueError, match="does not say which game"):
        write_report([str(tmp_path / "nameless")], tmp_path / "x.html", 1, None, 0)
    assert not (tmp_path / "x.html").exists()


def test_the_game_is_read_from_the_world(folder: Path) -> None:
    """Catches: held-out play of another size than the world's frames."""
    assert game_of(open_world_folder(folder / "one")) == Game("counting", tiny_config().height)


def test_a_curve_that_is_nowhere_known() -> None:
    """Catches: a plot that fails where nothing moves, or where there is one episode alone."""
    nothing = Pooled(torch.zeros(2).double(), torch.zeros(2).double(), "dB")
    some = Pooled(torch.tensor([1.0, 0.0]).double(), torch.tensor([2.0, 0.0]).double(), "dB")
    drawn = curves("none", 'a "b" <c>', "dB", [(0, [nothing, some]), (1, [nothing] * 2)], [nothing, nothing], "base")
    assert 'aria-label="a &quot;b&quot; &lt;c>"' in drawn


class NoStates:
    """A real game without a state to branch from."""

    def find(self, *_: Any) -> None:
        raise ValueError("got no state")


def test_beside_the_real_game(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a report on an Atari world without actions, faults or objects, or without saying why."""
    store = EpisodeStore(tmp_path / "pong")
    store.add(9, played().episode)
    store.add(19, replace(played().episode, meta={**played().episode.meta, "seed": 4}))
    monkeypatch.setattr(beside, "GAMES", 2)
    monkeypatch.setattr(beside, "STATES", 1)
    few = partial(beside.FaultFinder, effort=checks.Effort(states=1, steps=120, stretch=10))
    monkeypatch.setattr(reporting, "FaultFinder", few)
    monkeypatch.setattr("models.study.speed.STEPS", 2)
    found: list[Report] = []
    monkeypatch.setattr(reporting, "page", lambda report: found.append(report) or page(report))
    out = tmp_path / "pong.html"
    few_steps = Effort(ends=2, events=2, beside=2, rest=2, dreams=2, steps=3)
    assert write_report(["pong-dreamer"], out, 2, tmp_path / "pong", 0, few_steps) == 0
    study = found[0].studies[0]
    assert study.actions is not None
    assert study.actions.states == 2
    assert int(study.actions.confusion.sum()) == 12
    assert study.faults is not None
    assert study.objects is not None
    assert study.objects.names == ("own paddle", "enemy paddle", "ball")
    groups = {row.group for row in rows(found[0])}
    assert {"Actions", "Objects in dreams"} <= groups
    assert found[0].notes == ()
    nothing: Any = NoStates()
    notes = list[str]()
    material = Material((), None, None, nothing)
    assert faults_of(study.subject, material, lambda name, total: quiet, notes) is None
    assert notes == ["Named faults of pong-dreamer could not be looked for: got no state."]
    text = out.read_text()
    assert 'id="faults"' in text
    assert "RIGHTFIRE" in text
