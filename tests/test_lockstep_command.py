"""`reverie lockstep`: what it writes, and what the numbers are worth."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from app.cli import main
from app.commands.lockstep import Lockstep, show, tell_faults
from engine.alarms import Alarm
from engine.controllers import ReplayController
from engine.errors import ReverieError
from engine.expert import expert_for
from engine.lockstep import LockstepWorld
from engine.lockstep_files import action_name, cell, drift_view, objects_view, picture_of, write_readings, write_views
from engine.lockstep_run import Row, Run, apart, drift
from engine.moment import image_of
from engine.session import Session
from engine.side_by_side import BAR, captioned, fitting, font, side_by_side
from models.data.store import EpisodeStore
from models.envs.experts import Player
from models.envs.real_world import RealWorld
from models.training.measures import moved_pixels, squared_error
from models.types import ActionSpec, View
from tests.counting import loaded
from tests.lockstep_worlds import DreamtCounting, Invents, RealCounting, counting_session
from tests.oracle_worlds import played, real
from tests.tiny_rssm import grounded_pong, tiny_rssm_world
from tests.tiny_worlds import random_starts


def run_of(session: Session, steps: int, **options: Any) -> Run:
    run = Run(session, **options)
    for _ in run.steps(steps):
        pass
    return run


def scripted(*actions: int, **options: Any) -> Session:
    """The counting game beside a dream of it that pays for action 2 too, under given actions."""
    session = counting_session(Invents(), probe=True, **options)
    session.controller = ReplayController(actions)
    return session


def test_the_dream_begins_again_when_it_should() -> None:
    """Catches: an anchor a step early or late, or steps that are not counted from reality."""
    since = [row.readings[0].since for row in run_of(scripted(1), 12, anchor=5).rows]
    assert since == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]
    assert [row.readings[0].since for row in run_of(scripted(1), 7, anchor=0).rows] == list(range(1, 8))


def test_new_starts_are_no_steps() -> None:
    """Catches: a row for a frame that no action led to; an episode that is not counted."""
    run = run_of(counting_session(DreamtCounting(4), end=4), 10, anchor=0)  # the first of 4 steps is the context's
    assert [(row.step, row.episode, row.index) for row in run.rows] == [
        (step, (step - 1) // 3, (step - 1) % 3 + 1) for step in range(1, 11)
    ]
    assert [row.step for row in run.rows if row.readings[0].ended_real] == [3, 6, 9]


def test_rewards_and_objects_are_read(tmp_path: Path) -> None:
    """Catches: a column of the table under another one's title; a row beside the action before."""
    actions = (3, 2, 0, 1, 3, 5)
    session = scripted(*actions)
    run = run_of(session, 6, anchor=4)
    write_readings(tmp_path / "r.csv", run.rows, run.world)
    table = list(csv.DictReader((tmp_path / "r.csv").read_text().splitlines()))
    names = session.world.spec.actions.names
    assert [row["action"] for row in table] == [names[action] for action in actions]
    assert [(row["step"], row["episode"], row["index"]) for row in table] == [
        (f"{k}", "0", f"{k}") for k in range(1, 7)
    ]
    assert [row["reward_real"] for row in table] == ["1", "0", "0", "0", "1", "0"]
    assert [row["reward"] for row in table] == ["1", "1", "0", "0", "1", "0"]
    assert [row["reward_wrong"] for row in table] == ["0", "1", "0", "0", "0", "0"]
    assert [row["since"] for row in table] == ["1", "2", "3", "4", "1", "2"]
    # The dream counts from its context, at which the game stands at 1, and from the anchor at which it stands at 5.
    assert [row["count apart"] for row in table] == ["1"] * 4 + ["5"] * 2
    assert [row["last apart"] for row in table] == ["0", "0", "", "0", "0", "0"], "an action of 0 is nowhere"
    assert [row["last lost"] for row in table] == ["0"] * 6


def test_drift_is_a_mean_over_equal_distances_from_reality() -> None:
    """Catches: steps counted from the start in place of reality; still frames that count as perfect ones."""

    def row(step: int, since: int, psnr: float, copy: float, pixels: float, lost: bool) -> Row:
        reading: Any = SimpleNamespace(since=since, moving_psnr=psnr, apart=(pixels,), lost=(lost,))
        return Row(step, 0, step, 0, (reading,), copy)

    rows = [row(1, 1, 20, 10, 2, False), row(2, 2, 18, 9, 4, True), row(3, 1, 30, 20, math.nan, True)]
    rows += [row(4, 2, math.nan, math.nan, 8, False), row(5, 0, 99, 99, 99, False)]
    assert drift(rows) == {1: (25, 15, 2), 2: (18, 9, 1)}
    assert apart(rows, 0) == {1: (2, 0.5), 2: (6, 0.5)}
    curves = drift_view(rows, ["dream"]).value[0].tolist()
    assert curves == [[25, 18], [15, 9]]
    assert objects_view(rows, ["dream"], ["ball"]).labels == ("ball",)
    assert objects_view(rows, ["a", "b"][:1], ["ball"]).value.tolist() == [[[2, 6]]]


