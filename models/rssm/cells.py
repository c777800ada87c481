"""Recurrent cells of the RSSM: from deter, stoch and action to the next deter.

Every cell gives its work in three parts, so that a scan over time does once what can be done once: ``plan`` cuts and
casts the weights, ``inputs`` does what depends on actions alone (any leading dimensions), ``step`` is the recurrence.
deter (B, D) is float32 throughout; stoch is flattened (B, Z); actions (..., A).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rssm.config import NetConfig
from models.rssm.layers import BlockLinear, Dense, Linear, NormAct, cast

Plan = tuple[Tensor, ...]


class Cell(nn.Module):
    """The part that cells share."""

    def plan(self) -> Plan:
        raise NotImplementedError

    def inputs(self, action: Tensor) -> Tensor:
        raise NotImplementedError

    def step(self, plan: Plan, deter: Tensor, stoch: Tensor, part: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, deter: Tensor, stoch: Tensor, action: Tensor) -> Tensor:
        return self.step(self.plan(), deter, stoch, self.inputs(action))


class JointInput(nn.Module):
    """One layer over [stoch, action], as V1, V2 and V3 of 2023 have it before their cell."""

    def __init__(self, net: NetConfig, actions: int) -> None:
        super().__init__()
        self.widths = net.flat, actions
        self.dense = Dense(net.flat + actions, net.hidden, net)

    def part(self, action: Tensor) -> Tensor:
        linear = self.dense.linear
        return F.linear(action, linear.weight[:, self.widths[0] :], linear.bias)

    def weight(self) -> Tensor:
        """(Z, U): of the latent alone."""
        return self.dense.linear.columns(*self.widths)[0]

    def join(self, weight: Tensor, stoch: Tensor, part: Tensor) -> Tensor:
        return self.dense.after(torch.addmm(part, stoch, weight))


class Gru(Cell):
    """V1: a GRU whose reset gate acts after the recurrent product; gates in the order z, r, n (spec section 13.1)."""

    def __init__(self, net: NetConfig, actions: int) -> None:
        super().__init__()
        self.input = JointInput(net, actions)
        self.gates_x = Linear(net.hidden, 3 * net.deter, net.init)
        self.gates_h = Linear(net.deter, 3 * net.deter, net.init)
        nn.init.orthogonal_(self.gates_h.weight)

    def plan(self) -> Plan:
        return (self.input.weight(),)

    def inputs(self, action: Tensor) -> Tensor:
        return self.input.part(action)

    def step(self, plan: Plan, deter: Tensor, stoch: Tensor, part: Tensor) -> Tensor:
        x = self.gates_x(self.input.join(plan[0], stoch, part)).float()
        h = self.gates_h(deter).float()
        width = deter.shape[-1]
        keep, reset = (x[..., : 2 * width] + h[..., : 2 * width]).sigmoid().chunk(2, -1)
        new = torch.tanh(x[..., 2 * width :] + reset * h[..., 2 * width :])
        return torch.lerp(new, deter, keep)


class LayerNormGru(Cell):
    """V2 and V3 of 2023: one product over [x, deter], normed, then reset, candidate, update less one (section 13.2)."""

    def __init__(self, net: NetConfig, actions: int) -> None:
        super().__init__()
        self.input = JointInput(net, actions)
        self.widths = net.hidden, net.deter
        self.gates = Linear(net.hidden + net.deter, 3 * net.deter, net.init, bias=net.init != "trunc_avg")
        self.norm = nn.LayerNorm(3 * net.deter, 1e-3)

    def plan(self) -> Plan:
        return (self.input.weight(), *self.gates.columns(*self.widths))

    def inputs(self, action: Tensor) -> Tensor:
        return self.input.part(action)

    def step(self, plan: Plan, deter: Tensor, stoch: Tensor, part: Tensor) -> Tensor:
        latent, weight_x, weight_h = plan
        return self.gate(self.input.join(latent, stoch, part), deter, weight_x, weight_h)

    def gate(self, x: Tensor, deter: Tensor, weight_x: Tensor, weight_h: Tensor) -> Tensor:
        """x (B, U): the cell alone."""
        parts = torch.mm(x, weight_x) + torch.mm(deter, weight_h)
        parts = parts if self.gates.bias is None else parts + self.gates.bias
        reset, new, update = self.norm(parts.float()).chunk(3, -1)
        new = torch.tanh(reset.sigmoid() * new)
        return torch.lerp(deter, new, (update - 1).sigmoid())


class BlockGru(Cell):
    """V3: a GRU of ``blocks`` independent blocks, all of which see deter, stoch and action (spec section 3).

    Every block's first input is its own slice of deter and one vector that all share. The shared part of the product is
    one dense product here, the kernel stays one parameter as published.
    """

    def __init__(self, net: NetConfig, actions: int) -> None:
        super().__init__()
        self.blocks, self.units = net.blocks, net.hidden
        self.deter_in = Dense(net.deter, net.hidden, net)
        self.stoch_in = Dense(net.flat, net.hidden, net)
        self.action_in = Dense(actions, net.hidden, net)
        width = net.deter + 3 * net.hidden * net.blocks
        sizes = [width, *[net.deter] * (net.dyn_layers - 1)]
        self.hidden = nn.ModuleList([BlockLinear(size, net.deter, net.blocks, net.init) for size in sizes])
        self.after = nn.ModuleList([NormAct(net, net.deter) for _ in sizes])
        self.gates = BlockLinear(net.deter, 3 * net.deter, net.blocks, net.init)

    @property
    def first(self) -> BlockLinear:
        layer = self.hidden[0]
        assert isinstance(layer, BlockLinear)
        return layer

    def split(self) -> tuple[Tensor, Tensor]:
        """The first kernel as (G, D/G, D/G) for the blocks' own slices, and (3 U, D) for what they share."""
        kernel = self.first.kernel
        own = kernel.shape[1] - 3 * self.units
        return kernel[:, :own], kernel[:, own:].transpose(0, 1).reshape(3 * self.units, -1)

    def plan(self) -> Plan:
        own, shared = self.split()
        offset = torch.zeros_like(self.gates.bias).view(self.blocks, 3, -1)
        offset[:, 2] = -1
        bias = self.gates.bias.view(self.blocks, 1, -1) + offset.view(self.blocks, 1, -1)
        return cast(own), cast(shared[: 2 * self.units]), cast(self.gates.kernel), bias.to(cast(own).dtype)

    def inputs(self, action: Tensor) -> Tensor:
        """Actions beyond [-1, 1] are scaled back to it."""
        action = action / action.detach().abs().clamp(min=1)
        shared = self.split()[1][2 * self.units :]
        return F.linear(self.action_in(action), shared.t(), self.first.bias)

    def step(self, plan: Plan, deter: Tensor, stoch: Tensor, part: Tensor) -> Tensor:
        own, shared, gates, bias = plan
        seen = torch.cat([self.deter_in(deter), self.stoch_in(stoch)], -1)
        x = torch.baddbmm(self.cut(torch.addmm(part, seen, shared)), self.cut(deter).to(own.dtype), own)
        x = self.after[0](self.flatten(x))
        for layer, after in zip(self.hidden[1:], self.after[1:], strict=True):
            x = after(layer(x))
        reset, new, update = torch.baddbmm(bias, self.cut(x), gates).float().chunk(3, -1)
        new = torch.tanh(reset.sigmoid() * new)
        return self.flatten(torch.lerp(self.cut(deter), new, update.sigmoid()))

    def cut(self, x: Tensor) -> Tensor:
        """(B, D) to (G, B, D/G)."""
        return x.view(x.shape[0], self.blocks, -1).transpose(0, 1)

    def flatten(self, x: Tensor) -> Tensor:
        """(G, B, D/G) to (B, D)."""
        return x.transpose(0, 1).reshape(x.shape[1], -1)


CELLS: dict[str, type[Gru] | type[LayerNormGru] | type[BlockGru]] = {
    "gru": Gru,
    "ln_gru": LayerNormGru,
    "block_gru": BlockGru,
}
