"""The object probe of a store of episodes, kept beside them, and the copy of it that ships with a world."""

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
PROBE = "probe.safetensors"
"""Its name beside a store's episodes and in a world's folder."""
SIDES, OBJECTS, WEIGHTS = 1024, 64, 64 * 2**20
"""A file that says more pixels a side, objects or bytes than these is no probe."""
logger = logging.getLogger(__name__)


def fingerprint(store: EpisodeStore, names: tuple[str, ...], steps: int) -> str:
    """What a cached probe must match: objects, training episodes and how it is trained."""
    episodes = [(h.path.name, h.steps, h.shape) for h in store.scan("train")[0]]
    return hashlib.sha256(json.dumps([FORMAT, names, episodes, steps, RECIPE]).encode()).hexdigest()


def probe_of(store: EpisodeStore, names: tuple[str, ...], steps: int = STEPS, on_step: OnStep = quiet) -> Probe:
    """The probe of a store: from ``probe.safetensors`` beside its episodes, or trained on them and stored there."""
    path, key = store.folder / PROBE, fingerprint(store, names, steps)
    if (known := read_probe(path, key, names)) is not None:
        return known
    data = labelled_frames(store.episodes("train"), POOL, seed=0)
    probe = train_probe(names, data, steps, on_step=on_step)
    try:
        write_atomic(path, probe_bytes(probe, key))
    except OSError as error:
        logger.warning("the probe is not kept for the next time: %s", error)
    return probe


def shipped_probe(store: EpisodeStore, names: tuple[str, ...]) -> dict[str, bytes]:
    """The probe's file for a world's folder, by its name; nothing for a game whose objects are not labelled.

    Trains the probe where the store has none of its own yet.
    """
    return {PROBE: probe_bytes(probe_of(store, names, STEPS), fingerprint(store, names, STEPS))} if names else {}


def probe_bytes(probe: Probe, key: str) -> bytes:
    """A probe as a safetensors file: weights and bars, and what it reads in its metadata."""
    shape = json.dumps([probe.height, probe.width])
    info = {"fingerprint": key, "shape": shape, "names": json.dumps(list(probe.names))}
    return save(dict(probe.state_dict()), metadata=info)


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


def open_probe(path: Path) -> Probe:
    """A world's own probe. Raises ValueError naming the file where it is missing, damaged or no probe."""
    try:
        if path.stat().st_size > WEIGHTS:
            raise ValueError(f"got {path.stat().st_size} bytes, expected at most {WEIGHTS}")
        with safe_open(path, framework="pt") as file:
            probe = Probe(*described(file.metadata() or {}))
            load_weights(probe, {name: file.get_tensor(name) for name in set(file.keys())}, "probe")
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{path}: got no object probe ({error}), expected one as `reverie export` writes it; "
            "remove the file or restore it"
        ) from error
    return probe.eval().requires_grad_(False)


def described(info: dict[str, str]) -> tuple[tuple[str, ...], int, int]:
    """Objects, height and width from a probe's metadata. Raises ValueError for what cannot be one's."""
    try:
        names, shape = json.loads(info["names"]), json.loads(info["shape"])
    except KeyError as error:
        raise ValueError(f"got metadata {sorted(info)}, expected names and shape") from error
    if not (isinstance(names, list) and 0 < len(names) <= OBJECTS and all(isinstance(name, str) for name in names)):
        raise ValueError(f"names: got {names!r:.100}, expected at most {OBJECTS} names")
    sides = (
        isinstance(shape, list) and len(shape) == 2 and all(type(side) is int and 0 < side <= SIDES for side in shape)
    )
    if not sides:
        raise ValueError(f"shape: got {shape!r:.100}, expected height and width of at most {SIDES} pixels")
    return tuple(names), shape[0], shape[1]
