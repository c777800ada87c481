"""A moment on disk: one safetensors file with its tensors, and its frame and history as JSON in the header."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.errors import ReverieError
from engine.files import write_file
from engine.history import History
from engine.history_codec import decode_history, encode_history
from engine.moment import Frame, Moment
from models.world import Rng, state_tensors

FORMAT = 1
HEADER = "reverie_save"


def write_save(path: Path, moment: Moment, history: History) -> None:
    """Write a moment atomically. Raises ReverieError when the file cannot be written."""
    tensors = {f"state.{name}": tensor for name, tensor in state_tensors(moment.state).items()}
    tensors |= {f"carry.{name}": tensor for name, tensor in moment.carry.items()}
    tensors |= {"rng": moment.rng, "player_rng": moment.player_rng, "image": torch.from_numpy(moment.frame.image)}
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    frame = {key: value for key, value in asdict(moment.frame).items() if key not in ("image", "views")}
    header = {
        "format": FORMAT,
        "frame": frame,
        "carrier": moment.carrier,
        "history": encode_history(history),
        "sha256": _sha256(tensors),
    }
    write_file(path, save(tensors, metadata={HEADER: json.dumps(header)}))


def read_save(path: Path, like: Moment, here: History) -> Moment:
    """The moment in a file. ``like`` is a moment of the same world, ``here`` a history in it.

    Raises ReverieError: no such file, not a save, a damaged one, or one of another world.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise ReverieError(f"{path}: got no such file, expected a save; check the name") from error
    except (SafetensorError, OSError) as error:
        raise ReverieError(f"{path}: got a file that cannot be read ({error}), expected a save") from error
    try:
        header = json.loads(metadata[HEADER])
        version, digest = header["format"], header["sha256"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ReverieError(f"{path}: got a foreign safetensors file, expected a save of Reverie") from error
    if version != FORMAT:
        raise ReverieError(f"{path}: got a save of format {version}, expected {FORMAT}; a newer Reverie may read it")
    if digest != _sha256(tensors):
        raise ReverieError(f"{path}: got a damaged save (its checksum differs); use another one")
    history = decode_history(header["history"], str(path))
    if history.world_hash != here.world_hash:
        raise ReverieError(
            f"{path}: got a save of the world {history.world} ({history.world_hash[:12]}), "
            f"expected one of {here.world} ({here.world_hash[:12]}); open that world to load it"
        )
    return _moment(path, header, tensors, history, like)


def _moment(path: Path, header: dict[str, Any], tensors: dict[str, Tensor], history: History, like: Moment) -> Moment:
    expected = state_tensors(like.state)
    state = {name.removeprefix("state."): t for name, t in tensors.items() if name.startswith("state.")}
    carry = {name.removeprefix("carry."): t for name, t in tensors.items() if name.startswith("carry.")}
    kinds = {name: (tensor.dtype, tensor.ndim) for name, tensor in state.items()}
    wanted = {name: (tensor.dtype, tensor.ndim) for name, tensor in expected.items()}
    if kinds != wanted:
        raise ReverieError(f"{path}: got the state {kinds}, expected {wanted}; it is of another kind of world")
    try:
        Rng.from_state(tensors["rng"])
        Rng.from_state(tensors["player_rng"])
        fields = dict(header["frame"])
        if isinstance(fields["action"], list):
            fields["action"] = tuple(fields["action"])
        frame = Frame(image=tensors["image"].numpy(), **fields)
        carrier = str(header["carrier"])
    except (KeyError, TypeError, ValueError) as error:
        raise ReverieError(f"{path}: got an incomplete save ({error}), expected one written by Reverie") from error
    placed = {name: tensor.to(expected[name].device) for name, tensor in state.items()}
    moment_state = type(like.state)(**placed)
    return Moment(moment_state, tensors["rng"], tensors["player_rng"], carry, carrier, frame, history.ticks[-1])


def _sha256(tensors: dict[str, Tensor]) -> str:
    data = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        data.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        data.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return data.hexdigest()
