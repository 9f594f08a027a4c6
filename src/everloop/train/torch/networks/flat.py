"""Images, sequences and texts without their order: what a plain perceptron sees."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from everloop.data.schema import Feature
from everloop.train.torch.networks._base import Part, Scale
from everloop.train.torch.networks.words import Words


class Pixels(Part):
    """An image as one long row of values from -1 to 1; missing pixels are grey."""

    def __init__(self, at: int, feature: Feature) -> None:
        super().__init__()
        self.at, self.size = at, feature.width

    def forward(self, X: Tensor) -> Tensor:
        pixels = X[:, self.at : self.at + self.size] / 127.5 - 1.0
        return torch.nan_to_num(torch.clamp(pixels, -1.0, 1.0)).float()


class Values(Part):
    """A sequence as one long row, each place scaled by itself."""

    def __init__(self, at: int, feature: Feature) -> None:
        super().__init__()
        self.at, self.size = at, feature.width
        self.scale = Scale(self.size)

    def learn(self, X: np.ndarray) -> None:
        self.scale.learn(X[:, self.at : self.at + self.size])

    def forward(self, X: Tensor) -> Tensor:
        scaled: Tensor = self.scale(X[:, self.at : self.at + self.size])
        return scaled


class Bag(Part):
    """A text as the mean of its words' embeddings."""

    def __init__(self, at: int, feature: Feature, size: int) -> None:
        super().__init__()
        self.words = Words(at, feature, size)
        self.size = size

    def forward(self, X: Tensor) -> Tensor:
        steps, mask = self.words(X)
        return masked_mean(steps, mask)


def masked_mean(steps: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps that are there: n by steps by size and n by steps to n by size."""
    total = (steps * mask.unsqueeze(-1)).sum(dim=1)
    return total / torch.clamp(mask.sum(dim=1, keepdim=True), min=1.0)


def image_part(at: int, feature: Feature, width: int) -> nn.Module:
    return Pixels(at, feature)


def steps_part(at: int, feature: Feature, width: int) -> nn.Module:
    """The part for a text or a sequence."""
    return Bag(at, feature, width) if feature.kind == "text" else Values(at, feature)
