"""What the server counts of itself, in Prometheus' form."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """The counters of one application; each has a registry of its own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "everloop_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "everloop_http_request_seconds",
            "Time to answer a request.",
            ("method", "route"),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.open = Gauge(
            "everloop_http_requests_open", "Requests being answered.", registry=self.registry
        )
        self.alerts_open = Gauge(
            "everloop_alerts_open",
            "Alerts that go on.",
            ("endpoint", "kind", "severity"),
            registry=self.registry,
        )
        self._of: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; the labels' own counters are looked up once."""
        labels = (method, route, status)
        found = self._of.get(labels)
        if found is None:
            of = self.requests.labels(*labels), self.seconds.labels(method, route)
            found = self._of[labels] = of
        found[0].inc()
        found[1].observe(seconds)

    def alerts(self, found: Mapping[tuple[str, str, str], int]) -> None:
        """Say how many go on, by endpoint, kind and severity."""
        self.alerts_open.clear()
        for labels, count in found.items():
            self.alerts_open.labels(*labels).set(count)

    def text(self) -> bytes:
        return generate_latest(self.registry)
