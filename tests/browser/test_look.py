"""How the page looks: readable in the light and in the dark, and whole on a wide screen."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visitor
from tests.browser.player import Player

READABLE = 4.5
"""The contrast of text that the Web Content Accessibility Guidelines ask for."""
PARTS = ("h1", ".rc-title", ".rc-label", ".rc-value", "[role=tab]", "#rv-step", "label span")
CONTRAST = """(selector) => {
  const shown = [...document.querySelectorAll(selector)].filter((one) => one.checkVisibility() && one.textContent.trim());
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
"""For each shown element: the contrast of its text, how light the ground is (0 to 1), and its text."""


def test_light_and_dark(player: Player) -> None:
    """Bug: dark text on a dark ground: a part of the page, or of the client in it, does not follow the look."""
    player.open("tiny")
    grounds = {}
    for look in ("as it comes", "the other"):
        found = {part: player.ask(CONTRAST, part) for part in PARTS}
        faint = [(part, one) for part, ones in found.items() for one in ones if one[0] < READABLE]
        assert not faint, f"{look}: {faint}"
        assert all(found.values()), found
        grounds[look] = found["h1"][0][1]
        player.page.get_by_role("button", name="Light / dark").click()
    assert max(grounds.values()) > 0.8 and min(grounds.values()) < 0.1, grounds


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_look_follows_the_system(visitor: Visitor, scheme: str) -> None:
    """Bug: a white page at night for somebody whose machine is set to dark."""
    player = visitor(color_scheme=scheme)
    player.open("tiny")
    light = player.ask(CONTRAST, "h1")[0][1]
    assert light > 0.8 if scheme == "light" else light < 0.1


def test_play_fits_on_a_laptop(visitor: Visitor) -> None:
    """Bug: the picture and the buttons below it do not fit on a screen together."""
    player = visitor(viewport={"width": 1280, "height": 720})
    player.open("tiny")
    for part in ("#reverie-canvas", ".rc-bar", "#rv-pause"):
        box = player.page.locator(part).bounding_box()
        assert box is not None and box["y"] >= 0 and box["y"] + box["height"] <= 720, f"{part}: {box}"
    assert player.ask("() => document.documentElement.scrollWidth") <= 1280
