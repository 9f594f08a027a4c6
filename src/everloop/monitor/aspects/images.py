"""What images are looked at for: brightness, sharpness, size, and roughly what they show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.images import image_shape, pixels

LOOKED_AT = 1_024  # images of a batch, evenly spread
SIDE = 256  # pixels; larger ones are scaled down first
LOOK = 4  # the picture that is kept to tell what images show is 4 by 4 pixels in colour
Floats = NDArray[np.float64]


class Looks(NamedTuple):
    """One number an image, NaN for what is none; ``look`` is n by 48."""

    brightness: Floats
    sharpness: Floats
    size: Floats
    look: Floats


def looks(images: pl.Series) -> Looks:
    """Look at images as bytes.

    Brightness is the mean of the grey levels, 0 to 255; sharpness the standard deviation of the
    Laplacian (Pech-Pacheco et al., ICPR 2000), small for a blurred image; size in pixels.
    """
    found = np.full((len(images), 3 + 3 * LOOK**2), np.nan)
    for row, data in enumerate(images):
        if data is not None:
            try:
                found[row] = _look(data)
            except ValueError:
                continue
    return Looks(found[:, 0], found[:, 1], found[:, 2], found[:, 3:])


def _look(data: bytes) -> Floats:
    height, width, _ = image_shape(data)
    scale = min(1.0, SIDE / max(height, width))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)), 3)
    image = pixels(data, shape).reshape(shape)
    grey = image @ np.array([0.299, 0.587, 0.114])  # luma of ITU-R BT.601
    rows, columns = (np.linspace(0, n, LOOK + 1).astype(int) for n in shape[:2])
    small = [
        image[a : max(b, a + 1), c : max(d, c + 1)].mean(axis=(0, 1))
        for a, b in zip(np.minimum(rows[:-1], shape[0] - 1), rows[1:], strict=True)
        for c, d in zip(np.minimum(columns[:-1], shape[1] - 1), columns[1:], strict=True)
    ]
    return np.concatenate([[grey.mean(), _sharpness(grey), height * width], *small])


def _sharpness(grey: Floats) -> float:
    if min(grey.shape) < 3:
        return np.nan
    inner = grey[1:-1, 1:-1]
    beside = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((beside - 4 * inner).std())
