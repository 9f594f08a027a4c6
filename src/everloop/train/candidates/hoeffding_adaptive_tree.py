"""A tree that grows event by event, and replaces its branches."""

from __future__ import annotations

from typing import ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineTrees

MODEL = "everloop.train.online.trees:HoeffdingAdaptiveTree"


@candidates.register("hoeffding_adaptive_tree")
class HoeffdingAdaptiveTree(OnlineTrees):
    """``hoeffding_tree`` with a window of its errors (ADWIN) at each node: where they rise, another
    branch is begun beside it, and takes its place (Bifet and Gavaldà, 2009), by river.
    """

    name = "hoeffding_adaptive_tree"
    seeded = True
    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.online.trees:HoeffdingAdaptiveTreeNumbers",
        "binary": MODEL,
        "multiclass": MODEL,
    }
    most_rows = 200_000
