"""What Prometheus is told of the fleet beside the counts: models, places, queues and caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from everloop.deploy.serving.endpoint import LiveEndpoint
from everloop.deploy.serving.fleet import Fleet

_GAUGES: tuple[tuple[str, str, Callable[[LiveEndpoint], int]], ...] = (
    ("active", "Requests under way.", lambda endpoint: endpoint.turns.active),
    ("waiting", "Requests that wait for their turn.", lambda endpoint: endpoint.turns.waiting),
)


class FleetGauges(Collector):
    """Looks at the fleet when it is asked; costs requests nothing."""

    def __init__(self, fleet: Fleet, lines_dropped: Callable[[], int]) -> None:
        self._fleet = fleet
        self._lines_dropped = lines_dropped

    def describe(self) -> list[Metric]:
        """Nothing: it spares a collection at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        endpoints = list(self._fleet.endpoints.values())
        yield from self._models()
        yield GaugeMetricFamily("everloop_ready", "Every endpoint answers.", int(self._fleet.ready))
        yield CounterMetricFamily(
            "everloop_log_lines_dropped", "Lines that nobody read in time.", self._lines_dropped()
        )
        for name, text, value in _GAUGES:
            gauge = GaugeMetricFamily(f"everloop_requests_{name}", text, labels=("endpoint",))
            for endpoint in endpoints:
                gauge.add_metric((endpoint.name,), value(endpoint))
            yield gauge
        cache = CounterMetricFamily(
            "everloop_cache_answers", "Requests that the cache was asked.",
            labels=("endpoint", "found"),
        )  # fmt: skip
        for endpoint in endpoints:
            if endpoint.cache is not None:
                cache.add_metric((endpoint.name, "yes"), endpoint.cache.hits)
                cache.add_metric((endpoint.name, "no"), endpoint.cache.misses)
        yield cache

    def _models(self) -> Iterator[Metric]:
        models = self._fleet.models
        yield GaugeMetricFamily("everloop_models_loaded", "Models in memory.", len(models))
        yield GaugeMetricFamily(
            "everloop_models_resident_bytes", "What they take, by their files.", models.resident
        )
        yield GaugeMetricFamily(
            "everloop_models_limit_bytes", "What they may take; 0 is no limit.", models.limit
        )
        yield SummaryMetricFamily(
            "everloop_model_load_seconds", "Loads of models, checked and warmed up.",
            count_value=models.loads, sum_value=models.load_seconds,
        )  # fmt: skip
        yield CounterMetricFamily("everloop_model_releases", "Models let go.", models.releases)
        yield GaugeMetricFamily(
            "everloop_endpoints_cold", "Endpoints loaded when asked.", len(self._fleet.cold)
        )
