"""The page around the canvas client: what it is made of, what it loads, and what it says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.web import dials, glue
from app.web.files import add_files
from app.web.page import STATIC, build_page, mount
from app.web.play_tab import look_of
from app.web.worlds_tab import keys_of, quality_of, readable, summary_of, without
from engine.server.hub import Hub
from engine.server.shelf import Listing
from tests.counting import loaded
from tests.serving import counting_hub

CARD = """# Maze <b>

![preview](preview.gif)

A maze, see [Reverie](../../README.md) and [the paper](https://arxiv.org/abs/1).

## Quality

| a | b |

## Training

- long
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with counting_hub(counting=loaded(), brief=loaded(end=5, hash="feed")) as hub:
        yield hub


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """The page on an application of its own."""
    with counting_hub() as hub:
        app = FastAPI()
        add_files(app, hub)
        with TestClient(mount(app, build_page(hub))) as client:
            yield client


def scripts(blocks: gr.Blocks) -> list[str]:
    """All the JavaScript in a page's components and listeners."""
    found = [str(fn.js) for fn in blocks.fns.values() if fn.js]
    found += [block.js_on_load for block in blocks.blocks.values() if isinstance(block, gr.HTML) and block.js_on_load]
    return found


def drawing(settings: list[dict[str, Any]]) -> gr.Blocks:
    """A page of these settings alone."""

    async def drawn() -> gr.Blocks:  # a loop has to run, or Gradio leaves one behind
        with gr.Blocks(analytics_enabled=False) as blocks:
            dials.draw(settings)
        return blocks

    return asyncio.run(drawn())


def test_listeners_call_what_there_is(hub: Hub) -> None:
    """Catches: a button whose function was renamed in the scripts, which fails only when somebody clicks it."""
    steps = {"name": "steps", "kind": "int", "value": 4, "low": 1, "high": 16}
    listeners = scripts(build_page(hub)) + scripts(drawing([steps]))
    panel = (STATIC / "panel.js").read_text(encoding="utf-8")
    exported = set(re.findall(r"export (?:async )?function (\w+)", panel))
    for names in re.findall(r"export \{([^}]*)\}", panel):
        exported |= {name.strip() for name in names.split(",")}
    called = {name for text in listeners for name in re.findall(r"panel\)?\.(\w+)\(", text)}
    called |= {name for text in listeners for name in re.findall(r'panel\.js"\)\)\.(\w+)\(', text)}
    assert {"mount", "followWorld", "stateUpdates", "settingUpdates", "loadSave"} <= called
    assert called <= exported, f"got calls of {called - exported}, expected only {exported}"


def test_the_plotting_library_is_served_from_here(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: plots that stay empty without a network, or a page that breaks where the package is missing."""
    answer = client.get("/static/plotly.min.js")
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/javascript")
    assert "plotly.js" in answer.text[:500]
    monkeypatch.setattr("app.web.files.find_spec", lambda name: None)
    assert client.get("/static/plotly.min.js").status_code == 404
    assert client.get("/static/client.js").status_code == 200


def test_where_it_is_played_is_chosen_by_names_the_client_knows(hub: Hub) -> None:
    """Catches: a place in the list that the client takes for none, or one that is missing there."""
    from app.web.play_tab import PLACES

    places = (STATIC / "places.js").read_text(encoding="utf-8")
    known = re.search(r"export const ORDERED = \{(.*)\}", places)
    assert known is not None and set(re.findall(r"(\w+):", known[1])) == set(PLACES)


def test_every_order_is_one_of_the_protocol(hub: Hub) -> None:
    """Catches: a misspelt verb, or arguments the server refuses, behind a button."""
    from engine.server.messages import Control
    from engine.server.protocol import decode_client, encode_client

    texts = scripts(build_page(hub))
    sent = {match for text in texts for match in re.findall(r'\.order\("(\w+)", (\{[^)]*\})\)', text)}
    values = {"name": "human", "on": True, "factor": 1.5, "seconds": 30, "start": 0, "seed": 1, "frames": 20}
    checked = set()
    for verb, text in sent - {("save_file", "{}")}:
        body = re.sub(r"frames: .*\}", "frames}", text).strip("{} ")
        arguments: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in body.split(","))):
            name, _, value = part.partition(": ")
            arguments[name] = json.loads(value) if value else values[name]
        if verb == "world":
            arguments |= {"start": None, "seed": None}
        decode_client(encode_client(Control(1, verb, arguments)))
        checked.add(verb)
    assert checked == {"controller", "speed", "horizon", "world", "record", "start"}


def test_the_page_loads_nothing_from_elsewhere(client: TestClient) -> None:
    """Catches: a font, script or style of another host: broken offline, and telling others who plays."""
    page = client.get("/")
    assert page.status_code == 200 and "Reverie" in page.text
    loading = re.findall(r'<(?:script|link|img|iframe)\b[^>]*?(?:src|href)="([^"]+)"', page.text)
    assert loading and not [address for address in loading if "//" in address]
    styles = client.get("/theme.css").text + json.dumps(client.get("/config").json())
    assert not re.findall(r"url\(['\"]?(?:https?:)?//[^)]*", styles)
    assert "fonts.googleapis" not in page.text + styles


def test_nothing_is_told_to_the_makers_of_gradio(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: telemetry that asks another host when the page is built."""
    from gradio import analytics

    monkeypatch.setattr(analytics, "_do_analytics_request", lambda *_: pytest.fail("asked another host"))
    assert build_page(hub).analytics_enabled is False


def test_both_kinds_of_static_files_are_served(client: TestClient) -> None:
    """Catches: the page's files hiding Gradio's under the same address, or the other way round."""
    from gradio.routes import STATIC_PATH_LIB

    script = next(Path(STATIC_PATH_LIB).rglob("*.js")).relative_to(STATIC_PATH_LIB).as_posix()
    for name in ("panel.js", "page.css", "inter/Inter-Regular.otf", script):
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200 and answer.content, name


def test_the_favicon_is_ours(client: TestClient) -> None:
    """Catches: Gradio's own icon in the browser's tab."""
    assert client.get("/favicon.ico").content == (STATIC / "favicon.png").read_bytes()


def test_settings_of_every_kind_get_a_component() -> None:
    """Catches: a family whose settings have no bounds, or are words, breaking the whole panel."""
    told = [
        {"name": "steps", "kind": "int", "value": 4, "low": 1, "high": 16},
        {"name": "sigma", "kind": "float", "value": 0.1, "low": None, "high": None},
        {"name": "draw", "kind": "bool", "value": True, "low": None, "high": None},
        {"name": "precision", "kind": "choice", "value": "auto", "choices": ["auto", "float32"]},
    ]
    blocks = drawing(told)
    drawn = [b for b in blocks.blocks.values() if isinstance(b, gr.Slider | gr.Number | gr.Checkbox | gr.Dropdown)]
    assert [type(b) for b in drawn] == [gr.Slider, gr.Number, gr.Checkbox, gr.Dropdown]
    assert [b.value for b in drawn] == [4, 0.1, True, "auto"]
    assert all(b.interactive for b in drawn)


def test_a_world_without_settings_has_no_dials() -> None:
    """Catches: an error in place of the panel of a world that has nothing to set."""
    assert not drawing([]).fns


def test_listeners_pass_only_what_they_name() -> None:
    """Catches: a listener whose parameters and arguments do not match."""
    assert glue.order("speed", "{factor}", "factor").startswith("async (factor) => ")
    assert glue.command("pause").endswith('.command("pause", {})')


# -- cards


def test_cards_are_readable_on_a_page() -> None:
    """Catches: pictures and links into the disk that a browser cannot follow, headings above the page's own."""
    text = readable(CARD)
    assert "preview.gif" not in text and "README.md" not in text
    assert "[the paper](https://arxiv.org/abs/1)" in text
    assert "### Maze" in text and "#### Training" in text
    assert summary_of(CARD).startswith("A maze, see Reverie and")
    assert summary_of("") == "This world has no card."


def test_one_section_is_left_out() -> None:
    """Catches: the quality told twice, or the sections after it lost."""
    text = without(CARD, "Quality")
    assert "| a | b |" not in text and "## Quality" not in text
    assert "## Training" in text and "- long" in text
    assert without(CARD, "Nothing") == CARD


def test_names_from_a_folder_are_no_html() -> None:
    """Catches: a world's folder that runs scripts in the page of everyone who looks at it."""
    spec = loaded().world.spec
    evil = Listing('a b"><script>', "<script>x</script>", spec, "0", preview=Path("p.gif"))
    for html in (look_of(evil), keys_of(evil), quality_of({})):
        assert "<script" not in html
    assert "/api/worlds/a%20b%22%3E%3Cscript%3E/preview.gif" in look_of(evil)
