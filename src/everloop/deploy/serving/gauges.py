"""What Prometheus is told of the fleet beside the counts: models, places, queues and caches.

A process notes its own twice a second, where its siblings see it, and again when it is asked
itself: what is told is the sum, at most half a second old.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from everloop.deploy.serving.counts import Counts, Totals
from everloop.deploy.serving.fleet import Fleet
from everloop.deploy.serving.group import Group
from everloop.deploy.serving.models import TOLD

NOTE_S = 0.5
_FLEET = (
    ("everloop_models_loaded", "Models in memory."),
    ("everloop_models_resident_bytes", "What they take, by their files."),
    ("everloop_models_limit_bytes", "What they may take; 0 is no limit."),
    ("everloop_endpoints_cold", "Endpoints loaded when asked."),
)
_QUEUES = (
    ("everloop_requests_active", "Requests under way."),
    ("everloop_requests_waiting", "Requests that wait for their turn."),
)


class FleetGauges(Collector):
    """Looks at the fleet when it is asked; costs requests nothing."""

    def __init__(
        self, fleet: Fleet, counts: Counts, lines_dropped: Callable[[], int], group: Group | None
    ) -> None:
        self._fleet = fleet
        self._counts = counts
        self._lines_dropped = lines_dropped
        self._group = group

    def describe(self) -> list[Metric]:
        """Nothing: it spares a collection at registration."""
        return []

    async def run(self) -> None:
        """Note how it is, for the siblings and for those who look, until cancelled."""
        while True:
            self._note()
            await asyncio.sleep(NOTE_S)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        self._note()
        total = self._counts.total()
        fleet = total.now("fleet")[""]
        for (name, text), value in zip(_FLEET, fleet, strict=False):
            yield GaugeMetricFamily(name, text, value)
        loads, seconds, releases, *_ = total.numbers(TOLD)
        yield SummaryMetricFamily(
            "everloop_model_load_seconds", "Loads of models, checked and warmed up.",
            count_value=int(loads), sum_value=seconds,
        )  # fmt: skip
        yield CounterMetricFamily("everloop_model_releases", "Models let go.", releases)
        yield GaugeMetricFamily("everloop_ready", "Every endpoint answers.", int(self._fleet.ready))
        own = self._fleet.revision
        yield GaugeMetricFamily(
            "everloop_applied_revision", "Revision of the desired state applied.",
            own if self._group is None else self._group.revision(own),
        )  # fmt: skip
        yield CounterMetricFamily(
            "everloop_log_lines_dropped", "Lines that nobody read in time.", fleet[len(_FLEET)]
        )
        yield CounterMetricFamily(
            "everloop_cpu_seconds", "CPU time that the processes took.", fleet[len(_FLEET) + 1]
        )
        yield from _by_endpoint(total)

    def _note(self) -> None:
        fleet = self._fleet
        noted = self._counts.now("fleet")
        noted[0], noted[1] = len(fleet.models), fleet.models.resident
        noted[2], noted[3] = fleet.models.limit, len(fleet.cold)
        noted[4], noted[5] = self._lines_dropped(), time.process_time()
        for live in list(fleet.endpoints.values()):
            noted = self._counts.now("endpoint", live.name)  # turns are told of as they are taken
            if live.cache is not None:
                noted[2], noted[3], noted[4] = live.cache.hits, live.cache.misses, 1


def _by_endpoint(total: Totals) -> Iterator[Metric]:
    endpoints = total.now("endpoint")
    for place, (name, text) in enumerate(_QUEUES):
        gauge = GaugeMetricFamily(name, text, labels=("endpoint",))
        for endpoint, noted in endpoints.items():
            gauge.add_metric((endpoint,), noted[place])
        yield gauge
    cache = CounterMetricFamily(
        "everloop_cache_answers", "Requests that the cache was asked.",
        labels=("endpoint", "found"),
    )  # fmt: skip
    for endpoint, (_, _, hits, misses, caches, *_) in endpoints.items():
        if caches:
            cache.add_metric((endpoint, "yes"), hits)
            cache.add_metric((endpoint, "no"), misses)
    yield cache
