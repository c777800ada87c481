"""The object probe of a store of episodes, kept beside them."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from models.data.store import EpisodeStore
from models.files import write_atomic
from models.nn.weights import load_weights
from models.training.probe import Probe
from models.training.probe_training import POOL, RECIPE, STEPS, OnStep, labelled_frames, quiet, train_probe

FORMAT = 1
logger = logging.getLogger(__name__)


def fingerprint(store: EpisodeStore, names: tuple[str, ...], steps: int) -> str:
    """What a cached probe must match: objects, training episodes and how it is trained."""
    episodes = [(h.path.name, h.steps, h.shape) for h in store.scan("train")[0]]
    return hashlib.sha256(json.dumps([FORMAT, names, episodes, steps, RECIPE]).encode()).hexdigest()


def probe_of(store: EpisodeStore, names: tuple[str, ...], steps: int = STEPS, on_step: OnStep = quiet) -> Probe:
    """The probe of a store: from ``probe.safetensors`` beside its episodes, or trained on them and stored there."""
    path, key = store.folder / "probe.safetensors", fingerprint(store, names, steps)
    if (known := read_probe(path, key, names)) is not None:
        return known
    data = labelled_frames(store.episodes("train"), POOL, seed=0)
    probe = train_probe(names, data, steps, on_step=on_step)
    info = {"fingerprint": key, "shape": json.dumps([probe.height, probe.width])}
    try:
        write_atomic(path, save(dict(probe.state_dict()), metadata=info))
    except OSError as error:
        logger.warning("the probe is not kept for the next time: %s", error)
    return probe


def read_probe(path: Path, key: str, names: tuple[str, ...]) -> Probe | None:
    """The stored probe, or None when there is none or it was trained on something else."""
    try:
        with safe_open(path, framework="pt") as file:
            info = file.metadata() or {}
            if info.get("fingerprint") != key:
                return None
            probe = Probe(names, *json.loads(info["shape"]))
            load_weights(probe, {name: file.get_tensor(name) for name in set(file.keys())}, str(path))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if path.exists():
            logger.warning("trained the probe anew: %s is damaged (%s)", path, error)
        return None
    return probe.eval().requires_grad_(False)
