"""Encoders of observations and decoders of states, for images and vectors, of every version.

Codecs of images: "pool5" 5 x 5 convolutions with max-pooling, and nearest doubling back (V3); "stride5" with stride 2
in place of both (V3's option); "same4" 4 x 4 of stride 2 (V3 of 2023);
"valid4" the same without padding (V1, V2; 64 x 64 alone).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.nn.distributions import symlog
from models.rssm.config import NetConfig, RssmConfig
from models.rssm.convs import Conv, Deconv, UpConv
from models.rssm.core import feature_of
from models.rssm.layers import BlockLinear, Dense, ImageNormAct, Linear, Mlp, NormAct, biased, make_act

SPATIAL_BLOCKS = 8
VALID_SIZE = 64
NEW = ("pool5", "stride5")


def channels_of(net: NetConfig) -> list[int]:
    return [net.depth * mult for mult in net.mults]


def smallest(config: RssmConfig) -> tuple[int, int]:
    """Height and width after the last stage."""
    net, (height, width, _) = config.net, config.space.image
    if net.codec == "valid4":
        if (height, width) != (VALID_SIZE, VALID_SIZE) or len(net.mults) != 4:
            raise ValueError(f"space.image: got {height} x {width}, expected 64 x 64 with four stages (codec valid4)")
        return 2, 2
    factor = 2 ** len(net.mults)
    if height % factor or width % factor:
        raise ValueError(f"space.image: got {height} x {width}, expected multiples of {factor} (codec {net.codec})")
    return height // factor, width // factor


def conv_act(net: NetConfig) -> nn.Module:
    """V1's convolutions use ReLU, its other layers ELU."""
    return nn.ReLU() if net.cell == "gru" else make_act(net)


def mean_buffer(module: nn.Module, name: str, config: RssmConfig, value: float) -> Tensor | None:
    """A buffer (C, H, W) of a codec that knows the mean picture; None in others."""
    if not config.net.centred:
        return None
    height, width, channels = config.space.image
    module.register_buffer(name, torch.full((channels, height, width), value))
    return cast(Tensor, getattr(module, name))


class ImageEncoder(nn.Module):
    """(N, C, H, W) uint8 to (N, size), flattened by row, column, channel."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        net = config.net
        widths = [config.space.image[2], *channels_of(net)]
        kernel, stride = (5, 1 if net.codec == "pool5" else 2) if net.codec in NEW else (4, 2)
        pairs = list(pairwise(widths))
        valid = net.codec == "valid4"
        self.convs = nn.ModuleList([Conv(a, b, kernel, stride, net.init, biased(net), valid) for a, b in pairs])
        self.after = nn.ModuleList([ImageNormAct(net, b, conv_act(net)) for _, b in pairs])
        self.pool = net.codec == "pool5"
        self.size = math.prod(smallest(config)) * widths[-1]
        self.mean = mean_buffer(self, "mean", config, 0.5)

    def forward(self, image: Tensor) -> Tensor:
        x = image.contiguous(memory_format=torch.channels_last).float()
        return self.stages(x.div_(255).sub_(0.5 if self.mean is None else self.mean))

    def stages(self, x: Tensor) -> Tensor:
        """The same of values in [-0.5, 0.5]."""
        for conv, after in zip(self.convs, self.after, strict=True):
            x = after(F.max_pool2d(conv(x), 2) if self.pool else conv(x))
        return x.permute(0, 2, 3, 1).flatten(1)


class Encoder(nn.Module):
    """Observations to tokens (..., size). V3 puts the vectors' part before the image's, older versions after it."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        space, net = config.space, config.net
        self.names = sorted(name for name, _ in space.vectors)
        self.symlog, self.vectors_first = net.symlog_vectors, net.codec in NEW
        self.image = ImageEncoder(config) if space.image else None
        width = sum(size for _, size in space.vectors)
        self.vector = Mlp(width, net.units, net.vector_layers, net) if width else None
        sizes = [part.size for part in (self.vector, self.image) if part is not None]
        self.size = sum(sizes)

    def forward(self, obs: Mapping[str, Tensor]) -> Tensor:
        """obs: "image" (..., C, H, W) uint8 and vectors (..., n) float32, by name; the tokens (..., size)."""
        parts = []
        if self.vector is not None:
            vectors = torch.cat([obs[name].float() for name in self.names], -1)
            parts.append(self.vector(symlog(vectors) if self.symlog else vectors))
        if self.image is not None:
            image = obs["image"]
            tokens = self.image(image.flatten(0, -4)).unflatten(0, image.shape[:-3])
            parts.insert(len(parts) if self.vectors_first else 0, tokens)
        return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


