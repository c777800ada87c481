"""Layers of the Dreamer networks against the published ones, forward and gradients, and how they start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rssm import fused
from models.rssm.config import SpaceConfig, v3
from models.rssm.convs import Conv, Deconv, UpConv
from models.rssm.layers import BlockLinear, LayerNorm, Linear, Mlp, NormAct, RmsNorm, start
from tests.dreamer_golden import assert_close, dreamer, dreamer_json
from tests.dreamer_nets import images

NET = v3(SpaceConfig(), "size1m").net


def make_conv(inp: int, out: int, kernel: int, stride: int) -> Conv:
    return Conv(inp, out, kernel, stride, "trunc_in")


LAYERS: dict[str, tuple[Callable[[], nn.Module], dict[str, str]]] = {
    "linear": (lambda: Linear(5, 6, "trunc_in"), {"kernel": "weight", "bias": "bias"}),
    "linear_multi_units": (lambda: Linear(5, 12, "trunc_in"), {"kernel": "weight", "bias": "bias"}),
    "block_linear": (lambda: BlockLinear(12, 8, 4, "trunc_in"), {"kernel": "kernel", "bias": "bias"}),
    "rms_norm": (lambda: RmsNorm(9, 1e-4), {"scale": "scale"}),
    "layer_norm": (lambda: LayerNorm(9, 1e-4), {"scale": "scale", "shift": "shift"}),
    "layer_norm_eps1e-3": (lambda: LayerNorm(9, 1e-3), {"scale": "scale", "shift": "shift"}),
    "conv_k5_s1_same": (lambda: make_conv(3, 4, 5, 1), {"kernel": "weight", "bias": "bias"}),
    "conv_k5_s2_same": (lambda: make_conv(3, 4, 5, 2), {"kernel": "weight", "bias": "bias"}),
    "conv_k4_s2_same": (lambda: make_conv(3, 4, 4, 2), {"kernel": "weight", "bias": "bias"}),
    "conv_transp_k5_s2": (lambda: UpConv(4, 3, "stuffed", "trunc_in"), {"kernel": "weight", "bias": "bias"}),
    "mlp": (
        lambda: Mlp(5, 7, 2, NET),
        {
            "linear0/kernel": "0.linear.weight",
            "linear0/bias": "0.linear.bias",
            "norm0/scale": "0.after.norm.scale",
            "linear1/kernel": "1.linear.weight",
            "linear1/bias": "1.linear.bias",
            "norm1/scale": "1.after.norm.scale",
        },
    ),
}


def layout(tensor: Tensor, name: str) -> Tensor:
    """A published parameter in this family's layout."""
    if name.endswith("weight"):
        return tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.t()
    return tensor


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_the_published_one(name: str) -> None:
    """Catches: a layer that pads on the wrong side, norms without its epsilon, or lays out blocks element-major."""
    make, names = LAYERS[name]
    want, module = dreamer("layers").at(name).tensors(), make()
    module.load_state_dict({ours: layout(want[theirs], ours) for theirs, ours in names.items()})
    image = "conv" in name
    x = want["x"].clone().requires_grad_()
    y = module(images(x)).movedim(-3, -1) if image else module(x)
    assert_close(y.reshape(want["y"].shape), want["y"])
    (y.reshape(want["y"].shape) * want["cotangent"]).sum().backward()
    assert_close(x.grad, want["grad_x"], 1e-3, 1e-5)
    for theirs, ours in names.items():
        path, _, leaf = theirs.rpartition("/")
        grad = want[f"grad_{path}/{leaf}" if path else f"grad_{leaf}"]
        assert_close(module.get_parameter(ours).grad, layout(grad, ours), 1e-3, 1e-5)


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_nearest_doubling_is_folded_into_its_convolution(size: tuple[int, int]) -> None:
    """Catches: a tap of the 5 x 5 kernel summed into the wrong neighbour, most visible at the image's edge."""
    torch.manual_seed(0)
    module = UpConv(3, 2, "nearest", "trunc_in").double()
    nn.init.normal_(module.bias)
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    plain = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), module.weight, module.bias, padding=2)
    torch.testing.assert_close(module(x), plain)
    mix = torch.randn_like(plain)
    pair = [torch.autograd.grad((y * mix).sum(), [x, module.weight]) for y in (module(x), plain)]
    for got, want in zip(*pair, strict=True):
        torch.testing.assert_close(got, want)


