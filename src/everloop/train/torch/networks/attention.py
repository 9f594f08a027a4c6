"""A small transformer encoder over the words of a text or the steps of a sequence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from everloop.data.schema import Feature
from everloop.train.torch.networks.flat import masked_mean
from everloop.train.torch.networks.words import Ordered

HEADS = 4
BLOCKS = 2
ABSENT = -1e9  # a logit of a step that is not there


class Block(nn.Module):
    """Attention, then two dense layers, each normalised before and added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before_attention, self.before_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.dense = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, steps: Tensor, absent: Tensor) -> Tensor:
        rows, length, width = steps.shape
        together = self.project(self.before_attention(steps))
        parts = together.reshape(rows, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        query, key, value = parts[0], parts[1], parts[2]
        logits = query @ key.transpose(2, 3) / (width // HEADS) ** 0.5 + absent
        mixed = functional.softmax(logits, dim=-1) @ value
        steps = steps + self.join(mixed.transpose(1, 2).reshape(rows, length, width))
        added: Tensor = self.dense(self.before_dense(steps))
        return steps + added


class Attention(Ordered):
    """Two blocks of four heads with learned places; its answer is the mean over the steps.

    Vaswani et al. (2017), "Attention is all you need": softmax(QKᵀ/√d)V. Normalisation comes
    before each sublayer (Xiong et al., 2020), which trains without a long warm-up.
    """

    def __init__(self, at: int, feature: Feature, width: int) -> None:
        width = max(HEADS, width // HEADS * HEADS)
        super().__init__(at, feature, width)
        self.size = width
        self.enter = nn.Linear(self.reader.size, width)
        # Smaller ones drown in the steps: with 0.02 it learned no order from some hundred rows.
        self.places = nn.Parameter(0.5 * torch.randn(feature.shape[0], width))
        self.blocks = nn.ModuleList(Block(width) for _ in range(BLOCKS))
        self.leave = nn.LayerNorm(width)

    def forward(self, X: Tensor) -> Tensor:
        steps, mask = self.reader(X)
        absent = ((1.0 - mask) * ABSENT).reshape(-1, 1, 1, mask.shape[1])
        steps = self.enter(steps) + self.places
        for block in self.blocks:
            steps = block(steps, absent)
        return masked_mean(self.leave(steps), mask)


def attention(at: int, feature: Feature, width: int) -> nn.Module:
    return Attention(at, feature, width)
