"""A Grafana dashboard in the classic JSON model, which every Grafana since 8 imports.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from everloop.deploy.export import queries
from everloop.deploy.export.queries import Watched, filled

SCHEMA = 39
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 8, 8  # three panels in a row of 24

# Title, unit, and each line's legend with its query.
PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Requests", "reqps", (("version {{version}}, {{arm}}", queries.REQUESTS),)),
    ("Errors", "percentunit", (("5xx", queries.ERRORS), ("refused", queries.SHED))),
    ("Latency", "s", (("p50", queries.P50), ("p99", queries.P99))),
    ("Rows", "rowsps", (("rows", queries.ROWS),)),
    ("Answers by status", "reqps", (("{{code}}", queries.STATUS),)),
    ("Queue", "short", (("under way", queries.ACTIVE), ("waiting", queries.WAITING))),
    ("Cores in use", "short", (("all data planes", queries.CPU),)),
    ("Models in memory", "bytes", (("all data planes", queries.MODELS),)),
    ("Cost of 1,000 predictions", "short", (("cost", queries.COST),)),
    ("Open alerts", "short", (("{{kind}}, {{severity}}", queries.ALERTS),)),
    ("Rows not logged", "rowsps", (("{{reason}}", queries.LOG_LOST),)),
)  # fmt: skip


def grafana(watched: Watched) -> dict[str, bytes]:
    """``everloop-dashboard.json``: import it, and choose the Prometheus that scrapes everloop."""
    uid = hashlib.sha256(watched.endpoint.encode()).hexdigest()[:12]
    document = {
        "uid": f"everloop-{uid}",
        "title": f"everloop: {watched.endpoint}",
        "tags": ["everloop"],
        "timezone": "browser",
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_datasource()]},
        "annotations": {"list": []},
        "panels": [_panel(place, watched) for place in range(len(PANELS))],
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return {"everloop-dashboard.json": text.encode()}


def _datasource() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
        "hide": 0,
    }


def _panel(place: int, watched: Watched) -> dict[str, Any]:
    title, unit, lines = PANELS[place]
    row, column = divmod(place, 24 // WIDTH)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": filled(query, watched),
                "legendFormat": legend,
                "range": True,
            }
            for number, (legend, query) in enumerate(lines)
        ],
    }
