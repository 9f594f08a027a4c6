"""Prometheus: what to scrape, and when to raise an alarm (https://prometheus.io/docs)."""

from __future__ import annotations

from typing import Any

import yaml

from everloop.deploy.export import queries
from everloop.deploy.export.queries import Watched, filled

TOKEN_FILE = "everloop.token"


def prometheus(watched: Watched) -> dict[str, bytes]:
    """``prometheus.yml``, to start with or to take the jobs from, and ``everloop.rules.yml``."""
    rules = {"groups": [_service(watched), _planes(watched)]}
    return {"prometheus.yml": _yaml(_scrapes(watched)), "everloop.rules.yml": _yaml(rules)}


def _scrapes(watched: Watched) -> dict[str, Any]:
    jobs = [("everloop-serve", list(watched.planes)), ("everloop-control", [watched.control])]
    scrapes: list[dict[str, Any]] = []
    for job, targets in jobs:
        scrape: dict[str, Any] = {"job_name": job, "static_configs": [{"targets": targets}]}
        if watched.token:
            scrape["authorization"] = {"type": "Bearer", "credentials_file": TOKEN_FILE}
        scrapes.append(scrape)
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["everloop.rules.yml"],
        "scrape_configs": scrapes,
    }


def _service(watched: Watched) -> dict[str, Any]:
    """The endpoint beyond its targets, as ``[monitor.health]`` has them."""
    rules = [
        _alert(
            "EverloopErrors", filled(queries.ERRORS, watched) + f" > {watched.error_rate:g}",
            watched.patience, "critical",
            "{{ $value | humanizePercentage }} of the answers are 5xx",
        ),
        _alert(
            "EverloopShed", filled(queries.SHED, watched) + f" > {watched.shed:g}",
            watched.patience, "warning",
            "{{ $value | humanizePercentage }} of the requests are refused: the queue is full",
        ),
    ]  # fmt: skip
    if watched.p99_ms:
        rules.append(
            _alert(
                "EverloopSlow", filled(queries.P99, watched) + f" > {watched.p99_ms / 1000:g}",
                watched.patience, "warning",
                "1 % of the answers take {{ $value | humanizeDuration }}",
            )
        )  # fmt: skip
    for rule in rules:
        rule["labels"]["endpoint"] = watched.endpoint
    return {"name": f"everloop-{watched.endpoint}", "rules": rules}


def _planes(watched: Watched) -> dict[str, Any]:
    return {
        "name": "everloop-planes",
        "rules": [
            _alert(
                "EverloopDown", 'up{job=~"everloop-.+"} == 0', "1m", "critical",
                "{{ $labels.instance }} does not answer",
            ),
            _alert(
                "EverloopNotReady", "everloop_ready == 0", "2m", "critical",
                "not every endpoint answers at {{ $labels.instance }}",
            ),
            _alert(
                "EverloopLogLost", "increase(everloop_prediction_log_lost_total[10m]) > 0", "0s",
                "critical",
                "{{ $value }} rows were answered at {{ $labels.instance }} and not logged",
            ),
            _alert(
                "EverloopAlert", "sum by (endpoint, kind, severity) (everloop_alerts_open) > 0",
                "0s", "{{ $labels.severity }}",
                "{{ $value }} open alerts of kind {{ $labels.kind }} at {{ $labels.endpoint }}",
            ),
        ],
    }  # fmt: skip


def _alert(name: str, expr: str, patience: str, severity: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expr,
        "for": patience,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }


def _yaml(document: dict[str, Any]) -> bytes:
    text: str = yaml.safe_dump(document, sort_keys=False, width=1000)
    return text.encode()
