"""Convolutions over an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from everloop.data.schema import Feature
from everloop.train.torch.networks._base import Part

SMALLEST = 4  # side below which nothing is pooled any more
WIDEST = 8  # channels grow up to this many times the first


class Convolutions(Part):
    """Blocks of a 3 by 3 convolution, batch normalisation, ReLU and a maximum over 2 by 2.

    LeCun et al. (1998), "Gradient-based learning applied to document recognition"; Ioffe and
    Szegedy (2015) for the normalisation. Channels double from block to block, and blocks follow
    until the shorter side is below 4 pixels. Pixels come in from -1 to 1; a missing one is grey.
    """

    def __init__(self, at: int, feature: Feature, width: int) -> None:
        super().__init__()
        self.at, self.length = at, feature.width
        self.shape = (feature.shape[0], feature.shape[1], feature.width // _area(feature))
        height, breadth, channels = self.shape
        blocks: list[nn.Module] = []
        grown = width
        while min(height, breadth) >= SMALLEST:
            blocks += [*_block(channels, grown), nn.MaxPool2d(2)]
            height, breadth, channels = height // 2, breadth // 2, grown
            grown = min(2 * grown, WIDEST * width)
        if not blocks:
            blocks, channels = _block(channels, width), width
        self.blocks = nn.Sequential(*blocks)
        self.size = channels * height * breadth

    def forward(self, X: Tensor) -> Tensor:
        pixels = X[:, self.at : self.at + self.length] / 127.5 - 1.0
        pixels = torch.nan_to_num(torch.clamp(pixels, -1.0, 1.0)).float()
        read: Tensor = self.blocks(pixels.reshape(-1, *self.shape).permute(0, 3, 1, 2))
        return read.reshape(-1, self.size)


def image_part(at: int, feature: Feature, width: int) -> nn.Module:
    return Convolutions(at, feature, width)


def _area(feature: Feature) -> int:
    return feature.shape[0] * feature.shape[1]


def _block(channels: int, grown: int) -> list[nn.Module]:
    convolution = nn.Conv2d(channels, grown, 3, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(grown), nn.ReLU()]
