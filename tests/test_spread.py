"""Samples of a next frame: how far they spread, and how far reality lies off."""

from __future__ import annotations

import pytest
import torch

from models.study.spread import energy_map, energy_score, resample, spread
from models.world import Rng
from tests.counting import CountingWorld, starts


def levels(*values: int) -> torch.Tensor:
    """A frame (3, 2, 2) of one level for each value."""
    return torch.stack([torch.full((3, 2, 2), value, dtype=torch.uint8) for value in values])


def test_spread_is_the_standard_deviation_of_every_pixel() -> None:
    """Catches: uint8 that wraps around; a deviation over pixels instead of samples."""
    frames = levels(10, 250)
    frames[:, :, 0, 0] = 7
    want = torch.full((2, 2), 120.0)
    want[0, 0] = 0.0
    assert torch.equal(spread(frames), want)
    with pytest.raises(ValueError, match="at least 2"):
        spread(frames[:1])


def test_energy_score_by_hand() -> None:
    """Catches: pairs of a sample with itself that count; a perfect and sure world that is surprised."""
    real = levels(100)[0]
    assert energy_score(levels(100, 100, 100), real) == 0.0
    root = 3**0.5
    assert energy_score(levels(90), real) == pytest.approx(10 * root)
    # Mean distance 10, and the two samples are 20 apart.
    assert energy_score(levels(90, 110), real) == pytest.approx((10 - 20 / 2) * root)
    assert energy_score(levels(90, 94), real) == pytest.approx((8 - 4 / 2) * root)


def test_energy_map_points_at_the_pixel() -> None:
    """Catches: a surprise smeared over the frame."""
    samples, real = levels(50, 50), levels(50)[0]
    real[:, 1, 0] = 60
    where = energy_map(samples, real)
    assert where.shape == (2, 2)
    assert where.nonzero().tolist() == [[1, 0]]


def test_the_energy_score_is_least_for_the_truth() -> None:
    """Catches: a score that a too narrow or too wide forecast wins (it must be proper)."""
    generator = torch.Generator().manual_seed(0)

    def drawn(width: float, count: int) -> torch.Tensor:
        return (128 + width * torch.randn(count, 3, 8, 8, generator=generator)).clamp(0, 255).to(torch.uint8)

    reals = drawn(20, 40)
    means = {width: sum(energy_score(drawn(width, 32), real) for real in reals) / 40 for width in (4, 20, 60)}
    assert means[20] < means[4] and means[20] < means[60]


def test_samples_depend_on_their_seed_alone() -> None:
    """Catches: samples that share one generator, or a world that is stepped on."""
    world = CountingWorld()
    state = world.initial(starts(1), Rng.seeded([5]))
    action = torch.tensor([2])
    both = resample(world, state, action, [3, 4])
    assert torch.equal(both[1:], resample(world, state, action, [4]))
    assert not torch.equal(both[0], both[1])
    assert int(state.count) == 0
