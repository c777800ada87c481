"""Numbers of parameters of the published sizes, counted without memory for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.rssm.codec import Decoder, Encoder
from models.rssm.config import RssmConfig, SpaceConfig, v1, v2, v3
from models.rssm.core import Rssm
from models.rssm.heads import actor_head, cont_head, critic_head, reward_head
from models.rssm.official import official_names
from tests.dreamer_golden import dreamer_json

SPACES = {
    "rgb64_disc18": SpaceConfig(actions=18),
    "gray96_disc18": SpaceConfig((96, 96, 1), actions=18),
    "proprio24_cont6": SpaceConfig((), (("v", 24),), 6, False),
}


def parts_of(config: RssmConfig) -> dict[str, nn.Module]:
    """The networks on the meta device: shapes without memory."""
    with torch.device("meta"):
        encoder = Encoder(config)
        heads = {"rew": reward_head, "con": cont_head, "pol": actor_head, "val": critic_head}
        made: dict[str, nn.Module] = {name: make(config) for name, make in heads.items()}
        made |= {"enc": encoder, "dyn": Rssm(config.net, config.space.actions, encoder.size), "dec": Decoder(config)}
    return made


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", dreamer_json("param_counts"))
def test_v3_sizes_are_the_published_ones(name: str) -> None:
    """Catches: a size that misses a layer, a bias or a norm, or widths that do not follow from its number."""
    size, space = name.split("/")
    want: dict[str, Any] = dreamer_json("param_counts")[name]
    counts = {part: count(module) for part, module in parts_of(v3(SPACES[space], size)).items()}
    assert counts == {part: want[part] for part in counts}
    assert sum(counts.values()) == want["total"]


def test_v2_size_is_the_published_one() -> None:
    """Catches: heads, decoder or recurrent cell of V2 with other widths; figures in millions, measured."""
    config = v2(SpaceConfig((64, 64, 1), actions=18))
    counts = {part: count(module) / 1e6 for part, module in parts_of(config).items()}
    want = {"dyn": 5.7, "enc": 1.5, "dec": 10.5, "rew": 1.13, "con": 1.13, "pol": 1.13, "val": 1.13}
    assert counts == pytest.approx(want, abs=0.06)
    assert sum(counts.values()) == pytest.approx(22.2, abs=0.1)


def test_v1_size_is_the_published_one() -> None:
    """Catches: heads, decoder or recurrent cell of V1 with other widths; figures in millions, measured."""
    counts = {part: count(m) / 1e6 for part, m in parts_of(v1(SpaceConfig(actions=6, discrete=False))).items()}
    del counts["con"]
    want = {"dyn": 0.56, "enc": 0.69, "dec": 3.8, "rew": 0.25, "val": 0.41, "pol": 0.58}
    assert counts == pytest.approx(want, abs=0.06)


def test_every_parameter_has_a_published_name() -> None:
    """Catches: a parameter that loading published weights would leave at its start."""
    space = SpaceConfig((64, 64, 3), (("v", 3),), 4, False)
    config = v3(space, "size1m")
    config = replace(config, net=replace(config.net, dyn_layers=2, post_layers=2))
    modules = parts_of(config)
    modules["rssm"] = modules.pop("dyn")
    ours = {f"{part}.{name}" for part, module in modules.items() for name in module.state_dict()}
    names = official_names(config, tuple(modules))
    assert ours == set(names)
    assert len(set(names.values())) == len(names)
