"""Small data of every kind, where the class lies in the shape and not in one value."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Feature, Schema

CLASSES = ("no", "yes")


def images(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Lines from side to side or from top to bottom, at any place, in noise; and a number."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    pixels = rng.uniform(0, 60, (rows, 8, 8, 1))
    for i, place in enumerate(rng.integers(0, 8, rows)):
        (pixels[i, place, :, 0] if y[i] else pixels[i, :, place, 0])[:] = 250
    X = np.column_stack([rng.normal(size=rows), pixels.reshape(rows, -1)])
    features = (Feature("weight", "number"), Feature("photo", "image", shape=(8, 8, 1)))
    return X, y, Schema(features, "lies", "binary", CLASSES)


def sequences(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Waves of two channels, the second behind or ahead; the first steps may be missing."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    phase = rng.uniform(0, 2 * np.pi, (rows, 1)) + np.arange(12) * 0.8
    waves = np.stack([np.sin(phase), np.sin(phase + np.where(y, 1.2, -1.2)[:, None])], axis=2)
    waves += 0.1 * rng.normal(size=waves.shape)
    waves[np.arange(12) < rng.integers(0, 4, (rows, 1))] = np.nan
    feature = Feature("wave", "sequence", shape=(12, 2))
    return waves.reshape(rows, -1), y, Schema((feature,), "ahead", "binary", CLASSES)


def texts(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Schema]:
    """Words, one of which is "good"; "not" before it turns the class round."""
    rng = np.random.default_rng(seed)
    words = ("good", "not", *(f"w{i}" for i in range(8)))
    X = np.full((rows, 8), -1.0)
    y = rng.integers(0, 2, rows)
    for i, length in enumerate(rng.integers(3, 9, rows)):
        X[i, :length] = rng.integers(2, len(words) + 1, length)
        place = rng.integers(1, length)
        X[i, place] = 0
        X[i, place - 1 if y[i] else (place - 2) % length] = 1
        X[i, place] = 0
    feature = Feature("said", "text", words, shape=(8,))
    return X, y, Schema((feature,), "praise", "binary", CLASSES)
