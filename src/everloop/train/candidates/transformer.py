"""A small transformer encoder on sequences and texts, by PyTorch."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("transformer")
class Transformer(TorchCandidate):
    """Two blocks of softmax(QKᵀ/√d)·V with four heads (Vaswani et al., 2017) and learned places.

    The mean over the steps goes on to dense layers, together with the features beside the
    sequence or the text.
    """

    kind = "transformer"
    reads = ("sequence", "text")
    seen = 400_000
