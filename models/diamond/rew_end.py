"""DIAMOND's model of reward and termination: a convolutional encoder of a transition and an LSTM."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.diamond.config import RewEndConfig
from models.nn.blocks import Downsample, ResBlocks

LstmState = tuple[Tensor, Tensor]


class Encoder(nn.Module):
    """Two stacked frames (B, 6, H, W) and a conditioning vector to a feature map."""

    def __init__(self, config: RewEndConfig) -> None:
        super().__init__()
        channels = config.channels
        below = [channels[0], *channels[:-1]]
        self.patch = config.patch
        self.conv_in = nn.Conv2d(6 * config.patch**2, channels[0], 3, padding=1)
        self.downsamples = nn.ModuleList([nn.Identity(), *[Downsample(c) for c in channels[:-1]]])
        levels = zip(below, channels, config.depths, config.attn_depths, strict=True)
        self.blocks = nn.ModuleList(
            [
                ResBlocks([(c_in if j == 0 else c, c) for j in range(depth)], config.cond, bool(attn))
                for c_in, c, depth, attn in levels
            ]
        )
        self.blocks.append(ResBlocks([(channels[-1], channels[-1])] * 2, config.cond, True))

    def forward(self, x: Tensor, cond: Tensor) -> Tensor:
        if self.patch > 1:
            x = F.pixel_unshuffle(x, self.patch)
        x = self.conv_in(x)
        for i, block in enumerate(self.blocks):
            x, _ = block(self.downsamples[i](x) if i < len(self.downsamples) else x, cond)
        return x


class RewEndModel(nn.Module):
    """Logits of reward sign {-1, 0, +1} and termination {no, yes} of each transition of a sequence."""

    def __init__(self, config: RewEndConfig, num_actions: int, height: int, width: int) -> None:
        super().__init__()
        self.config = config
        shrink = config.patch * 2 ** (len(config.channels) - 1)
        features = (config.bottleneck or config.channels[-1]) * math.ceil(height / shrink) * math.ceil(width / shrink)
        self.act_emb = nn.Embedding(num_actions, config.cond)
        self.encoder = Encoder(config)
        if config.bottleneck:
            squeeze = nn.Conv2d(config.channels[-1], config.bottleneck, 1)
            self.squeeze = nn.Sequential(squeeze, nn.Flatten(), nn.BatchNorm1d(features))
            self.shortcut = nn.Linear(features, 5, bias=False)
        self.lstm = nn.LSTM(features, config.lstm_dim, batch_first=True)
        self.head = nn.Sequential(
            nn.Linear(config.lstm_dim, config.lstm_dim), nn.SiLU(), nn.Linear(config.lstm_dim, 5, bias=False)
        )
        init_lstm(self.lstm)

    def forward(
        self, frames: Tensor, actions: Tensor, next_frames: Tensor, state: LstmState | None
    ) -> tuple[Tensor, Tensor, LstmState]:
        """frames, next_frames (B, T, 3, H, W) in [-1, 1], actions (B, T) int64, state (1, B, lstm_dim) twice or zeros.

        Returns reward logits (B, T, 3), termination logits (B, T, 2) and the state after the last transition.
        """
        b, t = actions.shape
        gain = self.config.difference_gain
        second = gain * (next_frames - frames) if gain else next_frames
        x = torch.cat([frames, second], dim=2).flatten(0, 1)
        x = self.encoder(x, self.act_emb(actions.flatten()))
        if self.config.bottleneck:
            x = self.squeeze(x)
        x = x.reshape(b, t, -1)
        y, state = self.lstm(x, state)
        logits = self.head(y)
        if self.config.bottleneck:
            logits = logits + self.shortcut(x)
        return logits[..., :3], logits[..., 3:], state


def init_lstm(lstm: nn.LSTM) -> None:
    """Xavier-uniform input weights, orthogonal recurrent ones, zero biases; 1 for the forget gate's input bias."""
    weights = dict(lstm.named_parameters())
    nn.init.xavier_uniform_(weights["weight_ih_l0"])
    nn.init.orthogonal_(weights["weight_hh_l0"])
    nn.init.zeros_(weights["bias_hh_l0"])
    nn.init.zeros_(weights["bias_ih_l0"])
    with torch.no_grad():
        weights["bias_ih_l0"].chunk(4)[1].fill_(1)
