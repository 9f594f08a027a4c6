"""Rare levels of a category, taken together."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from everloop.data.schema import Feature
from everloop.train.preparation._lookup import Lookup

RARE = "(rare)"


class RareLevels(Lookup):
    """Levels with less than ``share`` of the training rows become one level, the last.

    A level never seen stays what it is, no level.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.grouped_: dict[str, int] = {}

    def replaced(self, feature: Feature, codes: np.ndarray) -> bool:
        return int(self._rare(feature, codes).sum()) > 0

    def table(self, feature: Feature, codes: np.ndarray) -> tuple[np.ndarray, list[Feature]]:
        rare = self._rare(feature, codes)
        self.grouped_[feature.name] = int(rare.sum())
        left = [level for level, gone in zip(feature.levels, rare, strict=True) if not gone]
        place = np.where(rare, len(left), np.cumsum(~rare) - 1).astype(np.float64)
        found = msgspec.structs.replace(feature, levels=(*left, RARE))
        return np.concatenate([[-1.0], place])[:, None], [found]

    def facts(self) -> dict[str, Any]:
        return {"rare_levels": self.grouped_} if self.grouped_ else {}

    def _rare(self, feature: Feature, codes: np.ndarray) -> np.ndarray:
        known = codes[codes >= 0].astype(np.int64)
        counts = np.bincount(known, minlength=len(feature.levels))
        return np.asarray(counts < self.share * len(codes))
