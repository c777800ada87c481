"""From stored play to a world, and to an agent that learned inside it: the commands, one after the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import main
from models.checkpoint import open_world_folder
from models.library import build_world
from models.nn.precision import device_of
from models.policies.disk import POLICY, read_policy


@pytest.fixture(scope="module")
def trained(counting_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs of a tiny world and of an agent inside it."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["train", "dreamer", "--data", str(counting_store), "--threads", "1", "--precision", "fp32"]
    assert main([*common, "--preset", "cpu_tiny", "--steps", "3", "--out", str(folder / "world")]) == 0
    inside = ["--part", "agent", "--init", str(folder / "world"), "--steps", "3", "--batch", "8"]
    assert main([*common, *inside, "--out", str(folder / "agent")]) == 0
    return folder


def test_a_world_and_its_agent_are_exported_together(trained: Path, counting_store: Path, tmp_path: Path) -> None:
    """Catches: an export that loses the agent's world, settings that do not fit the game's rewards, an agent of other
    weights than were trained, a card that claims play in the real game."""
    out = tmp_path / "counting"
    assert main(["export", str(trained / "world"), str(out), "--data", str(counting_store), "--starts", "2"]) == 0
    folder = open_world_folder(out)
    assert folder.manifest.family == "rssm"
    assert folder.manifest.settings["reward_unit"] == 1.0, "this game pays whole numbers"
    assert main(["export", str(trained / "agent"), str(out), "--games", "2"]) == 0
    found = read_policy(out / POLICY)
    found.policy.check(build_world(open_world_folder(out), device_of("cpu")).spec)
    assert found.quality["real_game"]["agent"]["games"] == 2
    assert "never played the real game" in (out / "README.md").read_text()


def test_an_agent_goes_on_where_it_stopped(trained: Path, counting_store: Path) -> None:
    """Catches: a second call that begins anew, or a run that is continued inside another world."""
    common = ["train", "dreamer", "--data", str(counting_store), "--part", "agent", "--threads", "1"]
    again = [*common, "--out", str(trained / "agent"), "--steps", "5", "--batch", "8", "--precision", "fp32"]
    assert main([*again, "--init", str(trained / "world")]) == 0
    assert json.loads((trained / "agent" / "record.json").read_text())["agent"]["updates"] == 5


@pytest.mark.parametrize(
    ("extra", "said"),
    [([], "--init"), (["--init", "nowhere"], "nowhere")],
    ids=["no world", "no run"],
)
def test_an_agent_needs_a_trained_world(
    extra: list[str], said: str, counting_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches: a traceback where the world's run is missing."""
    command = ["train", "dreamer", "--data", str(counting_store), "--part", "agent", "--out", str(tmp_path / "run")]
    assert main([*command, *extra]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
