"""Each building block alone against the published code, so that a wrong network points at the block that is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.nn.blocks import (
    AdaGroupNorm,
    Downsample,
    FourierFeatures,
    GroupNorm,
    ResBlock,
    SelfAttention2d,
    Upsample,
    groups_of,
)
from models.nn.unet import UNet
from tests.goldens import assert_near, golden

COND = 20
BLOCKS = {
    "fourier": lambda: FourierFeatures(COND),
    "groupnorm24": lambda: GroupNorm(24),
    "groupnorm64": lambda: GroupNorm(64),
    "adagroupnorm24": lambda: AdaGroupNorm(24, COND),
    "adagroupnorm96": lambda: AdaGroupNorm(96, COND),
    "attention4": lambda: SelfAttention2d(4),
    "attention24": lambda: SelfAttention2d(24),
    "attention64": lambda: SelfAttention2d(64),
    "downsample": lambda: Downsample(6),
    "upsample": lambda: Upsample(6),
    "resblock_same": lambda: ResBlock(12, 12, COND, False),
    "resblock_proj_attn": lambda: ResBlock(12, 20, COND, True),
    "unet": lambda: UNet(COND, [1, 2], [8, 12], [0, 1]),
    "unet3": lambda: UNet(COND, [2, 1, 1], [6, 8, 10], [0, 0, 0]),
}


def load(name: str) -> nn.Module:
    """The block with the golden weights, loaded strictly."""
    block, numbers, prefix = BLOCKS[name](), golden("blocks"), f"{name}:w:"
    tensors = {key.removeprefix(prefix): numbers[key].float() for key in numbers.arrays if key.startswith(prefix)}
    block.load_state_dict(tensors)
    return block


@pytest.mark.parametrize("name", BLOCKS)
def test_block_matches_the_published_one(name: str) -> None:
    """Catches: sine before cosine, scale and shift swapped, attention's skip from the tensor before its norm, padding
    on both sides, skips in the wrong order, other group counts."""
    numbers = golden("blocks")
    inputs = [numbers[f"{name}:in{i}"] for i in range(2) if f"{name}:in{i}" in numbers]
    assert_near(load(name)(*inputs), numbers[f"{name}:out"], what=name)


def test_attention_is_the_same_when_fused() -> None:
    """Catches: the processor's spelled-out attention drifting from the fused one that accelerators use."""
    q, k, v = torch.randn(3, 2, 3, 10, 8, generator=torch.Generator().manual_seed(0)).unbind(0)
    from models.nn.blocks import attend

    assert_near(attend(q, k, v), nn.functional.scaled_dot_product_attention(q, k, v))


def test_indivisible_width_is_refused() -> None:
    """Catches: PyTorch's error about groups from deep inside a network instead of one that names the width."""
    with pytest.raises(ValueError, match="112 channels"):
        groups_of(112)


def test_initial_weights_are_the_published_ones() -> None:
    """Catches: a residual block that is not the identity (or its projection) at the start of training."""
    block = ResBlock(12, 12, COND, False)
    x = torch.randn(2, 12, 5, 6)
    bias = block.conv2.bias[None, :, None, None]
    assert_near(block(x, torch.randn(2, COND)), x + bias)
    weight = Downsample(6).conv.weight.flatten(1)
    assert_near(weight @ weight.T, torch.eye(6))
