"""A perceptron with embeddings, by PyTorch."""

from __future__ import annotations

from everloop.extensions import candidates
from everloop.train.candidates._torch import TorchCandidate


@candidates.register("torch_mlp")
class TorchMLP(TorchCandidate):
    """Dense layers h = max(0, Wx + b) over scaled numbers and learned embeddings of categories.

    Embeddings as in Guo and Berkhahn (2016), "Entity embeddings of categorical variables"; dropout
    after Srivastava et al. (2014); AdamW (Loshchilov and Hutter, 2019) under a cosine. An image is
    read as a row of pixels, a text as the mean of its words' embeddings.
    """

    kind = "torch_mlp"
