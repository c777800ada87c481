"""Training measured beside a straightforward implementation: that both compute the same, and the report's shape."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from app.commands.bench import Bench
from models.nn.draws import TorchDraws
from models.rssm.config import v2
from models.rssm.model import RssmModel
from models.training.dreamer import WORLDS
from models.training.reference_step import reference_loss
from models.training.train_bench import REFERENCE, bench_training, noise_batch
from tests.tiny_rssm import tiny_model, tiny_rssm_config


@pytest.mark.parametrize("codec", ["stride5", "pool5"])
def test_the_straightforward_loss_is_the_same(codec: str) -> None:
    """Catches: a speedup over something else than the same update; a fast scan with another gradient."""
    config = tiny_rssm_config()
    config = replace(
        config,
        net=replace(config.net, codec=codec),
        loss=replace(config.loss, motion_weight=3.0, free=0.1),
        space=replace(config.space, actions=6),
    )
    batch = noise_batch(config, 2, 5)
    batch.is_first[1, 3] = True
    batch.reward[0, 2], batch.terminated[1, 2] = -1.5, True
    model = tiny_model(config)
    seen, _ = model.observe(batch, TorchDraws(torch.Generator().manual_seed(1)))
    given = seen.stoch.detach()
    mine = model.total(model.losses(batch, model.observe(batch, TorchDraws(torch.Generator()), given)[0]))
    mine.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    want = reference_loss(model, batch, given)
    want.backward()
    torch.testing.assert_close(mine, want, rtol=1e-5, atol=1e-4)
    for name, parameter in model.named_parameters():
        scale = float(parameter.grad.abs().max()) + 1e-6
        assert float((parameter.grad - grads[name]).abs().max()) <= 2e-3 * scale, name


def test_the_reference_is_of_version_three() -> None:
    """Catches: another version measured against a network that it is not."""
    with torch.device("meta"):
        model = RssmModel(v2(tiny_rssm_config("v2").space))
    with pytest.raises(ValueError, match="expected Dreamer V3"):
        reference_loss(model, None)  # type: ignore[arg-type]


def test_the_report() -> None:
    """Catches: paths that are not measured, or threads that are not put back."""
    before = torch.get_num_threads()
    report = bench_training("cpu_tiny", seconds=0.0, threads=1)
    assert torch.get_num_threads() == before
    assert REFERENCE in report["paths"]
    assert report["paths"][REFERENCE]["speedup"] == 1
    assert all(path["steps"] >= 1 and path["steps_per_s"] > 0 for path in report["paths"].values())
    with pytest.raises(ValueError, match="preset"):
        bench_training("none")
    assert "cpu_world" in WORLDS


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches: a table without the path that the others are measured by."""
    assert Bench(train="cpu_tiny", seconds=0.01, threads=1).run() == 0
    shown = capsys.readouterr().out
    assert REFERENCE in shown
    assert "4 sequences of 8 frames" in shown
    with pytest.raises(ValueError, match="dreams"):
        Bench(dreams=1)
