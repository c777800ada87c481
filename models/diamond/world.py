"""A DIAMOND world behind the WorldModel contract (arXiv 2405.12399, section 3; the published WorldModelEnv)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.diamond.config import DiamondConfig, DiamondSettings
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diamond.views import Course, step_views
from models.diffusion.sampler import levels, sample
from models.nn.packed import packed
from models.nn.pixels import to_bytes, to_float
from models.nn.precision import DTYPES, arithmetic, resolve
from models.nn.weights import load_weights, place
from models.nn.workers import release_workers
from models.types import Context, Prediction, View, WorldSpec
from models.world import Rng, check_frame

DENOISER, REW_END = "denoiser.", "rew_end_model."
"""Prefixes of the published checkpoints."""
COARSE = 16
"""Pixels a side of the frames in a latent."""


@dataclass(frozen=True)
class DiamondState:
    """What a DIAMOND dream remembers.

    frames (B, n, 3, H, W) uint8, oldest first; actions (B, n - 1) int64, those taken at all but the last frame; hidden
    and cell (B, lstm_dim) float32 of the reward and termination model.
    """

    frames: Tensor
    actions: Tensor
    hidden: Tensor
    cell: Tensor


Twins = dict[torch.dtype, tuple[Denoiser, RewEndModel]]
"""The networks that play on a processor, by their arithmetic."""


class DiamondWorld:
    """The denoiser and the model of reward and termination, played one step at a time.

    On a processor it is their twins that play (``models.nn.packed``): no row of a batch depends on the others.
    ``reference`` has the networks themselves play there too. Their weights must not change once they have played.
    """

    def __init__(
        self,
        spec: WorldSpec,
        denoiser: Denoiser,
        rew_end: RewEndModel,
        settings: DiamondSettings = DiamondSettings(),
        *,
        reference: bool = False,
        twins: Twins | None = None,
    ) -> None:
        self.spec, self.settings, self.reference = spec, settings, reference
        self.denoiser, self.rew_end = denoiser, rew_end
        self.twins: Twins = {} if twins is None else twins
        self.packs = self.device.type == "cpu" and not reference
        self.arithmetic = nullcontext if self.packs else arithmetic(settings.precision, self.device)

    @classmethod
    def load(
        cls,
        spec: WorldSpec,
        config: dict[str, Any],
        settings: dict[str, Any],
        weights: dict[str, Tensor],
        device: torch.device,
    ) -> DiamondWorld:
        """Build from a world folder's values. Raises ValueError on whatever does not fit."""
        shape = DiamondConfig.from_dict(config)
        if (shape.height, shape.width, shape.num_actions, shape.denoiser.context) != (
            spec.height,
            spec.width,
            spec.actions.size,
            spec.context,
        ):
            raise ValueError(f"config: got {shape}, expected the size, actions and context of {spec}")
        denoiser = Denoiser(shape.denoiser, shape.num_actions)
        rew_end = RewEndModel(shape.rew_end, shape.num_actions, shape.height, shape.width)
        for module, prefix in ((denoiser, DENOISER), (rew_end, REW_END)):
            mine = {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
            load_weights(module, mine, prefix.rstrip("."))
            place(module, device)
            module.eval().requires_grad_(False)
        if strange := [name for name in weights if not name.startswith((DENOISER, REW_END))]:
            raise ValueError(f"weights: got unknown tensors {strange[:5]}, expected {DENOISER}* and {REW_END}* only")
        return cls(spec, denoiser, rew_end, DiamondSettings().changed(settings))

    def weights(self) -> dict[str, Tensor]:
        """All tensors under the published names."""
        parts = ((DENOISER, self.denoiser), (REW_END, self.rew_end))
        return {prefix + name: t for prefix, module in parts for name, t in module.state_dict().items()}

    @property
    def device(self) -> torch.device:
        return self.denoiser.inner_model.conv_in.weight.device

    def with_settings(self, **changes: Any) -> DiamondWorld:
        return self.sibling(self.settings.changed(changes), self.reference)

    def as_reference(self) -> DiamondWorld:
        """This world played by the networks as they were trained, for comparison."""
        return self.sibling(self.settings, True)

    def sibling(self, settings: DiamondSettings, reference: bool) -> DiamondWorld:
        parts = (self.spec, self.denoiser, self.rew_end)
        return DiamondWorld(*parts, settings, reference=reference, twins=self.twins)

    def networks(self) -> tuple[Denoiser, RewEndModel]:
        """The networks that play."""
        if not self.packs:
            return self.denoiser, self.rew_end
        dtype = DTYPES[resolve(self.settings.precision, self.device)]
        if dtype not in self.twins:
            denoiser = packed(self.denoiser, dtype, "inner_model.cond_proj")
            self.twins[dtype] = denoiser, packed(self.rew_end, dtype, "act_emb")
        return self.twins[dtype]

    @torch.no_grad()
    def initial(self, context: Context, rng: Rng) -> DiamondState:
        """Run the reward and termination model over the context's transitions from zeros; keep the last n frames."""
        context.check(self.spec)
        n, frames = self.spec.context, to_float(context.frames.to(self.device))
        with self.arithmetic():
            _, _, (hidden, cell) = self.networks()[1](
                frames[:, :-1], context.actions.to(self.device), frames[:, 1:], None
            )
        last = context.frames[:, -n:].to(self.device)
        actions = context.actions[:, context.actions.shape[1] - (n - 1) :].to(self.device)
        state = DiamondState(last.clone(), actions.clone(), hidden[0].float(), cell[0].float())
        release_workers()  # whoever starts a dream is seldom the thread that goes on with it
        return state

    @torch.no_grad()
    def step(
        self, state: DiamondState, action: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[DiamondState, Prediction]:
        """Draw the next frame, then reward and termination; draws of a row: x, where there is any context
        noise that, churn noise, reward, termination."""
        return self.go_on(state, action, None, rng, inspect)

    @torch.no_grad()
    def observe(
        self, state: DiamondState, action: Tensor, frame: Tensor, rng: Rng, *, inspect: bool = False
    ) -> tuple[DiamondState, Prediction]:
        """A step whose real frame is known: it takes the dreamed one's place in what is remembered.

        The prediction is of the dreamed frame and of the reward and termination that the model of them expects of the
        real one. Draws as of ``step``.
        """
        return self.go_on(state, action, check_frame(frame, self.spec, len(state.frames)), rng, inspect)

    def go_on(
        self, state: DiamondState, action: Tensor, real: Tensor | None, rng: Rng, inspect: bool
    ) -> tuple[DiamondState, Prediction]:
        rng.check(len(state.frames))
        self.spec.actions.check(action, len(state.frames))
        action = action.to(self.device)
        actions = torch.cat([state.actions, action[:, None]], dim=1)
        path, course = self.next_frame(to_float(state.frames), actions, rng, inspect)
        dreamed = to_bytes(path[-1], nearest=True)
        frame = dreamed if real is None else real.to(self.device)
        reward, terminated, hidden, cell = self.events(state, action, frame, rng)
        frames = torch.cat([state.frames[:, 1:], frame[:, None]], dim=1)
        after = DiamondState(frames, actions[:, 1:].contiguous(), hidden, cell)
        if course is None:
            return after, Prediction(dreamed, reward, terminated)
        views = (*step_views(course, path, self.settings), *self.inside(after))
        return after, Prediction(dreamed, reward, terminated, views)

    def next_frame(
        self, context: Tensor, actions: Tensor, rng: Rng, inspect: bool
    ) -> tuple[list[Tensor], Course | None]:
        """The sampler's trajectory to the next frame, and with ``inspect`` what is noted on the way."""
        shape = tuple(context.shape[2:])

        def noise() -> Tensor:
            return rng.normal(*shape).to(self.device)

        start = noise()
        if self.settings.context_noise > 0:
            context = context + self.settings.context_noise * rng.normal(*context.shape[1:]).to(self.device)
        course = Course(context) if inspect else None
        sigmas = levels(self.settings)[:-1].to(self.device)
        with self.arithmetic():
            if course is None:
                denoise = self.networks()[0].given(context, actions, sigmas)
            else:
                denoise = course.noting(self.networks()[0].given(context, actions, sigmas, course.net))
            return sample(denoise, start, noise, self.settings), course

    def events(
        self, state: DiamondState, action: Tensor, frame: Tensor, rng: Rng
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reward (B,) float32, terminated (B,) bool and the recurrent state after the transition."""
        before, after = to_float(state.frames[:, -1:]), to_float(frame[:, None])
        recurrent = (state.hidden[None], state.cell[None])
        with self.arithmetic():
            rewards, ends, (hidden, cell) = self.networks()[1](before, action[:, None], after, recurrent)
        probs = [logits[:, 0].float().softmax(-1) for logits in (rewards, ends)]
        if self.settings.sample_events:
            reward, end = (rng.categorical(p) for p in probs)
        else:
            reward, end = (p.argmax(-1) for p in probs)
        return (reward - 1).float().cpu(), end.bool().cpu(), hidden[0].float(), cell[0].float()

    def inside(self, state: DiamondState) -> tuple[View, ...]:
        """What of a step's views follows from the state alone."""
        return (View("hidden", "vector", state.hidden, editable=True),)

    def frame(self, state: DiamondState) -> Tensor:
        return state.frames[:, -1]

    def latent(self, state: DiamondState) -> Tensor:
        """Where a state is in the space of what is remembered: (B, D) float32.

        The frames at no more than COARSE x COARSE pixels, in [-1, 1], and the hidden state. Without the cell, which
        tells the length of the past from the rest.
        """
        b, _, _, h, w = state.frames.shape
        coarse = F.adaptive_avg_pool2d(to_float(state.frames.flatten(0, 1)), (min(h, COARSE), min(w, COARSE)))
        return torch.cat([coarse.reshape(b, -1), state.hidden.float()], dim=1)

    def edit(self, state: DiamondState, name: str, value: Tensor) -> DiamondState:
        if name != "hidden":
            raise ValueError(f"edit: got view {name!r}, expected 'hidden'")
        if value.shape != state.hidden.shape:
            got, want = tuple(value.shape), tuple(state.hidden.shape)
            raise ValueError(f"edit hidden: got shape {got}, expected {want}")
        return replace(state, hidden=value.to(state.hidden))
