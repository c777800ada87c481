"""Agents that learned in their dreams: their file, their play, their measure in the real environment, their card."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from engine.controllers import AgentController, agent_for
from engine.controls import Input
from engine.loading import load_world
from engine.saves import read_save, write_save
from engine.session import Session
from models.envs.vector_batch import SerialEnvs
from models.policies import disk
from models.policies.disk import HEADER, POLICY, PolicyError, PolicyFile, find_agent, read_policy, write_policy
from models.rssm.actions import from_vector
from models.rssm.agent import Agent
from models.rssm.config import RssmConfig, SpaceConfig, v1, v2, v3_2023
from models.rssm.policy import ActorNet, DreamerPolicy
from models.rssm.world import RowDraws
from models.training.agent_card import agent_card
from models.training.agent_eval import Chance, evaluate_agent, measure_agent
from models.training.agent_export import export_agent
from models.training.agents import agent_path
from models.training.card import card
from models.training.env_rows import EnvRows, env_settings, env_space
from models.training.online import OnlineTraining
from models.training.options import EvalOptions, ExportOptions
from models.training.presets import OnlineConfig, tiny
from models.training.real_games import FIRST_SEED
from models.training.stop import StopFlag
from models.types import ActionSpec, WorldSpec
from models.world import Rng
from tests.tiny_worlds import ACTIONS, SIZE, randomise, write_tiny

SPACE = SpaceConfig((SIZE, SIZE, 3), (), 3, True)
CONFIG = tiny(SPACE)
DEEPER = replace(CONFIG, net=replace(CONFIG.net, actor_layers=4))
OTHER_TYPE = CONFIG.to_dict() | {"net": CONFIG.to_dict()["net"] | {"norm_eps": "1e-4"}}
SPEC = ActionSpec(ACTIONS)
WORLD = WorldSpec("tiny", "diamond", SIZE, SIZE, SPEC, 4, 15.0)
GAMES = {"mean": 3.0, "error": 0.5, "deviation": 2.0, "least": 0.0, "greatest": 6.0, "steps": 40, "games": 20}


def policy(config: RssmConfig = CONFIG, spec: ActionSpec = SPEC, mode: bool = False) -> DreamerPolicy:
    network = ActorNet(config)
    randomise(network)
    return DreamerPolicy(network.eval().requires_grad_(False), spec, mode)


def frames(count: int, batch: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, batch, 3, SIZE, SIZE), generator=generator).to(torch.uint8)


def played(player: DreamerPolicy, seen: torch.Tensor, seeds: list[int]) -> torch.Tensor:
    carry, rng, actions = player.initial(seen.shape[1]), Rng.seeded(seeds), []
    for obs in seen:
        carry, action = player.act(carry, obs, rng)
        actions.append(action)
    return torch.stack(actions)


@pytest.mark.parametrize("make", [tiny, v1, v2, v3_2023])
def test_it_plays_as_the_agent_in_training(make: Any) -> None:
    """Catches: another state, another mixture or another order of draws at play than in training."""
    config = make(SpaceConfig((64, 64, 3), (), 3, True)) if make is not tiny else CONFIG
    agent = Agent(config)
    randomise(agent.pol)
    player = DreamerPolicy(ActorNet(config, agent.enc, agent.rssm, agent.pol), SPEC)
    size = config.space.image[0]
    seen = torch.randint(256, (3, 2, 3, size, size), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    rng, carry, reset = Rng.seeded([4, 5]), agent.initial(2), torch.tensor([True, True])
    mine = played(player, seen, [4, 5])
    for step, obs in enumerate(seen):
        carry, action, _ = agent.act(carry, {"image": obs}, reset, RowDraws(rng, torch.device("cpu")))
        assert torch.equal(action.argmax(-1), mine[step])
        reset = torch.tensor([False, False])


def test_rows_do_not_see_each_other() -> None:
    """Catches: an agent that plays otherwise beside others, or changes the memory it was given."""
    player, seen = policy(), frames(6, 3)
    together = played(player, seen, [1, 2, 3])
    for row in range(3):
        assert torch.equal(played(player, seen[:, row : row + 1], [row + 1])[:, 0], together[:, row])
    assert len(torch.unique(together)) > 1
    carry = player.initial(3)
    before = {name: value.clone() for name, value in carry.items()}
    player.act(carry, seen[0], Rng.seeded([1, 2, 3]))
    assert all(torch.equal(carry[name], value) for name, value in before.items())


def test_it_goes_to_disk_and_back(tmp_path: Path) -> None:
    """Catches: a file that loses weights, configuration, actions, provenance or quality."""
    player = policy()
    write_policy(tmp_path / POLICY, player, {"data": "here"}, {"return": 1.5})
    found = read_policy(tmp_path / POLICY)
    assert isinstance(found.policy, DreamerPolicy)
    assert (found.policy.config, found.policy.actions) == (player.config, SPEC)
    assert (found.provenance, found.quality) == ({"data": "here"}, {"return": 1.5})
    for name, value in player.weights().items():
        assert torch.equal(found.policy.weights()[name], value.half().float()), name
    write_policy(tmp_path / "again", found.policy, {}, {})
    again = read_policy(tmp_path / "again")
    assert torch.equal(
        played(again.policy, frames(4, 2), [1, 2]),  # type: ignore[arg-type]
        played(found.policy, frames(4, 2), [1, 2]),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "tree"}, "got a policy of kind 'tree', expected 'dreamer' or 'pixels'"),
        ({"kind": ["dreamer"]}, "got a policy of kind .*'dreamer'.*, expected 'dreamer' or 'pixels'"),
        ({"kind": "pixels"}, "policy config: got keys"),
        ({"config": policy().header() | {"network": None}}, "config: got NoneType, expected an object"),
        ({"config": policy().header() | {"network": OTHER_TYPE}}, "net.norm_eps: got '1e-4', expected float"),
        ({"config": {"network": CONFIG.to_dict()}}, "expected network and actions"),
        ({"config": policy().header() | {"network": DEEPER.to_dict()}}, "missing tensors .*pol"),
        ({"config": policy().header() | {"network": {}}}, "config: got unknown keys .* missing keys"),
        ({"config": policy().header() | {"actions": {"names": ["a"]}}}, "policy actions: got"),
    ],
)
def test_what_is_no_agent_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Catches: a damaged or newer agent that plays as far as it goes, or ends in a traceback."""
    path = tmp_path / POLICY
    write_policy(path, policy(), {}, {})
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER]) | changes
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(weights, path, {HEADER: json.dumps(header)})
    with pytest.raises(PolicyError, match=message) as caught:
        read_policy(path)
    assert str(path) in str(caught.value)


