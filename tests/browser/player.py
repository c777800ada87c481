"""A page of the browser as its player has it: keys, buttons, and the pictures that were drawn."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import BrowserContext, ConsoleMessage, Download, Locator, Page
from playwright.sync_api import TimeoutError as WaitedInVain

WAIT_S = 60.0
"""How long a test waits for what has to come, on a machine that has other things to do."""
LOOK_MS = 40
"""How often a page is looked at meanwhile."""
LOCAL = re.compile(r"^(?:(?:https?|wss?)://127\.0\.0\.1:\d+/|data:|blob:|about:)")
GREEN = (92, 186, 92)
"""The colour of Pong's own paddle."""
PADDLE = slice(13, 58), slice(50, 64)
"""Rows and columns of a frame of 64 x 64 pixels in which that paddle moves; the score above is green, too."""
RECORDER = """(() => {
  const drawn = (window.drawnFrames = []);
  const note = () => {
    const header = window.reverie.frame;
    const { width, height, data } = window.reverie.pixels();
    drawn.push({ ...header, width, height, pixels: btoa(String.fromCharCode(...data)) });
  };
  new MutationObserver(note).observe(document, { subtree: true, attributeFilter: ["data-seq"] });
})();"""
"""Keeps every frame that comes to the canvas, with its header."""
OURS = "willReadFrequently"
"""Chromium's advice to who reads pictures as often as the recorder does."""


@dataclass(frozen=True)
class Look:
    """A frame as it was drawn: its header's fields, and image (H, W, 3) uint8."""

    header: dict[str, Any]
    image: np.ndarray

    @property
    def index(self) -> int:
        return int(self.header["index"])

    @property
    def paddle(self) -> float | None:
        """The row of the middle of Pong's own paddle; None where it is out of sight."""
        near = np.abs(self.image[PADDLE].astype(int) - GREEN).max(axis=-1) < 60
        rows = np.nonzero(near)[0] + PADDLE[0].start
        return float(rows.mean()) if len(rows) >= 4 else None


