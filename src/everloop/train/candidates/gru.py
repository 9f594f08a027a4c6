"""A network of gated recurrent units on sequences and texts, by PyTorch."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("gru")
class GRU(TorchCandidate):
    """h(t) = z·h(t-1) + (1-z)·tanh(W·x(t) + r·U·h(t-1)) with gates z, r (Cho et al., 2014).

    The last state and the mean of all states go on to dense layers, together with the features
    beside the sequence or the text.
    """

    kind = "gru"
    reads = ("sequence", "text")
    seen = 400_000
