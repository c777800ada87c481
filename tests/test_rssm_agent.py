"""A whole Dreamer V3 update against three complete ones of the published code, and updates of the other versions."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.nn.draws import TorchDraws
from models.rssm.agent import Agent, Given
from models.rssm.config import RssmConfig, SpaceConfig, cpu, v1, v2, v3, v3_2023
from models.rssm.model import Batch
from models.rssm.official import PARTS, load_official_v3
from models.training.optimizers import make_optimizer

FOLDER = Path(__file__).parent / "golden" / "dreamer"
CASES = ("disc", "cont")
LOSSES = {
    "rew": "rew",
    "con": "con",
    "dyn": "dyn",
    "rep": "rep",
    "policy": "policy",
    "val": "value",
    "repval": "repval",
}
"""Ours and the published names."""


@cache
def arrays(case: str) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(FOLDER / f"agent_{case}.npz") as file:
        return dict(file)


def tensor(case: str, name: str) -> Tensor:
    return torch.from_numpy(arrays(case)[name])


def config_of(case: str) -> RssmConfig:
    """The tiny agent of the golden files."""
    image = (48, 48, 3) if case == "disc" else ()
    space = SpaceConfig(image, (("vec", 5),), 4 if case == "disc" else 2, case == "disc")
    config = v3(space, "size1m")
    net = replace(config.net, deter=16, hidden=6, stoch=3, classes=4, blocks=4, depth=2, units=8, bins=15)
    behaviour = replace(config.behaviour, horizon=3, imag_last=0 if case == "disc" else 2)
    optimizer = replace(config.optimizer, lr=1e-3, warmup=2)
    return replace(config, net=net, behaviour=behaviour, optimizer=optimizer)


def weights(case: str, where: str, parts: tuple[str, ...] = PARTS) -> dict[str, Tensor]:
    """Published weights under our names."""
    found = {name.removeprefix(where): value for name, value in arrays(case).items() if name.startswith(where)}
    return load_official_v3(found, config_of(case), parts)


def agent_of(case: str) -> Agent:
    agent = Agent(config_of(case))
    missing = agent.load_state_dict(weights(case, "weights0/"), strict=False)
    assert not missing.unexpected_keys
    assert all(name.startswith(("retnorm.", "target.")) for name in missing.missing_keys)
    return agent


def vectors(case: str, actions: Tensor) -> Tensor:
    return F.one_hot(actions.long(), 4).float() if case == "disc" else actions


def batch_of(case: str, step: int) -> Batch:
    """The window of a step; its first entry only says what came before."""
    get = {name: tensor(case, f"step{step}/in/{name}") for name in ("reward", "is_first", "is_last", "is_terminal")}
    obs = {"vec": tensor(case, f"step{step}/in/vec")[:, 1:]}
    if case == "disc":
        obs["image"] = tensor(case, f"step{step}/in/image")[:, 1:].permute(0, 1, 4, 2, 3)
    action = vectors(case, tensor(case, f"step{step}/in/action"))
    return Batch(
        obs=obs,
        action=action[:, 1:],
        reward=get["reward"][:, 1:],
        is_first=get["is_first"][:, 1:],
        is_last=get["is_last"][:, 1:],
        terminated=get["is_terminal"][:, 1:],
        prev_action=action[:, 0],
        deter=tensor(case, f"step{step}/in/dyn/deter")[:, 0],
        stoch=tensor(case, f"step{step}/in/dyn/stoch")[:, 0],
    )


def given_of(case: str, step: int) -> Given:
    """The samples that the published code drew."""
    action = vectors(case, tensor(case, f"step{step}/imag_action"))
    return Given(tensor(case, f"step{step}/post_stoch"), tensor(case, f"step{step}/imag_stoch"), action)


def close(got: Tensor, want: Tensor, what: str, rtol: float = 1e-5, atol: float = 1e-5) -> None:
    torch.testing.assert_close(got.float(), want.float(), rtol=rtol, atol=atol, msg=lambda text: f"{what}: {text}")


NONE = TorchDraws(torch.Generator())


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_of_one_update(case: str) -> None:
    """Catches: any term of the joint loss missing, scaled or shifted by a step; gradients that stop or leak."""
    agent = agent_of(case)
    losses, seen, behaviour, trajectory = agent.joint_losses(batch_of(case, 0), NONE, given_of(case, 0))
    close(seen.deter, tensor(case, "step0/post_deter"), "deter")
    close(trajectory.deter[:, 1:], tensor(case, "step0/imag_deter"), "imagined deter")
    close(behaviour.ret, tensor(case, "step0/imag_ret"), "returns", atol=1e-5)
    names = {**LOSSES, "vec": "vec", **({"image": "image"} if case == "disc" else {})}
    for ours, theirs in names.items():
        map_ = tensor(case, f"step0/loss_map/{theirs}")
        got = losses[ours]
        if got.shape != map_.shape:  # the published map holds the mean over imagined steps
            got = got.mean(-1).view(map_.shape) if got.dim() > map_.dim() else got.view(map_.shape)
        close(got, map_, ours)
    total = agent.total(losses)
    close(total, tensor(case, "step0/total"), "total")
    total.backward()
    wanted = weights(case, "step0/grads/", PARTS[:-1])
    got_grads = {name: p.grad for name, p in agent.named_parameters() if p.grad is not None}
    assert set(got_grads) == set(wanted)
    for name, want in wanted.items():
        close(got_grads[name], want, f"gradient of {name}", rtol=1e-3, atol=1e-5 * float(want.abs().max().clamp(min=1)))


@pytest.mark.parametrize("case", CASES)
def test_three_complete_updates(case: str) -> None:
    """Catches: an optimiser, slow critic or normaliser in another order; latents for the replay of the wrong step."""
    agent = agent_of(case)
    optimizer = make_optimizer(agent, agent.config)
    for step in range(3):
        _, latents = agent.train_step(batch_of(case, step), NONE, optimizer, given=given_of(case, step))
        for name in ("deter", "stoch"):
            close(latents[name], tensor(case, f"step{step}/replay_update/dyn/{name}"), name, rtol=1e-3, atol=1e-4)
        for name in ("lo", "hi"):
            close(getattr(agent.retnorm, name), tensor(case, f"step{step}/retnorm/{name}/value"), name, rtol=1e-3)
    own = agent.state_dict()
    for name, want in weights(case, "step2/weights_after/").items():
        close(own[name], want, name, rtol=1e-3, atol=2e-4)


VERSIONS = {"v1": v1, "v2": v2, "v3_2023": v3_2023, "v3": lambda space: v3(space, "size1m"), "cpu": cpu}


def small(version: str, discrete: bool, image: bool) -> RssmConfig:
    """A version with narrow networks."""
    space = SpaceConfig((64, 64, 3) if image else (), () if image else (("vec", 6),), 3, discrete)
    config = VERSIONS[version](space)
    gaussian = config.net.latent == "gaussian"
    net = replace(config.net, deter=32, hidden=16, units=16, stoch=8, classes=1 if gaussian else 4, depth=4)
    behaviour = replace(config.behaviour, horizon=4, imag_last=0)
    optimizer = replace(config.optimizer, lr=2e-3, actor_lr=1e-3, critic_lr=1e-3, warmup=0)
    loss = replace(config.loss, free=0.0)
    return replace(config, net=net, behaviour=behaviour, optimizer=optimizer, loss=loss)


def play_of(config: RssmConfig, seed: int = 0, rows: int = 2, steps: int = 6) -> Batch:
    """One batch of moving bars, or of slow waves."""
    generator = torch.Generator().manual_seed(seed)
    space = config.space
    at = torch.arange(steps)[None] + torch.tensor([[0], [3]])[:rows]
    obs: dict[str, Tensor] = {}
    if space.image:
        image = torch.zeros(rows, steps, 3, 64, 64, dtype=torch.uint8)
        for row in range(rows):
            for step in range(steps):
                left = int(at[row, step]) * 6
                image[row, step, row % 3, :, left : left + 12] = 220
        obs["image"] = image
    else:
        obs["vec"] = torch.stack([torch.sin(at * 0.4 + k) for k in range(6)], -1)
    if space.discrete:
        action = F.one_hot(torch.randint(space.actions, (rows, steps), generator=generator), space.actions).float()
    else:
        action = torch.rand(rows, steps, space.actions, generator=generator) * 2 - 1
    first = torch.zeros(rows, steps, dtype=torch.bool)
    first[:, 0] = True
    no = torch.zeros(rows, steps, dtype=torch.bool)
    reward = (at % 3 == 0).float()
    return Batch(obs, action, reward, first, no, no, torch.zeros(rows, space.actions))


@pytest.mark.parametrize("image", [True, False], ids=["image", "vector"])
@pytest.mark.parametrize("version", VERSIONS)
def test_overfits_one_batch(version: str, image: bool) -> None:
    """Catches: a part of a version's model that does not learn: a cut gradient, a dead head, a KL that forbids it."""
    torch.manual_seed(0)
    config = small(version, True, image)
    agent = Agent(config)
    optimizer, batch = make_optimizer(agent, config), play_of(config)
    draws = TorchDraws(torch.Generator().manual_seed(1))
    key = "image" if image else "vec"
    history: dict[str, list[float]] = {key: [], "rew": []}
    for _ in range(60 if image else 120):
        scalars, _ = agent.train_step(batch, draws, optimizer)
        for name, values in history.items():
            values.append(scalars[name])
    for name, values in history.items():
        first, last = sum(values[:3]) / 3, sum(values[-3:]) / 3
        floor = 0.919 if name == "rew" and config.net.scalar == "normal" else 0.0
        assert last - floor < 0.5 * (first - floor), f"{name}: {first} to {last}"


