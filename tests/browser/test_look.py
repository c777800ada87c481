"""How the page looks: readable in the light and in the dark, and whole on large and small screens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import PHONE, Visitor
from tests.browser.player import Player

LAPTOP = {"viewport": {"width": 1280, "height": 720}}
READABLE = 4.5
"""The contrast of text that the Web Content Accessibility Guidelines ask for."""
TABS = ("Play", "Gallery", "Worlds", "Help")
CONTRAST = """() => {
  const speaks = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  const shown = [...document.querySelectorAll("body *")].filter((one) => speaks(one) && one.checkVisibility());
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const over = (under, color) => {
    canvas.fillStyle = `rgb(${under.join()})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (color) => {
    const [r, g, b] = color.map((level) => {
      const share = level / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return shown.map((element) => {
    const behind = [];
    for (let one = element; one; one = one.parentElement) behind.unshift(getComputedStyle(one).backgroundColor);
    const ground = behind.reduce(over, [255, 255, 255]);
    const pair = [light(ground), light(over(ground, getComputedStyle(element).color))].sort((a, b) => b - a);
    return [(pair[0] + 0.05) / (pair[1] + 0.05), light(ground), element.textContent.trim().slice(0, 40)];
  });
}"""
"""For each element with text of its own: its contrast, how light the ground is (0 to 1), and the text."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable(visitor: Visitor, scheme: str) -> None:
    """Bug: faint text, dark text on a dark ground, or a look that follows neither the system nor its button."""
    player = visitor(color_scheme=scheme)
    player.open("tiny")
    assert heading(player) > 0.8 if scheme == "light" else heading(player) < 0.1
    for tab in TABS:
        player.page.get_by_role("tab", name=tab).click()
        player.page.get_by_role("tabpanel").filter(visible=True).first.wait_for()
        found = player.ask(CONTRAST)
        faint = [(round(contrast, 2), text) for contrast, _, text in found if contrast < READABLE]
        assert len(found) > 10 and not faint, f"{tab}: {faint}"
    player.page.get_by_role("button", name="Light / dark").click()
    grounds = f"({CONTRAST})().filter(([_, ground, text]) => text === 'Reverie').map(([_, ground]) => ground)"
    other = "ground < 0.1" if scheme == "light" else "ground > 0.8"
    player.until(f"{grounds}.some((ground) => {other})", "the button changes the look")


@pytest.mark.parametrize("screen", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_page_fits(visitor: Visitor, screen: dict[str, Any]) -> None:
    """Bug: the picture and the bar below it are not in sight together, or the page hangs over the screen's side."""
    player = visitor(**screen)
    player.open("tiny")
    width, height = screen["viewport"].values()
    for part in ("#reverie-canvas", ".rc-bar"):
        box = player.page.locator(part).bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= height + 1, f"{part}: {box}"
    for tab in TABS:
        player.page.get_by_role("tab", name=tab).click()
        player.page.get_by_role("tabpanel").filter(visible=True).first.wait_for()
        assert player.ask("() => document.documentElement.scrollWidth") <= width, tab


def heading(player: Player) -> float:
    """How light the ground of the page's heading is."""
    return next(float(ground) for _, ground, text in player.ask(CONTRAST) if text == "Reverie")