def test_a_copy_is_of_the_last_frame_that_was_known() -> None:
    """Catches: a baseline that is told every frame, against which any dream looks bad, or never one."""
    game = RealWorld("pong")
    world = LockstepWorld(game, [tiny_rssm_world("v3", game.spec.actions, size=64)])
    session = Session(world, random_starts(world.spec, 1), world_hash="lockstep:x", seed=4)
    session.controller = ReplayController([2] * 9)
    run = Run(session, anchor=4)
    known, found = world.sight(session.moment.state), []
    for number, _ in enumerate(run.steps(9), start=1):
        before, now = session.moment.state.window[:, -2], session.moment.state.window[:, -1]
        error = squared_error(known, now)[moved_pixels(before, now)]
        found.append(10 * math.log10(255**2 / float(error.mean())))
        if number in (4, 8):
            known = now
    assert [row.copy for row in run.rows] == pytest.approx(found, abs=1e-3, nan_ok=True)


def test_alarms_are_kept_with_their_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an alarm that passes unheard because it was over at the end; checks that are never made."""
    checked = []

    class Told:
        now: tuple[Alarm, ...] = ()

        def hear(self, session: Session) -> None:
            index = session.frame.index
            self.now = (Alarm("frozen", f"since {index}", index),) if index in (4, 5) else ()

        def background(self, session: Session) -> Any:
            checked.append(session.frame.index)
            return iter(range(3))

    monkeypatch.setattr("engine.lockstep_run.Alarms", Told)
    run = run_of(scripted(1), 60, anchor=0)
    assert run.alarms == {"frozen": ("since 4", 4)}
    assert checked == [30, 60]


def test_only_a_lockstep_can_be_run() -> None:
    """Catches: an AttributeError where a dream is run by itself."""
    with pytest.raises(ReverieError, match="expected one beside its real game"):
        Run(Session.open(loaded()))


# -- pictures


def test_pictures_stand_in_order_each_under_its_name() -> None:
    """Catches: reality shown as the dream; a picture that is scaled unevenly or cut."""
    session = counting_session()
    session.step(torch.tensor([4]))
    state = session.moment.state
    image = picture_of(session, session.frame)
    scale, wide = 42, 6 * 42
    assert image.shape == (4 * scale + 2 * BAR, 3 * wide + 2 * 2 * scale, 3)
    rows = slice(BAR, BAR + 4 * scale)
    assert np.array_equal(image[rows, :wide][::scale, ::scale], image_of(session.world.sight(state)))  # type: ignore[attr-defined]
    begin = wide + 2 * scale
    assert np.array_equal(image[rows, begin : begin + wide][::scale, ::scale], session.frame.image)


def test_long_words_are_cut_to_their_place() -> None:
    """Catches: a note that runs into the next picture."""
    assert fitting("short", 400) == "short"
    assert fitting("two\nlines", 400) == "two lines"
    cut = fitting("a very long note " * 200, 100)
    assert cut.endswith("…")
    assert 80 < font().getlength(cut) <= 100
    picture = np.zeros((8, 8, 3), np.uint8)
    assert captioned([picture], ["name"], "x" * 500, 16).shape == (8 * 16 + 2 * BAR, 8 * 16, 3)
    assert side_by_side([picture, picture + 1], gap=3).shape == (8, 19, 3)


def test_views_become_files_of_their_names(tmp_path: Path) -> None:
    """Catches: a view whose name is no file's name, or leads out of the folder."""
    view = View("../pong: U-Net", "vector", torch.zeros(1, 3))
    (path,) = write_views(tmp_path, [view])
    assert path == tmp_path / "pong-u-net.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_numbers_and_actions_as_text() -> None:
    """Catches: a table that no spreadsheet reads."""
    assert [cell(value) for value in (3, 1.0, 0.12345, math.nan, "NOOP")] == [3, "1", "0.1235", "", "NOOP"]
    assert action_name(ActionSpec(("a", "b")), 1) == "b"
    assert (
        action_name(ActionSpec(("steer", "gas"), "continuous", (-1, 0), (1, 1)), (-0.5, 1.0)) == "steer -0.50 gas +1.00"
    )


# -- the command


