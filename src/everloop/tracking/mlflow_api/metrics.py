"""Histories of metrics: whole, in pages, of several runs, and thinned out for a chart."""

from __future__ import annotations

from typing import Any

from msgspec import field

from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Int32, Int64, Message, Required
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import DOCS, missing_value, refuse
from everloop.tracking.mlflow_api.shapes import metric, next_page

OF_BULK = 25_000
RUNS = 100
OF_RUN = 2500


class GetHistory(Message, frozen=True):
    run_id: Required
    metric_key: Required
    page_token: str = ""
    max_results: Int32 | None = None


class GetHistoryBulk(Message, frozen=True):
    run_id: list[str] = field(default_factory=list)
    metric_key: str | None = None
    max_results: Int64 = OF_BULK


class GetHistoryInterval(Message, frozen=True, kw_only=True):
    run_ids: list[str] = field(default_factory=list)
    metric_key: Required
    start_step: Int64 | None = None
    end_step: Int64 | None = None
    max_results: Int64 = OF_RUN


def history(api: Api, message: GetHistory) -> dict[str, Any]:
    limit = message.max_results
    if limit is not None and limit <= 0:
        raise refuse(
            f"Invalid value {limit} for parameter 'max_results' supplied. "
            "It must be a positive integer."
        )
    found = api.runs.history(
        message.run_id, message.metric_key, limit, token=message.page_token or None
    )
    return next_page({"metrics": [metric(point) for point in found.items]}, found.next)


def bulk(api: Api, message: GetHistoryBulk) -> dict[str, Any]:
    runs = message.run_id
    if not runs:
        raise refuse("GetMetricHistoryBulk request must specify at least one run_id.")
    if len(runs) > RUNS:
        raise refuse(
            f"GetMetricHistoryBulk request cannot specify more than {RUNS} run_ids."
            f" Received {len(runs)} run_ids."
        )
    if message.metric_key is None:
        raise refuse("GetMetricHistoryBulk request must specify a metric_key.")
    found = api.runs.histories(runs, message.metric_key, min(message.max_results, OF_BULK))
    return {"metrics": [metric(point, run) for run in found for point in found[run]]}


def interval(api: Api, message: GetHistoryInterval) -> dict[str, Any]:
    runs, first, last = message.run_ids, message.start_step, message.end_step
    if not runs:
        raise missing_value("run_ids")
    if len(runs) > RUNS:
        raise refuse(
            f"GetMetricHistoryBulkInterval request must specify at most {RUNS} run_ids. "
            f"Received {len(runs)} run_ids.{DOCS}"
        )
    if not 1 <= message.max_results <= OF_RUN:
        raise refuse(f"max_results must be between 1 and {OF_RUN}.{DOCS}")
    if (first is None) != (last is None):
        raise refuse("If either start step or end step are specified, both must be specified.")
    if first is not None and last is not None and first > last:
        raise refuse(
            "end_step must be greater than start_step. "
            f"Found start_step={first} and end_step={last}."
        )
    found = api.runs.sampled(
        list(dict.fromkeys(runs)), message.metric_key, first, last, message.max_results
    )
    return {"metrics": [metric(point, run) for run in found for point in found[run]]}


ENTRIES = (
    Entry("GET", "metrics/get-history", history, "read", GetHistory),
    Entry("GET", "metrics/get-history-bulk", bulk, "read", GetHistoryBulk),
    Entry("GET", "metrics/get-history-bulk-interval", interval, "read", GetHistoryInterval),
)
