"""The networks of Dreamer V1, V2 and V3 of 2023 against the numbers of their published code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.nn.distributions import LOG_2PI, Normal, OneHot, actor_dist, bernoulli_loss
from models.rssm.cells import Gru, LayerNormGru
from models.rssm.codec import Decoder, Encoder, ImageEncoder
from models.rssm.config import RssmConfig, SpaceConfig, v1, v2, v3_2023
from models.rssm.core import Observed, Rssm, RssmState
from models.rssm.heads import Head, actor_head, actor_kind, cont_head, reward_head, scalar_dist
from models.rssm.kl import kl_losses
from models.rssm.recon import recon_losses
from tests.dreamer_golden import Arrays, assert_close, dreamer
from tests.dreamer_nets import copy_conv, copy_linear, copy_norm, images


def small(config: RssmConfig, **net: Any) -> RssmConfig:
    return replace(config, net=replace(config.net, **{"blocks": 1, **net}))


def like(rows: Tensor, stoch: Tensor) -> Tensor:
    """Gaussian latents are (..., S) as published, (..., S, 1) here."""
    return rows if rows.ndim == stoch.ndim else rows.unsqueeze(-1)


def run(rssm: Rssm, arrays: Arrays) -> Observed:
    reset = arrays["in/is_first"].bool() if "in/is_first" in arrays else torch.zeros(arrays["in/action"].shape[:2])
    given = arrays["observe/post_stoch"] if "observe/post_stoch" in arrays else arrays["post_stoch"]
    batch = reset.shape[0]
    state = RssmState(arrays["in/deter0"], like(arrays["in/stoch0"], rssm.initial(batch).stoch))
    if rssm.net.latent == "gaussian":
        given = given.unsqueeze(-1)
    return rssm.observe(state, arrays["in/embed"], arrays["in/action"], reset.bool(), given=given)


# V1


def v1_rssm() -> tuple[Rssm, Arrays]:
    arrays = dreamer("v1_tf").at("rssm")
    weights = arrays.at("weights")
    net = small(v1(SpaceConfig()), deter=8, hidden=8, stoch=5).net
    rssm = Rssm(net, 3, 7)
    cell = rssm.cell
    assert isinstance(cell, Gru)
    copy_linear(cell.input.dense.linear, weights, "img1")
    for gates, kernel, row in ((cell.gates_x, "kernel", 0), (cell.gates_h, "recurrent_kernel", 1)):
        state = {"weight": weights[f"gru_cell/{kernel}"].t(), "bias": weights["gru_cell/bias"][row]}
        gates.load_state_dict(state)
    copy_linear(rssm.prior_mlp[0].linear, weights, "img2")
    copy_linear(rssm.prior_out, weights, "img3")
    copy_linear(rssm.post_mlp[0].linear, weights, "obs1")
    copy_linear(rssm.post_out, weights, "obs2")
    return rssm, arrays


def test_v1_rssm_is_the_published_one() -> None:
    """Catches: a reset gate before the recurrent product, gates in PyTorch's order, a floor left out of deviations."""
    rssm, arrays = v1_rssm()
    seen = run(rssm, arrays)
    assert_close(seen.deter, arrays["observe/post_deter"])
    for side, stats in (("post", seen.post), ("prior", seen.prior)):
        assert_close(stats, torch.cat([arrays[f"observe/{side}_mean"], arrays[f"observe/{side}_std"]], -1))
    assert_close(rssm.feature_of(seen.deter, seen.stoch), arrays["feat"])
    losses = kl_losses(v1(SpaceConfig()).loss, seen.post, seen.prior, "gaussian", 0.0)
    assert_close(losses["value"], dreamer("v1_tf")["kl/per_step"])


