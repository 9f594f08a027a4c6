"""Recurrent networks over the words of a text or the steps of a sequence."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from everloop.data.schema import Feature
from everloop.train.torch.networks.flat import masked_mean
from everloop.train.torch.networks.words import Ordered, last_step

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(Ordered):
    """One recurrent layer; its answer is the last state and the mean of all states."""

    def __init__(self, at: int, feature: Feature, width: int, cell: str) -> None:
        super().__init__(at, feature, width)
        self.cell = CELLS[cell](self.reader.size, width, batch_first=True)
        self.size = 2 * width

    def forward(self, X: Tensor) -> Tensor:
        steps, mask = self.reader(X)
        states, _ = self.cell(steps)
        return torch.cat([last_step(states, mask), masked_mean(states, mask)], dim=1)


def rnn(at: int, feature: Feature, width: int) -> nn.Module:
    return Recurrent(at, feature, width, "rnn")


def lstm(at: int, feature: Feature, width: int) -> nn.Module:
    return Recurrent(at, feature, width, "lstm")


def gru(at: int, feature: Feature, width: int) -> nn.Module:
    return Recurrent(at, feature, width, "gru")
