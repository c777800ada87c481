"""The optimisers of an agent: one over everything (V3), or one each for model, actor and critic (V1, V2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.rssm.agent import Agent
from models.rssm.config import OptimizerConfig, RssmConfig
from models.training.laprop import LaProp, TfAdam

GROUPS = ("model", "actor", "critic")


def parts_of(agent: Agent) -> dict[str, list[nn.Parameter]]:
    """Trained parameters by group; each is in one of them."""
    parts: dict[str, list[nn.Parameter]] = {group: [] for group in GROUPS}
    owners = {"pol": "actor", "val": "critic", "slowval": ""}
    for name, parameter in agent.named_parameters():
        group = owners.get(name.split(".")[0], "model")
        if group:
            parts[group].append(parameter)
    return parts


class Several:
    """Optimisers that are stored and loaded as one, in the form of a single one's state."""

    each: dict[str, torch.optim.Optimizer]

    def state_dict(self) -> dict[str, Any]:
        """``state`` of all parameters, numbered through, and no groups: rates are the configuration's."""
        state: dict[int, Any] = {}
        for first, optimizer in self.numbered():
            state |= {first + index: entry for index, entry in optimizer.state_dict()["state"].items()}
        return {"state": state, "param_groups": []}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        for first, optimizer in self.numbered():
            own = range(first, first + sum(len(group["params"]) for group in optimizer.param_groups))
            state = {index - first: entry for index, entry in values["state"].items() if index in own}
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

    def numbered(self) -> list[tuple[int, torch.optim.Optimizer]]:
        """Each optimiser with the number of its first parameter."""
        out, first = [], 0
        for optimizer in self.each.values():
            out.append((first, optimizer))
            first += sum(len(group["params"]) for group in optimizer.param_groups)
        return out


class Joint(Several):
    """V3: LaProp with adaptive clipping over all parameters (spec section 9)."""

    def __init__(self, agent: Agent, config: OptimizerConfig) -> None:
        parameters = [p for group in parts_of(agent).values() for p in group]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        betas = (config.beta1, config.beta2)
        self.each = {"all": LaProp(groups, config.lr, betas, config.eps, config.agc, config.warmup)}

    def step(self, loss: Tensor, group: str) -> dict[str, float]:
        loss.backward()
        self.each["all"].step()
        self.each["all"].zero_grad(set_to_none=True)
        return {}


class Apart(Several):
    """V1, V2 and V3 of 2023: three Adams, each with its learning rate and its clip of the gradients' global norm."""

    def __init__(self, agent: Agent, config: OptimizerConfig) -> None:
        rates = {"model": config.lr, "actor": config.actor_lr, "critic": config.critic_lr}
        self.clips = {"model": config.clip, "actor": config.agent_clip, "critic": config.agent_clip}
        self.parts, self.each = parts_of(agent), {}
        for group, parameters in self.parts.items():
            eps = config.eps if group == "model" else config.agent_eps
            self.each[group] = self.make(parameters, rates[group], eps, config)

    def make(self, parameters: list[nn.Parameter], lr: float, eps: float, config: OptimizerConfig) -> Any:
        betas = (config.beta1, config.beta2)
        if config.tf_eps:
            return TfAdam(parameters, lr, betas, eps, weight_decay=config.weight_decay)
        return torch.optim.Adam(parameters, lr, betas, eps)

    def step(self, loss: Tensor, group: str) -> dict[str, float]:
        """Update one group, or with "each" all of them, from one loss whose gradients do not mix."""
        loss.backward()
        norms = {}
        for name in GROUPS if group == "each" else (group,):
            norm = nn.utils.clip_grad_norm_(self.parts[name], self.clips[name])
            norms[f"{name}_norm"] = float(norm)
            self.each[name].step()
        for optimizer in self.each.values():
            optimizer.zero_grad(set_to_none=True)
        return norms


def make_optimizer(agent: Agent, config: RssmConfig) -> Joint | Apart:
    """What the configuration asks for."""
    return (Joint if config.optimizer.kind == "laprop" else Apart)(agent, config.optimizer)