def test_v1_imagination_is_the_published_one() -> None:
    """Catches: an imagined step that differs from the prior of an observed one."""
    rssm, arrays = v1_rssm()
    state = RssmState(arrays["in/deter0"], arrays["in/stoch0"].unsqueeze(-1))
    given = arrays["img_step/stoch"].unsqueeze(-1)
    state, prior = rssm.img_step(state, arrays["in/action"][:, 0], given=given)
    assert_close(state.deter, arrays["img_step/deter"])
    assert_close(prior, torch.cat([arrays["img_step/mean"], arrays["img_step/std"]], -1))


def split(features: Tensor, stoch: int) -> tuple[Tensor, Tensor]:
    """A feature [z, h] as deter and gaussian stoch."""
    return features[..., stoch:], features[..., :stoch].unsqueeze(-1)


def test_v1_codec_is_the_published_one() -> None:
    """Catches: ELU where V1's convolutions have ReLU, padded convolutions, or a picture half a unit too dark."""
    arrays = dreamer("v1_tf")
    config = small(v1(SpaceConfig()), depth=2, stoch=4, deter=5)
    encoder, decoder = ImageEncoder(config), Decoder(config)
    for i in range(4):
        copy_conv(encoder.convs[i], arrays.at("enc/weights"), f"h{i + 1}")
    embed = encoder.stages(images(arrays["enc/image_minus_half"]).flatten(0, 1))
    assert_close(embed, arrays["enc/embed"].flatten(0, 1))
    load_transposed(decoder, arrays.at("dec/weights"), "h1", [f"h{i}" for i in range(2, 6)])
    predicted = decoder(*split(arrays["dec/features"], 4))
    assert_close(predicted["image"] - 0.5, images(arrays["dec/mean"]))
    target = images(arrays["enc/image_minus_half"] + 0.5)
    loss = 0.5 * (predicted["image"] - target).square().sum((-3, -2, -1)) + 0.5 * LOG_2PI * target[0, 0].numel()
    assert_close(-loss, arrays["dec/log_prob_of_enc_image"])


def load_transposed(decoder: Decoder, weights: Arrays, first: str, names: list[str], flip: bool = False) -> None:
    assert decoder.image is not None
    copy_linear(decoder.image.start, weights, first)
    for conv, name in zip(decoder.image.convs, names, strict=True):
        copy_conv(conv, weights, name, flip)


def load_head(head: Head, weights: Arrays, hidden: list[str], outs: list[str]) -> None:
    for dense, name in zip(head.mlp, hidden, strict=True):
        copy_linear(dense.linear, weights, name)
    for layer, name in zip(head.out, outs, strict=True):
        copy_linear(layer, weights, name)


def test_v1_heads_are_the_published_ones() -> None:
    """Catches: heads with other activations, or likelihoods of another width."""
    config = small(v1(SpaceConfig()), deter=4, stoch=1, units=6)
    arrays = dreamer("v1_tf").at("head_normal")
    head = reward_head(config)
    load_head(head, arrays.at("weights"), ["h0", "h1"], ["hout"])
    dist = scalar_dist(config.net, head(arrays["x"]))
    assert_close(dist.mean(), arrays["mean"])
    assert_close(-dist.loss(arrays["target"]), arrays["log_prob"])
    arrays = dreamer("v1_tf").at("head_binary")
    head = cont_head(config)
    load_head(head, arrays.at("weights"), ["h0", "h1", "h2"], ["hout"])
    logit = head(arrays["x"]).squeeze(-1)
    assert_close(-bernoulli_loss(logit, arrays["target"]), arrays["log_prob"])


@pytest.mark.parametrize("kind", ["tanh_normal", "onehot"])
def test_v1_actors_are_the_published_ones(kind: str) -> None:
    """Catches: log-probabilities without tanh's slope, or deviations not started at five."""
    arrays = dreamer("v1_tf").at(f"actor_{kind}")
    discrete = kind == "onehot"
    space = SpaceConfig(actions=4 if discrete else 3, discrete=discrete)
    config = small(v1(space), deter=6, stoch=1, units=6)
    head = actor_head(config)
    weights = arrays.at("weights").arrays
    if not discrete:
        for index, name in enumerate(("mean", "std")):
            weights[f"{name}/kernel"] = weights["hout/kernel"][:, 3 * index : 3 * index + 3]
            weights[f"{name}/bias"] = weights["hout/bias"][3 * index : 3 * index + 3]
    load_head(head, Arrays(weights), [f"h{i}" for i in range(4)], ["hout"] if discrete else ["mean", "std"])
    dist = actor_dist(actor_kind(config), head(arrays["x"]))
    assert_close(dist.log_prob(arrays["onehot" if discrete else "action"]), arrays["log_prob"], 1e-3, 1e-4)


