"""Area under the curve of precision over recall."""

from __future__ import annotations

from everloop.evaluate.metrics.average_precision import AveragePrecision
from everloop.extensions import metrics


@metrics.register("pr_auc")
class PrAuc(AveragePrecision):
    """Average precision by its other name.

    The sum of steps, not the trapezoid, which is too hopeful (Davis and Goadrich, 2006).
    """

    same_as = "average_precision"
