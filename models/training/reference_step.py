"""The world model's loss as a straightforward port of the published code computes it: what training is measured by.

Eager float32, everything inside the loop over time, each block's input concatenated, strided decoding by zero stuffing,
distributions by ``torch.distributions``. It has the weights of an ``RssmModel`` of version 3, so both give one number.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Categorical, OneHotCategorical, kl_divergence

from models.nn.scalars import symexp_bins, twohot
from models.rssm.model import Batch, RssmModel


def rms(norm: Any, x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.eps) * norm.scale


def dense(layer: Any, x: Tensor) -> Tensor:
    return F.silu(rms(layer.after.norm, F.linear(x, layer.linear.weight, layer.linear.bias)))


def mlp(layers: Any, x: Tensor) -> Tensor:
    for layer in layers:
        x = dense(layer, x)
    return x


def block_linear(layer: Any, x: Tensor) -> Tensor:
    blocks = x.unflatten(-1, (layer.blocks, -1))
    return torch.einsum("...gi,gio->...go", blocks, layer.kernel).flatten(-2) + layer.bias


def image_norm(after: Any, x: Tensor) -> Tensor:
    return F.silu(rms(after.norm, x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def cell(gru: Any, deter: Tensor, stoch: Tensor, action: Tensor) -> Tensor:
    """Spec section 3, core step."""
    action = action / action.abs().clamp(min=1).detach()
    shared = [dense(gru.deter_in, deter), dense(gru.stoch_in, stoch), dense(gru.action_in, action)]
    together = torch.cat(shared, -1).unsqueeze(-2).expand(-1, gru.blocks, -1)
    x = torch.cat([deter.unflatten(-1, (gru.blocks, -1)), together], -1).flatten(-2)
    for layer, after in zip(gru.hidden, gru.after, strict=True):
        x = F.silu(rms(after.norm, block_linear(layer, x)))
    gates = block_linear(gru.gates, x).unflatten(-1, (gru.blocks, 3, -1))
    reset, new, update = (gates[..., k, :].flatten(-2) for k in range(3))
    new, update = torch.tanh(torch.sigmoid(reset) * new), torch.sigmoid(update - 1)
    return update * new + (1 - update) * deter


def mixed(model: RssmModel, logits: Tensor) -> Tensor:
    """Probabilities with the uniform share, (..., S, K)."""
    net = model.config.net
    logits = logits.unflatten(-1, (net.stoch, net.classes))
    return (1 - net.unimix) * logits.softmax(-1) + net.unimix / net.classes


def encode(model: RssmModel, image: Tensor) -> Tensor:
    """(B, T, 3, H, W) uint8 to (B, T, E)."""
    encoder: Any = model.enc.image
    x = image.flatten(0, 1).float() / 255 - 0.5
    for conv, after in zip(encoder.convs, encoder.after, strict=True):
        before, behind = conv.pad
        x = F.conv2d(F.pad(x, (before, behind, before, behind)), conv.weight, conv.bias, conv.stride)
        x = image_norm(after, F.max_pool2d(x, 2) if encoder.pool else x)
    return x.permute(0, 2, 3, 1).flatten(1).unflatten(0, image.shape[:2])


def doubled(kind: str, x: Tensor) -> Tensor:
    if kind == "nearest":
        return F.interpolate(x, scale_factor=2, mode="nearest")
    count, channels, height, width = x.shape
    out = x.new_zeros(count, channels, 2 * height, 2 * width)
    out[:, :, 1::2, 1::2] = x
    return out


def decode(model: RssmModel, deter: Tensor, stoch: Tensor) -> Tensor:
    """(N, D) and (N, S, K) to (N, 3, H, W) in [0, 1]."""
    decoder: Any = model.dec.image
    place = block_linear(decoder.from_deter, deter).view(len(deter), decoder.blocks, decoder.height, decoder.width, -1)
    place = place.permute(0, 2, 3, 1, 4).flatten(3)
    first, second = decoder.from_stoch
    what = F.linear(dense(first, stoch.flatten(1)), second.weight, second.bias).view_as(place)
    x = F.silu(rms(decoder.joined.norm, place + what)).permute(0, 3, 1, 2)
    for conv, after in zip(decoder.convs, decoder.after, strict=True):
        x = image_norm(after, F.conv2d(doubled(conv.kind, x), conv.weight, conv.bias, padding=2))
    out = decoder.out
    return torch.sigmoid(F.conv2d(doubled(out.kind, x), out.weight, out.bias, padding=2))


def observe(model: RssmModel, batch: Batch, given: Tensor | None) -> tuple[Tensor, ...]:
    """deter (B, T, D), stoch, posterior and prior probabilities (B, T, S, K); given: samples instead of drawn ones."""
    rssm: Any = model.rssm
    tokens, actions = encode(model, batch.obs["image"]), batch.prev_actions
    state = rssm.initial(len(tokens))
    deter, stoch, rows = state.deter, state.stoch, []
    for t in range(tokens.shape[1]):
        keep = (~batch.is_first[:, t]).float().unsqueeze(-1)
        deter = cell(rssm.cell, deter * keep, (stoch * keep.unsqueeze(-1)).flatten(1), actions[:, t] * keep)
        prior = mixed(model, F.linear(mlp(rssm.prior_mlp, deter), rssm.prior_out.weight, rssm.prior_out.bias))
        hidden = mlp(rssm.post_mlp, torch.cat([deter, tokens[:, t]], -1))
        post = mixed(model, F.linear(hidden, rssm.post_out.weight, rssm.post_out.bias))
        drawn = OneHotCategorical(probs=post).sample() if given is None else given[:, t]
        stoch = drawn + post - post.detach()
        rows.append((deter, stoch, post, prior))
    return tuple(torch.stack(column, 1) for column in zip(*rows, strict=True))


def reference_loss(model: RssmModel, batch: Batch, given: Tensor | None = None) -> Tensor:
    """The scalar that ``RssmModel.loss`` gives. Raises ValueError for another version than V3's images alone."""
    net, loss = model.config.net, model.config.loss
    parts = (net.cell, net.latent, net.norm, net.scalar, loss.kl, loss.image, model.config.space.vectors)
    if parts != ("block_gru", "categorical", "rms", "symexp_twohot", "split", "mse", ()):
        raise ValueError(f"reference: got {parts}, expected Dreamer V3 on images")
    deter, stoch, post, prior = observe(model, batch, given)
    feature = torch.cat([deter, stoch.flatten(-2)], -1)
    image = batch.obs["image"].float() / 255
    errors = (decode(model, deter.flatten(0, 1), stoch.flatten(0, 1)).view_as(image) - image).square()
    if loss.motion_weight:
        errors = errors * (1 + loss.motion_weight * moving(batch.obs["image"]))
    reward = head(model.rew, feature)
    bins = symexp_bins(net.bins)
    losses = [
        errors.sum((-3, -2, -1)).mean(),
        loss.reward_scale * -(twohot(batch.reward, bins) * reward.log_softmax(-1)).sum(-1).mean(),
        loss.cont_scale
        * F.binary_cross_entropy_with_logits(
            head(model.con, feature).squeeze(-1), model.continue_target(batch.terminated)
        ),
        loss.dyn * divergence(post.detach(), prior).clamp(min=loss.free).mean(),
        loss.rep * divergence(post, prior.detach()).clamp(min=loss.free).mean(),
    ]
    return torch.stack(losses).sum()


def head(module: Any, feature: Tensor) -> Tensor:
    return F.linear(mlp(module.mlp, feature), module.out[0].weight, module.out[0].bias)


def divergence(post: Tensor, prior: Tensor) -> Tensor:
    return kl_divergence(Categorical(probs=post), Categorical(probs=prior)).sum(-1)


def moving(image: Tensor) -> Tensor:
    """(B, T, 1, H, W): 1 where a pixel is more than 8 levels from the frame before."""
    change = (image[:, 1:].int() - image[:, :-1].int()).abs().amax(2, keepdim=True) > 8
    return torch.cat([torch.zeros_like(change[:, :1]), change], 1).float()