def test_the_expert_plays_the_real_game_that_is_beside() -> None:
    """Catches: an expert that looks at a game that stands elsewhere, or at the dream."""
    world = grounded_pong()
    session = Session(world, random_starts(world.spec, 1), world_hash="grounded:x", seed=5)
    act, own = expert_for(session, 3), RealWorld("pong")
    player = Player("expert", "pong", own.env.action_names, np.random.default_rng(3))
    for _ in range(25):
        own.restore(world.parts(session.moment.state)[0])
        wanted = player.act(own.env.ram())
        world.lead.env.reset(seed=1)  # type: ignore[attr-defined]
        action = act(session)
        assert int(action) == wanted
        session.step(action)
    with pytest.raises(ReverieError, match="has no scripted player"):
        expert_for(counting_session(), 0)


def test_the_command_writes_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches: a film that misses a frame, a file that is not written, a summary of other numbers."""
    monkeypatch.setattr("engine.loading.load_world", lambda name, device: loaded())
    monkeypatch.setattr("engine.loading.real_world_for", lambda world: RealCounting(7))
    out = tmp_path / "new" / "folder"
    assert main(["lockstep", "counting", "--steps", "20", "--anchor", "4", "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} >= {"lockstep.mp4", "readings.csv", "drift.png", "views"}
    assert imageio_ffmpeg.count_frames_and_secs(str(out / "lockstep.mp4"))[0] == 21, "the start, and 20 steps"
    assert (out / "views" / "lockstep.png").exists()
    assert len((out / "readings.csv").read_text().splitlines()) == 21, "titles, and a row a step"
    told = capsys.readouterr().out
    assert "20 steps in 4 episodes: real | dream" in told
    assert "standing still, dB" in told


def test_ctrl_c_keeps_what_was_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: Ctrl-C that throws away the film and the table of all steps so far."""
    monkeypatch.setattr(Lockstep, "_session", lambda self: (scripted(1), None))
    steps = Run.steps

    def interrupted(self: Run, count: int, inspect_last: bool = False) -> Any:
        for k, frame in enumerate(steps(self, count, inspect_last)):
            if k == 4:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(Run, "steps", interrupted)
    assert main(["lockstep", "--steps", "9", "--out", str(tmp_path)]) == 130
    rows = list(csv.DictReader((tmp_path / "readings.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4", "5"], "the fifth step was made before the interrupt"
    assert (tmp_path / "lockstep.mp4").stat().st_size > 0
    assert list((tmp_path / "views").glob("*.png"))


def test_an_episode_is_played_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: chance in place of the episode's own actions, or steps beyond its end."""
    store, world = EpisodeStore(tmp_path), grounded_pong().dream
    path = store.add(0, played().episode)
    about = SimpleNamespace(world=world, starts=random_starts(world.spec, 1), hash="tiny", folder=None)
    monkeypatch.setattr("engine.loading.load_world", lambda name, device: about)
    command = Lockstep(episode=path, steps=500)
    session, player = command._session()
    assert player is None
    count = command._count(session)
    rows = run_of(session, count).rows
    assert count == len(played().episode) + 1 - session.world.length  # type: ignore[attr-defined]
    assert [row.action for row in rows] == played().episode.actions[-count:].tolist()
    assert torch.equal(session.world.sight(session.moment.state)[0], played().episode.frames[-1])  # type: ignore[attr-defined]
    assert real().spec.actions == world.spec.actions


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: minutes of play before an option is found to be impossible."""
    for wrong in ({"steps": 0}, {"anchor": -1}, {"seed": -1}, {"episode": Path("x"), "controller": "agent"}):
        with pytest.raises(ValueError, match="--"):
            Lockstep(**wrong)
    monkeypatch.setattr("engine.loading.load_world", lambda name, device: loaded())
    assert main(["lockstep", "counting"]) == 2, "a world without a real game"


def test_found_faults_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a check whose result is in a picture alone, or that tells the faults that were not found."""
    labels = ("frozen", "action ignored: it does not listen", "object lost")
    faults = View("faults", "matrix", torch.tensor([[[0.0], [1.0], [0.0]]]), labels, columns=("found",))
    tell_faults([View("samples", "film_strip", torch.zeros(1, 1, 3, 2, 2)), faults])
    assert capsys.readouterr().out == "faults: action ignored: it does not listen\n"
    tell_faults([View("faults", "matrix", torch.zeros(1, 3, 1), labels, columns=("found",))])
    assert capsys.readouterr().out == "faults: none found\n"


def test_the_summary_names_alarms_and_mismatches(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a wrong reward that is only in the table."""
    run = run_of(scripted(3, 2, 2, 1), 4)
    run.alarms = {"reward invented": ("It pays for nothing.", 2)}
    show(run)
    told = capsys.readouterr().out
    assert "2 steps with a wrong reward (reality paid in 1), 0 with a wrong end" in told
    assert "alarm at step 2: reward invented: It pays for nothing." in told
    assert "count off, pixels" in told
