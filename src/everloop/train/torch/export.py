"""A trained network as an ONNX graph, preparation and answer included."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from everloop.data.schema import Schema
from everloop.train.torch.answers import Answer

OPSET = 18


class Answering(nn.Module):
    """The network and what its numbers mean, as one."""

    def __init__(self, network: nn.Module, answer: Answer) -> None:
        super().__init__()
        self.network, self.answer = network, answer

    def forward(self, X: Tensor) -> tuple[Tensor, ...]:
        answers: tuple[Tensor, ...] = self.answer(self.network(X))
        return answers


class Last(nn.Module):
    """The last answer alone, as explainers that follow gradients want it."""

    def __init__(self, answering: Answering) -> None:
        super().__init__()
        self.answering = answering

    def forward(self, X: Tensor) -> Tensor:
        last: Tensor = self.answering(X)[-1]
        return last.reshape(len(X), -1)


def export(network: nn.Module, answer: Answer, schema: Schema) -> bytes:
    """The graph from ``X`` (double, any number of rows) to the answers of the task."""
    # Three rows, since the exporter takes one row as a constant of the model.
    sample = torch.zeros(3, schema.width, dtype=torch.float64)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                Answering(network, answer).eval(),
                (sample,),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["X"],
                output_names=list(answer.names),
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                opset_version=OPSET,
            )
    finally:
        logger.setLevel(level)
    graph: bytes = program.model_proto.SerializeToString()
    return graph