@pytest.mark.parametrize("discrete", [True, False], ids=["discrete", "continuous"])
@pytest.mark.parametrize("version", ["v1", "v2", "v3_2023", "v3"])
def test_losses_reach_their_own_parameters_only(version: str, discrete: bool) -> None:
    """Catches: an actor whose gradient changes the model, a critic trained by the actor's loss, a slow critic that is
    trained at all."""
    torch.manual_seed(0)
    config = small(version, discrete, image=False)
    agent = Agent(config)
    draws = TorchDraws(torch.Generator().manual_seed(1))
    batch = play_of(config)
    seen, _ = agent.observe(batch, draws)
    start, going = agent.starts(batch, seen)
    losses, _ = agent.behave(start, going, draws)
    for loss, part in ((losses.actor, "pol."), (losses.critic, "val.")):
        agent.zero_grad(set_to_none=True)
        loss.mean().backward(retain_graph=True)
        reached = {name for name, p in agent.named_parameters() if p.grad is not None and bool(p.grad.abs().sum())}
        assert reached, f"{part}: nothing learns"
        assert all(name.startswith(part) for name in reached)


def test_parts_of_the_optimiser_cover_everything_once() -> None:
    """Catches: a parameter that no optimiser moves, or one that is stored under another's number."""
    torch.manual_seed(0)
    config = small("v2", True, image=False)
    agent, other = Agent(config), Agent(config)
    batch = play_of(config)
    optimizer = make_optimizer(agent, config)
    before = {name: p.clone() for name, p in agent.named_parameters()}
    for seed in range(2):
        agent.train_step(batch, TorchDraws(torch.Generator().manual_seed(seed)), optimizer)
    still = [n for n, p in agent.named_parameters() if torch.equal(p, before[n]) and not n.startswith("slowval")]
    assert not still
    other.load_state_dict(agent.state_dict())
    again = make_optimizer(other, config)
    again.load_state_dict(deepcopy(optimizer.state_dict()))
    for one, its in ((agent, optimizer), (other, again)):
        one.train_step(batch, TorchDraws(torch.Generator().manual_seed(9)), its)
    for (name, p), (_, q) in zip(agent.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(p, q), name


def test_acting_is_observing_step_by_step() -> None:
    """Catches: an agent that acts on another state than training sees: a shifted action, a missed reset."""
    torch.manual_seed(0)
    config = small("v3", True, image=False)
    agent = Agent(config)
    batch = play_of(config)
    reset = batch.is_first.clone()
    reset[:, 3] = True
    batch = replace(batch, is_first=reset)

    class Fixed:
        """Every number is the same, so the order of drawing does not matter."""

        def uniform(self, *shape: int) -> Tensor:
            return torch.full(shape, 0.37)

        normal = uniform

    seen, _ = agent.observe(batch, Fixed())
    carry = agent.initial(2)
    for step in range(6):
        obs = {"vec": batch.obs["vec"][:, step]}
        carry, _, latents = agent.act(carry, obs, reset[:, step], Fixed())
        close(latents["deter"], seen.deter[:, step], f"deter of step {step}")
        close(latents["stoch"], seen.stoch[:, step], f"stoch of step {step}")
        carry["action"] = batch.action[:, step]
