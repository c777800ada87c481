"""The moments that led to another one, packed into a file: most of a state stays as it was from one to the next."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.errors import ReverieError
from engine.files import write_file
from engine.history import Past
from engine.moment import Frame, Moment
from models.world import Rng, state_tensors

FORMAT = 1
HEADER = "reverie_film"
MAX_CARRY = 1 << 22
"""Numbers in a controller's memory at most."""
DAMAGE = (SafetensorError, OSError, LookupError, ArithmeticError, ValueError, TypeError, AttributeError, RecursionError)
"""What a file that was written by something else may lead to."""
NO_CARRIER = ""
"""Who a moment's memory belongs to where it was not kept: nobody, so that whoever plays on begins anew."""


def tensors_of(moment: Moment) -> dict[str, Tensor]:
    """All tensors of a moment by name, on the CPU, but those of a controller's memory."""
    tensors = {f"state.{name}": tensor.detach().cpu() for name, tensor in state_tensors(moment.state).items()}
    image = torch.from_numpy(moment.frame.image)
    return tensors | {"rng": moment.rng, "player_rng": moment.player_rng, "image": image}


def kinds_of(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.dtype, tuple[int, ...]]]:
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}


def alike(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """The last of the moments, from the first on after which all are of the last one's kind."""
    kinds, found = kinds_of(tensors_of(moments[-1])), list[Moment]()
    for moment in reversed(moments):
        if kinds_of(tensors_of(moment)) != kinds:
            break
        found.append(moment)
    return tuple(reversed(found))


def write_film(path: Path, moments: Sequence[Moment]) -> None:
    """Write moments of equal kinds, each the one after the other, atomically. Raises ReverieError where it cannot.

    A controller's memory is kept where it is of the same controller as in the last moment.
    """
    rows = [tensors_of(moment) for moment in moments]
    last = moments[-1].carry if moments else {}
    carriers = [moment.carrier if _same_carry(moment, moments[-1]) else NO_CARRIER for moment in moments]
    for row, moment, carrier in zip(rows, moments, carriers, strict=True):
        carry = moment.carry if carrier else {name: torch.zeros_like(tensor) for name, tensor in last.items()}
        row.update({f"carry.{name}": tensor.detach().cpu() for name, tensor in carry.items()})
    names = list(rows[0]) if rows else []
    header = {
        "format": FORMAT,
        "frames": [{k: v for k, v in asdict(m.frame).items() if k not in ("image", "views")} for m in moments],
        "carriers": carriers,
        "shapes": {name: list(rows[0][name].shape) for name in names},
        "types": {name: str(rows[0][name].dtype).removeprefix("torch.") for name in names},
    }
    packed = {name: pack([row[name] for row in rows]) for name in names}
    write_file(path, save(packed or {"none": torch.zeros(0)}, metadata={HEADER: json.dumps(header)}))


def read_film(path: Path, now: Moment) -> tuple[Moment, ...]:
    """The moments in a file, oldest first, that led to ``now``; their states are of its kind, their past is in its.

    Raises ReverieError: no such file, a damaged one, another world's.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            if header["format"] != FORMAT:
                raise ReverieError(
                    f"{path}: got a film of format {header['format']}, expected {FORMAT}; update Reverie"
                )
            packed = {name: file.get_tensor(name) for name in header["shapes"]}
        count = len(header["frames"])
        _check_kinds(header, now)
        columns = {name: unpack(packed[name], count, *_kind(header, name)) for name in packed}
        return _moments(header, columns, now)
    except DAMAGE as error:
        raise ReverieError(f"{path}: got a damaged film ({error}), expected the moments before the glitch") from error


def pack(rows: Sequence[Tensor]) -> Tensor:
    """Tensors of one kind as bytes (n,) uint8: each but for what it shares with the one before, deflated."""
    flat = np.stack([row.contiguous().flatten().view(torch.uint8).numpy() for row in rows])
    flat[1:] = flat[1:] ^ flat[:-1]
    return torch.frombuffer(bytearray(zlib.compress(flat.tobytes(), 1)), dtype=torch.uint8)


def unpack(data: Tensor, count: int, dtype: torch.dtype, shape: tuple[int, ...]) -> list[Tensor]:
    """The inverse of ``pack``. Raises ValueError where the bytes are not so many tensors of that kind."""
    if 0 in shape:
        return [torch.zeros(shape, dtype=dtype) for _ in range(count)]
    size = count * torch.empty((), dtype=dtype).element_size() * int(np.prod(shape, dtype=np.int64))
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data.numpy().tobytes(), size + 1)
    except zlib.error as error:
        raise ValueError(f"got bytes that cannot be inflated ({error})") from error
    if len(raw) != size or not stream.eof:
        raise ValueError(f"got {len(raw)} bytes or more, expected {size} for {count} times {shape}")
    flat = np.frombuffer(raw, np.uint8).reshape(count, size // max(1, count))
    rows = np.bitwise_xor.accumulate(flat, axis=0)
    return [torch.from_numpy(row.copy()).view(dtype).reshape(shape) for row in rows]


def _same_carry(moment: Moment, last: Moment) -> bool:
    alike = kinds_of(dict(moment.carry)) == kinds_of(dict(last.carry))
    return moment.carrier == last.carrier and alike


def _kind(header: dict[str, Any], name: str) -> tuple[torch.dtype, tuple[int, ...]]:
    dtype = getattr(torch, header["types"][name])
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"{name}: got the type {dtype}, expected one of tensors")
    return dtype, tuple(int(side) for side in header["shapes"][name])


def _check_kinds(header: dict[str, Any], now: Moment) -> None:
    """Raises ValueError where a film claims other tensors than those of ``now``, or a memory beyond all measure: before
    anything of it is inflated."""
    claimed = {name: _kind(header, name) for name in header["shapes"]}
    expected = kinds_of(tensors_of(now))
    if {name: kind for name, kind in claimed.items() if not name.startswith("carry.")} != expected and claimed:
        raise ValueError("got tensors of other kinds than the moment's")
    memory = sum(math.prod(shape) for name, (_, shape) in claimed.items() if name not in expected)
    if memory > MAX_CARRY or any(side < 0 for _, shape in claimed.values() for side in shape):
        raise ValueError(f"got a controller's memory of {memory} numbers, expected at most {MAX_CARRY}")


def _moments(header: dict[str, Any], columns: dict[str, list[Tensor]], now: Moment) -> tuple[Moment, ...]:
    pasts: list[Past] = []
    node = now.past.before
    while len(pasts) < len(header["frames"]):
        if node is None:
            raise ValueError(f"got {len(header['frames'])} moments, expected at most {len(pasts)}, as many as its past")
        pasts.append(node)
        node = node.before
    expected = state_tensors(now.state)
    moments = []
    for k, (fields, past) in enumerate(zip(header["frames"], reversed(pasts), strict=True)):
        row = {name: column[k] for name, column in columns.items()}
        state = {name: row[f"state.{name}"].to(tensor.device) for name, tensor in expected.items()}
        if kinds_of(state) != kinds_of(expected):
            raise ValueError(f"got the state {kinds_of(state)}, expected {kinds_of(expected)}")
        Rng.from_state(row["rng"])
        Rng.from_state(row["player_rng"])
        carrier = str(header["carriers"][k])
        carry = {n.removeprefix("carry."): t for n, t in row.items() if n.startswith("carry.") and carrier}
        action = fields["action"]
        fields = {**fields, "action": tuple(action) if isinstance(action, list) else action}
        wrong = [name for name, value in fields.items() if type(value) is not type(getattr(now.frame, name))]
        if wrong:
            raise ValueError(f"{wrong[0]}: got {str(fields[wrong[0]])[:60]!r}, expected it as in the moment's frame")
        frame = Frame(image=row["image"].numpy(), **fields)
        moments.append(Moment(type(now.state)(**state), row["rng"], row["player_rng"], carry, carrier, frame, past))
    return tuple(moments)
