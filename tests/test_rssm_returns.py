"""Lambda-returns, weights and the return normaliser against the published code's numbers and plain recursions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.rssm.returns import (
    ReturnNorm,
    lambda_return_v3,
    lambda_return_v12,
    replay_return,
    weights_v3,
    weights_v12,
)
from tests.dreamer_golden import assert_close, dreamer


def test_imagined_returns_of_v3() -> None:
    """Catches: reward or continuation of the state left in place of the one arrived at."""
    g = dreamer("lambda_return").at("imag")
    assert_close(lambda_return_v3(g["rew"], g["con"], g["val"], float(g["lam"])), g["ret"])


@pytest.mark.parametrize(("lam", "name"), [(0.95, "ret"), (0.0, "ret_lam0"), (1.0, "ret_lam1")])
def test_replayed_returns_of_v3(lam: float, name: str) -> None:
    """Catches: a cut-off episode treated as a lost one, or the other way round."""
    g = dreamer("lambda_return").at("replay")
    ret = replay_return(g["rew"], g["last"], g["term"], g["boot"], float(g["disc"]), lam)
    assert_close(ret, g[name])


@pytest.mark.parametrize("name", ["v1_tf", "v2_tf_behavior"])
def test_returns_of_v1_and_v2(name: str) -> None:
    """Catches: V3's convention of rewards in V1 and V2."""
    g = dreamer(name).at("lambda")
    ret = lambda_return_v12(g["reward"].T, g["pcont"].T, g["value"].T, g["bootstrap"], float(g["lambda"]))
    assert_close(ret.T, g["ret"])


def test_weights() -> None:
    """Catches: a state's own continuation in the weight of V1 and V2, or missing in V3's."""
    g = dreamer("v1_tf").at("discount_weights")
    assert_close(weights_v12(g["pcont"].T[:, :-1]).T, g["out"])
    cont = torch.tensor([[0.9, 0.5, 0.0, 1.0]], requires_grad=True)
    assert_close(weights_v3(cont), torch.tensor([[0.9, 0.45, 0.0, 0.0]]))
    assert not weights_v3(cont).requires_grad and not weights_v12(cont).requires_grad


def by_hand(reward: list[float], live: list[float], value: list[float], lam: float, t: int) -> float:
    """V3's recursion written out."""
    if t == len(value) - 1:
        return value[t]
    onward = by_hand(reward, live, value, lam, t + 1)
    return reward[t + 1] + live[t + 1] * ((1 - lam) * value[t + 1] + lam * onward)


def test_a_death_and_a_cut_in_one_sequence() -> None:
    """Catches: values that leak across the end of an episode."""
    flags = torch.zeros(1, 7, dtype=torch.bool)
    last, terminated = flags.clone(), flags.clone()
    last[0, 2] = terminated[0, 2] = last[0, 4] = True
    boot = torch.full((1, 7), 100.0)
    reward = torch.arange(7.0)[None]
    ret = replay_return(reward, last, terminated, boot, 0.5, 0.9)[0].tolist()
    assert ret[1] == pytest.approx(2.0)
    assert ret[3] == pytest.approx(4 + 0.5 * 100)
    assert ret[0] == pytest.approx(1 + 0.5 * (0.1 * 100 + 0.9 * ret[1]))


def test_returns_carry_gradients() -> None:
    """Catches: an in-place or detached recursion, which dynamics backpropagation cannot use."""
    generator = torch.Generator().manual_seed(1)
    reward, cont, value = (torch.rand(3, 6, generator=generator).requires_grad_() for _ in range(3))
    ret = lambda_return_v3(reward, cont, value, 0.8)
    want = torch.tensor([[by_hand(*rows, 0.8, t) for t in range(5)] for rows in rows_of(reward, cont, value)])
    assert_close(ret, want)
    ret.sum().backward()
    assert reward.grad is not None and float(reward.grad[:, 1:].min()) > 0
    assert cont.grad is not None and value.grad is not None and float(value.grad[:, -1].min()) > 0


def rows_of(*tensors: Tensor) -> list[list[list[float]]]:
    return [[t[i].tolist() for t in tensors] for i in range(len(tensors[0]))]


@pytest.mark.parametrize(("name", "rate"), [("official", 0.01), ("fast_rate", 0.3)])
def test_return_norm_against_golden(name: str, rate: float) -> None:
    """Catches: a correction for the start at zero, other percentiles, a scale below one."""
    g, norm = dreamer("retnorm"), ReturnNorm(rate)
    for i, x in enumerate(g["x"]):
        offset, scale = norm(x)
        assert_close(
            torch.stack([norm.lo, norm.hi]) * 1.0, torch.stack([g[f"{name}/state_{k}"][i] for k in ("lo", "hi")])
        )
        assert_close(offset, g[f"{name}/offset"][i])
        assert_close(scale, g[f"{name}/scale"][i])


def test_return_norm_saves_its_state_and_leaves_small_returns_alone() -> None:
    """Catches: percentiles lost in a checkpoint; noise of tiny returns blown up."""
    norm = ReturnNorm()
    for _ in range(5):
        norm.update(torch.linspace(0, 0.2, 50))
    assert float(norm.scale()) == 1.0
    other = ReturnNorm()
    other.load_state_dict(norm.state_dict())
    assert float(other.hi) == float(norm.hi) > 0
