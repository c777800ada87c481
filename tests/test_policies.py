"""Policies from pixels: their memory, their file, and the controller that plays by them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.controllers import (
    STICKY,
    AgentController,
    HumanController,
    RandomController,
    agent_for,
    controller_for,
)
from engine.controls import Input
from engine.errors import ReverieError
from engine.loading import load_world
from engine.saves import read_save, write_save
from engine.session import Session
from models.policies.disk import HEADER, POLICY, PolicyError, read_policy, write_policy
from models.policies.pixels import PixelConfig, PixelNet, PixelPolicy
from models.world import Rng
from tests import counting
from tests.tiny_worlds import ACTIONS, SIZE, write_tiny

CONFIG = PixelConfig(ACTIONS, SIZE, SIZE, frames=3, channels=(4, 6), hidden=8)


def tiny_net(seed: int = 0, config: PixelConfig = CONFIG) -> PixelNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = PixelNet(config)
        torch.nn.init.normal_(net.out.weight, std=2.0)
        net.mean.normal_(std=0.1)
    return net


def frames(count: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, batch, 3, SIZE, SIZE), generator=generator).to(torch.uint8)


class Spy(PixelNet):
    """Remembers what it was shown."""

    def forward(self, frames: Tensor, last: Tensor) -> Tensor:
        self.shown, self.told = frames, last
        return super().forward(frames, last)


def test_it_sees_the_last_frames_in_order() -> None:
    """Catches: a stack in the wrong order, one frame late, or with black where an episode begins; another last
    action."""
    policy, rng = PixelPolicy(spy := Spy(CONFIG)), Rng.seeded([0])
    carry, seen = policy.initial(1), frames(4)
    stacks, told, done = [], [], [-1]
    for frame in seen:
        carry, action = policy.act(carry, frame, rng)
        stacks.append(spy.shown[0])
        told.append(int(spy.told))
        done.append(int(action))
    a, b, c, d = seen[:, 0]
    expected = [(a, a, a), (a, a, b), (a, b, c), (b, c, d)]
    assert all(torch.equal(stack, torch.stack(want)) for stack, want in zip(stacks, expected, strict=True))
    assert told == done[:-1]


def test_the_carry_is_never_changed() -> None:
    """Catches: memory written in place, which would change the past that rewind goes back to."""
    policy, rng = PixelPolicy(tiny_net(), temperature=1.0), Rng.seeded([0])
    before, _ = policy.act(policy.initial(1), frames(1)[0], rng)
    kept = {name: tensor.clone() for name, tensor in before.items()}
    after, _ = policy.act(before, frames(1, seed=1)[0], rng)
    assert all(torch.equal(before[name], kept[name]) for name in kept)
    assert not torch.equal(after["frames"], before["frames"])
    assert after["frames"].untyped_storage().nbytes() == after["frames"].nbytes


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_are_their_own(temperature: float) -> None:
    """Catches: a row whose frames or chances come from its neighbour, or a rng drawn from without need."""
    policy, seen = PixelPolicy(tiny_net(), temperature), frames(6, batch=3)
    together, alone = Rng.seeded([1, 2, 3]), Rng.seeded([1, 2, 3]).split()
    carry, carries = policy.initial(3), [policy.initial(1) for _ in range(3)]
    for step in seen:
        carry, actions = policy.act(carry, step, together)
        for row in range(3):
            carries[row], own = policy.act(carries[row], step[row : row + 1], alone[row])
            assert own.tolist() == actions[row : row + 1].tolist()
    untouched = torch.equal(together.state(), Rng.seeded([1, 2, 3]).state())
    assert untouched == (temperature == 0)


def test_temperature_draws_as_the_network_says() -> None:
    """Catches: a temperature that multiplies, or actions drawn without regard to the logits."""
    net = tiny_net()
    frame = frames(1)[0]
    probs = net(frame[:, None].expand(1, 3, 3, SIZE, SIZE), torch.tensor([-1])).detach().div(2.0).softmax(-1)[0]
    rows, policy = 4000, PixelPolicy(net, temperature=2.0)
    _, actions = policy.act(policy.initial(rows), frame.expand(rows, 3, SIZE, SIZE), Rng.seeded(range(rows)))
    shares = torch.bincount(actions, minlength=3) / rows
    assert shares.allclose(probs, atol=0.03)
    assert float(probs.max()) < 0.95, "the test needs a network that is not sure"


@pytest.mark.parametrize(
    "changes",
    [
        {"actions": ()},
        {"actions": ("A", "A")},
        {"actions": (1, 2)},
        {"frames": 0},
        {"height": 18},
        {"channels": ()},
        {"hidden": 2.5},
        {"gain": float("nan")},
        {"gain": float("inf")},
    ],
)
def test_bad_configs_are_refused(changes: dict[str, Any]) -> None:
    """Catches: a network that fails at its first frame instead of when it is described."""
    with pytest.raises(ValueError, match="policy: got"):
        replace(CONFIG, **changes)


def test_a_policy_goes_to_disk_and_back(tmp_path: Path) -> None:
    """Catches: a file that loses weights, configuration, provenance or quality, or plays otherwise once read."""
    net = tiny_net()
    write_policy(tmp_path / POLICY, PixelPolicy(net), {"data": "here"}, {"return": 1.5})
    found = read_policy(tmp_path / POLICY)
    assert found.policy.config == CONFIG
    assert (found.provenance, found.quality) == ({"data": "here"}, {"return": 1.5})
    stack = frames(5).transpose(0, 1)[:, :3]
    last = torch.tensor([2])
    assert found.policy.network(stack, last).allclose(net(stack, last), atol=0.05, rtol=0.01)
    assert not found.policy.network(stack, last).allclose(net(stack, last - 1), atol=0.05, rtol=0.01)
    assert sorted(path.name for path in tmp_path.iterdir()) == [POLICY]


def changed(path: Path, **changes: Any) -> None:
    """Write the policy again with other values in its header; None removes a key."""
    net = tiny_net()
    header = {"format": 1, "kind": "pixels", "config": CONFIG.to_dict(), "provenance": {}, "quality": {}} | changes
    header = {key: value for key, value in header.items() if value is not None}
    weights = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    save_file(weights, path, {HEADER: json.dumps(header)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "got a policy of format 2, expected 1; update"),
        ({"format": None}, "foreign"),
        ({"kind": "tree"}, "got a policy of kind 'tree', expected 'dreamer' or 'pixels'"),
        ({"quality": None}, "got keys .*expected exactly"),
        ({"quality": []}, "provenance or quality that is no object"),
        ({"more": 1}, "got keys .*more"),
        ({"config": []}, "policy config: got keys list"),
        ({"config": CONFIG.to_dict() | {"more": 1}}, "policy config: got keys .*more"),
        ({"config": CONFIG.to_dict() | {"gain": "4"}}, "policy config: got"),
        ({"config": CONFIG.to_dict() | {"hidden": 9}}, "got shape .*expected"),
    ],
)
def test_wrong_headers_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Catches: a policy of a newer or foreign format that is played as far as it goes."""
    changed(tmp_path / POLICY)
    assert read_policy(tmp_path / POLICY).quality == {}
    changed(tmp_path / POLICY, **changes)
    with pytest.raises(PolicyError, match=message) as caught:
        read_policy(tmp_path / POLICY)
    assert str(tmp_path / POLICY) in str(caught.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Catches: a traceback of the file format's library, or weights that are not numbers."""
    path = tmp_path / POLICY
    with pytest.raises(PolicyError, match="no such file"):
        read_policy(path)
    write_policy(path, PixelPolicy(tiny_net()), {}, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PolicyError, match="bytes that are no safetensors file"):
        read_policy(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(PolicyError, match="foreign safetensors"):
        read_policy(path)
    net = tiny_net()
    net.mean[0] = float("nan")
    write_policy(path, PixelPolicy(net), {}, {})
    with pytest.raises(PolicyError, match="not finite"):
        read_policy(path)


def test_a_failed_write_leaves_the_old_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: an agent lost because the disk was full while a better one was written."""
    path = tmp_path / POLICY
    write_policy(path, PixelPolicy(tiny_net()), {"which": "old"}, {})

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="could not write .*free some disk space"):
        write_policy(path, PixelPolicy(tiny_net(1)), {"which": "new"}, {})
    assert read_policy(path).provenance == {"which": "old"}
    assert [found.name for found in tmp_path.iterdir()] == [POLICY]


# -- the controller


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny world with an agent."""
    path = tmp_path_factory.mktemp("worlds") / "tiny"
    write_tiny(path)
    write_policy(path / POLICY, PixelPolicy(tiny_net()), {}, {})
    return path


def counted(seed: int) -> Session:
    """The counting world, played by an agent that is not sure what to do."""
    game = counting.CountingWorld()
    session = Session(game, counting.starts(), world_hash="c0ffee", seed=seed)
    config = PixelConfig(game.spec.actions.names, 4, 6, frames=3, channels=(6,), hidden=8, gain=1.0)
    session.controller = AgentController(PixelPolicy(tiny_net(config=config), temperature=5.0))
    return session


def actions_of(session: Session, ticks: int) -> list[Any]:
    return [session.tick(Input()).action for _ in range(ticks)]


def test_the_agent_plays_by_what_is_shown() -> None:
    """Catches: an agent that sees another frame than the one shown, one with height and width exchanged, or one that
    draws from another generator than the player's."""
    session = counted(seed=3)
    assert isinstance(session.controller, AgentController)
    policy, carry = session.controller.policy, session.controller.initial(session.world.spec)
    rng, done, expected = Rng.from_state(session.moment.player_rng), [], []
    for _ in range(12):
        obs = torch.from_numpy(session.frame.image.transpose(2, 0, 1).copy())[None]
        carry, action = policy.act(carry, obs, rng)
        expected.append(int(action))
        frame = session.tick(Input(frozenset(["left"])))
        done.append(frame.action)
        assert frame.controller == "agent"
    assert done == expected
    assert len(set(done)) > 1, "the test needs an agent that does different things"


def test_the_agents_memory_rewinds_and_forks() -> None:
    """Catches: memory kept in the policy instead of the moment: after a rewind the agent would play otherwise."""
    session = counted(seed=1)
    actions_of(session, 4)
    twin, carry = session.fork(), session.moment.carry
    there = actions_of(session, 8)
    session.rewind(8)
    assert session.moment.carry is carry
    assert actions_of(session, 8) == there
    assert actions_of(twin, 8) == there
    assert len(set(there)) > 1, "the test needs an agent that does different things"


def test_the_agents_memory_is_in_a_save(world: Path, tmp_path: Path) -> None:
    """Catches: a save without the agent's memory, after which it would begin as if nothing had been."""
    loaded = load_world(world)
    session = Session.open(loaded)
    session.controller, session.auto_restart = agent_for(loaded) or HumanController(), False
    actions_of(session, 4)
    write_save(tmp_path / "save", session.moment, session.history)
    read = read_save(tmp_path / "save", session.moment, session.history)
    assert read.carrier == "agent"
    assert {name: tensor.shape for name, tensor in read.carry.items()} == {
        "frames": (1, 2, 3, SIZE, SIZE),
        "last": (1,),
    }
    assert all(torch.equal(read.carry[name], tensor) for name, tensor in session.moment.carry.items())


def test_worlds_without_an_agent_have_none(world: Path, tmp_path: Path) -> None:
    """Catches: an agent that is invented, or an error where a world simply has none."""
    write_tiny(tmp_path / "bare")
    assert agent_for(load_world(tmp_path / "bare")) is None
    assert agent_for(counting.loaded()) is None
    assert isinstance(agent_for(load_world(world)), AgentController)


def test_a_policy_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Catches: an agent with another game's actions, which would press the wrong buttons."""
    write_tiny(tmp_path)
    write_policy(
        tmp_path / POLICY, PixelPolicy(tiny_net(config=replace(CONFIG, actions=("NOOP", "LEFT", "RIGHT")))), {}, {}
    )
    with pytest.raises(ReverieError, match=r"policy\.safetensors.*got the world tiny .*expected one with"):
        agent_for(load_world(tmp_path))
    (tmp_path / POLICY).write_bytes(b"what is this")
    with pytest.raises(ReverieError, match=r"policy\.safetensors: got 12 bytes that are no safetensors"):
        agent_for(load_world(tmp_path))


def test_controllers_by_name(world: Path, tmp_path: Path) -> None:
    """Catches: chance that trembles, somebody else's controller, or a missing agent that is silently replaced."""
    loaded = load_world(world)
    assert [controller_for(name, loaded).name for name in ("human", "random", "agent")] == ["human", "random", "agent"]
    assert controller_for("random", loaded) == RandomController(sticky=STICKY)
    write_tiny(tmp_path / "bare")
    with pytest.raises(ReverieError, match="got 'agent', expected human or random: tiny has no agent"):
        controller_for("agent", load_world(tmp_path / "bare"))
    with pytest.raises(ReverieError, match="got 'cat', expected human, random or agent"):
        controller_for("cat", loaded)