# V2

V2_RSSM: dict[str, dict[str, Any]] = {
    "disc_nonorm": {"classes": 6},
    "disc_layernorm": {"classes": 6, "norm": "layer"},
    "cont_sigmoid2": {"classes": 1, "latent": "gaussian"},
    "cont_softplus": {"classes": 1, "latent": "gaussian", "std": "softplus"},
}


def load_v2_rssm(rssm: Rssm, weights: Arrays) -> None:
    cell = rssm.cell
    assert isinstance(cell, LayerNormGru)
    copy_linear(cell.gates, weights, "gru_cell/linear")
    copy_norm(cell.norm, weights, "gru_cell/norm")
    parts = (
        (cell.input.dense, "img_in", "img_in_norm"),
        (rssm.prior_mlp[0], "img_out_0", "img_out_norm_0"),
        (rssm.post_mlp[0], "obs_out", "obs_out_norm"),
    )
    for dense, name, norm in parts:
        copy_linear(dense.linear, weights, name)
        if rssm.net.norm == "layer":
            copy_norm(dense.after.norm, weights, f"{norm}/norm")
    copy_linear(rssm.prior_out, weights, "img_dist_0")
    copy_linear(rssm.post_out, weights, "obs_dist")


@pytest.mark.parametrize("name", V2_RSSM)
def test_v2_rssm_is_the_published_one(name: str) -> None:
    """Catches: the recurrent norm left out, deter before x in the gates, a start of an episode that keeps its past."""
    arrays = dreamer("v2_tf_rssm").at(name)
    config = small(v2(SpaceConfig()), deter=8, hidden=7, stoch=4, **V2_RSSM[name])
    rssm = Rssm(config.net, 5, 9)
    load_v2_rssm(rssm, arrays.at("weights"))
    seen = run(rssm, arrays)
    assert_close(seen.deter, arrays["observe/post_deter"])
    for side, stats in (("post", seen.post), ("prior", seen.prior)):
        at = arrays.at("observe")
        categorical = config.net.latent == "categorical"
        want = at[f"{side}_logit"] if categorical else torch.cat([at[f"{side}_mean"], at[f"{side}_std"]], -1)
        assert_close(stats, want)


def test_v2_recurrent_cell_is_the_published_one() -> None:
    """Catches: an update gate without its bias of minus one."""
    arrays = dreamer("v2_tf_rssm").at("gru")
    cell = LayerNormGru(small(v2(SpaceConfig()), deter=8, hidden=7, stoch=2, classes=2).net, 1)
    copy_linear(cell.gates, arrays.at("weights"), "linear")
    copy_norm(cell.norm, arrays.at("weights"), "norm")
    _, weight_x, weight_h = cell.plan()
    assert_close(cell.gate(arrays["x"], arrays["state"], weight_x, weight_h), arrays["out"])


@pytest.mark.parametrize("norm", ["none", "layer"])
def test_v2_codec_is_the_published_one(norm: str) -> None:
    """Catches: an image's part after the vectors' one, or layer norms over whole pictures instead of channels."""
    config = v2(SpaceConfig((64, 64, 1), (("vec", 5),)))
    config = small(config, norm=norm, depth=2, units=6, vector_layers=2, stoch=4, classes=1, deter=5)
    encoder, decoder = Encoder(config), Decoder(config)
    assert encoder.image is not None and decoder.image is not None
    assert encoder.vector is not None and decoder.vector is not None
    arrays = dreamer("v2_tf_nets").at(f"enc_{norm}")
    weights = arrays.at("weights")
    for i in range(4):
        copy_conv(encoder.image.convs[i], weights, f"conv{i}")
    load_norms(encoder.image.after, weights, "convnorm", norm)
    load_mlp(encoder.vector, weights, norm)
    embed = torch.cat(
        [encoder.image.stages(images(arrays["image_minus_half"]).flatten(0, 1)), vector_part(encoder)], -1
    )
    assert_close(embed, arrays["embed"].flatten(0, 1))
    check_v2_decoder(decoder, config, norm)