def test_stuffed_doubling_is_a_transposed_convolution() -> None:
    """Catches: values at the even places of the stuffed image instead of the odd ones."""
    torch.manual_seed(0)
    module = UpConv(3, 2, "stuffed", "trunc_in")
    x = torch.randn(2, 3, 4, 6)
    weight = module.weight.transpose(0, 1).flip(-1, -2)
    plain = F.conv_transpose2d(x, weight, module.bias, stride=2, padding=1)[..., :-1, :-1]
    torch.testing.assert_close(module(x), plain, rtol=1e-4, atol=1e-5)


def test_transposed_convolution_doubles() -> None:
    """Catches: padding of the 4 x 4 transposed convolution that gives other sizes than twice the input's."""
    assert Deconv(3, 2, 4, 1, "glorot")(torch.zeros(1, 3, 5, 7)).shape == (1, 2, 10, 14)


SHAPES = {"400x300": (400, 300), "5x5x16x64": (400, 1600), "8x200x96": (1600, 768), "8x60x40": (480, 320)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("init", ["trunc_in", "trunc_avg"])
def test_kernels_start_as_published(shape: str, init: str) -> None:
    """Catches: a fan of one block instead of the whole width, or a cut normal that is not rescaled."""
    want = dreamer_json("init_stats")[f"trunc_normal_{init.removeprefix('trunc_')}_{shape}"]
    sizes = [int(size) for size in shape.split("x")]
    torch.manual_seed(0)
    if len(sizes) == 2:
        weight = Linear(sizes[0], sizes[1], init).weight
    elif len(sizes) == 3:
        weight = BlockLinear(sizes[0] * sizes[1], sizes[0] * sizes[2], sizes[0], init).kernel
    else:
        weight = Conv(sizes[2], sizes[3], sizes[0], 1, init).weight
    weight = weight.detach()
    assert weight.numel() == want["count"]
    assert float(weight.std()) == pytest.approx(want["std"], rel=0.03)
    assert abs(float(weight.mean())) < 5 * want["std"] / want["count"] ** 0.5
    assert float(weight.abs().max()) == pytest.approx(want["absmax"], rel=0.03)


def test_outscale_scales_the_start() -> None:
    """Catches: heads that should start at zero and do not, or a policy that starts far from uniform."""
    torch.manual_seed(0)
    assert not Linear(30, 20, "trunc_in", 0.0).weight.any()
    assert float(Linear(300, 200, "trunc_in", 0.01).weight.detach().std()) == pytest.approx(0.01 / 300**0.5, rel=0.03)
    weight = torch.empty(400, 600)
    start(weight, "glorot", 400, 600)
    assert float(weight.abs().max()) == pytest.approx((6 / 1000) ** 0.5, rel=0.01)


def test_norms_compute_in_float32_under_autocast() -> None:
    """Catches: a norm whose mean square is summed in bfloat16."""
    torch.manual_seed(0)
    x = (torch.randn(4, 512) + 30).bfloat16()
    for norm in (RmsNorm(512, 1e-4), LayerNorm(512, 1e-3)):
        with torch.autocast("cpu", torch.bfloat16):
            y = norm(x)
        assert y.dtype == torch.bfloat16
        torch.testing.assert_close(y, norm(x.float()).bfloat16())


def test_layers_without_a_norm() -> None:
    """Catches: a norm left in the networks of V1 and V2, which have none."""
    assert sum(p.numel() for p in Mlp(5, 7, 2, replace(NET, norm="none")).parameters()) == 5 * 7 + 7 + 7 * 7 + 7


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norm_and_activation_in_pieces(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches: a piece that is skipped at the end, or a gradient that forgets that the mean depends on every number."""
    torch.manual_seed(0)
    after = NormAct(NET, 24)
    nn.init.normal_(after.norm.scale)
    x = torch.randn(7, 11, 24).to(dtype).requires_grad_()
    mix = torch.randn(7, 11, 24)
    results = []
    for piece in (2**16, 24 * 10):
        monkeypatch.setattr(fused, "PIECE", piece)
        assert fused.worthwhile(x) == (piece != 2**16)
        y = after(x)
        results.append([y, *torch.autograd.grad((y * mix).sum(), [x, after.norm.scale])])
    rtol, atol = (2e-2, 2e-2) if dtype == torch.bfloat16 else (1e-4, 1e-5)
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=rtol, atol=atol)