class SpatialDecoder(nn.Module):
    """V3: deter by blocks and stoch by a dense layer give the smallest image; doublings follow; a sigmoid ends."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        net = config.net
        self.height, self.width = smallest(config)
        channels = channels_of(net)
        kind = "nearest" if net.codec == "pool5" else "stuffed"
        self.channels = channels[-1]
        pixels = self.height * self.width * self.channels
        self.blocks = math.gcd(SPATIAL_BLOCKS, math.gcd(net.deter, self.channels))
        self.from_deter = BlockLinear(net.deter, pixels, self.blocks, net.init)
        self.from_stoch = nn.Sequential(Dense(net.flat, 2 * net.units, net), Linear(2 * net.units, pixels, net.init))
        self.joined = NormAct(net, self.channels)
        widths = channels[::-1]
        pairs = list(pairwise(widths))
        self.convs = nn.ModuleList([UpConv(a, b, kind, net.init) for a, b in pairs])
        self.after = nn.ModuleList([ImageNormAct(net, b) for _, b in pairs])
        self.out = UpConv(widths[-1], config.space.image[2], kind, net.init)
        self.offset = mean_buffer(self, "offset", config, 0.0)

    def begin(self, deter: Tensor, stoch: Tensor) -> Tensor:
        """(N, D) and (N, S, K) to the smallest image, (N, h, w, C)."""
        count = deter.shape[0]
        place = self.from_deter(deter).view(count, self.blocks, self.height, self.width, -1)
        place = place.permute(0, 2, 3, 1, 4).reshape(count, self.height, self.width, self.channels)
        what = self.from_stoch(stoch.flatten(1)).view(count, self.height, self.width, self.channels)
        return self.joined(place + what)

    def forward(self, deter: Tensor, stoch: Tensor) -> Tensor:
        """(N, D) and (N, S, K) to (N, C, H, W) in [0, 1]."""
        x = self.begin(deter, stoch).permute(0, 3, 1, 2)
        for conv, after in zip(self.convs, self.after, strict=True):
            x = after(conv(x))
        y = self.out(x).float()
        return (y if self.offset is None else y + self.offset).sigmoid()


class TransposedDecoder(nn.Module):
    """V1, V2 and V3 of 2023: a dense layer, then transposed convolutions. What it estimates is x / 255."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        net = config.net
        channels, self.order = channels_of(net), net
        if net.codec == "valid4":
            smallest(config)
            self.shape = (4 * channels[-1], 1, 1)
            kernels, pad = [5, 5, 6, 6], 0
            widths = [4 * channels[-1], *channels[-2::-1], config.space.image[2]]
        else:
            self.shape = (channels[-1], *smallest(config))
            kernels, pad = [4] * len(channels), 1
            widths = [*channels[::-1], config.space.image[2]]
        self.start = Linear(net.feature, math.prod(self.shape), net.init)
        self.convs = nn.ModuleList()
        self.after = nn.ModuleList()
        for index, kernel in enumerate(kernels):
            last = index == len(kernels) - 1
            self.convs.append(Deconv(widths[index], widths[index + 1], kernel, pad, net.init, biased(net) or last))
            self.after.append(ImageNormAct(net, widths[index + 1], conv_act(net)) if not last else nn.Identity())

    def forward(self, deter: Tensor, stoch: Tensor) -> Tensor:
        """(N, D) and (N, S, K) to (N, C, H, W), an estimate of x / 255."""
        channels, height, width = self.shape
        x = self.start(feature_of(self.order, deter, stoch)).view(-1, height, width, channels).permute(0, 3, 1, 2)
        for conv, after in zip(self.convs, self.after, strict=True):
            x = after(conv(x))
        return x.float() + 0.5


class VectorDecoder(nn.Module):
    """An MLP over the state and one linear layer per vector."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        net = config.net
        self.stoch_first = net.codec in NEW or net.feature_order == "zh"
        self.mlp = Mlp(net.feature, net.units, net.vector_layers, net)
        vectors = sorted(config.space.vectors)
        self.out = nn.ModuleDict({name: Linear(self.mlp.size, size, net.init) for name, size in vectors})

    def forward(self, deter: Tensor, stoch: Tensor) -> dict[str, Tensor]:
        """By name, in symlog space where the network sees vectors so."""
        flat = stoch.flatten(-2)
        hidden = self.mlp(torch.cat([flat, deter] if self.stoch_first else [deter, flat], -1))
        return {name: layer(hidden).float() for name, layer in self.out.items()}


class Decoder(nn.Module):
    """States to what they look like."""

    def __init__(self, config: RssmConfig) -> None:
        super().__init__()
        space = config.space
        spatial = config.net.codec in NEW
        self.image = (SpatialDecoder if spatial else TransposedDecoder)(config) if space.image else None
        self.vector = VectorDecoder(config) if space.vectors else None

    def forward(self, deter: Tensor, stoch: Tensor) -> dict[str, Tensor]:
        """deter (..., D), stoch (..., S, K): "image" (..., C, H, W) float32 near [0, 1], and vectors by name."""
        out = {} if self.vector is None else self.vector(deter, stoch)
        if self.image is not None:
            image = self.image(deter.reshape(-1, deter.shape[-1]), stoch.reshape(-1, *stoch.shape[-2:]))
            out["image"] = image.unflatten(0, deter.shape[:-1])
        return out
