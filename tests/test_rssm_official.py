"""Published Dreamer V3 weights under this family's names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.rssm.config import SpaceConfig, v2
from models.rssm.heads import reward_head
from models.rssm.official import load_official_v3, official_names, read_official_v3, to_layout
from tests.dreamer_nets import tiny_v3

CONFIG = tiny_v3(SpaceConfig(actions=3), deter=8, units=6, bins=5)


def published(part: str) -> dict[str, np.ndarray]:
    """Random arrays under every published name of a part; their shapes are those of the reward head."""
    shapes = {name: tuple(tensor.shape) for name, tensor in reward_head(CONFIG).state_dict().items()}
    names = official_names(CONFIG, (part,))
    rng = np.random.default_rng(0)
    return {theirs: rng.random(shapes[ours.removeprefix("rew.")][::-1], np.float32) for ours, theirs in names.items()}


def test_missing_and_unknown_arrays_are_named() -> None:
    """Catches: a checkpoint of another size that loads in part, without a word."""
    arrays = published("rew")
    arrays["rew/other"] = arrays.pop("rew/head/logits/bias")
    with pytest.raises(ValueError, match=r"unknown arrays \['rew/other'\], missing arrays \['rew/head/logits/bias'\]"):
        load_official_v3(arrays, CONFIG, ("rew",))


def test_weights_are_read_from_a_file(tmp_path: Path) -> None:
    """Catches: a prefix that stays on the names, or kernels that are not transposed."""
    arrays = published("rew")
    np.savez(tmp_path / "weights.npz", step=np.array(3), **{f"weights0/{name}": a for name, a in arrays.items()})
    state = read_official_v3(tmp_path / "weights.npz", CONFIG, ("rew",), prefix="weights0/")
    head = reward_head(CONFIG)
    head.load_state_dict({name.removeprefix("rew."): tensor for name, tensor in state.items()})
    assert torch.equal(head.out[0].weight, torch.from_numpy(arrays["rew/head/logits/kernel"].T))


def test_layouts() -> None:
    """Catches: kernels of blocks transposed like dense ones, or images' kernels with height and width swapped."""
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
    assert to_layout("x.weight", kernel)[4, 3, 1, 2] == kernel[1, 2, 3, 4]
    assert to_layout("x.kernel", kernel[0]).shape == (3, 4, 5)


def test_other_versions_have_no_published_names() -> None:
    """Catches: V2's networks filled with V3's weights where shapes happen to agree."""
    with pytest.raises(ValueError, match="got cell ln_gru, codec valid4, norm none, expected V3's"):
        official_names(v2(SpaceConfig()))