class Visit:
    """A context of the browser, which notes what should not happen: errors, and requests to other hosts."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.complaints: list[str] = []
        context.set_default_timeout(WAIT_S * 1000)
        context.add_init_script(RECORDER)
        context.on("request", lambda request: self._foreign(request.url))
        context.on("console", self._said)
        context.on("weberror", lambda failed: self._note(True, f"script: {failed.error}"))
        context.on("response", lambda r: self._note(r.status >= 400, f"response: {r.status} {r.url}"))

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("websocket", lambda socket: self._foreign(socket.url))
        return page

    def close(self) -> None:
        """Raises AssertionError where something was noted."""
        self.context.close()
        assert not self.complaints, self.complaints

    def _said(self, said: ConsoleMessage) -> None:
        self._note(said.type in ("error", "warning") and OURS not in said.text, f"console: {said.text}")

    def _foreign(self, url: str) -> None:
        self._note(not LOCAL.match(url), f"request: {url}")

    def _note(self, wrong: bool, what: str) -> None:
        if wrong:
            self.complaints.append(what[:300])


class Player:
    """Somebody at a page. Waits raise AssertionError with what the page shows instead."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page, self.origin = page, origin

    def open(self, world: str = "pong", **asked: Any) -> None:
        """Open the page on a world; it plays when this returns. asked: start, seed and so on, as in its address."""
        self.visit(f"{self.origin}/?{urlencode({'world': world, **asked})}")
        self.until("reverie.status === 'open' && reverie.frame && !reverie.frame.paused", "it plays")
        self.page.get_by_label("Start, 0 to").wait_for()  # the panel follows the world now, and moves no more

    def visit(self, address: str) -> None:
        self.page.goto(address)
        self.until("window.reverie", "the client is there")

    # -- what is seen

    def ask(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def until(self, true: str, what: str, argument: Any = None, wait_s: float = WAIT_S) -> None:
        """Wait until an expression in the page holds; it knows ``argument`` as ``it``."""
        try:
            self.page.wait_for_function(f"(it) => {true}", arg=argument, polling=LOOK_MS, timeout=wait_s * 1000)
        except WaitedInVain:
            raise AssertionError(f"expected that {what}, waited in vain; the page: {self.says()}") from None

    def says(self) -> dict[str, Any]:
        """What the page shows and knows, to read in a failure."""
        return dict(
            self.ask(
                """() => ({status: window.reverie?.status, frame: window.reverie?.frame, state: window.reverie?.state,
                    veil: document.querySelector(".rc-veil:not([hidden])")?.innerText,
                    toasts: document.querySelector(".rc-toasts")?.innerText})"""
            )
        )

    @property
    def state(self) -> dict[str, Any]:
        return dict(self.ask("() => reverie.state"))

    @property
    def world(self) -> dict[str, Any]:
        return dict(self.ask("() => reverie.world"))

    def look(self) -> Look:
        """The frame on the canvas now."""
        return self.drawn(-1)[0]

    def drawn(self, since: int = 0) -> list[Look]:
        """All frames drawn so far, from number ``since`` on (-1: the last one), in the order in which they were."""
        noted = self.ask("(since) => drawnFrames.slice(since)", since)
        return [Look({**header, "pixels": None}, _image(header)) for header in noted]

    def count(self) -> int:
        """How many frames were drawn so far."""
        return int(self.ask("() => drawnFrames.length"))

    def veil(self) -> Locator:
        """The message over the picture."""
        return self.page.locator(".rc-veil")

    def toast(self, text: str) -> Locator:
        return self.page.locator(".rc-toast").filter(has_text=text)

    # -- what is done

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        self.page.keyboard.down(key)
        try:
            yield
        finally:
            self.page.keyboard.up(key)

    def click(self, name: str) -> None:
        """One of the buttons around the picture, by its text."""
        self.control(name).click()

    def control(self, name: str) -> Locator:
        return self.page.locator(".rv-controls").get_by_role("button", name=name, exact=True)

    def choose(self, name: str) -> None:
        """A radio button or check box, by its text."""
        self.page.locator(".rv-controls").get_by_label(name, exact=True).click()

    def fill(self, label: str | re.Pattern[str], value: float) -> None:
        """A number, in place of the one there; given with Enter."""
        field = self.page.get_by_role("tabpanel").get_by_role("spinbutton", name=label)
        field.fill(str(value))
        field.press("Enter")

    def play_world(self, title: str) -> None:
        """Choose another world in the list."""
        picker = self.page.locator("#rv-world").get_by_role("combobox")
        picker.click()
        self.page.get_by_role("option", name=title, exact=True).click()

    def focus(self) -> None:
        """Give the keyboard to the game, by a click on its picture."""
        self.page.get_by_role("application").click()

    def play_on(self, frames: int) -> None:
        """Wait until so many more frames are drawn."""
        self.until("drawnFrames.length >= it", f"{frames} more frames are drawn", self.count() + frames)

    def pause(self) -> Look:
        """Stop time with the key for it; the frame at which it stands."""
        self.press("p")
        return self.still()

    def still(self) -> Look:
        """Wait until time stands; the frame at which it does."""
        self.until("reverie.frame?.paused && reverie.state?.paused", "time stands")
        return self.look()

    def step(self) -> Look:
        """One frame, with the key for it."""
        return self.at(self.look().index + 1, lambda: self.press("."))

    def at(self, index: int, act: Any) -> Look:
        """Do something, and wait for the frame with this index."""
        act()
        self.until("reverie.frame.index === it && reverie.frame.paused", f"frame {index} is shown", index)
        return self.look()

    def downloads(self, many: int, act: Any) -> list[Download]:
        """Do something that the browser answers by so many downloads, in the order of their names."""
        found: list[Download] = []

        def note(download: Download) -> None:
            found.append(download)

        self.page.on("download", note)
        act()
        for _ in range(round(WAIT_S * 1000 / LOOK_MS)):
            if len(found) >= many:
                break
            self.page.wait_for_timeout(LOOK_MS)
        self.page.remove_listener("download", note)
        assert len(found) == many, f"got {found}, expected {many} downloads; the page: {self.says()}"
        return sorted(found, key=lambda download: download.suggested_filename)


def same(one: Look, other: Look) -> bool:
    """Whether two looks show the same picture, bit for bit."""
    return one.image.shape == other.image.shape and bool((one.image == other.image).all())


def _image(header: dict[str, Any]) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(header["pixels"]), np.uint8)
    return data.reshape(header["height"], header["width"], 3)
