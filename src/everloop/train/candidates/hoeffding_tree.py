"""A tree that grows event by event."""

from __future__ import annotations

from typing import ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineTrees

MODEL = "everloop.train.online.trees:HoeffdingTree"


@candidates.register("hoeffding_tree")
class HoeffdingTree(OnlineTrees):
    """Splits a leaf once ``G(best) - G(next) > sqrt(R² ln(1/δ) / 2n)``: with the probability 1 - δ
    the split that all events would choose (Domingos and Hulten, 2000), by river.

    No split is ever taken back: for a world that grows, not for one that turns. A few thousand
    events make a few splits; with less than that, ``decision_tree`` does more.
    """

    name = "hoeffding_tree"
    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.online.trees:HoeffdingTreeNumbers",
        "binary": MODEL,
        "multiclass": MODEL,
    }
