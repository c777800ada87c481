"""Weights of the published Dreamer V3 (danijar/dreamerv3) under this family's names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.rssm.config import RssmConfig

PARTS = ("enc", "rssm", "dec", "rew", "con", "pol", "val", "slowval")
Names = dict[str, str]
"""Names of this family to published ones; "x.weight" stands beside "y/kernel", whatever their layouts."""


def layer(ours: str, theirs: str, weight: str = "weight") -> Names:
    """A layer with a kernel and a bias."""
    return {f"{ours}.{weight}": f"{theirs}/kernel", f"{ours}.bias": f"{theirs}/bias"}


def dense(ours: str, theirs: str, norm: str) -> Names:
    return layer(f"{ours}.linear", theirs) | {f"{ours}.after.norm.scale": f"{norm}/scale"}


def encoder(config: RssmConfig) -> Names:
    out: Names = {}
    if config.space.vectors:
        for i in range(config.net.vector_layers):
            out |= dense(f"enc.vector.{i}", f"enc/mlp{i}", f"enc/mlp{i}norm")
    if config.space.image:
        for i in range(len(config.net.mults)):
            out |= layer(f"enc.image.convs.{i}", f"enc/cnn{i}")
            out[f"enc.image.after.{i}.norm.scale"] = f"enc/cnn{i}norm/scale"
    return out


def rssm(config: RssmConfig) -> Names:
    net = config.net
    out: Names = {}
    for i, part in enumerate(("deter", "stoch", "action")):
        out |= dense(f"rssm.cell.{part}_in", f"dyn/dynin{i}", f"dyn/dynin{i}norm")
    for i in range(net.dyn_layers):
        out |= layer(f"rssm.cell.hidden.{i}", f"dyn/dynhid{i}", weight="kernel")
        out[f"rssm.cell.after.{i}.norm.scale"] = f"dyn/dynhid{i}norm/scale"
    out |= layer("rssm.cell.gates", "dyn/dyngru", weight="kernel")
    for ours, theirs, count in (("prior", "prior", net.prior_layers), ("post", "obs", net.post_layers)):
        for i in range(count):
            out |= dense(f"rssm.{ours}_mlp.{i}", f"dyn/{theirs}{i}", f"dyn/{theirs}{i}norm")
        out |= layer(f"rssm.{ours}_out", f"dyn/{theirs}logit")
    return out


def decoder(config: RssmConfig) -> Names:
    out: Names = {}
    if config.space.vectors:
        out |= mlp("dec.vector.mlp", "dec/mlp", config.net.vector_layers)
        for name, _ in config.space.vectors:
            out |= layer(f"dec.vector.out.{name}", f"dec/vec/{name}/pred")
    if config.space.image:
        out |= layer("dec.image.from_deter", "dec/sp0", weight="kernel")
        out |= dense("dec.image.from_stoch.0", "dec/sp1", "dec/sp1norm")
        out |= layer("dec.image.from_stoch.1", "dec/sp2")
        out["dec.image.joined.norm.scale"] = "dec/spnorm/scale"
        stages = len(config.net.mults) - 1
        for i in range(stages):
            theirs = f"dec/conv{stages - 1 - i}"
            out |= layer(f"dec.image.convs.{i}", theirs)
            out[f"dec.image.after.{i}.norm.scale"] = f"{theirs}norm/scale"
        out |= layer("dec.image.out", "dec/imgout")
    return out


def mlp(ours: str, theirs: str, layers: int) -> Names:
    out: Names = {}
    for i in range(layers):
        out |= dense(f"{ours}.{i}", f"{theirs}/linear{i}", f"{theirs}/norm{i}")
    return out


def head(part: str, layers: int, outs: Sequence[str]) -> Names:
    out = mlp(f"{part}.mlp", f"{part}/mlp", layers)
    for i, name in enumerate(outs):
        out |= layer(f"{part}.out.{i}", f"{part}/head/{name}")
    return out


def official_names(config: RssmConfig, parts: Sequence[str] = PARTS) -> Names:
    """Every tensor's published name, for V3's networks of this configuration."""
    net = config.net
    if net.cell != "block_gru" or net.codec not in ("pool5", "stride5") or net.norm != "rms":
        raise ValueError(f"official names: got cell {net.cell}, codec {net.codec}, norm {net.norm}, expected V3's")
    actor = ["action/logits"] if config.space.discrete else ["action/mean", "action/stddev"]
    table = {
        "enc": encoder(config),
        "rssm": rssm(config),
        "dec": decoder(config),
        "rew": head("rew", net.reward_layers, ["logits"]),
        "con": head("con", net.cont_layers, ["logit"]),
        "pol": head("pol", net.actor_layers, actor),
        "val": head("val", net.critic_layers, ["logits"]),
        "slowval": head("slowval", net.critic_layers, ["logits"]),
    }
    return {ours: theirs for part in parts for ours, theirs in table[part].items()}


def to_layout(name: str, array: np.ndarray[Any, Any]) -> Tensor:
    """A published array in the layout of ``name``: kernels (in, out) and (h, w, in, out) have their outputs first."""
    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    if name.endswith(".weight"):
        return tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor.t().contiguous()
    return tensor


def load_official_v3(
    arrays: Mapping[str, np.ndarray[Any, Any]], config: RssmConfig, parts: Sequence[str] = PARTS
) -> dict[str, Tensor]:
    """Published arrays by name ("enc/cnn0/kernel", ...) as a state dict of the agent's parts, strictly.

    Raises ValueError that names what is missing and what is unknown; shapes are checked when the dict is loaded.
    """
    names = official_names(config, parts)
    missing, unknown = sorted(set(names.values()) - set(arrays)), sorted(set(arrays) - set(names.values()))
    if missing or unknown:
        raise ValueError(
            f"official weights: got unknown arrays {unknown[:5]}, missing arrays {missing[:5]}, expected {len(names)} "
            "as the configuration says; check its sizes and observations"
        )
    return {ours: to_layout(ours, arrays[theirs]) for ours, theirs in names.items()}


def read_official_v3(
    path: Path, config: RssmConfig, parts: Sequence[str] = PARTS, prefix: str = ""
) -> dict[str, Tensor]:
    """The same from an .npz, of the arrays whose names begin with ``prefix``."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name.removeprefix(prefix): file[name] for name in file.files if name.startswith(prefix)}
    return load_official_v3(arrays, config, parts)