def test_an_agent_of_nowhere_is_not_measured(tmp_path: Path) -> None:
    """Catches: a traceback for an agent whose file does not say where it was trained."""
    write_policy(tmp_path / POLICY, policy(), {}, {})
    with pytest.raises(ValueError, match="does not say where it was trained, expected its environment"):
        evaluate_agent(tmp_path / POLICY, EvalOptions(str(tmp_path)))


def test_it_knows_its_game() -> None:
    """Catches: an agent that presses the buttons of another game, or sees frames of another size."""
    player = policy()
    assert player.check(WORLD) is player
    for other in (
        replace(WORLD, height=32),
        replace(WORLD, actions=ActionSpec(("NOOP", "LEFT", "RIGHT"))),
        replace(WORLD, actions=ActionSpec(ACTIONS, "continuous", (0.0,) * 3, (1.0,) * 3)),
    ):
        with pytest.raises(ValueError, match="got the world tiny with .*expected one with"):
            player.check(other)
    with pytest.raises(ValueError, match="got 2 discrete actions, expected 3, discrete"):
        policy(spec=ActionSpec(("a", "b")))


def test_continuous_actions_are_the_games(tmp_path: Path) -> None:
    """Catches: actions in [-1, 1] where the game counts from 0 to 1, or beyond its bounds."""
    spec = ActionSpec(("steer", "gas"), "continuous", (-1.0, 0.0), (1.0, 1.0))
    player = policy(tiny(SpaceConfig((), (("vector", 5),), 2, False)), spec)
    write_policy(tmp_path / POLICY, player, {}, {})
    found = read_policy(tmp_path / POLICY).policy
    rng, carry = Rng.seeded(range(64)), found.initial(64)
    _, action = found.act(carry, torch.randn(64, 5, generator=torch.Generator().manual_seed(0)), rng)
    assert torch.equal(spec.check(action, 64), action)
    assert float(action[:, 0].min()) < -0.3
    assert float(action[:, 1].min()) < 0.4


