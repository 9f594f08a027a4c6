"""Steps of a text or a sequence, ready for a network that reads them in order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from everloop.data.schema import Feature
from everloop.train.torch.networks._base import Part, Scale


class Words(nn.Module):
    """The words of a text: embeddings, n by words by ``size``, and a mask of those there are.

    Row 0 of the embedding stands for no word; the last row for an unknown one.
    """

    def __init__(self, at: int, feature: Feature, size: int) -> None:
        super().__init__()
        self.at, self.length, self.size = at, feature.width, size
        self.unknown = feature.vocabulary
        self.embedding = nn.Embedding(self.unknown + 2, size, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=0.1)
        with torch.no_grad():
            self.embedding.weight[0] = 0.0

    def learn(self, X: np.ndarray) -> None:
        """There is nothing to scale in words."""

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        ids = torch.nan_to_num(X[:, self.at : self.at + self.length], nan=-1.0)
        ids = (torch.clamp(ids, -1.0, float(self.unknown)) + 1.0).long()
        return self.embedding(ids), (ids > 0).float()


class Steps(nn.Module):
    """The steps of a sequence: scaled channels and one that says what is missing.

    Answers n by steps by ``size`` and a mask of the steps that have a value.
    """

    def __init__(self, at: int, feature: Feature) -> None:
        super().__init__()
        self.at, self.length = at, feature.width
        self.channels = feature.shape[1] if len(feature.shape) > 1 else 1
        self.steps = self.length // self.channels
        self.size = self.channels + 1
        self.scale = Scale(self.channels)

    def learn(self, X: np.ndarray) -> None:
        """One scale a channel, over all its steps."""
        self.scale.learn(X[:, self.at : self.at + self.length].reshape(-1, self.channels))

    def forward(self, X: Tensor) -> tuple[Tensor, Tensor]:
        values = X[:, self.at : self.at + self.length].reshape(-1, self.steps, self.channels)
        mask = 1.0 - torch.isnan(values).float().amin(dim=2)
        return torch.cat([self.scale(values), mask.unsqueeze(-1)], dim=2), mask


def steps_of(at: int, feature: Feature, width: int) -> Words | Steps:
    """The reader for a text (words embedded in ``width`` numbers) or a sequence."""
    return Words(at, feature, width) if feature.kind == "text" else Steps(at, feature)


class Ordered(Part):
    """Base of the parts that read steps in order."""

    def __init__(self, at: int, feature: Feature, width: int) -> None:
        super().__init__()
        self.reader = steps_of(at, feature, width)

    def learn(self, X: np.ndarray) -> None:
        self.reader.learn(X)


def last_step(steps: Tensor, mask: Tensor) -> Tensor:
    """The vector of the last step that is there (the first when none is)."""
    place = torch.arange(1, mask.shape[1] + 1, device=mask.device, dtype=mask.dtype)
    last = torch.clamp((mask * place).amax(dim=1) - 1.0, min=0.0).long()
    index = last.reshape(-1, 1, 1).expand(-1, 1, steps.shape[2])
    return torch.gather(steps, 1, index).squeeze(1)
