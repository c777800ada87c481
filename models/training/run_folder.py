"""What every training run begins with: threads and device, and a folder that says what the run is."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from models.files import write_atomic
from models.nn.heap import keep_all_freed_memory
from models.nn.precision import device_of
from models.training.options import TrainOptions


def prepare(options: TrainOptions) -> torch.device:
    """Set the threads that were asked for, and keep memory for reuse; returns the device.

    Raises ValueError: no time, no such device.
    """
    keep_all_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.max_minutes <= 0:
        raise ValueError(f"max_minutes: got {options.max_minutes}, expected more than 0")
    return device_of(options.device)


def hardware(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} threads of a {os.cpu_count()}-core {platform.machine()} CPU"


def check_run(folder: Path, run: dict[str, Any]) -> None:
    """Create a run's folder, or check that an existing one is the same run. Raises ValueError where it is not."""
    path = folder / "run.json"
    if not path.exists():
        write_atomic(path, json.dumps(run, indent=1))
        return
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: got text that is no JSON ({error}), expected a run; use another folder") from error
    for key, value in json.loads(json.dumps(run)).items():
        if known.get(key) != value:
            raise ValueError(
                f"{path}: got a run with {key} {known.get(key)!r}, expected {value!r}; use another folder with --out"
            )
