"""The gallery: dreams side by side, as a video that plays and files to keep."""

from __future__ import annotations

import json
from pathlib import Path

from engine.history_codec import decode_history
from tests.browser.player import Player
from tests.browser.test_sharing import video

DREAMS, FRAMES = 2, 15


def test_a_small_gallery(player: Player, tmp_path: Path) -> None:
    """Bug: the gallery never ends, shows a video that no browser plays, or offers files without the dreams in them."""
    player.open("tiny")
    page = player.page
    page.get_by_role("tab", name="Gallery").click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_role("combobox", name="World").click()
    page.get_by_role("option", name="Tiny").click()
    for label, value in (("Dreams", DREAMS), ("Frames of each", FRAMES), ("First seed", 5)):
        field = panel.get_by_role("spinbutton", name=label)
        field.fill(str(value))
        field.press("Tab")
    panel.get_by_role("button", name="Dream", exact=True).click()
    shown = panel.locator("video")
    shown.wait_for()
    player.until("it.videoWidth > 0 && it.readyState >= 2", "the browser plays the video", shown.element_handle())
    clip, replays = tmp_path / "gallery.mp4", tmp_path / "gallery.json"
    for name, path in (("Download the clip", clip), ("Download the replays", replays)):
        with page.expect_download() as download:
            panel.get_by_text(name).click()
        download.value.save_as(path)
    frames = video(clip)
    assert len(frames) in (FRAMES, FRAMES + 1) and frames[0].shape[1] >= DREAMS * 16
    data = json.loads(replays.read_text())
    found = [decode_history(dream["replay"], "gallery") for dream in data["dreams"]]
    assert [history.ticks[0].seed for history in found] == [5, 6]
    assert all(len(history.ticks) == FRAMES + 1 for history in found)
    page.get_by_role("tab", name="Play").click()
    player.play_on(2)
