"""Numbers, booleans, categories and dates: scaled, embedded, put on circles."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from everloop.data.schema import Feature
from everloop.train.torch.networks._base import Part, Scale

PERIODS = (12.0, 7.0, 24.0)  # of month, weekday and hour
WIDEST = 32  # of an embedding


class Table(Part):
    """The columns of a table.

    A number is scaled, with an indicator of missing values where training had them; a category is
    an embedding of ``min(32, 1 + ⌈levels^0.56⌉)`` numbers, where a missing or an unseen level has
    a vector of its own; each field of a date is a point on a circle, so that December meets
    January.
    """

    def __init__(self, features: list[tuple[int, Feature]]) -> None:
        super().__init__()
        plain = [(at, f) for at, f in features if f.kind in ("number", "boolean")]
        self.numbers = [at for at, _ in plain]
        self.holes = [at for at, f in plain if f.nullable]
        self.categories = [(at, len(f.levels)) for at, f in features if f.kind == "category"]
        self.dates = [at + j for at, f in features if f.kind == "datetime" for j in range(3)]
        self.scale = Scale(len(self.numbers))
        self.embeddings = nn.ModuleList(
            nn.Embedding(levels + 1, _embedding_size(levels)) for _, levels in self.categories
        )
        self.size = len(self.numbers) + len(self.holes) + 2 * len(self.dates)
        self.size += sum(_embedding_size(levels) for _, levels in self.categories)
        turns = torch.tensor([2 * math.pi / p for p in PERIODS * (len(self.dates) // 3)])
        self.turns: Tensor
        self.register_buffer("turns", turns.double())

    def learn(self, X: np.ndarray) -> None:
        self.scale.learn(X[:, self.numbers])

    def forward(self, X: Tensor) -> Tensor:
        read = []
        if self.numbers:
            read.append(self.scale(X[:, self.numbers]))
        if self.holes:
            read.append(torch.isnan(X[:, self.holes]).float())
        if self.dates:
            read.append(self._circles(X[:, self.dates]))
        for (at, levels), embedding in zip(self.categories, self.embeddings, strict=True):
            read.append(embedding(codes(X[:, at], levels)))
        return torch.cat(read, dim=1)

    def _circles(self, fields: Tensor) -> Tensor:
        angle = fields * self.turns
        both = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)
        return torch.nan_to_num(both).float()


def codes(values: Tensor, levels: int) -> Tensor:
    """Rows of an embedding: 0 for missing or unseen, else 1 + the level."""
    known = torch.nan_to_num(values, nan=-1.0)
    return (torch.clamp(known, -1.0, float(levels - 1)) + 1.0).long()


def _embedding_size(levels: int) -> int:
    return min(WIDEST, 1 + math.ceil(math.pow(levels, 0.56)))
