"""Convolutions of the image encoders and decoders. Images are (N, C, H, W), channels last in memory."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rssm.layers import Init, start

TAPS = {
    "nearest": (((0, 1), (2, 3), (4,)), ((0,), (1, 2), (3, 4))),
    "stuffed": (((1,), (3,), ()), ((0,), (2,), (4,))),
}
"""Of a doubled row's even and odd pixels: which of the five taps fall on the small row's pixel before, at and after."""


class Conv(nn.Module):
    """A convolution with zeros around: kernel 5 keeps the size at stride 1; stride 2 halves even sizes.

    Padding is TensorFlow's SAME (one more at the bottom and right where it is odd), or none for ``valid``.
    """

    def __init__(
        self, inp: int, out: int, kernel: int, stride: int, init: Init, bias: bool = True, valid: bool = False
    ) -> None:
        super().__init__()
        self.stride = stride
        self.pad = (0, 0) if valid else ((kernel - stride) // 2, (kernel - stride + 1) // 2)
        self.weight = nn.Parameter(torch.empty(out, inp, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        start(self.weight, init, inp * kernel**2, out * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.pad
        if before == after:
            return F.conv2d(x, self.weight, self.bias, self.stride, before)
        return F.conv2d(F.pad(x, (before, after, before, after)), self.weight, self.bias, self.stride)


class Deconv(nn.Module):
    """A transposed convolution of stride 2: VALID (pad 0), or SAME for kernel 4 (pad 1)."""

    def __init__(self, inp: int, out: int, kernel: int, pad: int, init: Init, bias: bool = True) -> None:
        super().__init__()
        self.pad = pad
        self.weight = nn.Parameter(torch.empty(inp, out, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None
        start(self.weight, init, inp * kernel**2, out * kernel**2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=self.pad)


@cache
def taps(kind: str) -> Tensor:
    """(2, 3, 5) of 0 and 1: phase, small tap, tap."""
    out = torch.zeros(2, 3, 5)
    for phase, row in enumerate(TAPS[kind]):
        for small, members in enumerate(row):
            out[phase, small, list(members)] = 1
    return out


class UpConv(nn.Module):
    """Doubling the size, then a 5 x 5 convolution, in one convolution of the small image.

    kind "nearest" repeats pixels; "stuffed" puts them at the odd places of zeros (the strided decoder). Each of the
    four kinds of pixel of the large image sees at most 3 x 3 pixels of the small one, with kernels that are sums of the
    5 x 5 kernel's taps: the same function with about a third of the products of the former.
    """

    def __init__(self, inp: int, out: int, kind: str, init: Init) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out, inp, 5, 5))
        self.bias = nn.Parameter(torch.zeros(out))
        self.kind = kind
        start(self.weight, init, inp * 25, out * 25)

    def folded(self) -> Tensor:
        """(4 out, in, 3, 3), the two phases of rows and columns outside of ``out``."""
        fold = taps(self.kind).to(self.weight)
        weight = torch.einsum("oiyx,aby,cdx->acoibd", self.weight, fold, fold)
        return weight.reshape(-1, self.weight.shape[1], 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, 2 H, 2 W)."""
        y = F.conv2d(x, self.folded(), self.bias.repeat(4), padding=1).permute(0, 2, 3, 1)
        count, height, width, _ = y.shape
        y = y.view(count, height, width, 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
        return y.reshape(count, 2 * height, 2 * width, -1).permute(0, 3, 1, 2)
