"""What is taken away from the page: a clip with its actions, and a link that dreams the episode again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.history import frame_digest
from engine.replay import read_replay
from tests.browser.player import Look, Player, same
from tests.browser.server import ROOT

FRAMES = 12


@pytest.fixture
def played(player: Player) -> dict[int, Look]:
    """Pong, paused after some frames with keys held now and then; the frames that were drawn, by index."""
    player.open(start=2, seed=11)
    for key in ("ArrowUp", "w", "ArrowDown"):
        with player.holding(key):
            player.play_on(FRAMES // 3)
    player.pause()
    return {look.index: look for look in player.drawn()}


def test_an_instant_replay_is_what_was_played(player: Player, played: dict[int, Look], tmp_path: Path) -> None:
    """Bug: the clip is empty, broken or another one, or its replay file holds other actions than were played."""
    files = player.downloads(2, lambda: player.click("MP4"))
    paths = [tmp_path / file.suggested_filename for file in files]
    for file, path in zip(files, paths, strict=True):
        file.save_as(path)
    clip, replay = sorted(paths, key=lambda path: path.suffix == ".json")
    assert clip.suffix == ".mp4" and replay.name == f"{clip.stem}.replay.json"
    last = max(played)
    shown = video(clip)
    assert len(shown) == last + 1
    for index, look in played.items():
        small = cv2.resize(shown[index], look.image.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(small.astype(int) - look.image).mean() < 6, f"frame {index} of the clip is another one"
    history = read_replay(replay)
    assert history.world == "pong" and len(history.ticks) == last + 1
    assert {tick.action for tick in history.ticks} >= {None, 2, 3}, "no key, up (RIGHT) and down (LEFT) are in it"
    for index, look in played.items():
        seen = frame_digest(look.image, look.header["reward"], look.header["terminated"])
        assert seen == history.ticks[index].digest, f"frame {index} is not the one that was dreamt"
    command = [sys.executable, "-m", "app.cli", "replay", str(replay)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0 and "the same bit for bit" in run.stdout, run.stdout + run.stderr


def test_a_replay_link_dreams_the_same_frames(player: Player, played: dict[int, Look]) -> None:
    """Bug: the link is refused, leads to other frames, says that they differ, or says nothing at its end."""
    player.click("Replay link")
    address = player.toast("replay link").get_by_label("Replay link").input_value()
    shown = player.page.locator("label").filter(has_text="Dreams this episode again").locator("textarea")
    player.until("it.value !== ''", "the address stands beside the button, too", shown.element_handle())
    assert shown.input_value() == address and address.startswith(f"{player.origin}/?replay=")
    other = Player(player.page.context.new_page(), player.origin)
    other.visit(address)
    other.until("reverie.frame?.replaying || reverie.playback", "it is played again")
    other.veil().get_by_text("The replay is over").wait_for()
    last = max(played)
    other.veil().get_by_text(f"Every one of its {last + 1} frames is as it was recorded.").wait_for()
    looks = [look for look in other.drawn() if look.header["replaying"]]
    again = {look.index: look for look in looks[1:]}  # the first may still be of the dream before it
    both = played.keys() & again.keys()
    assert len(both) >= last // 2, f"got frames {sorted(again)}, of {sorted(played)}"
    wrong = [index for index in sorted(both) if not same(played[index], again[index])]
    assert not wrong, f"got other pictures of the frames {wrong}, of {sorted(both)}"
    other.veil().get_by_role("button", name="Play on").click()
    other.until("!reverie.frame.paused && reverie.frame.index > it", "one can play on from its end", last)
    other.page.close()


def video(path: Path) -> list[np.ndarray]:
    """A clip's frames (H, W, 3) uint8 RGB."""
    clip = cv2.VideoCapture(str(path))
    frames: list[np.ndarray] = []
    while True:
        there, frame = clip.read()
        if not there:
            clip.release()
            return frames
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
