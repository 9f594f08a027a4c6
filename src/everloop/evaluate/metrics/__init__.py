"""The built-in metrics; importing a module registers it."""

from everloop.evaluate.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    brier,
    f1,
    log_loss,
    mae,
    mean_return,
    precision,
    r2,
    recall,
    rmse,
    roc_auc,
)
from everloop.evaluate.metrics._base import Metric, MomentMetric
from everloop.evaluate.metrics._estimate import (
    Estimate,
    default_metric,
    estimate,
    get_metric,
    metric_names,
)

__all__ = [
    "Estimate",
    "Metric",
    "MomentMetric",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "default_metric",
    "estimate",
    "f1",
    "get_metric",
    "log_loss",
    "mae",
    "mean_return",
    "metric_names",
    "precision",
    "r2",
    "recall",
    "rmse",
    "roc_auc",
]
