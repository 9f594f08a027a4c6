"""What a network's raw numbers mean for each task: the loss they learn by, the answer they give."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from everloop.data.schema import Schema, Task

NEVER = -1e9  # a logit of a class that training never showed: its probability is exactly 0


class Answer(nn.Module):
    """How raw numbers are read. ``outputs`` is how many there are a row, ``names`` those of ONNX.

    Buffers that :meth:`learn` fills travel with the weights.
    """

    outputs: int
    names: tuple[str, ...]

    def learn(self, y: np.ndarray) -> None:
        """Take what is needed from the training targets."""

    def targets(self, y: np.ndarray) -> Tensor:
        """Targets as :meth:`losses` wants them."""
        raise NotImplementedError

    def losses(self, raw: Tensor, targets: Tensor) -> Tensor:
        """The loss of each row, n."""
        raise NotImplementedError

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        """The answers of :mod:`everloop.data.schema`, in the order of ``names``."""
        raise NotImplementedError


class Classes(Answer):
    """One class of several: softmax, and cross entropy -log p(class)."""

    names = ("label", "probabilities")

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.outputs = len(schema.classes)
        self.absent: Tensor
        self.register_buffer("absent", torch.zeros(self.outputs))

    def learn(self, y: np.ndarray) -> None:
        seen = np.isin(np.arange(self.outputs), y)
        self.absent[:] = torch.from_numpy(np.where(seen, 0.0, NEVER))

    def targets(self, y: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64))

    def losses(self, raw: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(raw + self.absent, targets, reduction="none")

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        probabilities = torch.softmax((raw + self.absent).double(), dim=1)
        return torch.argmax(probabilities, dim=1), probabilities


class Labels(Answer):
    """Any number of labels: a sigmoid each, and the sum of their log losses."""

    names = ("label", "probabilities")

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.outputs = len(schema.classes)

    def targets(self, y: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(y, dtype=np.float32))

    def losses(self, raw: Tensor, targets: Tensor) -> Tensor:
        each = functional.binary_cross_entropy_with_logits(raw, targets, reduction="none")
        return each.sum(dim=1)

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        probabilities = torch.sigmoid(raw.double())
        return (probabilities >= 0.5).long(), probabilities


class Number(Answer):
    """A number, learned by its squared error in standard deviations of the target."""

    names = ("y",)
    outputs = 1

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("deviation", torch.ones((), dtype=torch.float64))

    def learn(self, y: np.ndarray) -> None:
        self.mean.fill_(float(y.mean()))
        self.deviation.fill_(float(y.std()) or 1.0)

    def targets(self, y: np.ndarray) -> Tensor:
        scaled = (y - float(self.mean)) / float(self.deviation)
        return torch.from_numpy(scaled.astype(np.float32))

    def losses(self, raw: Tensor, targets: Tensor) -> Tensor:
        return (raw.squeeze(1) - targets).square()

    def forward(self, raw: Tensor) -> tuple[Tensor, ...]:
        return (raw.squeeze(1).double() * self.deviation + self.mean,)


ANSWERS: dict[Task, type[Classes] | type[Labels] | type[Number]] = {
    "binary": Classes,
    "multiclass": Classes,
    "multilabel": Labels,
    "regression": Number,
}


def answer_for(schema: Schema) -> Answer:
    return ANSWERS[schema.task](schema)
