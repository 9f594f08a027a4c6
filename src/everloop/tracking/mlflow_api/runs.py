"""Runs, and what is logged to them."""

from __future__ import annotations

from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.checks import check_metric
from everloop.tracking.mlflow_api.decode import Int64, Message, Required
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.records import Point


class LogMetric(Message, frozen=True):
    run_id: Required
    key: Required
    value: float
    timestamp: Int64
    step: Int64 = 0
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


def log_metric(api: Api, message: LogMetric) -> None:
    check_metric(message.key, message.value, message.timestamp)
    point = Point(
        message.key,
        message.value,
        message.timestamp,
        message.step,
        message.model_id or None,
        message.dataset_name or None,
        message.dataset_digest or None,
    )
    api.runs.log(message.run_id, points=(point,))


ENTRIES = (Entry("POST", "runs/log-metric", log_metric, "write", LogMetric),)
