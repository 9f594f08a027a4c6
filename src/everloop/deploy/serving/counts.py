"""What each version did: requests, rows, failures, latency; for /endpoints, /metrics and guards.

Numbers of a :class:`~everloop.deploy.serving.tally.Tally`, changed on the event loop only, so that
counting costs half a microsecond. With several workers each counts what it did, and what is told
is the sum over all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from everloop.deploy.serving.tally import CELLS, Cells, Key, Tally, read_all

# Upper bounds in ms; what is slower falls into the last, open bucket.
BOUNDS_MS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3)

_FIRST = 4  # cell of the buckets


class VersionCounts:
    """Counts of one version in one role, in the cells of a tally."""

    __slots__ = ("_cells",)

    def __init__(self, cells: Sequence[float]) -> None:
        self._cells: Any = cells

    @property
    def requests(self) -> int:
        return int(self._cells[0])

    @property
    def rows(self) -> int:
        return int(self._cells[1])

    @property
    def errors(self) -> int:
        return int(self._cells[2])

    @property
    def total_ms(self) -> float:
        return float(self._cells[3])

    @property
    def buckets(self) -> list[int]:
        return [int(self._cells[_FIRST + place]) for place in range(len(BOUNDS_MS) + 1)]

    def add(self, rows: int, ms: float, failed: bool = False) -> None:
        """Count one request; ``ms`` is from its arrival to its answer."""
        cells = self._cells
        cells[0] += 1
        cells[1] += rows
        cells[3] += ms
        cells[_FIRST + bisect_left(BOUNDS_MS, ms)] += 1
        if failed:
            cells[2] += 1

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

    def by_bound(self) -> dict[str, int]:
        """Requests by the upper bound of their bucket in ms, ``inf`` the last; none is left out."""
        return dict(zip((*map(str, BOUNDS_MS), "inf"), self.buckets, strict=True))

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
                "buckets": self.by_bound(),
            },
        }


class Counts(Collector):
    """What is counted here, and told of this process and its siblings.

    ``tally`` : of this process. ``siblings`` : the files of the others' tallies.
    """

    def __init__(self, tally: Tally | None = None, siblings: Sequence[Path] = ()) -> None:
        self._tally = tally or Tally()
        self._siblings = tuple(siblings)
        self._responses: dict[tuple[str, int, int], Cells] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        if not siblings:
            ProcessCollector(registry=self._registry)

    # -- counting --------------------------------------------------------------------------------

    def of(self, endpoint: str, version: int, role: str) -> VersionCounts:
        """The counts of a version at an endpoint in a role; they outlive its deployment."""
        return VersionCounts(self._tally.cells("version", endpoint, version, role))

    def response(self, endpoint: str, version: int, status: int) -> None:
        """Count one answer; ``version`` is 0 where none answered."""
        key = (endpoint, version, status)
        cells = self._responses.get(key)
        if cells is None:
            cells = self._responses[key] = self._tally.cells("response", *key)
        cells[0] += 1

    def lost(self, endpoint: str, reason: str, rows: int) -> None:
        """Count rows that were answered and not logged."""
        self._tally.cells("lost", endpoint, reason)[0] += rows

    def unexpected(self, endpoint: str, feature: str, check: str, rows: int) -> None:
        """Count rows with a value that is not as expected of a feature."""
        self._tally.cells("unexpected", endpoint, feature, check)[0] += rows

    def shadow_dropped(self, requests: int = 1) -> None:
        """Count requests that a shadow did not see, since it was behind."""
        self._tally.cells("shadow")[0] += requests

    def numbers(self, name: str) -> Cells:
        """Numbers of another part, which only rise."""
        return self._tally.cells("number", name)

    def now(self, name: str, endpoint: str = "") -> Cells:
        """Numbers that say how it is now; they are 0 when a process begins."""
        return self._tally.cells("now", name, endpoint)

    # -- telling ---------------------------------------------------------------------------------

    def total(self) -> Totals:
        """The sum over this process and its siblings."""
        return Totals(read_all(self._siblings, self._tally.read()))

    def losses_by_endpoint(self) -> dict[str, dict[str, int]]:
        """Endpoint -> reason -> rows that this process answered and did not log."""
        return Totals(self._tally.read()).losses_by_endpoint()

    @property
    def log_lost(self) -> int:
        """Rows that this process answered and did not log."""
        return Totals(self._tally.read()).log_lost

    def watch(self, collector: Collector) -> None:
        """Tell Prometheus what this one collects too."""
        self._registry.register(collector)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: it spares a collection at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        total = self.total()
        yield from _version_metrics(total)
        answers = CounterMetricFamily(
            "everloop_http_responses", "HTTP answers.", labels=("endpoint", "version", "code")
        )
        for (endpoint, version, status), cells in total.under("response"):
            answers.add_metric((str(endpoint), str(version or ""), str(status)), cells[0])
        yield answers
        yield CounterMetricFamily(
            "everloop_prediction_log_lost", "Rows answered and not logged.", total.log_lost
        )
        shed = CounterMetricFamily(
            "everloop_prediction_log_shed", "The same, by reason.", labels=("endpoint", "reason")
        )
        for (endpoint, reason), cells in total.under("lost"):
            shed.add_metric((str(endpoint), str(reason)), cells[0])
        yield shed
        unexpected = CounterMetricFamily(
            "everloop_unexpected_values", "Rows with a value that is not as expected.",
            labels=("endpoint", "feature", "check"),
        )  # fmt: skip
        for key, cells in total.under("unexpected"):
            unexpected.add_metric(tuple(map(str, key)), cells[0])
        yield unexpected
        yield CounterMetricFamily(
            "everloop_shadow_dropped", "Requests a shadow did not see.", total.shadows_dropped
        )


class Totals:
    """Numbers at one moment, as they are told."""

    def __init__(self, cells: dict[Key, list[float]]) -> None:
        self._cells = cells

    def under(self, kind: str) -> list[tuple[Key, list[float]]]:
        """The numbers of a kind, by the rest of their keys."""
        return [(key[1:], cells) for key, cells in self._cells.items() if key[0] == kind]

    def numbers(self, name: str) -> list[float]:
        return self._cells.get(("number", name), [0.0] * CELLS)

    def now(self, name: str) -> dict[str, list[float]]:
        """By endpoint; "" where it is of none."""
        return {str(key[1]): cells for key, cells in self.under("now") if key[0] == name}

    @property
    def shadows_dropped(self) -> int:
        return int(self._cells.get(("shadow",), [0.0])[0])

    @property
    def log_lost(self) -> int:
        return int(sum(cells[0] for _, cells in self.under("lost")))

    def losses_by_endpoint(self) -> dict[str, dict[str, int]]:
        """Endpoint -> reason -> rows that were answered and not logged."""
        found: dict[str, dict[str, int]] = {}
        for (endpoint, reason), cells in self.under("lost"):
            found.setdefault(str(endpoint), {})[str(reason)] = int(cells[0])
        return found

    def unexpected(self) -> dict[str, dict[str, dict[str, int]]]:
        """Endpoint -> feature -> check -> rows with a value that is not as expected."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (endpoint, feature, check), cells in self.under("unexpected"):
            by_feature = found.setdefault(str(endpoint), {})
            by_feature.setdefault(str(feature), {})[str(check)] = int(cells[0])
        return found

    def versions(self) -> dict[str, dict[str, dict[str, Any]]]:
        """What each version did: endpoint -> version -> role -> its counts."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for (endpoint, version, role), cells in self.under("version"):
            by_version = found.setdefault(str(endpoint), {})
            by_version.setdefault(str(version), {})[str(role)] = VersionCounts(cells).to_dict()
        return found

    def busy_ms(self) -> dict[str, float]:
        """The time spent on the answers of each endpoint, shadows' too."""
        found: dict[str, float] = {}
        for (endpoint, _, _), cells in self.under("version"):
            found[str(endpoint)] = found.get(str(endpoint), 0.0) + cells[3]
        return found

    @property
    def cpu_s(self) -> float:
        """CPU time of the processes, as they noted it last."""
        return self.now("fleet").get("", [0.0] * CELLS)[5]

    def codes(self) -> dict[str, dict[str, int]]:
        """The answers of each endpoint by their HTTP status."""
        found: dict[str, dict[str, int]] = {}
        for (endpoint, _, status), cells in self.under("response"):
            codes = found.setdefault(str(endpoint), {})
            codes[str(status)] = codes.get(str(status), 0) + int(cells[0])
        return found


def _version_metrics(total: Totals) -> Iterator[Metric]:
    labels = ("endpoint", "version", "arm")
    requests = CounterMetricFamily("everloop_requests", "Prediction requests.", labels=labels)
    rows = CounterMetricFamily("everloop_predictions", "Rows answered.", labels=labels)
    errors = CounterMetricFamily(
        "everloop_model_errors", "Requests the model failed on.", labels=labels
    )
    seconds = HistogramMetricFamily(
        "everloop_prediction_seconds", "From a request to its answer.", labels=labels
    )
    for key, cells in total.under("version"):
        values, counts = tuple(map(str, key)), VersionCounts(cells)
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