def vector_part(encoder: Encoder) -> Tensor:
    """The vectors' tokens; the whole encoder's order is tested against a picture made of bytes."""
    assert encoder.vector is not None and encoder.image is not None
    norm = "layer" if encoder.vector[0].after.norm.__class__ is not nn.Identity else "none"
    vec = dreamer("v2_tf_nets")[f"enc_{norm}/vec"]
    image = torch.zeros(*vec.shape[:2], 1, 64, 64, dtype=torch.uint8)
    tokens = encoder({"vec": vec, "image": image})
    return tokens[..., encoder.image.size :].flatten(0, 1)


def load_norms(parts: Any, weights: Arrays, name: str, norm: str) -> None:
    if norm == "layer":
        for i, part in enumerate(part for part in parts if not isinstance(part, nn.Identity)):
            copy_norm(part.norm, weights, f"{name}{i}/norm")


def load_mlp(mlp: nn.Sequential, weights: Arrays, norm: str) -> None:
    for i, dense in enumerate(mlp):
        copy_linear(dense.linear, weights, f"dense{i}")
    load_norms([dense.after for dense in mlp], weights, "densenorm", norm)


def check_v2_decoder(decoder: Decoder, config: RssmConfig, norm: str) -> None:
    arrays = dreamer("v2_tf_nets").at(f"dec_{norm}")
    weights = arrays.at("weights")
    load_transposed(decoder, weights, "convin", [f"conv{i}" for i in range(4)])
    load_norms(decoder.image.after, weights, "convnorm", norm)
    load_mlp(decoder.vector.mlp, weights, norm)
    copy_linear(decoder.vector.out["vec"], weights, "dense_vec/out")
    predicted = decoder(*split(arrays["features"], 4))
    assert_close(predicted["image"] - 0.5, images(arrays["image_mean"]))
    assert_close(predicted["vec"], arrays["vec_mean"])
    vec = dreamer("v2_tf_nets")[f"enc_{norm}/vec"]
    losses = recon_losses(config, {"vec": predicted["vec"]}, {"vec": vec})
    assert_close(-losses["vec"] - 0.5 * LOG_2PI * vec.shape[-1], arrays["vec_log_prob"])


@pytest.mark.parametrize("kind", ["mse", "binary", "onehot", "trunc_normal", "tanh_normal"])
def test_v2_heads_are_the_published_ones(kind: str) -> None:
    """Catches: a head's second output layer read as the first, or another normaliser of the cut normal."""
    arrays = dreamer("v2_tf_nets").at(f"mlp_{kind}")
    sizes = {"deter": 6, "stoch": 1, "classes": 1, "units": 6, "reward_layers": 2, "cont_layers": 2, "actor_layers": 2}
    space = SpaceConfig(actions=5 if kind == "onehot" else 3, discrete=kind == "onehot")
    config = small(v2(space), **sizes)
    outs = ["out/out", "out/std"] if "normal" in kind else ["out/out"]
    head = {"mse": reward_head, "binary": cont_head}.get(kind, actor_head)(config)
    load_head(head, arrays.at("weights"), ["dense0", "dense1"], outs)
    out, target = head(arrays["x"]), arrays["target"]
    if kind == "mse":
        assert_close(-scalar_dist(config.net, out).loss(target), arrays["log_prob"])
    elif kind == "binary":
        assert_close(-bernoulli_loss(out.squeeze(-1), target), arrays["log_prob"])
    elif kind != "tanh_normal":
        dist = actor_dist(actor_kind(config), out)
        assert_close(dist.log_prob(target), arrays["log_prob"])
        assert_close(dist.entropy(), arrays["entropy"])


