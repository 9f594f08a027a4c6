"""A network with long short-term memory on sequences and texts, by PyTorch."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("lstm")
class LSTM(TorchCandidate):
    """c(t) = f·c(t-1) + i·g and h(t) = o·tanh(c(t)) with gates f, i, o (Hochreiter
    and Schmidhuber, 1997).

    The last state and the mean of all states go on to dense layers, together with the features
    beside the sequence or the text.
    """

    kind = "lstm"
    reads = ("sequence", "text")
    seen = 400_000
