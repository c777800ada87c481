"""Randomness of a batch: a generator a row."""

from __future__ import annotations

import pytest
import torch

from models.world import Rng


def draws(rng: Rng) -> list[torch.Tensor]:
    probs = torch.tensor([0.2, 0.5, 0.3]).expand(len(rng), 3)
    return [rng.normal(2, 2), rng.uniform()[:, None], rng.integers(1000)[:, None], rng.categorical(probs)[:, None]]


def test_rows_depend_on_their_seed_alone() -> None:
    """Catches: a draw of the whole batch from one generator."""
    together, alone = draws(Rng.seeded([5, 6, 7])), draws(Rng.seeded([6]))
    for a, b in zip(together, alone, strict=True):
        assert torch.equal(a[1:2], b)


def test_cat_and_split_share_generators() -> None:
    """Catches: players that stop advancing, or repeat themselves, once they are batched."""
    one, two = Rng.seeded([1]), Rng.seeded([2])
    fresh = Rng.seeded([1, 2])
    Rng.cat([one, two]).normal(3)
    fresh.normal(3)
    assert torch.equal(torch.cat([one.state(), two.state()]), fresh.state())
    parts = fresh.split()
    parts[1].uniform()
    assert not torch.equal(fresh.state()[1], two.state()[0])


def test_clone_is_independent() -> None:
    """Catches: a fork that takes its randomness from the original's stream."""
    rng = Rng.seeded([3])
    copy = rng.clone()
    want = copy.normal(4)
    assert torch.equal(rng.normal(4), want)


def test_categorical_has_the_given_shares() -> None:
    """Catches: inversion that is off by one class, or favours the last (5 standard deviations of 20,000 draws)."""
    probs = torch.tensor([0.1, 0.0, 0.6, 0.3])
    generator = torch.Generator().manual_seed(0)
    counts = torch.bincount(Rng([generator] * 20_000).categorical(probs.expand(20_000, 4)), minlength=4)
    for share, count in zip(probs.tolist(), counts.tolist(), strict=True):
        assert abs(count / 20_000 - share) <= 5 * (share * (1 - share) / 20_000) ** 0.5


def test_certain_class_is_always_drawn() -> None:
    """Catches: an impossible class drawn at the edge of the distribution."""
    rng = Rng.seeded(range(64))
    for k in range(3):
        assert bool((rng.categorical(torch.eye(3)[k].expand(64, 3)) == k).all())


def test_foreign_state_is_refused() -> None:
    """Catches: a save of something else taken for a generator, with an error that names no bytes."""
    with pytest.raises(ValueError, match="expected a generator's bytes"):
        Rng.from_state(torch.zeros(2, 10, dtype=torch.uint8))
