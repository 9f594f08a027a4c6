"""A convolutional network on images, by PyTorch."""

from __future__ import annotations

from typing import Any

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("cnn")
class CNN(TorchCandidate):
    """Blocks of convolution, batch normalisation, ReLU and max-pooling, then a dense layer.

    y(i,j) = Σ W(u,v)·x(i+u,j+v) over 3 by 3 pixels (LeCun et al., 1998). Features beside the image
    join before the dense layer. ``width`` is the channels of the first block.
    """

    kind = "cnn"
    reads = ("image",)
    seen = 600_000
    widths = (16, 32, 64)

    def defaults(self, rows: int) -> dict[str, Any]:
        chosen = super().defaults(rows)
        batch = min(128, chosen["batch_size"])
        return chosen | {"width": 32, "layers": 1, "dropout": 0.3, "batch_size": batch}
