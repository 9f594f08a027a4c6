"""The parts that paths and queries of the table share."""

from __future__ import annotations

from typing import Any

KEYSET = ("before", "limit")
FIND = ("filter", "order_by", "view", *KEYSET)
SEARCH = ("filter", "order_by", "after", "limit")
HTML, TEXT = "text/html", "text/plain"
OBJECT = dict[str, Any]
V1 = "/api/v1"
RUN, EXPERIMENT = V1 + "/runs/{run}", V1 + "/experiments/{experiment}"
LOOP, MODEL, ENDPOINT = V1 + "/loops/{loop}", V1 + "/models/{model}", V1 + "/endpoints/{endpoint}"
ROLLOUT, CYCLE = V1 + "/rollouts/{rollout}", V1 + "/cycles/{cycle}"
IMPORT, EXPORT = V1 + "/imports/{move}", V1 + "/exports/{move}"
PREDICTION = V1 + "/predictions/{prediction}"
VIEW = V1 + "/views/{view}"
BACKTEST = V1 + "/backtests/{backtest}"
PLANE = V1 + "/data-plane"
VERSION, WEBHOOK = MODEL + "/versions/{version}", V1 + "/webhooks/{webhook}"
