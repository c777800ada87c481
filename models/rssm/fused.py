"""The root-mean-square norm and SiLU in one pass over memory, for training on a processor.

Spelled out in PyTorch's operations the pair reads and writes a feature map about ten times forward and twenty back.
Here both directions work on pieces that stay in the processor's cache, and only the input is kept for the way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

PIECE = 2**16
"""Numbers worked on at a time."""


def pieces(rows: int, width: int) -> Iterator[slice]:
    step = max(1, PIECE // width)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def worthwhile(x: Tensor) -> bool:
    """On a processor, for more than one piece; a compiler fuses the plain operations itself."""
    return x.device.type == "cpu" and x.numel() > PIECE and not torch.compiler.is_compiling()


class RmsSilu(torch.autograd.Function):
    """silu(x / sqrt(mean(x^2) + eps) * scale) over the last axis of x (..., C), in float32; gives back x's type."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, eps: float) -> Tensor:
        rows = x.reshape(-1, x.shape[-1])
        out = torch.empty_like(rows)
        inverse = torch.empty(len(rows), 1)
        for part in pieces(*rows.shape):
            values = rows[part].float()
            mean = torch.linalg.vector_norm(values, dim=1, keepdim=True).square_().div_(rows.shape[1])
            inverse[part] = mean.add_(eps).rsqrt_()
            out[part] = torch.nn.functional.silu((values * inverse[part]).mul_(scale), inplace=True)
        ctx.save_for_backward(rows, scale, inverse)
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, scale, inverse = ctx.saved_tensors
        grads = grad.reshape(rows.shape)
        out, scale_grad = torch.empty_like(rows), torch.zeros_like(scale)
        for part in pieces(*rows.shape):
            normed = rows[part].float() * inverse[part]
            back = torch.ops.aten.silu_backward(grads[part].float(), normed * scale)
            product = back * normed
            scale_grad += product.sum(0)
            share = torch.mv(product, scale).div_(rows.shape[1]).unsqueeze(1)
            out[part] = back.mul_(scale).sub_(normed.mul_(share)).mul_(inverse[part])
        return out.view(grad.shape), scale_grad, None
