"""A network for a schema: one part for each kind of feature, joined under dense layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from everloop.data.schema import Feature, Schema
from everloop.train.torch.networks import attention, convolution, flat, recurrent
from everloop.train.torch.networks._base import Part
from everloop.train.torch.networks.table import Table

Maker = Callable[[int, Feature, int], nn.Module]

#: For each candidate, who reads images and who reads texts and sequences.
READERS: dict[str, tuple[Maker, Maker]] = {
    "torch_mlp": (flat.image_part, flat.steps_part),
    "cnn": (convolution.image_part, flat.steps_part),
    "rnn": (flat.image_part, recurrent.rnn),
    "lstm": (flat.image_part, recurrent.lstm),
    "gru": (flat.image_part, recurrent.gru),
    "transformer": (flat.image_part, attention.attention),
}


class Network(nn.Module):
    """From ``X`` (double, n by ``schema.width``) to ``outputs`` raw numbers a row, float32.

    Parameters
    ----------
    kind : key of ``READERS``.
    width : of what reads images, texts and sequences.
    hidden : width of the dense layers; ``layers`` is how many.
    dropout : share of the dense layers' inputs put to 0 while training.
    """

    def __init__(
        self,
        schema: Schema,
        kind: str,
        outputs: int,
        width: int,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(_parts(schema, kind, width))
        size = sum(cast("int", part.size) for part in self.parts)
        dense: list[nn.Module] = []
        for _ in range(layers):
            dense += [nn.Dropout(dropout), nn.Linear(size, hidden), nn.ReLU()]
            size = hidden
        self.dense = nn.Sequential(*dense, nn.Dropout(dropout), nn.Linear(size, outputs))

    def learn(self, X: np.ndarray) -> None:
        """Let every part take what its preparation needs from the training rows."""
        for part in self.parts:
            cast("Part", part).learn(X)

    def forward(self, X: Tensor) -> Tensor:
        answer: Tensor = self.dense(torch.cat([part(X) for part in self.parts], dim=1))
        return answer


def _parts(schema: Schema, kind: str, width: int) -> list[nn.Module]:
    image, steps = READERS[kind]
    table: list[tuple[int, Feature]] = []
    parts: list[nn.Module] = []
    at = 0
    for feature in schema.features:
        if feature.kind == "image":
            parts.append(image(at, feature, width))
        elif feature.kind in ("text", "sequence"):
            parts.append(steps(at, feature, width))
        else:
            table.append((at, feature))
        at += feature.width
    return [Table(table), *parts] if table else parts
