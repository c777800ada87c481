"""Measures between frames, against closed forms and slow re-computations."""

from __future__ import annotations

import math

import pytest
import torch

from models.training.bootstrap import decibel_interval, ratio_interval
from models.training.measures import decibels, moved_pixels, moving_psnr, psnr, ssim, ssim_each


def flat(value: int, count: int = 2, size: int = 16) -> torch.Tensor:
    return torch.full((count, 3, size, size), value, dtype=torch.uint8)


@pytest.mark.parametrize("difference", [1, 5, 100, 255])
def test_psnr_of_a_constant_difference(difference: int) -> None:
    """Bug: a peak other than 255, a byte difference that wraps around, or channels summed instead of averaged."""
    expected = 20 * math.log10(255 / difference)
    assert psnr(flat(0), flat(difference)) == pytest.approx(expected, abs=1e-4)
    assert psnr(flat(difference), flat(0)) == pytest.approx(expected, abs=1e-4)


def test_psnr_pools_errors_not_decibels() -> None:
    """Bug: one perfect frame lifts the mean of decibels without bound."""
    guess = torch.cat([flat(10, 1), flat(30, 1)])
    truth = flat(10)
    assert psnr(guess, truth) == pytest.approx(10 * math.log10(255**2 / 200), abs=1e-4)
    assert psnr(truth, truth) == pytest.approx(decibels(0.0)) == pytest.approx(88.13, abs=0.01)


def test_moving_pixels() -> None:
    """Bug: a change in one channel alone, or one of exactly the threshold, is taken for the wrong thing."""
    before = flat(100, 1, 4)
    after = before.clone()
    after[0, 2, 1, 1] = 104
    after[0, 0, 2, 2] = 97
    after[0, 1, 3, 3] = 90
    assert moved_pixels(before, after)[0].nonzero().tolist() == [[1, 1], [3, 3]]


def test_moving_psnr_counts_only_what_moved_in_reality() -> None:
    """Bug: the mask follows the guess, so that a world that moves nothing looks perfect."""
    before, after = flat(50, 1, 8), flat(50, 1, 8)
    after[0, :, 2, 2:4] = 90
    guess = after.clone()
    guess[0, :, 7, 7] = 255
    assert moving_psnr(guess, before, after) == pytest.approx(decibels(0.0))
    assert moving_psnr(before, before, after) == pytest.approx(20 * math.log10(255 / 40), abs=1e-4)
    assert math.isnan(moving_psnr(guess, before, before))


def test_ssim_of_flat_pictures() -> None:
    """Bug: wrong constants, or a peak of 1: without any variance only the luminance term is left."""
    a, b, c1 = 60.0, 120.0, (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(flat(60), flat(120)) == pytest.approx(expected, abs=1e-9)
    assert ssim(flat(60), flat(60)) == pytest.approx(1.0, abs=1e-12)


def test_ssim_of_one_window_by_hand() -> None:
    """Bug: a window that is not normalised, a variance that is not weighted by it, or channels that are mixed."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randint(0, 256, (1, 3, 11, 11), generator=generator).to(torch.uint8) for _ in range(2))
    weights = [[math.exp(-((i - 5) ** 2 + (j - 5) ** 2) / (2 * 1.5**2)) for j in range(11)] for i in range(11)]
    total = sum(map(sum, weights))
    values = []
    for channel in range(3):
        x, y = a[0, channel].tolist(), b[0, channel].tolist()
        cells = [(weights[i][j] / total, x[i][j], y[i][j]) for i in range(11) for j in range(11)]
        mx, my = sum(w * p for w, p, _ in cells), sum(w * q for w, _, q in cells)
        vx = sum(w * (p - mx) ** 2 for w, p, _ in cells)
        vy = sum(w * (q - my) ** 2 for w, _, q in cells)
        cov = sum(w * (p - mx) * (q - my) for w, p, q in cells)
        c1, c2 = 2.55**2, 7.65**2
        values.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    assert ssim(a, b) == pytest.approx(sum(values) / 3, abs=1e-9)


def test_ssim_of_many_is_the_mean_of_each() -> None:
    """Bug: the last, smaller part of a split counts as much as a full one."""
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randint(0, 256, (65, 3, 12, 12), generator=generator).to(torch.uint8) for _ in range(2))
    assert ssim(a, b) == pytest.approx(float(ssim_each(a, b).mean()), abs=1e-12)


def test_interval_of_a_ratio() -> None:
    """Bug: an interval of the mean of ratios, one that misses the ratio itself, or one that changes from run to run."""
    generator = torch.Generator().manual_seed(2)
    counts = torch.randint(1, 20, (200,), generator=generator)
    draws = torch.rand(200, 20, generator=generator) < 0.7
    hits = (draws & (torch.arange(20) < counts[:, None])).sum(1)
    low, high = ratio_interval(hits, counts) or (0, 0)
    assert low < float(hits.sum() / counts.sum()) < high
    assert 0.02 < high - low < 0.1
    assert ratio_interval(hits, counts) == [low, high]


def test_interval_of_what_never_varies() -> None:
    """Bug: segments without a single pixel that counts, or too few segments, give nan instead of nothing."""
    assert ratio_interval(torch.ones(5), torch.ones(5)) == [1.0, 1.0]
    assert ratio_interval(torch.tensor([1.0, 0.0]), torch.tensor([1, 0])) is None
    assert decibel_interval(torch.tensor([4.0, 400.0]), torch.tensor([4, 4])) == [
        pytest.approx(decibels(100.0)),
        pytest.approx(decibels(1.0)),
    ]
