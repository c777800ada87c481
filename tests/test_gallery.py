"""Galleries: several dreams from one start, in slices, and the picture they make together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engine.gallery
from engine.controllers import HumanController, RandomController, ReplayController
from engine.controls import Input
from engine.errors import ReverieError
from engine.gallery import Grid, Progress, encode_grid, rollouts
from engine.grid import LINE, pictures
from engine.history_codec import decode_history
from engine.recorder import open_clip
from engine.replay import play_replay
from engine.session import Session
from tests.counting import loaded

IDLE = HumanController(name="idle")


def roll(*args: Any, **options: Any) -> tuple[list[Progress], Grid]:
    """Run a gallery to its end: what it said on the way, and the grid."""
    generator = rollouts(*args, **options)
    said = []
    while True:
        try:
            said.append(next(generator))
        except StopIteration as end:
            return said, end.value


def test_every_seed_gets_its_dream_from_the_one_start() -> None:
    """Catches: controllers handed out by another rule than in turn, dreams that go on to the next start, a frame too
    many or too few."""
    controllers = [RandomController(), IDLE]
    _, grid = roll(loaded(), 1, [5, 6, 7], controllers, 4)
    assert [rollout.seed for rollout in grid.rollouts] == [5, 6, 7]
    assert [rollout.controller for rollout in grid.rollouts] == ["random", "idle", "random"]
    assert [[frame.index for frame in rollout.frames] for rollout in grid.rollouts] == [[0, 1, 2, 3, 4]] * 3
    assert {rollout.history.ticks[0].start for rollout in grid.rollouts} == {1}
    assert (grid.world, grid.start, grid.fps) == ("counting", 1, 10.0)


def test_a_dream_is_the_same_whoever_shares_the_gallery() -> None:
    """Catches: generators shared between rows, so that a seed dreams something else in another company."""
    _, many = roll(loaded(), 0, [3, 4, 5, 6], [RandomController()], 6)
    session = Session.open(loaded(), start=0, seed=5)
    session.controller = RandomController()
    alone = [session.frame, *(session.tick(Input()) for _ in range(6))]
    for frame, expected in zip(many.rollouts[2].frames, alone, strict=True):
        assert np.array_equal(frame.image, expected.image)
        assert frame.action == expected.action


def test_an_ended_episode_stops_alone() -> None:
    """Catches: a dream that is stepped on beyond its end, or an end that stops the whole gallery or its progress."""
    said, grid = roll(loaded(end=3), 0, [1, 2], [IDLE], 5)
    assert [len(rollout.frames) for rollout in grid.rollouts] == [4, 4]
    assert grid.rollouts[0].frames[-1].terminated
    assert said[-1] == Progress(10, 10)


def test_a_slice_steps_no_more_rows_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a gallery that makes players wait for a step of all its rows, or asks only once how many it may take."""
    widths: list[int] = []
    take = engine.gallery.take_turns

    def counted(turns: Any, max_batch: int) -> Any:
        widths.append(len(turns))
        return take(turns, max_batch=max_batch)

    monkeypatch.setattr(engine.gallery, "take_turns", counted)
    allowed = iter([2, 2, 5, 0, *[5] * 20])
    said, grid = roll(loaded(), 0, range(5), [IDLE], 2, rows=lambda: next(allowed))
    assert widths[:4] == [2, 2, 5, 1]
    assert sum(widths) == 10
    done = [progress.done for progress in said]
    assert done == sorted(done) and done[-1] == 10
    assert {len(rollout.frames) for rollout in grid.rollouts} == {3}


def test_a_closed_gallery_steps_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a gallery that dreams on after it was cancelled."""
    generator = rollouts(loaded(), 0, [1], [IDLE], 50)
    next(generator)
    monkeypatch.setattr(engine.gallery, "take_turns", lambda *_, **__: pytest.fail("stepped after its end"))
    generator.close()
    with pytest.raises(StopIteration):
        next(generator)


@pytest.mark.parametrize(
    ("start", "seeds", "controllers", "frames", "said"),
    [
        (3, [1], [IDLE], 5, "start: got 3, expected a whole number from 0 to 2"),
        (-1, [1], [IDLE], 5, "start: got -1"),
        (0, [], [IDLE], 5, "dreams: got 0"),
        (0, range(17), [IDLE], 5, "dreams: got 17, expected a whole number from 1 to 16"),
        (0, [2**63], [IDLE], 5, "seed: got"),
        (0, [1], [], 5, "controllers: got none"),
        (0, [1], [IDLE], 0, "frames: got 0"),
        (0, [1], [IDLE], 601, "frames: got 601"),
    ],
)
def test_numbers_out_of_bounds(start: int, seeds: Any, controllers: Any, frames: int, said: str) -> None:
    """Catches: a page's number that fills the memory, or fails deep inside with words no player understands."""
    with pytest.raises(ReverieError, match=said):
        rollouts(loaded(), start, seeds, controllers, frames)


def test_what_one_dream_raises_is_raised() -> None:
    """Catches: an error that is taken for a frame."""
    with pytest.raises(ValueError, match="action"):
        roll(loaded(), 0, [1, 2], [IDLE, ReplayController([99])], 3)


def test_the_replays_dream_it_again() -> None:
    """Catches: replays of a gallery that belong to another dream, or miss frames."""
    _, grid = roll(loaded(), 2, [8, 9], [RandomController(), IDLE], 5)
    data = json.loads(json.dumps(encode_grid(grid)))
    assert data["start"] == 2 and len(data["dreams"]) == 2
    for dream, rollout in zip(data["dreams"], grid.rollouts, strict=True):
        assert dream["return"] == rollout.frames[-1].total
        again = list(play_replay(decode_history(dream["replay"], "gallery"), loaded()))
        assert len(again) == 6
        assert all(np.array_equal(one.image, two.image) for one, two in zip(again, rollout.frames, strict=True))


def test_pictures_hold_every_tile(tmp_path: Path) -> None:
    """Catches: tiles on top of each other, pictures that change their size, a clip shorter than the longest dream."""
    _, grid = roll(loaded(), 0, [1, 2, 3], [RandomController()], 4)
    shown = list(pictures(grid))
    assert len(shown) == 5
    assert len({picture.shape for picture in shown}) == 1
    height, width = shown[0].shape[:2]
    tiles = [(0, 0), (0, 1), (1, 0)]
    for k, picture in enumerate(shown):
        for rollout, (row, column) in zip(grid.rollouts, tiles, strict=True):
            middle = picture[row * height // 2 + height // 5, column * width // 2 + width // 4]
            assert tuple(middle) == tuple(rollout.frames[k].image[0, 0])
    with open_clip(tmp_path / "grid.gif", grid.fps, 1) as clip:
        for picture in shown:
            clip.add(picture)
    assert (tmp_path / "grid.gif").stat().st_size > 1000


def test_an_ended_tile_says_so() -> None:
    """Catches: an ended dream that looks as if it went on standing still."""
    _, grid = roll(loaded(end=2), 0, [1], [IDLE], 6)
    longer = replace(grid.rollouts[0], frames=(*grid.rollouts[0].frames, grid.rollouts[0].frames[-1]))
    last, after = list(pictures(replace(grid, rollouts=(grid.rollouts[0], longer))))[-2:]
    tile = np.s_[20 : last.shape[0] // 2, 20:150]
    assert np.array_equal(after[tile], last[tile] // 2)
    running = next(pictures(grid))
    assert not np.array_equal(running[-2 * LINE :], last[-2 * LINE :, : running.shape[1]])
