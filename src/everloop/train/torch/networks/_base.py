"""What a part of a network is.

A part reads its own features out of the columns of ``X`` and answers a vector a row; the network
joins the vectors of its parts. Obligations. ``forward`` takes the whole ``X`` (double, n by
``schema.width``, NaN and -1 in it as :mod:`everloop.data.schema` says) and returns float32, n by
``size``, finite whatever came in. ``learn`` is called once, before training, with the training
rows, and keeps what it needs in buffers, so that it travels with the weights and into the ONNX
graph. Only operations that ``torch.onnx`` exports with a dynamic number of rows are used.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

LIMIT = 8.0  # in standard deviations: one wild value must not drown the others


class Part(nn.Module):
    """One reader of some columns. ``size`` is the length of its answer."""

    size: int

    def learn(self, X: np.ndarray) -> None:
        """Take what preparation needs from the training rows."""

    def forward(self, X: Tensor) -> Tensor:
        raise NotImplementedError


class Scale(nn.Module):
    """Numbers to mean 0 and deviation 1, by what the training rows had; missing becomes 0."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(columns, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(columns, dtype=torch.float64))

    def learn(self, values: np.ndarray) -> None:
        """``values`` is n by ``columns``, NaN where missing."""
        for j in range(values.shape[1]):
            known = values[:, j][np.isfinite(values[:, j])]
            if not len(known):
                continue
            self.mean[j] = float(known.mean())
            spread = float(known.std())
            self.deviation[j] = spread if spread > 0 else 1.0

    def forward(self, values: Tensor) -> Tensor:
        scaled = (values - self.mean) / self.deviation
        held = torch.clamp(scaled, -LIMIT, LIMIT).float()
        return torch.where(torch.isnan(values), torch.zeros_like(held), held)
