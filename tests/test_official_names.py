"""Names and shapes of the paper's networks, as the published Atari checkpoints have them."""

from __future__ import annotations

import json

from models.diamond.config import paper
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.world import DENOISER, REW_END
from tests.goldens import FOLDER

PARAMETERS = {DENOISER: 4_405_955, REW_END: 5_900_864}


def test_paper_preset_has_the_published_names_and_shapes() -> None:
    """Catches: a layer renamed, added or resized, after which a published checkpoint would no longer load."""
    config = paper(num_actions=4)
    parts = {
        DENOISER: Denoiser(config.denoiser, 4),
        REW_END: RewEndModel(config.rew_end, 4, config.height, config.width),
    }
    ours = {prefix + name: list(t.shape) for prefix, part in parts.items() for name, t in part.state_dict().items()}
    assert ours == json.loads((FOLDER / "names_and_shapes.json").read_text())
    for prefix, part in parts.items():
        assert sum(p.numel() for p in part.parameters()) == PARAMETERS[prefix]
