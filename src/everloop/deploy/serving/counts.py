"""What each version did: requests, rows, failures, latency; for /endpoints, /metrics and guards.

Plain integers, changed on the event loop only, so that counting costs well under a microsecond.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

# Upper bounds in ms; what is slower falls into the last, open bucket.
BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3)


class VersionCounts:
    """Counts of one version in one role since the process started."""

    __slots__ = ("buckets", "errors", "requests", "rows", "total_ms")

    def __init__(self) -> None:
        self.requests = 0
        self.rows = 0
        self.errors = 0
        self.total_ms = 0.0
        self.buckets = [0] * (len(BOUNDS_MS) + 1)

    def add(self, rows: int, ms: float, failed: bool = False) -> None:
        """Count one request; ``ms`` is from its arrival to its answer."""
        self.requests += 1
        self.rows += rows
        self.errors += failed
        self.total_ms += ms
        self.buckets[bisect_left(BOUNDS_MS, ms)] += 1

    def quantile(self, q: float) -> float | None:
        """The latency in ms that a share ``q`` of the requests did not exceed.

        An upper bound of its bucket, hence up to 2.5 times too high; None before any request.
        """
        if not self.requests:
            return None
        left = q * self.requests
        for bound, count in zip((*BOUNDS_MS, BOUNDS_MS[-1]), self.buckets, strict=True):
            left -= count
            if left <= 0:
                return bound
        return BOUNDS_MS[-1]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "requests": self.requests,
            "rows": self.rows,
            "errors": self.errors,
            "latency_ms": {
                "mean": self.total_ms / self.requests if self.requests else None,
                "p50": self.quantile(0.5),
                "p99": self.quantile(0.99),
            },
        }


class Counts(Collector):
    """All counts of the process."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, int, str], VersionCounts] = {}
        self.responses: dict[tuple[str, int, int], int] = {}  # endpoint, version, status
        self.log_losses: dict[tuple[str, str], int] = {}  # rows not logged: (endpoint, reason)
        self.shadows_dropped = 0  # requests that a shadow did not see, since it was behind
        self.revision = 0  # of the desired state that is applied
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    @property
    def log_lost(self) -> int:
        """Rows that were answered and not logged."""
        return sum(self.log_losses.values())

    def losses_by_endpoint(self) -> dict[str, dict[str, int]]:
        """Endpoint -> reason -> rows that were answered and not logged."""
        found: dict[str, dict[str, int]] = {}
        for (endpoint, reason), rows in self.log_losses.items():
            found.setdefault(endpoint, {})[reason] = rows
        return found

    def by_endpoint(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What each version did: endpoint -> version -> role -> its counts."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for (endpoint, version, role), counts in list(self.versions.items()):
            by_version = found.setdefault(endpoint, {})
            by_version.setdefault(str(version), {})[role] = counts.to_dict()
        return found

    def codes(self, endpoint: str) -> dict[str, int]:
        """The answers of an endpoint by their HTTP status."""
        found: dict[str, int] = {}
        for (name, _, status), count in list(self.responses.items()):
            if name == endpoint:
                found[str(status)] = found.get(str(status), 0) + count
        return found

    def of(self, endpoint: str, version: int, role: str) -> VersionCounts:
        """The counts of a version at an endpoint in a role; they outlive its deployment."""
        key = (endpoint, version, role)
        if key not in self.versions:
            self.versions[key] = VersionCounts()
        return self.versions[key]

    def watch(self, collector: Collector) -> None:
        """Tell Prometheus what this one collects too."""
        self._registry.register(collector)

    def response(self, endpoint: str, version: int, status: int) -> None:
        """Count one answer; ``version`` is 0 where none answered."""
        key = (endpoint, version, status)
        self.responses[key] = self.responses.get(key, 0) + 1

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: it spares a collection at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        yield from self._version_metrics()
        answers = CounterMetricFamily(
            "everloop_http_responses", "HTTP answers.", labels=("endpoint", "version", "code")
        )
        for (endpoint, version, status), count in list(self.responses.items()):
            answers.add_metric((endpoint, str(version or ""), str(status)), count)
        yield answers
        yield CounterMetricFamily(
            "everloop_prediction_log_lost", "Rows answered and not logged.", self.log_lost
        )
        shed = CounterMetricFamily(
            "everloop_prediction_log_shed", "The same, by reason.", labels=("endpoint", "reason")
        )
        for (endpoint, reason), rows in list(self.log_losses.items()):
            shed.add_metric((endpoint, reason), rows)
        yield shed
        yield CounterMetricFamily(
            "everloop_shadow_dropped", "Requests a shadow did not see.", self.shadows_dropped
        )
        yield GaugeMetricFamily(
            "everloop_applied_revision", "Revision of the desired state applied.", self.revision
        )

    def _version_metrics(self) -> Iterator[Metric]:
        labels = ("endpoint", "version", "arm")
        requests = CounterMetricFamily("everloop_requests", "Prediction requests.", labels=labels)
        rows = CounterMetricFamily("everloop_predictions", "Rows answered.", labels=labels)
        errors = CounterMetricFamily(
            "everloop_model_errors", "Requests the model failed on.", labels=labels
        )
        seconds = HistogramMetricFamily(
            "everloop_prediction_seconds", "From a request to its answer.", labels=labels
        )
        for (endpoint, version, role), counts in list(self.versions.items()):
            values = (endpoint, str(version), role)
            requests.add_metric(values, counts.requests)
            rows.add_metric(values, counts.rows)
            errors.add_metric(values, counts.errors)
            seconds.add_metric(values, _cumulative(counts.buckets), counts.total_ms / 1000)
        yield from (requests, rows, errors, seconds)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    names = [*(str(bound / 1000) for bound in BOUNDS_MS), "+Inf"]
    total = 0
    out: list[tuple[str, float]] = []
    for name, count in zip(names, buckets, strict=True):
        total += count
        out.append((name, total))
    return out
