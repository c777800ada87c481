"""The logic of the page's scripts, run by node's own test runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
STATIC = TESTS.parent / "app" / "web" / "static"
ADDRESS = re.compile(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}""", re.IGNORECASE)
"""An address on another host; a comment's slashes are followed by a space."""
ALLOWED = ("http://www.w3.org",)
"""A name, nothing that is fetched."""


def test_the_scripts_pass_their_own_tests() -> None:
    """A change to the page's protocol, keys, timeline, touch or connection logic that breaks one of them."""
    node = shutil.which("node")
    if node is None:
        if os.environ.get("REVERIE_TESTS") == "complete":
            pytest.fail("got no node, expected it where REVERIE_TESTS is complete; apt-get install nodejs")
        pytest.skip("node is not installed")
    files = sorted(map(str, (TESTS / "js").glob("*.test.mjs")))
    assert len(files) >= 8
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=120)
    passed = re.search(r"^# pass (\d+)$", run.stdout, re.MULTILINE)
    assert run.returncode == 0, run.stdout + run.stderr
    assert passed is not None and int(passed[1]) >= 60, "the runner found no tests"


@pytest.mark.parametrize(
    "path", sorted(p for p in STATIC.glob("*.*") if p.suffix != ".png"), ids=lambda path: path.name
)
def test_the_page_asks_no_other_host(path: Path) -> None:
    """A script, font or style from another server: the page would be broken offline, and tell others who plays."""
    found = [address for address in ADDRESS.findall(path.read_text(encoding="utf-8")) if address not in ALLOWED]
    assert not found


def test_every_module_that_is_imported_is_there() -> None:
    """A renamed module: the page would stay empty, without any message."""
    for path in STATIC.glob("*.js"):
        for name in re.findall(r"""from "\./([^"]+)";""", path.read_text(encoding="utf-8")):
            assert (STATIC / name).is_file(), f"{path.name} imports {name}"