def test_rounding_leads_no_action_beyond_its_bounds() -> None:
    """Catches: an agent that ends a game whose bounds are no round numbers, by an action a rounding error too large."""
    ends = torch.tensor([[-1.0], [1.0]])
    for low, high in ((-0.4, 0.8), (-0.3, 0.9), (-0.7, 0.1), (-1.5, 0.7), (0.1, 0.7)):
        spec = ActionSpec(("a",), "continuous", (low,), (high,))
        assert spec.check(from_vector(spec, ends), 2).shape == (2, 1)


def test_it_plays_in_a_world(tmp_path: Path) -> None:
    """Catches: a kind of agent that the engine does not know, or whose memory a save cannot keep."""
    write_tiny(tmp_path / "tiny")
    write_policy(tmp_path / "tiny" / POLICY, policy(), {}, {})
    loaded = load_world(tmp_path / "tiny")
    session = Session.open(loaded)
    agent = agent_for(loaded)
    assert isinstance(agent, AgentController)
    session.controller, session.auto_restart = agent, False
    assert all(session.tick(Input()).controller == "agent" for _ in range(3))
    write_save(tmp_path / "save", session.moment, session.history)
    read = read_save(tmp_path / "save", session.moment, session.history)
    assert all(torch.equal(read.carry[name], tensor) for name, tensor in session.moment.carry.items())
    assert bool(read.carry["begun"].all())


# -- measured, exported, described


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """A finished training: folder, run.json, record.json."""
    folder = tmp_path_factory.mktemp("run")
    envs = SerialEnvs("counting", 2, SIZE)
    config = tiny(env_space(envs))
    online = OnlineConfig(16, 4.0, envs=2, batch=2, length=4, capacity=200, size=SIZE, begin=2)
    training = OnlineTraining(config, online, EnvRows(envs, int), folder / "agent", autocast=nullcontext)
    training.run(30, StopFlag())
    known = {"preset": "cpu_tiny", "seed": 0, "env": env_settings(envs), "config": config.to_dict()}
    work = {"steps": 16, "updates": 5, "episodes": 1, "batch": 2, "length": 4, "minutes": 0.1, "hardware": "a CPU"}
    return folder, known, {"agent": work}