# V3 of January 2023


def load_2023_rssm(rssm: Rssm, weights: Arrays) -> None:
    """The published gates take [deter, x], ours [x, deter]."""
    cell = rssm.cell
    assert isinstance(cell, LayerNormGru) and rssm.start is not None
    width = rssm.net.deter
    kernel = weights["gru/kernel"]
    cell.gates.load_state_dict({"weight": torch.cat([kernel[width:], kernel[:width]]).t()})
    copy_norm(cell.norm, weights, "gru/norm")
    parts = ((cell.input.dense, "img_in"), (rssm.prior_mlp[0], "img_out"), (rssm.post_mlp[0], "obs_out"))
    for dense, name in parts:
        copy_linear(dense.linear, weights, name)
        copy_norm(dense.after.norm, weights, f"{name}/norm")
    copy_linear(rssm.prior_out, weights, "img_stats")
    copy_linear(rssm.post_out, weights, "obs_stats")
    rssm.start.data = weights["initial"]


def test_v3_2023_rssm_is_the_published_one() -> None:
    """Catches: an initial state that is zero where it is learned, at the start or at a reset in mid-sequence."""
    arrays = dreamer("v3_2023_jax").at("rssm")
    config = small(v3_2023(SpaceConfig()), deter=12, hidden=8, stoch=4, classes=5)
    rssm = Rssm(config.net, 3, 9)
    load_2023_rssm(rssm, arrays.at("weights"))
    begin = rssm.initial(3)
    assert_close(begin.deter, arrays["initial_deter"])
    assert_close(begin.stoch, arrays["initial_stoch"])
    seen = run(rssm, arrays)
    assert_close(seen.deter, arrays["post_deter"])
    for side, stats in (("post", seen.post), ("prior", seen.prior)):
        dist = rssm.dist(stats)
        assert isinstance(dist, OneHot)
        assert_close(dist.log_probs, arrays[f"{side}_logit"])
    losses = kl_losses(config.loss, seen.post, seen.prior, "categorical", config.net.unimix)
    assert_close(losses["dyn"], arrays["dyn"])
    assert_close(losses["rep"], arrays["rep"])


def test_v3_2023_codec_is_the_published_one() -> None:
    """Catches: biases where a norm follows, or transposed kernels that are not mirrored."""
    config = small(v3_2023(SpaceConfig()), depth=2, deter=7, stoch=4, classes=1)
    arrays = dreamer("v3_2023_jax")
    encoder, decoder = ImageEncoder(config), Decoder(config)
    assert decoder.image is not None
    stages = [f"s{i}res" for i in range(4)]
    for conv, after, name in zip(encoder.convs, encoder.after, stages, strict=True):
        copy_conv(conv, arrays.at("enc/weights"), name)
        copy_norm(after.norm, arrays.at("enc/weights"), f"{name}/norm")
    assert_close(encoder.stages(images(arrays["enc/image01"]) - 0.5), arrays["enc/embed"])
    load_transposed(decoder, arrays.at("dec/weights"), "in", stages, flip=True)
    for after, name in zip(decoder.image.after[:-1], stages[:-1], strict=True):
        copy_norm(after.norm, arrays.at("dec/weights"), f"{name}/norm")
    features = arrays["dec/features"]
    predicted = decoder(features[..., :7], features[..., 7:].unsqueeze(-1))
    assert_close(predicted["image"], images(arrays["dec/mean"]))


def test_gaussian_stats_make_a_normal() -> None:
    """Catches: variances taken for deviations."""
    rssm, _ = v1_rssm()
    dist = rssm.dist(torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 5.0]]))
    assert isinstance(dist, Normal)
    assert torch.equal(dist.mean[0], torch.arange(5.0)) and torch.equal(dist.std[0], torch.arange(1.0, 6.0))
