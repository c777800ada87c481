"""Training objectives of the DIAMOND family, over batches of segments."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.diamond.config import LossConfig
from models.diamond.denoiser import Denoiser
from models.diamond.rew_end import RewEndModel
from models.diffusion.precondition import add_noise
from models.nn.pixels import quantise

MOTION_THRESHOLD = 0.02


@dataclass(frozen=True)
class StepNoise:
    """The draws of one predicted frame: sigma (B,), offset (B, 3, 1, 1) and pixels (B, 3, H, W), standard normals."""

    sigma: Tensor
    offset: Tensor
    pixels: Tensor


def draw_noise(frames: Tensor, steps: int, generator: torch.Generator) -> list[StepNoise]:
    """Noise for ``steps`` predictions of frames (B, T, 3, H, W), in the order sigma, offset, pixels of each step."""
    b, _, c, h, w = frames.shape
    shapes: tuple[tuple[int, ...], ...] = ((b,), (b, c, 1, 1), (b, c, h, w))
    return [StepNoise(*(torch.randn(s, generator=generator).to(frames.device) for s in shapes)) for _ in range(steps)]


def sigma_of(normals: Tensor, config: LossConfig) -> Tensor:
    """Log-normal noise levels, clipped."""
    return (config.loc + config.scale * normals).exp().clip(config.sigma_min, config.sigma_max)


def denoiser_loss(
    model: Denoiser, config: LossConfig, frames: Tensor, actions: Tensor, mask: Tensor, noise: list[StepNoise]
) -> tuple[Tensor, dict[str, float]]:
    """Mean squared error of F against its target, averaged over len(noise) predicted frames.

    frames (B, n + len(noise), 3, H, W) float32 in [-1, 1], actions (B, T) int64, mask (B, T) bool: real frames. After
    each prediction its quantised value replaces the frame, so the next one is conditioned on the model's own output.
    Raises ValueError when a predicted frame is padding in the whole batch.
    """
    n = model.config.context
    frames = frames.clone()
    total = frames.new_zeros(())
    for i, draws in enumerate(noise):
        context, acts, clean, real = frames[:, i : n + i], actions[:, i : n + i], frames[:, n + i], mask[:, n + i]
        if not bool(real.any()):
            raise ValueError(f"denoiser loss: got a batch in which frame {n + i} is all padding, expected a real one")
        sigma = sigma_of(draws.sigma, config)
        x = add_noise(clean, sigma, draws.offset, draws.pixels, model.config.sigma_offset)
        c = model.conditioners(sigma)
        output = model.model_output(x, c, context, acts)
        error = (output - (clean - c.c_skip * x) / c.c_out) ** 2
        if config.motion_weight:
            moved = (clean - context[:, -1]).abs().amax(1, keepdim=True) > MOTION_THRESHOLD
            error = error * (1 + config.motion_weight * moved)
        total = total + error[real].mean()
        if i + 1 < len(noise):
            frames[:, n + i] = quantise(c.c_skip * x + c.c_out * output)
    loss = total / len(noise)
    return loss, {"loss": loss.item()}


def rew_end_loss(
    model: RewEndModel,
    frames: Tensor,
    actions: Tensor,
    rewards: Tensor,
    terminated: Tensor,
    mask: Tensor,
    final_frames: Tensor,
) -> tuple[Tensor, dict[str, float]]:
    """Cross-entropies of reward sign and termination over a segment's T - 1 transitions, unweighted, summed.

    frames (B, T, 3, H, W) float32, actions (B, T), rewards (B, T), terminated (B, T) bool, mask (B, T) bool;
    final_frames (B, 3, H, W): the frame after the episode's last step, put in place of the padding after a termination.
    """
    frames = frames.clone()
    ended, ends = terminated[:, :-1].max(dim=1)
    rows = ended.nonzero()[:, 0]
    frames[rows, ends[rows] + 1] = final_frames[rows]
    reward_logits, end_logits, _ = model(frames[:, :-1], actions[:, :-1], frames[:, 1:], None)
    real = mask[:, :-1]
    reward_loss = F.cross_entropy(reward_logits[real].float(), rewards[:, :-1][real].sign().long() + 1)
    end_loss = F.cross_entropy(end_logits[real].float(), terminated[:, :-1][real].long())
    loss = reward_loss + end_loss
    return loss, {"loss": loss.item(), "loss_reward": reward_loss.item(), "loss_end": end_loss.item()}
