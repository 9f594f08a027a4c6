"""A small stream with drift, made from data that scikit-learn brings along: no download.

The source is :func:`sklearn.datasets.load_digits`: 1,797 handwritten digits of 8 by 8 pixels (UCI,
optical recognition). The question is whether a digit is even. In the first weeks nearly all digits
are 0 to 4; from the fifth week on 5 to 9 come in, and from the eighth they are four in five: a
part of the population that the first model hardly saw. Nothing else changes, and no label does.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.datasets import load_digits

IMAGES_A_WEEK = 145
COPIES = 6
#: Share of the digits 5 to 9 in each of the twelve weeks.
NEW_SHARE = (0.1, 0.1, 0.1, 0.1, 0.3, 0.5, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8)
_START = datetime(2024, 1, 1)
_WEEK_MS = 7 * 86_400_000


def quick(seed: int = 0) -> pl.DataFrame:
    """10,440 rows over twelve weeks from Monday, 1 January 2024, in the order of time.

    How it is made, all of it by ``seed``:

    1. The images are shuffled and dealt to the weeks without repetition, 145 to a week, so many of
       them from the digits 5 to 9 as ``NEW_SHARE`` says. No image is in two weeks, so that a model
       never meets in a test an image that it was trained on in an earlier week.
    2. Each image comes six times within its week, moved by up to one pixel each way. These copies
       are not independent: a week holds 145 independent observations, not 870.
    3. The features ``ink_11`` to ``ink_44`` are the mean ink (0 to 16) in the sixteen fields of
       2 by 2 pixels, row then column.
    4. ``seen_at`` is drawn evenly over the week (milliseconds UTC), ``id`` numbers the rows in its
       order, ``even`` is the target.
    """
    rng = np.random.default_rng(seed)
    digits = load_digits()
    chosen, week = _deal(digits.target, rng)
    images = _moved(digits.images[chosen], rng)
    fields = images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, 16)
    names = [f"ink_{row}{column}" for row in range(1, 5) for column in range(1, 5)]
    offsets = rng.integers(0, _WEEK_MS, len(fields)) + week.repeat(COPIES) * _WEEK_MS
    columns = dict(zip(names, fields.T, strict=True))
    return (
        pl.DataFrame(columns)
        .with_columns(
            seen_at=pl.lit(_START).cast(pl.Datetime("ms"))
            + pl.Series(offsets).cast(pl.Duration("ms")),
            even=pl.Series(digits.target[chosen].repeat(COPIES) % 2 == 0),
        )
        .sort("seen_at", maintain_order=True)
        .select(
            pl.format("digit-{}", pl.int_range(1, pl.len() + 1)).alias("id"),
            "seen_at",
            *names,
            "even",
        )
    )


def _deal(
    labels: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the images, week after week, and the week of each."""
    order = rng.permutation(len(labels))
    old, new = order[labels[order] < 5], order[labels[order] >= 5]
    dealt: list[NDArray[np.int64]] = []
    used_old = used_new = 0
    for share in NEW_SHARE:
        count = round(IMAGES_A_WEEK * share)
        dealt.append(old[used_old : used_old + IMAGES_A_WEEK - count])
        dealt.append(new[used_new : used_new + count])
        used_old, used_new = used_old + IMAGES_A_WEEK - count, used_new + count
    return np.concatenate(dealt), np.arange(len(NEW_SHARE)).repeat(IMAGES_A_WEEK)


def _moved(images: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """``COPIES`` of each image, each moved by -1, 0 or 1 pixel down and to the right."""
    copies = np.pad(images.repeat(COPIES, axis=0), ((0, 0), (1, 1), (1, 1)))
    down, right = rng.integers(0, 3, (2, len(copies), 1, 1))
    rows = np.arange(8)[None, :, None] + down
    columns = np.arange(8)[None, None, :] + right
    moved: NDArray[np.float64] = copies[np.arange(len(copies))[:, None, None], rows, columns]
    return moved