def test_an_agent_is_exported_and_measured(
    run: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches: weights of before training, numbers of another agent, or an eval whose numbers are lost."""
    folder, known, record = run
    out = tmp_path / "counter"
    said = export_agent(ExportOptions(folder, out, games=3), known, record)
    assert "agent" in said
    assert "random" in said
    found = read_policy(out / POLICY)
    assert found.quality["real_game"]["agent"]["games"] == 3
    assert found.provenance["weights_of_step"] == 16
    assert "`counting`" in (out / "README.md").read_text()
    options = EvalOptions(str(out), games=5)
    assert agent_path(options) == out / POLICY
    assert evaluate_agent(out / POLICY, options) == 0
    assert "random" in capsys.readouterr().out
    again = read_policy(out / POLICY)
    assert again.quality["real_game"]["agent"]["games"] == 5
    for name, value in found.policy.weights().items():
        assert torch.equal(again.policy.weights()[name], value), name
    with pytest.raises(ValueError, match=r"best\.safetensors: got no such file, expected an agent evaluated"):
        export_agent(ExportOptions(folder, out, best=True), known, record)


def test_an_agent_goes_beside_its_world(run: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    """Catches: an agent put beside a world of another game, or a world's card that does not know it."""
    folder, known, record = run
    write_tiny(tmp_path / "tiny")
    export_agent(ExportOptions(folder, tmp_path / "tiny", games=1), known, record)
    assert "in that model's dreams alone" in (tmp_path / "tiny" / "README.md").read_text()
    assert agent_path(EvalOptions(str(tmp_path / "tiny"))) is None
    assert agent_path(EvalOptions(str(tmp_path / "tiny"), agent=True)) == tmp_path / "tiny" / POLICY
    spec = WorldSpec("tiny", "diamond", SIZE, SIZE, ActionSpec(("A", "B", "C")), 4, 15.0)
    write_tiny(tmp_path / "other", spec=spec)
    with pytest.raises(ValueError, match="policy: got the world"):
        export_agent(ExportOptions(folder, tmp_path / "other", games=1), known, record)


def test_measures_are_of_the_same_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an agent measured on luckier starts than chance, or in another game than it was trained in."""
    seeds: list[int] = []
    begin = EnvRows.next_seed
    monkeypatch.setattr(EnvRows, "next_seed", lambda rows, row: seeds.append(begin(rows, row)) or seeds[-1])
    env = env_settings(SerialEnvs("counting", 1, SIZE))
    out = measure_agent(policy(), env, 6)
    assert list(out) == ["agent", "random"]
    assert out["agent"]["steps"] == out["random"]["steps"]
    second = seeds.index(FIRST_SEED, 1)
    same = set(range(FIRST_SEED, FIRST_SEED + 6))
    assert same <= set(seeds[:second])
    assert same <= set(seeds[second:])
    with pytest.raises(ValueError, match="got an environment with .*expected .* as the agent was trained with"):
        measure_agent(policy(), env | {"size": 32}, 1)
    with pytest.raises(ValueError, match="games: got 0"):
        measure_agent(policy(), env, 0)


def test_chance_covers_all_actions() -> None:
    """Catches: a baseline that never presses the last button, or stays in half of an axis."""
    rng = Rng.seeded(range(300))
    _, action = Chance(SPEC).act({}, torch.zeros(300, 1), rng)
    assert torch.unique(action).tolist() == [0, 1, 2]
    spec = ActionSpec(("gas",), "continuous", (0.0,), (2.0,))
    _, action = Chance(spec).act({}, torch.zeros(300, 1), rng)
    assert 0 <= float(action.min()) < 0.1
    assert 1.9 < float(action.max()) <= 2


def test_agents_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: --agent that is silently ignored, or a world taken for an agent."""
    monkeypatch.setattr(disk, "AGENTS", tmp_path / "agents")
    write_policy(tmp_path / "agents" / "doom" / POLICY, policy(), {}, {})
    assert find_agent("doom") == tmp_path / "agents" / "doom" / POLICY
    assert find_agent(tmp_path / "agents" / "doom") == find_agent("doom")
    assert find_agent("nobody") is None
    write_tiny(tmp_path / "bare")
    with pytest.raises(ValueError, match="expected an agent, or a world that has one"):
        agent_path(EvalOptions(str(tmp_path / "bare"), agent=True))


def test_the_card_says_what_was_measured(run: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path) -> None:
    """Catches: a card without chance beside the agent, without the number of episodes or without what it cost."""
    _, known, record = run
    quality = {"real_game": {"agent": GAMES, "random": GAMES | {"mean": -1.0}}}
    found = PolicyFile(policy(), known | record, quality)
    text = agent_card("counter", found)
    for piece in ("3.0 ± 0.5", "-1.0 ± 0.5", "20 whole episodes", "16 steps", "5 updates", "a CPU", "0 .. 6"):
        assert piece in text, piece
    manifest = write_tiny(tmp_path / "tiny").manifest
    assert "3.0 ± 0.5" in card(manifest, found)
