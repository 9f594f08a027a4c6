"""From the matrix ``X`` of a schema to what an estimator can learn from.

Preparation is the first part of the fitted pipeline, so it travels inside the exported model:
serving sends the same ``X``, with NaN for a missing number and -1 for a missing or unseen level.
"""

from everloop.train.preparation.fronts import (
    dense_codes,
    filled_codes,
    native_codes,
    numbers_first,
    one_hot,
    one_hot_unscaled,
    scaled_codes,
)
from everloop.train.preparation.missing import MissingFiller

__all__ = [
    "MissingFiller",
    "dense_codes",
    "filled_codes",
    "native_codes",
    "numbers_first",
    "one_hot",
    "one_hot_unscaled",
    "scaled_codes",
]
