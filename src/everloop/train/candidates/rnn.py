"""A simple recurrent network on sequences and texts, by PyTorch."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("rnn")
class RNN(TorchCandidate):
    """h(t) = tanh(W·x(t) + U·h(t-1) + b) (Elman, 1990, "Finding structure in time").

    The last state and the mean of all states go on to dense layers, together with the features
    beside the sequence or the text.
    """

    kind = "rnn"
    reads = ("sequence", "text")
    seen = 400_000
